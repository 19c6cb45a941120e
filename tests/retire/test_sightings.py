"""Who counts as seen, by lists of names, verdicts of verify, and presence events of AWS IoT."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.device import Certificate, Device, State
from pipeline.errors import UsageError
from pipeline.ledger import Ledger, finished_ledger
from pipeline.rotation import Rotation, Seen
from pipeline.sightings import LONGEST_LINE, Connection, Mute, read
from tests.core.rosters import roster_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

NEW, OLD = "ab" * 32, "cd" * 32
VERDICT = {"thing_name": "one", "certificate_id": NEW, "connected": True}
EVENT = {
    "clientId": "one",
    "timestamp": 1573002340451,
    "eventType": "connected",
    "sessionIdentifier": "00000000-0000-0000-0000-000000000000",
    "principalIdentifier": NEW,
    "ipAddress": "192.0.2.7",
    "versionNumber": 0,
}
LOGGED = {"logStreamName": "presence", "timestamp": 1573002340451, "message": json.dumps(EVENT), "eventId": "1"}
SEEN = Connection("one", NEW)


def told(*lines: str | bytes | dict[str, object]) -> list[Connection | Mute]:
    raw = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    return list(read(BytesIO(b"\n".join(line.encode() if isinstance(line, str) else line for line in raw))))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("one", Connection("one", None)),
        ("  one\r", Connection("one", None)),
        ("\ufeffone", Connection("one", None)),
        (VERDICT, SEEN),
        (VERDICT | {"connected": False}, Mute.NO_CONNECTION),
        (VERDICT | {"connected": "yes"}, Mute.NO_CONNECTION),
        ({"thing_name": "one", "connected": True}, Mute.NO_CONNECTION),
        (EVENT, SEEN),
        (EVENT | {"principalIdentifier": NEW.upper()}, SEEN),
        (EVENT | {"clientId": "client-7", "thingName": "one"}, SEEN),
        (EVENT | {"eventType": "disconnected"}, Mute.NO_CONNECTION),
        (EVENT | {"principalIdentifier": None}, Mute.NO_CONNECTION),
        (EVENT | {"clientId": ["one"]}, Mute.NO_CONNECTION),
        (EVENT | {"clientId": "\ud800"}, Mute.NO_CONNECTION),
        (EVENT | {"clientId": "console/7"}, Mute.NO_CONNECTION),
        (EVENT | {"thingName": "one\udfff"}, Mute.NO_CONNECTION),
        (EVENT | {"principalIdentifier": "\ud800"}, Mute.NO_CONNECTION),
        (EVENT | {"principalIdentifier": "AIDAEXAMPLE:console"}, Mute.NO_CONNECTION),
        (VERDICT | {"thing_name": "a" * 129}, Mute.NO_CONNECTION),
        (VERDICT | {"thing_name": "\ud800"}, Mute.NO_CONNECTION),
        (VERDICT | {"certificate_id": NEW[1:] + "\ud800"}, Mute.NO_CONNECTION),
        (LOGGED, SEEN),
        ({"@timestamp": "2025-11-06", "@message": json.dumps(EVENT)}, SEEN),
        ({"message": json.dumps(VERDICT)}, SEEN),
        ({"message": "START RequestId"}, Mute.NO_CONNECTION),
        ({"message": json.dumps(LOGGED)}, Mute.NO_CONNECTION),
        ({"event": "summary"}, Mute.NO_CONNECTION),
        ("{", Mute.UNREADABLE),
        ("{" * 5_000, Mute.UNREADABLE),
        ('{"a":' * 5_000, Mute.UNREADABLE),
        ("[]", Mute.UNREADABLE),
        ("one,two", Mute.UNREADABLE),
        ("a" * 129, Mute.UNREADABLE),
        (b"\xff\xfe", Mute.UNREADABLE),
        ("o" * LONGEST_LINE * 2, Mute.UNREADABLE),
    ],
)
async def test_a_line_says_who_connected_and_with_what(
    line: str | bytes | dict[str, object], said: Connection | Mute
) -> None:
    """Each form is understood, an event also one level deep in a log, and all else is told apart."""
    assert told(line, "two") == [said, Connection("two", None)]


async def test_comments_and_empty_lines_say_nothing() -> None:
    """A list may have a heading and gaps."""
    assert told("# seen on Monday", "", "   ", "one") == [Connection("one", None)]


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    """Whatever a file holds, reading it ends, and each line says something or is told as unreadable."""
    assert all(isinstance(line, Connection | Mute) for line in read(BytesIO(data)))


@given(
    name=st.text(st.characters(exclude_categories=()), max_size=4),
    certificate=st.text(st.characters(exclude_categories=()), min_size=60, max_size=64) | st.just(NEW),
)
def test_what_is_passed_on_can_be_asked_about(name: str, certificate: str) -> None:
    """Whatever JSON can spell, surrogates too, a name and an id that come out are plain letters and digits."""
    for line in told(EVENT | {"clientId": name, "principalIdentifier": certificate}):
        if isinstance(line, Connection):
            assert line == Connection(name, certificate.lower())
            assert f"{line.thing_name}{line.certificate_id}".isascii()
        else:
            assert line is Mute.NO_CONNECTION


@pytest.fixture
async def rotation(tmp_path: Path) -> AsyncIterator[Rotation]:
    """A run in which ``one`` is done and had two certificates, ``two`` had one of them, and ``three`` had none."""
    path = tmp_path / "ledger.db"
    devices = [Device(name, line, name) for line, name in enumerate(("one", "two", "three"), 1)]
    with roster_of(devices) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await ledger.planned(1, created=False, old_certificates=["arn:cert/x", "arn:cert/y"])
            await ledger.planned(2, created=False, old_certificates=["arn:cert/y"])
            await ledger.planned(3, created=True)
            await ledger.keyed(1, "00")
            await ledger.requested(1)
            await ledger.issued(1, Certificate(NEW, f"arn:cert/{NEW}", "PEM", "2049-12-31T23:59:59Z"))
    reader = finished_ledger(path)
    assert reader is not None
    assert reader.counts()[State.ISSUED] == 1
    with Rotation(reader) as rotation:
        yield rotation
    reader.close()


async def test_another_certificate_does_not_count_as_seen(rotation: Rotation) -> None:
    """Who connected with the old certificate, or is not of this run, is counted and not chosen."""
    kinds = rotation.watch(
        [Connection("one", OLD), Connection("two", NEW), Connection("four", None), Mute.UNREADABLE]
    )
    assert kinds == Counter({Seen.OTHER_CERTIFICATE: 2, Seen.UNKNOWN: 1, Mute.UNREADABLE: 1})
    assert rotation.choose() == (0, 0)


async def test_the_new_certificate_or_a_bare_name_counts(rotation: Rotation) -> None:
    """Both choose a device that has old certificates; what two devices had counts when both are chosen."""
    rotation.watch([Connection("one", NEW), Connection("one", OLD), Connection("one", NEW)])
    assert rotation.choose() == (1, 1)
    rotation.watch([Connection("two", None), Connection("three", None)])
    assert rotation.choose() == (2, 2)
    assert rotation.count() == 2


async def test_a_choice_of_names_narrows_who_is_meant(rotation: Rotation) -> None:
    """Names narrow what was seen, and what --all means; a name that the run does not have is refused."""
    assert rotation.choose(everybody=True) == (2, 2)
    assert rotation.choose(everybody=True, names={"two"}) == (1, 0)
    assert rotation.choose(names={"two"}) == (0, 0)
    with pytest.raises(UsageError, match="no device four"):
        rotation.choose(everybody=True, names={"one", "four"})


async def test_a_shared_certificate_is_kept_until_its_last_device_gave_it_up(rotation: Rotation) -> None:
    """Who had a certificate is known of all devices, and who still has it too."""
    assert (rotation.is_shared("arn:cert/x", "one"), rotation.is_shared("arn:cert/y", "one")) == (False, True)
    assert rotation.is_kept("arn:cert/y", "one")
    rotation.release("arn:cert/y", "two")
    assert not rotation.is_kept("arn:cert/y", "one")
    assert rotation.was_held_by("arn:cert/y", "two")
    assert not rotation.was_held_by("arn:cert/y", "three")

"""How the processes of a run got on is in its ledger, for as long as the ledger is there."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import __version__, history
from pipeline.device import Device, State
from pipeline.errors import DiskError
from pipeline.history import About, History, options_of, pause_after, reading_of
from pipeline.ledger import Ledger, Sample, finished_ledger
from pipeline.meter import Limit, Meter, Reading
from pipeline.published import MOST
from pipeline.report.usage import recall
from pipeline.secret import Secret
from pipeline.settings import Access, Encryption, Settings
from tests.support.awsiot import Fail

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

ABOUT = About("0.1.0", "arn:aws:iam::123456789012:user/line-7", "station-7", {"--key": "ec-p256"})
STARTED = datetime(2026, 1, 2, tzinfo=UTC)


async def test_each_process_of_a_run_is_on_record(mill: Mill) -> None:
    """A run that fails and is run again has two processes, each with who it was and what it did."""
    mill.double.faults.script("AttachPolicy", Fail("InvalidRequestException"))
    await mill.run("one\ntwo\n")
    await mill.run("one\ntwo\n")
    reader = finished_ledger(mill.folder.ledger)
    assert reader is not None
    with closing(reader):
        first, second = recall(reader)
        last = [reading_of(list(reader.samples(number))[-1]) for number in (1, 2)]
    assert (first.issued, first.done, first.exit_code) == (2, 1, 1)
    assert (second.issued, second.done, second.exit_code) == (0, 1, 0)
    assert (second.about.thingmill, second.about.options["--key"]) == (__version__, "ec-p256")
    assert second.about.identity.startswith("arn:aws:")
    assert [reading.reached["DONE"] for reading in last if reading] == [1, 1]
    assert [reading.failed for reading in last if reading] == [1, 0]


async def test_a_reading_tells_how_long_the_way_to_each_state_took(mill: Mill) -> None:
    """Every state that a device reached took it some time, waiting included."""
    await mill.run("one\n")
    reader = finished_ledger(mill.folder.ledger)
    assert reader is not None
    with closing(reader):
        reading = reading_of(list(reader.samples(1))[-1])
    assert reading is not None
    assert reading.reached == dict.fromkeys(("PLANNED", "KEYED", "ISSUED", "BUNDLED", "LINKED", "DONE"), 1)
    assert reading.spent["KEYED"] > 0
    assert sum(reading.spent.values()) > 0


async def test_a_finished_run_gets_no_further_process(mill: Mill) -> None:
    """Running a finished run again adds no process: not one byte of its ledger changes."""
    await mill.run("one\n")
    reader = finished_ledger(mill.folder.ledger)
    assert reader is not None
    with closing(reader):
        assert len(reader.processes()) == 1


async def test_readings_are_there_while_a_process_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings are durable as they come, so what a process did until it was killed is known."""
    monkeypatch.setattr(history, "EVERY_SECONDS", 0.01)
    meter = Meter()
    meter.limit = lambda: Limit("CreateCertificateFromCsr", 15.0, 7)
    async with Ledger(tmp_path / "ledger.db") as ledger, anyio.create_task_group() as group:
        kept = await History.begin(ledger, meter, STARTED, ABOUT)
        group.start_soon(kept.keep)
        meter.reached(Device("one", 1, "one"), State.PLANNED, 0.25)
        with anyio.fail_after(30):
            while not (samples := list(ledger.read.samples(1))):  # noqa: ASYNC110  a ledger tells nobody
                await anyio.sleep(0.01)
        assert reading_of(samples[0]) == meter.reading()
        [process] = ledger.read.processes()
        assert (process.usage, About.recall(process.about)) == (None, ABOUT)
        group.cancel_scope.cancel()


async def test_a_disk_that_refuses_a_reading_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading is left out where the ledger cannot be written; the devices' own writes will tell."""
    monkeypatch.setattr(history, "EVERY_SECONDS", 0.0)
    refused = anyio.Event()
    async with Ledger(tmp_path / "ledger.db") as ledger, anyio.create_task_group() as group:
        kept = await History.begin(ledger, Meter(), STARTED, ABOUT)
        times = 0

        async def refuse(*_: object) -> None:
            nonlocal times
            times += 1
            if times == 3:
                refused.set()
                await anyio.sleep_forever()
            raise DiskError("full")

        monkeypatch.setattr(ledger.processes, "note", refuse)
        group.start_soon(kept.keep)
        with anyio.fail_after(30):
            await refused.wait()
        group.cancel_scope.cancel()


def test_a_long_run_is_not_noted_each_second() -> None:
    """A run of a day has some thousands of readings, none farther from the next than a 600th of its time."""
    elapsed, readings = 0.0, 0
    while elapsed < 86_400:
        pause = pause_after(elapsed)
        assert pause in (1, elapsed * history.PART)
        elapsed, readings = elapsed + pause, readings + 1
    assert readings < 4000


def test_what_a_process_was_told_has_no_secret_in_it() -> None:
    """Of passwords and passphrases it is known that there was one, and of recipients how many."""
    settings = Settings(
        "line-7.csv",
        Path("output/line-7"),
        access=Access(profile="factory", quotas={"CreateThing": 50.0}),
        encryption=Encryption(passphrase=True, source="file:/secret/place"),
        pkcs12_password=Secret(b"a good password"),
    )
    told = options_of(settings)
    assert told["--passphrase"] == "yes"
    assert (told["--profile"], told["--quota"]) == ("factory", "CreateThing=50")
    assert "secret" not in json.dumps(told)
    assert "password" not in json.dumps(told)
    recipients = ("age1one", "age1two")
    told = options_of(Settings("-", Path("output/stdin"), encryption=Encryption(recipients)))
    assert told["--encrypt-to"] == "2 recipients"


READING = Reading({"DONE": 3}, {"DONE": 1.5}, 1, 2, {"CreateThing": 4}, Limit("AttachPolicy", 15.0, 3))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(field=st.sampled_from(sorted(asdict(READING))), value=JSON)
def test_a_reading_that_nobody_wrote_counts_for_nothing(field: str, value: object) -> None:
    """Whatever stands in a ledger in the place of a number, a report has numbers that can be drawn."""
    text = json.dumps(asdict(READING) | {field: value})
    reading = reading_of(Sample(1.0, text))
    if reading is None:
        return
    numbers = [*reading.reached.values(), *reading.spent.values(), *reading.throttles.values()]
    assert all(0 <= number < MOST for number in (*numbers, reading.failed, reading.skipped))
    assert reading.limit is None or reading.limit.per_second is None or reading.limit.per_second < MOST


def test_a_reading_comes_back_as_it_was_noted() -> None:
    """What is noted is what a report reads."""
    assert reading_of(Sample(1.0, json.dumps(asdict(READING)))) == READING


@pytest.mark.parametrize("text", ["", "[]", "{", '{"options": 1}', '{"options": {"a": 1}}', "null"])
def test_what_a_process_was_is_empty_where_no_thingmill_wrote_it(text: str) -> None:
    """Text of another kind in a ledger says nothing about a process."""
    assert About.recall(text) == About()

"""Where a run stands, read from its folder: counts, causes, pace, and who has it; and nothing is changed by it."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.device import State
from pipeline.errors import DeviceError, RunFolderError
from pipeline.layout import RunFolder
from pipeline.ledger import Ledger, Reader
from pipeline.lock import RunLock
from pipeline.status import STEPS, holder_of, look
from tests.core.rosters import roster_of
from tests.e2e.command import snapshot
from tests.report.ledgers import Fate, device, ledger_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REASON = DeviceError(4, "Throttled", "it was throttled")
META = {"account": "123456789012", "Region": "eu-central-1", "key type": "ec-p256", "certificates": "active"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "fleet")


def make(folder: RunFolder, fates: Sequence[Fate], meta: dict[str, str] | None = None) -> None:
    ledger_of(folder, fates, META | (meta or {})).close()


def revoke(folder: RunFolder, *seqs: int) -> None:
    async def work() -> None:
        async with Ledger(folder.ledger) as ledger:
            for seq in seqs:
                await ledger.revoked(seq)

    anyio.run(work)


def test_each_device_is_counted_once(folder: RunFolder) -> None:
    """A device stands at its state or under its outcome, and the sum of all is the number of devices."""
    make(
        folder,
        [
            *(Fate(device(f"at-{state.name}"), state) for state in State),
            Fate(device("done-too")),
            Fate(device("failed"), State.KEYED, failed=REASON),
            Fate(device("doubtful"), State.REQUESTED, failed=REASON),
            Fate(device("skipped"), State.LISTED, skipped=REASON),
            Fate(device("revoked")),
        ],
    )
    revoke(folder, 13)
    status = look(folder.root)
    assert status.standing.states == dict.fromkeys(State, 1) | {State.DONE: 2}
    assert status.standing.outcomes == {"failed": 2, "skipped": 1, "revoked": 1}
    assert status.devices == 13
    assert status.left == len(State) - 1
    assert status.standing.doubtful == 2
    assert status.standing.issued == 6
    assert set(STEPS) == set(State)


def test_causes_come_with_the_most_frequent_first(folder: RunFolder) -> None:
    """Failures are counted by code, and ten codes are told; skipped devices are no failures."""
    fates = [
        Fate(device(f"d-{code}-{number}"), State.KEYED, failed=DeviceError(4, f"Code{code:02}", "why"))
        for code in range(12)
        for number in range(12 - code)
    ]
    make(folder, [*fates, Fate(device("left-alone"), State.LISTED, skipped=REASON)])
    codes = look(folder.root).worst_codes()
    assert codes == [(f"Code{code:02}", 12 - code) for code in range(10)]


@pytest.mark.parametrize(
    ("fates", "phase"),
    [
        ([Fate(device("one")), Fate(device("two"), State.LISTED)], "stopped"),
        ([Fate(device("one")), Fate(device("two"), State.KEYED, failed=REASON)], "finished"),
        ([Fate(device("one"), State.LISTED, skipped=REASON)], "finished"),
        ([], "finished"),
    ],
)
def test_a_run_that_nobody_has_is_stopped_or_finished(
    folder: RunFolder, fates: Sequence[Fate], phase: str
) -> None:
    """It is stopped while a device is left that would go on by itself, and finished otherwise; no pace is told."""
    make(folder, fates)
    status = look(folder.root)
    assert (status.phase, status.holder, status.per_second, status.seconds_left) == (phase, None, None, None)


def test_a_run_is_revoked_when_all_of_it_is(folder: RunFolder) -> None:
    """With one device still done the run is finished; with none it is revoked."""
    make(folder, [Fate(device("one")), Fate(device("two"))])
    revoke(folder, 1)
    assert look(folder.root).phase == "finished"
    revoke(folder, 2)
    assert look(folder.root).phase == "revoked"


def test_the_process_that_has_a_run_is_named(folder: RunFolder) -> None:
    """While the lock is held its process is told, and no longer; the look does not keep others from taking it."""
    make(folder, [Fate(device("one"), State.LISTED)])
    assert holder_of(folder.lock) is None
    for _ in range(2):
        with RunLock(folder.lock):
            status = look(folder.root)
            assert (status.phase, status.holder and status.holder.pid) == ("running", os.getpid())
        assert look(folder.root).holder is None


def test_a_process_that_was_killed_has_no_run(folder: RunFolder) -> None:
    """The process id that a kill left in the lock's file names nobody, though a process of that id may live."""
    make(folder, [Fate(device("one"), State.LISTED)])
    folder.lock.write_text(f"{os.getpid()}\n", encoding="ascii")
    assert look(folder.root).phase == "stopped"
    with RunLock(folder.lock):
        pass


def test_a_link_in_place_of_the_lock_is_not_followed(folder: RunFolder) -> None:
    """What the lock's name leads to is not opened when it is a link."""
    make(folder, [])
    (folder.root / "other").write_text("1\n", encoding="ascii")
    folder.lock.symlink_to("other")
    assert holder_of(folder.lock) is None


def test_the_pace_is_that_of_the_last_minute_and_of_this_process(folder: RunFolder) -> None:
    """What was done before the process took the run, or longer ago than a minute, does not count."""
    make(folder, [*(Fate(device(f"d{number}")) for number in range(3)), *waiting(6)])
    now = time.time()
    with RunLock(folder.lock):
        os.utime(folder.lock, (now - 30, now - 30))
        young = look(folder.root, now)
        assert young.holder is not None
        assert young.holder.pid == os.getpid()
        assert young.window == pytest.approx(30)
        assert young.standing.finished == 3
        assert young.per_second == pytest.approx(0.1)
        assert young.seconds_left == pytest.approx(60)
        later = look(folder.root, now + 90)
        assert later.window == pytest.approx(60)
        assert (later.standing.finished, later.per_second, later.seconds_left) == (0, 0, None)
        os.utime(folder.lock, (now + 1, now + 1))
        assert look(folder.root, now + 2).standing.finished == 0


def waiting(number: int) -> list[Fate]:
    return [Fate(device(f"waits-{index}"), State.LISTED) for index in range(number)]


def test_looking_changes_no_byte_of_a_run_that_is_over(folder: RunFolder) -> None:
    """A look leaves every file as it was, and none that was not there, the lock's included."""
    make(folder, [Fate(device("one"))])
    before = snapshot(folder.root)
    look(folder.root)
    assert snapshot(folder.root) == before
    with RunLock(folder.lock):
        pass
    before = snapshot(folder.root)
    look(folder.root)
    assert snapshot(folder.root) == before


def test_what_another_process_committed_is_seen_at_once(folder: RunFolder) -> None:
    """Looks during a run, each from a connection of its own, follow its commits and do not hold it up."""

    async def work() -> None:
        folder.root.mkdir()
        with roster_of([device("one"), device("two", 2)]) as roster:
            async with Ledger(folder.ledger) as ledger:
                await ledger.bind(META)
                await ledger.enrol(roster.path)
                assert look(folder.root).standing.states[State.LISTED] == 2
                await ledger.planned(1, created=True)
                assert look(folder.root).standing.states[State.PLANNED] == 1
                await ledger.failed(2, REASON)
                assert look(folder.root).standing.outcomes["failed"] == 1

    anyio.run(work)
    # The run was the last to close its ledger, so it could fold the log into the file.
    assert sorted(path.name for path in folder.root.iterdir()) == ["ledger.db"]


def test_a_ledger_that_is_none_is_told(folder: RunFolder) -> None:
    """A file that is no ledger, or of another format, ends in a sentence."""
    folder.root.mkdir()
    folder.ledger.write_bytes(b"this is no ledger" * 100)
    with pytest.raises(RunFolderError, match="no ledger"):
        look(folder.root)


def test_json_has_a_version_and_all_that_is_known(folder: RunFolder) -> None:
    """The object names its version, and what the run is bound to; its quotas are numbers with their source."""
    grant = {"CreateCertificateFromCsr": {"rate": 15.0, "source": "account"}}
    make(folder, [Fate(device("one"))], {"quotas": json.dumps(grant)})
    found = json.loads(json.dumps(look(folder.root, 1_700_000_000.0).to_json()))
    assert found["version"] == 1
    bound = (found["account"], found["region"], found["key_type"], found["certificates"])
    assert bound == tuple(META.values())
    assert found["quotas"] == grant
    assert found["states"]["DONE"] == found["devices"] == found["certificates_issued"] == 1
    assert found["time"] == "2023-11-14T22:13:20Z"


def test_foreign_text_is_made_visible(folder: RunFolder) -> None:
    """A code or an account that holds an escape sequence does not reach a terminal as one."""
    error = DeviceError(4, "Code\x1b[31m", "why")
    make(folder, [Fate(device("one"), State.KEYED, failed=error)], {"account": "\x1b]52;c;\x07"})
    assert "\x1b" not in str(look(folder.root).to_json())


def test_counting_reads_the_table_once_and_sorts_nothing(folder: RunFolder) -> None:
    """SQLite plans a single pass for the counts and an index for the causes: that is what a million rows need."""
    make(folder, [Fate(device("one"))])
    asked: list[str] = []
    with closing(sqlite3.connect(folder.ledger)) as connection:
        connection.row_factory = sqlite3.Row
        reader = Reader(connection)
        connection.set_trace_callback(asked.append)
        reader.standing(datetime.now(UTC))
        connection.set_trace_callback(None)
        plans = [
            row["detail"]
            for question in asked
            if "SELECT" in question
            for row in connection.execute(f"EXPLAIN QUERY PLAN {question}")
        ]
    assert sum(plan.startswith("SCAN devices") and "unfinished" not in plan for plan in plans) == 1


def test_keys_are_counted_by_their_type(folder: RunFolder) -> None:
    """A row's own type goes before the run's; a CSR is no key of ours, and what nobody knows is ``other``."""
    fates = [Fate(device(name)) for name in ("one", "two", "odd", "broken", "own")]
    make(folder, fates)
    descriptions = {"two": '{"key_type":"rsa-2048"}', "odd": '{"key_type":"\\u001b[31m"}', "broken": "{"}
    descriptions["own"] = '{"csr":"one","key_type":"rsa-2048"}'
    with closing(sqlite3.connect(folder.ledger, isolation_level=None)) as connection:
        for name, description in descriptions.items():
            connection.execute("UPDATE devices SET description = ? WHERE thing_name = ?", (description, name))
    assert look(folder.root).to_json()["key_types"] == {"rsa-2048": 1, "ec-p256": 1, "other": 1}


def test_what_only_a_manifest_changes_is_counted_once_while_it_is_watched(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as there are as many devices, their descriptions are not read again."""
    make(folder, [Fate(device("one"))])
    first = look(folder.root)
    monkeypatch.setattr(Reader, "key_types", lambda _: {"ec-p521": 1})
    assert look(folder.root, before=first).key_types == {"ec-p256": 1}
    assert look(folder.root).key_types == {"ec-p521": 1}

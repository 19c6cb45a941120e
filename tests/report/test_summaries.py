"""summary.csv and summary.json say what the ledger says, safely, and the same each time."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline import __version__
from pipeline.device import State
from pipeline.errors import DeviceError, DiskError
from pipeline.files import replace_whole_from
from pipeline.history import About
from pipeline.layout import RunFolder
from pipeline.meter import Meter
from pipeline.report import SUMMARY_CSV, SUMMARY_JSON, Usage, write_all
from pipeline.report.usage import recall
from pipeline.settings import KeyType
from tests.report.ledgers import ARN, Fate, Worked, device, ledger_of
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.report import Summary

USAGE = Usage(
    started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    finished=datetime(2026, 1, 2, 3, 4, 25, tzinfo=UTC),
    issued=3,
    done=2,
    throttles={"CreateThing": 1, "AttachPolicy": 4},
    exit_code=1,
    about=About("0.1.0", "arn:aws:iam::123456789012:user/line-7", "station-7", {"--key": "rsa-4096"}),
)
META = {
    "account": "123456789012",
    "Region": "eu-central-1",
    "key type": "rsa-4096",
    "endpoint": "a1.example.net",
    "quotas": '{"CreateCertificateFromCsr": {"rate": 40.0, "source": "--quota"}, '
    '"AttachPolicy": {"rate": 15.0, "source": "account"}}',
}
WRONG = DeviceError(4, "WrongKey", "the certificate is for another key", advice="run again")
HOSTILE = "=cmd|' /C calc'!A0 \x1b]52;c;ZXZpbA==\x07 \u202egnp.exe [red]"


def mixed() -> list[Fate]:
    return [
        Fate(device("done-1", 2)),
        Fate(device("broken", 3), State.REQUESTED, failed=WRONG),
        Fate(device("held", 4), State.PLANNED, skipped=DeviceError(1, "HasCertificate", "the thing has one")),
        Fate(device("open", 5), State.BUNDLED),
        Fate(device("done-2", 6)),
    ]


def report(root: Path, fates: list[Fate], *processes: Worked, shard: bool = False) -> Summary:
    folder = RunFolder(root, shard)
    reader = ledger_of(folder, fates, META, processes or [Worked(USAGE)])
    summary = write_all(reader, folder)
    reader.close()
    return summary


def rows(root: Path) -> list[dict[str, str]]:
    with (root / SUMMARY_CSV).open(newline="") as file:
        return list(csv.DictReader(file))


def test_there_is_one_row_for_every_manifest_row(tmp_path: Path) -> None:
    """Rows come in the manifest's order, more of them than the ledger reads at once."""
    report(tmp_path, [Fate(device(f"t{number:04}", number), State.LISTED) for number in range(1, 701)])
    assert [(row["line"], row["thing_name"]) for row in rows(tmp_path)] == [
        (str(number), f"t{number:04}") for number in range(1, 701)
    ]


def test_a_row_says_what_became_of_its_device(tmp_path: Path) -> None:
    """State and outcome tell done, failed, skipped and open devices apart, a failure with its step and advice."""
    report(tmp_path, mixed())
    assert [
        (row["state"], row["outcome"], row["step"], row["error_code"], row["advice"]) for row in rows(tmp_path)
    ] == [
        ("DONE", "done", "", "", ""),
        ("FAILED", "failed", "4", "WrongKey", "run again"),
        ("PLANNED", "skipped", "1", "HasCertificate", ""),
        ("BUNDLED", "open", "", "", ""),
        ("DONE", "done", "", "", ""),
    ]


def test_a_row_names_certificate_and_bundle_once_there_are_some(tmp_path: Path) -> None:
    """The certificate is named from ISSUED on, and the bundle from BUNDLED on, relative to the run's folder."""
    report(tmp_path, [Fate(device("issued"), State.ISSUED), Fate(device("bundled"), State.BUNDLED)])
    issued, bundled = rows(tmp_path)
    assert issued["certificate_arn"] == ARN + issued["certificate_id"]
    assert (issued["not_after"], issued["bundle"]) == ("2049-12-31T23:59:59Z", "")
    assert bundled["bundle"] == "devices/bundled"


def test_a_row_says_who_holds_the_key(tmp_path: Path) -> None:
    """A device that brought a CSR holds its own key, whatever became of it; summary.json has both numbers."""
    own = replace(device("own", 2), csr=make_csr("own").pem)
    report(tmp_path, [Fate(device("made")), Fate(own, State.PLANNED, failed=WRONG)])
    assert [row["key_held_by"] for row in rows(tmp_path)] == ["station", "device"]
    document = json.loads((tmp_path / SUMMARY_JSON).read_text())
    assert document["keys_held_by"] == {"station": 1, "device": 1}


def test_keys_are_counted_by_their_type(tmp_path: Path) -> None:
    """A row's own type goes before the run's, and a device that brought a CSR gets no key here."""
    folder = RunFolder(tmp_path / "line-7")
    devices = [device("one"), device("two"), device("three"), device("own")]
    devices[1] = replace(devices[1], key_type=KeyType.EC_P256)
    devices[3] = replace(devices[3], csr="a CSR")
    write_all(ledger_of(folder, [Fate(each) for each in devices], {"key type": "rsa-4096"}), folder)
    found = json.loads((folder.root / "summary.json").read_text())
    assert (found["key_type"], found["key_types"]) == ("rsa-4096", {"rsa-4096": 2, "ec-p256": 1})


def test_a_sharded_bundle_is_named_where_it_is(tmp_path: Path) -> None:
    """With --shard the path in summary.csv has the folder in between."""
    report(tmp_path, [Fate(device("bundled"))], shard=True)
    assert Path(rows(tmp_path)[0]["bundle"]) == RunFolder(tmp_path, shard=True).bundle("bundled").relative_to(
        tmp_path
    )


def test_no_cell_is_a_formula_or_an_escape_sequence(tmp_path: Path) -> None:
    """A hostile code, message or advice reaches neither file with a control character or as a formula."""
    error = DeviceError(4, HOSTILE, HOSTILE, advice=HOSTILE)
    report(tmp_path, [Fate(device("one"), State.KEYED, failed=error)])
    (row,) = rows(tmp_path)
    for name in ("error_code", "error_message", "advice"):
        assert row[name].startswith("'=cmd|")
    for name in (SUMMARY_CSV, SUMMARY_JSON):
        text = (tmp_path / name).read_text()
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_name_with_a_leading_dash_stays_as_it_is(tmp_path: Path) -> None:
    """A valid thing name can be looked up in summary.csv letter by letter."""
    report(tmp_path, [Fate(device("-1"))])
    assert rows(tmp_path)[0]["thing_name"] == "-1"


def test_the_document_counts_every_device_once(tmp_path: Path) -> None:
    """In summary.json the states add up to the devices, and so do the outcomes."""
    report(tmp_path, mixed())
    document = json.loads((tmp_path / SUMMARY_JSON).read_text())
    assert document["devices"] == sum(document["states"].values()) == sum(document["outcomes"].values()) == 5
    assert document["outcomes"] == {"done": 2, "failed": 1, "skipped": 1, "open": 1, "revoked": 0}
    assert {name: number for name, number in document["states"].items() if number} == {
        "PLANNED": 1,
        "BUNDLED": 1,
        "DONE": 2,
        "FAILED": 1,
    }


def test_the_document_tells_the_circumstances(tmp_path: Path) -> None:
    """summary.json has the account, the Region, the version, the duration and each budget with its source."""
    report(tmp_path / "line-7", mixed())
    document = json.loads((tmp_path / "line-7" / SUMMARY_JSON).read_text())
    assert (document["run"], document["thingmill"]) == ("line-7", __version__)
    assert (document["account"], document["region"]) == ("123456789012", "eu-central-1")
    assert (document["key_type"], document["endpoint"]) == ("rsa-4096", "a1.example.net")
    assert document["quotas"] == {
        "AttachPolicy": {"rate": 15.0, "source": "account"},
        "CreateCertificateFromCsr": {"rate": 40.0, "source": "--quota"},
    }
    [process] = document["processes"]
    assert process == {
        "started": "2026-01-02T03:04:05Z",
        "finished": "2026-01-02T03:04:25Z",
        "duration_seconds": 20.0,
        "certificates_issued": 3,
        "devices_done": 2,
        "throttles": {"AttachPolicy": 4, "CreateThing": 1},
        "exit_code": 1,
        "thingmill": "0.1.0",
        "identity": "arn:aws:iam::123456789012:user/line-7",
        "station": "station-7",
        "options": {"--key": "rsa-4096"},
    }


def test_what_a_killed_process_did_is_not_known(tmp_path: Path) -> None:
    """Nobody takes a process that was killed for one that did nothing."""
    report(tmp_path, mixed(), Worked(USAGE, killed=True))
    [process] = json.loads((tmp_path / SUMMARY_JSON).read_text())["processes"]
    assert process["started"] is not None
    unknown = ("finished", "duration_seconds", "certificates_issued", "devices_done", "throttles", "exit_code")
    assert [process[name] for name in unknown] == [None] * 6


def test_a_bundle_that_was_purged_is_not_named(tmp_path: Path) -> None:
    """summary.csv names no folder that ``revoke --purge`` removed, and one that it left."""
    fates = [Fate(device("gone"), revoked=True), Fate(device("kept"), revoked=True), Fate(device("done"))]
    (tmp_path / "devices" / "kept").mkdir(parents=True)
    report(tmp_path, fates)
    assert [row["bundle"] for row in rows(tmp_path)] == ["", "devices/kept", "devices/done"]


def test_failures_are_grouped_by_their_cause(tmp_path: Path) -> None:
    """The most frequent cause comes first, with its number, five things at most, a message and the advice."""
    rare = DeviceError(1, "AccessDenied", "not allowed")
    report(
        tmp_path,
        [
            Fate(device("first"), State.LISTED, failed=rare),
            *(Fate(device(f"t{number}"), State.KEYED, failed=WRONG) for number in range(7)),
        ],
    )
    assert json.loads((tmp_path / SUMMARY_JSON).read_text())["failures"] == [
        {
            "code": "WrongKey",
            "count": 7,
            "things": ["t0", "t1", "t2", "t3", "t4"],
            "message": WRONG.message,
            "advice": WRONG.advice,
        },
        {"code": "AccessDenied", "count": 1, "things": ["first"], "message": "not allowed", "advice": ""},
    ]


def test_the_same_ledger_gives_the_same_bytes(tmp_path: Path) -> None:
    """Writing the reports again changes nothing."""
    folder = RunFolder(tmp_path)
    reader = ledger_of(folder, mixed(), META, [Worked(USAGE)])
    write_all(reader, folder)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_all(reader, folder)
    reader.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """When a report breaks off half-way, the one of an earlier time is still whole and no scrap is left."""
    report(tmp_path, mixed())
    before = (tmp_path / SUMMARY_CSV).read_bytes()

    def torn() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskError, match="No space left"):
        replace_whole_from(tmp_path / SUMMARY_CSV, torn())
    assert (tmp_path / SUMMARY_CSV).read_bytes() == before
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_process_that_was_killed_is_told_with_nulls(tmp_path: Path) -> None:
    """A run whose first process was killed says when that began and who it was; what nobody knows is null."""
    report(tmp_path, mixed(), Worked(USAGE, killed=True), Worked(USAGE))
    killed, ended = json.loads((tmp_path / SUMMARY_JSON).read_text())["processes"]
    assert (killed["finished"], killed["duration_seconds"], killed["exit_code"]) == (None, None, None)
    assert (killed["started"], killed["identity"]) == (ended["started"], USAGE.about.identity)
    assert ended["exit_code"] == 1


def test_a_usage_is_recalled_from_the_ledger(tmp_path: Path) -> None:
    """What a process noted in the ledger when it ended is what a later report finds there."""
    reader = ledger_of(RunFolder(tmp_path), mixed(), processes=[Worked(USAGE)])
    assert recall(reader) == (USAGE,)
    reader.close()


def test_a_usage_counts_this_process_only() -> None:
    """Certificates and devices of earlier processes of a run are not counted as this one's."""
    meter = Meter()
    meter.begin({State.DONE: 10, State.ISSUED: 5, State.LISTED: 3}, skipped=0)
    meter.reached(device("a"), State.ISSUED)
    meter.reached(device("b"), State.DONE)
    meter.reached(device("c"), State.DONE)
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    usage = Usage.of(meter, moment, moment, 0)
    assert (usage.issued, usage.done) == (1, 2)


def test_a_run_is_finished_when_nothing_is_left(tmp_path: Path) -> None:
    """Done and skipped devices finish a run; failed and open ones do not."""
    reason = DeviceError(1, "HasCertificate", "the thing has one")
    finished = [Fate(device("a")), Fate(device("b"), State.LISTED, skipped=reason)]
    assert report(tmp_path / "finished", finished).is_finished
    assert not report(tmp_path / "failed", [*finished, Fate(device("c"), State.LISTED, failed=WRONG)]).is_finished
    assert not report(tmp_path / "open", [*finished, Fate(device("c"), State.LISTED)]).is_finished


def test_devices_that_were_taken_back_are_counted_apart(tmp_path: Path) -> None:
    """A revoked device is neither done nor failed nor open, whatever state it had reached."""
    fates = [
        Fate(device("gone", 1), revoked=True),
        Fate(device("half", 2), State.KEYED, failed=WRONG, revoked=True),
        Fate(device("done", 3)),
    ]
    summary = report(tmp_path, fates)
    assert [(row["thing_name"], row["state"], row["outcome"]) for row in rows(tmp_path)] == [
        ("gone", "REVOKED", "revoked"),
        ("half", "REVOKED", "revoked"),
        ("done", "DONE", "done"),
    ]
    assert summary.outcomes == {"done": 1, "failed": 0, "skipped": 0, "open": 0, "revoked": 2}
    assert {name: number for name, number in summary.states.items() if number} == {"DONE": 1, "REVOKED": 2}
    assert summary.is_finished
    assert not (tmp_path / "failed.csv").exists()

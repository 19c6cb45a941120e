"""The end of a run tells what became of it and how to go on."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from rich.cells import cell_len

from pipeline.history import About
from pipeline.layout import RunFolder
from pipeline.progress import final_table, print_summary
from pipeline.report import Group, Summary, Usage
from pipeline.report.pace import Bar, Pace
from tests.progress.meters import Terminal, hidden_in

_STATES = ("LISTED", "PLANNED", "KEYED", "REQUESTED", "ISSUED", "BUNDLED", "LINKED", "DONE", "FAILED")
WORDS = ("run", "manifests/" + "a-rather-long-name-of-a-manifest/" * 4 + "line-7.csv", "--group", "hall a")
RESUME = f"thingmill run {WORDS[1]} --group 'hall a'"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's wish for colours, or for none, decides these tests."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def summary_of(
    *, done: int, failed: int = 0, revoked: int = 0, text: str = "the certificate is for another key"
) -> Summary:
    """The summary of a run over ten devices."""
    groups = (Group("WrongKey", failed, ("t1", "t2"), text, text),) if failed else ()
    still_open = 10 - done - failed - revoked
    return Summary(
        run="line-7",
        folder=RunFolder(Path("output/line-7")),
        processes=(
            Usage(
                started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
                finished=datetime(2026, 1, 2, 3, 5, 25, tzinfo=UTC),
                issued=9,
                done=done,
                throttles={"CreateThing": 3, "AttachPolicy": 4},
                about=About(words=WORDS),
            ),
        ),
        account="123456789012",
        region="eu-central-1",
        key_type="rsa-4096",
        endpoint="a1.example.net",
        quotas={},
        total=10,
        with_csr=0,
        states=dict.fromkeys(_STATES, 0)
        | {"DONE": done, "FAILED": failed, "BUNDLED": still_open, "REVOKED": revoked},
        outcomes={"done": done, "failed": failed, "skipped": 0, "open": still_open, "revoked": revoked},
        failures=groups,
        skips=(),
        pace=Pace((Bar(0.0, 80.0, done=done),), {}, (), {"CreateThing": 3, "AttachPolicy": 4}),
        issued=9,
    )


def printed(summary: Summary, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    final_table(summary, stream=stream)
    return stream.getvalue()


def on_disk(root: Path, *files: str) -> Summary:
    """The summary of a run in this folder, which has bundles and these files."""
    (root / "devices").mkdir(parents=True)
    for name in files:
        (root / name).touch()
    return replace(summary_of(done=8, failed=1), folder=RunFolder(root))


def test_the_end_of_a_run_is_told_in_numbers() -> None:
    """Outcomes that some device has, certificates, throttles, how long it took and how fast that was are there."""
    lines = [line.rstrip() for line in printed(summary_of(done=8, failed=1)).splitlines()]
    assert lines[:7] == [
        "line-7: 8 of 10 devices are done, 1 failed, 1 open",
        "done          8",
        "failed        1",
        "open          1 at BUNDLED",
        "certificates  9 issued",
        "throttles     7, 4 by AttachPolicy",
        "took          1:20, 0.1 devices/s",
    ]


def test_what_is_nought_is_left_out() -> None:
    """A run without throttles, failures and a pace has no lines for them."""
    quiet = replace(summary_of(done=10), pace=Pace((Bar(0.0, 80.0),), {}, ()), issued=0)
    lines = printed(quiet).splitlines()
    assert [line.split()[0] for line in lines] == ["line-7:", "done", "took"]


@pytest.mark.parametrize("width", [48, 80, 200])
def test_no_line_ends_with_a_blank_or_between_a_limit_and_its_part(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Whoever reads it in a file finds no blanks at the ends, and a number stays with what it is about."""
    monkeypatch.setenv("COLUMNS", str(width))
    ruled = {"CreateCertificateFromCsr": 0.55, "AttachThingPrincipal": 0.41, "key generation": 0.04}
    summary = replace(
        summary_of(done=8, failed=1, text="long words " * 20), pace=Pace((Bar(0.0, 80.0),), ruled, ())
    )
    lines = printed(summary).splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    held = "".join(line[14:] + "|" for line in lines if line.startswith(("held by", " " * 14)))
    for name in ("CreateCertificateFromCsr 55 %", "AttachThingPrincipal 41 %", "key generation 4 %"):
        assert name in held
    assert held.count("|") == {48: 3, 80: 2, 200: 1}[width]


@pytest.mark.parametrize(
    ("revoked", "colour"), [(0, "\x1b[1;32m"), (2, "\x1b[1m"), (10, "\x1b[1m")], ids=["done", "part", "all"]
)
def test_only_what_is_done_is_green(monkeypatch: pytest.MonkeyPatch, revoked: int, colour: str) -> None:
    """The headline of a run that was taken back, or a part of it, has not the colour of success."""
    monkeypatch.setenv("TERM", "xterm-256color")
    summary = summary_of(done=10 - revoked, revoked=revoked)
    assert f"{colour}{summary.verdict}" in printed(summary, Terminal())


def test_what_held_the_pace_is_told_for_all_processes_of_a_run() -> None:
    """Limits are named with their part of the working time, the longest first, and what processes did is added."""
    one = summary_of(done=10).processes[0]
    ruled = {"CreateCertificateFromCsr": 0.83, "key generation": 0.12, "AttachPolicy": 0.003}
    throttles = {"CreateThing": 6, "AttachPolicy": 8}
    pace = Pace((Bar(0.0, 100.0, done=6), Bar(100.0, 50.0, done=4)), ruled, (), throttles)
    killed = replace(one, finished=None)
    summary = replace(summary_of(done=10), processes=(killed, one), pace=pace, issued=14)
    lines = [line.rstrip() for line in printed(summary).splitlines()]
    assert "certificates  14 issued" in lines
    assert "throttles     14, 8 by AttachPolicy" in lines
    assert "took          2:30 in 2 processes, 0.1 devices/s" in lines
    assert "held by       CreateCertificateFromCsr 83 %, key generation 12 %" in lines


def test_reports_that_are_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles, report.html, the failures and the table have a line each, and what is not there has none."""
    monkeypatch.chdir(tmp_path)
    root = Path("output/line-7")
    summary = on_disk(root, "report.html", "failed.csv", "summary.csv")
    lines = [line.split() for line in printed(summary).splitlines()]
    for name in ("report.html", "failed.csv", "summary.csv"):
        assert [name, f"output/line-7/{name}"] in lines
    assert ["bundles", "output/line-7/devices"] in lines
    (root / "failed.csv").unlink()
    assert "failed.csv" not in printed(summary)


# A link of a terminal (OSC 8): its parameters, the address, the text.
_LINK = re.compile(r"\x1b\]8;[^;]*;([^\x1b]*)\x1b\\(?:\x1b\[[0-9;]*m)*(.*?)(?:\x1b\[[0-9;]*m)*\x1b\]8;;\x1b\\")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    "name",
    [
        "line-7",
        "two words",
        "100%41",
        "quo\"te's",
        "esc\x1b]8;;http://x\x07",
        "line\nfeed",
        "semi;colon",
        "Süd日本",
        "\udcff",
    ],
)
def test_paths_can_be_clicked_on_a_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A terminal gets each path whole, as a link to that very file, and what a name holds does nothing there."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    summary = on_disk(tmp_path / name, "report.html", "summary.csv")
    shown = printed(summary, Terminal())
    links = _LINK.findall(shown)
    assert len(links) == 3
    for address, text in links:
        assert re.fullmatch(r"file:///[A-Za-z0-9/._~%-]*", address)
        target = Path(unquote_to_bytes(urlsplit(address).path).decode(errors="surrogateescape"))
        assert target in {tmp_path / name / each for each in ("devices", "report.html", "summary.csv")}
        assert target.exists()
        assert text.startswith(str(tmp_path))
        assert text.endswith(target.name)
    assert hidden_in(_STYLE.sub("", _LINK.sub(r"\2", shown))) == []

    plain = printed(summary)
    assert hidden_in(plain) == []
    assert "file:" not in plain
    assert [text for _, text in links] == [
        line[14:] for line in plain.splitlines() if line.startswith(("bundles", "report.html", "summary.csv"))
    ]


def test_a_terminal_that_can_do_nothing_gets_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the terminal is a dumb one, or nobody's although colours are wished for, paths are plain."""
    summary = on_disk(tmp_path / "line-7", "report.html")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in printed(summary, Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b]8" not in printed(summary)


def test_a_cause_has_its_number_an_example_and_its_advice() -> None:
    """Failures are told by cause, not one by one."""
    text = " ".join(printed(summary_of(done=3, failed=7)).split())
    assert "WrongKey · 7 devices, for instance t1: the certificate is for another key" in text


def test_the_command_to_go_on_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something is left to do the exact command stands on one line, however narrow the terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    assert f"\n  {RESUME}\n" in printed(summary_of(done=8))
    assert f"\n  {RESUME}\n" in printed(summary_of(done=8, failed=2))


def test_a_finished_run_has_no_command_to_go_on() -> None:
    """Nothing is left to do when all are done, so no command is given."""
    text = printed(summary_of(done=10))
    assert text.startswith("line-7: all 10 devices are done\n")
    assert RESUME not in text


def test_a_run_that_was_taken_back_says_so() -> None:
    """The headline counts what was revoked, and no command to go on is given: it would be refused."""
    assert printed(summary_of(done=0, revoked=10)).startswith("line-7: all 10 devices are revoked\n")
    text = printed(summary_of(done=6, revoked=2))
    assert text.startswith("line-7: 2 of 10 devices are revoked, 6 done, 2 open\n")
    assert ["revoked", "2"] in [line.split() for line in text.splitlines()]
    assert RESUME not in text


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_end_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """No line but the command is wider than the terminal, and nothing foreign acts on it."""
    monkeypatch.setenv("COLUMNS", str(width))
    text = printed(summary_of(done=3, failed=7, text="[red]\\x1b]52 " + "Zertifikat日本語" * 30))
    assert max(cell_len(line) for line in text.splitlines() if line.strip() != RESUME) <= width
    assert "[red]" in text
    assert hidden_in(text) == []


def test_a_terminal_gets_colours_and_a_file_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Styles are for terminals; what is redirected to a file is plain text."""
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" in printed(summary_of(done=10), Terminal())
    assert hidden_in(printed(summary_of(done=10))) == []


def test_the_last_event_is_the_summary() -> None:
    """With --json the run ends with the document of summary.json on one line, and the folder of the run."""
    stream = io.StringIO()
    print_summary(summary_of(done=8, failed=1), stream)
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["run"], event["folder"]) == ("summary", "line-7", "output/line-7")
    assert event["outcomes"] == {"done": 8, "failed": 1, "skipped": 0, "open": 1, "revoked": 0}

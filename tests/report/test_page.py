"""report.html read as text: what stands in it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from pipeline import __version__
from pipeline.device import State
from pipeline.errors import DeviceError
from pipeline.history import About
from tests.report.ledgers import Fate, device
from tests.report.pages import (
    ABOUT,
    WRONG,
    again,
    page_of,
    parsed,
    plain,
    process,
    reading,
    table_after,
    words_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_the_outcome_is_a_sentence_and_the_first_heading(page: str) -> None:
    """The one heading of the first order, and the title, say how the run came out."""
    verdict = "130 of 153 devices are done, 21 failed, 1 skipped, 1 open"
    assert re.findall(r"<h1[^>]*>([^<]*)</h1>", page) == [verdict]
    assert f"<title>line-7: {verdict}</title>" in page


def test_the_counts_are_those_of_the_ledger(page: str) -> None:
    """Done, failed, left alone, open, certificates, throttles and working time stand at the top."""
    counts = re.findall(r"<li><b[^>]*>([^<]+)</b>([^<]+)</li>", page)
    assert [(number, name.strip()) for number, name in counts] == [
        ("130", "done"),
        ("21", "failed"),
        ("1", "skipped"),
        ("1", "open"),
        ("131", "certificates issued"),
        ("5", "throttles"),
        ("0:09", "working time"),
    ]


def test_a_cause_has_its_devices_and_what_to_do(page: str) -> None:
    """Failures come by cause, the most frequent first, with the first message, the advice and each device."""
    text = words_of(page)
    begin, end = text.index("ThingHasCertificate · 20"), text.index("WrongKey · 1")
    cause = text[begin:end]
    assert "old-01: the thing has one What to do: take it away, then run again" in cause
    assert all(f"old-{number:02}" in cause for number in range(1, 21))
    assert "wrong: the certificate is for another key What to do: run again" in text


def test_more_devices_of_a_cause_than_a_page_lists_are_counted(tmp_path: Path) -> None:
    """A cause lists a hundred devices, and says how many more there are, and where."""
    fates = [Fate(device(f"t{number:03}", number), State.KEYED, failed=WRONG) for number in range(1, 104)]
    assert "and 3 more, in summary.csv." in words_of(page_of(tmp_path, fates))


def test_more_causes_than_a_page_tells_are_counted(tmp_path: Path) -> None:
    """A ledger with a cause for every device makes no page that nobody can read."""
    fates = [
        Fate(device(f"t{number:02}", number), State.KEYED, failed=DeviceError(4, f"Code{number:02}", "no"))
        for number in range(1, 53)
    ]
    page = page_of(tmp_path, fates)
    assert page.count('<article class="cause') == 50
    assert "2 more causes in summary.csv" in words_of(page)


def test_what_decided_the_pace_is_said_and_shown(page: str) -> None:
    """Which API decided stands in a sentence, and in a table with what the account grants."""
    text = words_of(page)
    assert "130 devices done in 0:09, 14.4 a second on average." in text
    assert "What decided the pace: AttachPolicy for 56% of the time, CreateCertificateFromCsr for 44%" in text
    assert [row[:3] for row in table_after(page, 'id="ruled"')] == [
        ["AttachPolicy", "15", "56 %"],
        ["CreateCertificateFromCsr", "40", "44 %"],
    ]


def test_time_in_which_no_device_waited_is_told(tmp_path: Path) -> None:
    """The parts of the time make up the whole, with what was left over."""
    page = page_of(
        tmp_path, [Fate(device("one"))], [process((1.0, reading(1)), (4.0, reading(2, limit="key generation")))]
    )
    assert [row[:3] for row in table_after(page, 'id="ruled"')] == [
        ["key generation", "\N{EN DASH}", "75 %"],
        ["nothing: no device waited", "\N{EN DASH}", "25 %"],
    ]


def test_the_chart_stands_in_a_table_too(page: str) -> None:
    """All that the chart shows is there in words: rates, throttles, limits, and where another process went on."""
    rows = table_after(page, "The chart as a table")
    assert rows[0] == ["0:00", "9.0", "9", "9", "0", "0", "CreateCertificateFromCsr, 15.0/s"]
    assert rows[2][5] == "2"
    assert rows[4] == ["0:04 (another process)", "14.0", "14", "14", "20", "0", "AttachPolicy, 14.5/s"]
    assert page.count('<rect class="bar" x=') == len(rows)


def test_each_stage_has_its_time(page: str) -> None:
    """The time of a device is told by stage, with seconds and its part of all."""
    stages = table_after(page, 'id="stages"')
    assert [row[0] for row in stages] == [
        "thing made or found",
        "key and CSR on disk",
        "certificate issued and inspected",
        "bundle on disk",
        "attached to thing and groups",
        "policy attached",
    ]
    assert {tuple(row[1:4]) for row in stages} == {("130", "0.35", "17 %")}


def test_the_table_has_a_row_for_every_device(page: str) -> None:
    """All devices are in the page, with outcome, failure, state, time and certificate where they have one."""
    found = parsed(page).rows
    assert len(found) == 153
    heads = [plain(head) for head in re.findall(r"<th scope=\"col\" data-kind[^>]*>([^<]*)<", page)]
    assert heads == [
        "line",
        "thing",
        "outcome",
        "step",
        "error",
        "message",
        "state",
        "asked for (UTC)",
        "certificate",
    ]
    by_name = {row[1]: row for row in found}
    assert by_name["fleet-001"][:7] == [1, "fleet-001", "done", "", "", "", ""]
    assert by_name["fleet-001"][8] == hashlib.sha256(b"fleet-001").hexdigest()
    assert by_name["wrong"][:7] == [
        300,
        "wrong",
        "failed",
        5,
        "WrongKey",
        "the certificate is for another key",
        "KEYED",
    ]
    assert by_name["under-way"][6] == "BUNDLED"


def test_columns_without_anything_in_them_are_left_out(tmp_path: Path) -> None:
    """A run in which nothing failed has no empty columns for failures."""
    page = page_of(tmp_path, [Fate(device("one")), Fate(device("two"))])
    heads = re.findall(r"<th scope=\"col\" data-kind[^>]*>([^<]*)<", page)
    assert heads == ["line", "thing", "outcome", "asked for (UTC)", "certificate"]
    assert [len(row) for row in parsed(page).rows] == [5, 5]


def test_a_hundred_rows_are_there_without_scripts(page: str) -> None:
    """A reader without scripts sees the first hundred devices, and reads where all of them are."""
    body = page[page.index('<table id="devices">') :]
    assert body[: body.index("</table>")].count("<tr>") == 1 + 100
    assert "Without scripts the first 100 of them are shown; all are in summary.csv." in words_of(page)


def test_nothing_is_said_of_scripts_where_all_rows_are_there(tmp_path: Path) -> None:
    """A run of a few devices is whole without scripts."""
    assert "Without scripts" not in page_of(tmp_path, [Fate(device("one"))])


def test_settings_identity_and_versions_are_told(page: str) -> None:
    """Identity, station, versions and options stand in the page, and what the run is bound to."""
    text = words_of(page)
    assert "as arn:aws:iam::123456789012:user/line-7, on station-7, with thingmill 0.1.0" in text
    assert "Account 123456789012 in eu-central-1." in text
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert facts["Region"] == "eu-central-1"
    assert facts["devices connect to"] == "a1.example.net"
    assert facts["keys made here"] == "153, rsa-4096 unless a row says otherwise"
    assert facts['<code class="option">--key</code>'] == "rsa-4096"
    assert f"Written by thingmill {__version__}" in text
    assert table_after(page, 'id="processes"') == [
        ["1", "2026-01-02 03:04:05", "0:04", "48", "48", "2", "interrupted"],
        ["2", "2026-01-02 03:04:05", "0:05", "82", "82", "3", "something was left to do"],
    ]


def test_processes_of_different_hands_are_told_apart(tmp_path: Path) -> None:
    """Where another identity or station went on, each process has its own."""
    other = About("0.0.9", ABOUT.identity, "station-8", ABOUT.options)
    page = page_of(
        tmp_path, [Fate(device("one"))], [process((1.0, reading(1))), process((1.0, reading(0)), about=other)]
    )
    assert [row[-1] for row in table_after(page, 'id="processes"')] == [
        "as arn:aws:iam::123456789012:user/line-7, on station-7, with thingmill 0.1.0",
        "as arn:aws:iam::123456789012:user/line-7, on station-8, with thingmill 0.0.9",
    ]


def test_no_more_processes_than_a_page_lists(tmp_path: Path) -> None:
    """Of a run that was begun again and again the last processes are listed, by their own numbers."""
    page = page_of(tmp_path, [Fate(device("one"))], [process() for _ in range(103)])
    listed = table_after(page, 'id="processes"')
    assert [listed[0][0], listed[-1][0], len(listed)] == ["4", "103", 100]
    assert "The last 100 of 103 processes." in words_of(page)


def test_quotas_that_the_devices_need_come_first(page: str) -> None:
    """Quotas stand in the order of the steps, with their source and throttles, and the others are folded away."""
    assert table_after(page, 'id="quotas"') == [
        ["CreateCertificateFromCsr", "40", "--quota", "0"],
        ["AttachPolicy", "15", "account", "5"],
    ]
    assert table_after(page, "1 other operation") == [["DeleteThing", "100", "table", "0"]]


def test_the_checksums_are_those_of_the_files(folder: Path, page: str) -> None:
    """Each report beside the page is named with its SHA-256."""
    expected = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("failed.csv", "summary.csv", "summary.json")
    }
    assert dict(table_after(page, '<h2 id="files"')) == expected


def test_the_same_ledger_gives_the_same_page(folder: Path, page: str) -> None:
    """The page has nothing in it of when it was written."""
    assert again(folder) == page


def test_long_names_may_be_broken_and_short_ones_are_not(tmp_path: Path) -> None:
    """Names of usual length stay on one line, hyphens and all; one long name gives the column leave to wrap."""
    assert '<td class="short">a-b</td>' in page_of(tmp_path / "short", [Fate(device("a-b"))])
    long = page_of(tmp_path / "long", [Fate(device("a-b")), Fate(device("x" * 128, 2))])
    assert '<td class="name">a-b</td>' in long

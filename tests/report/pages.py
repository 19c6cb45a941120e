"""Pages of runs for the tests of ``report.html``, and how one is read without a browser."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.errors import DeviceError
from pipeline.history import About
from pipeline.layout import RunFolder
from pipeline.ledger import finished_ledger
from pipeline.meter import Limit, Reading
from pipeline.report import REPORT_HTML, Usage, summarise, write_all
from pipeline.report.page import report_html
from tests.report.ledgers import ARN, Fate, Worked, device, ledger_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ABOUT = About("0.1.0", "arn:aws:iam::123456789012:user/line-7", "station-7", {"--key": "rsa-4096"})
META = {
    "account": "123456789012",
    "Region": "eu-central-1",
    "key type": "rsa-4096",
    "endpoint": "a1.example.net",
    "quotas": json.dumps(
        {
            "AttachPolicy": {"rate": 15.0, "source": "account"},
            "CreateCertificateFromCsr": {"rate": 40.0, "source": "--quota"},
            "DeleteThing": {"rate": 100.0, "source": "table"},
        }
    ),
}
EXISTS = DeviceError(1, "ThingHasCertificate", "the thing has one", advice="take it away, then run again")
WRONG = DeviceError(5, "WrongKey", "the certificate is for another key", advice="run again")
ALONE = DeviceError(1, "HasCertificate", "left alone, as --existing skip says")

_STATES = ("PLANNED", "KEYED", "ISSUED", "BUNDLED", "LINKED", "DONE")


def reading(
    done: int,
    *,
    failed: int = 0,
    throttles: int = 0,
    limit: str | None = None,
    rate: float | None = None,
    spent: float = 0.0,
) -> Reading:
    """A reading of a process that brought so many devices through all states."""
    return Reading(
        reached=dict.fromkeys(_STATES, done),
        spent=dict.fromkeys(_STATES, spent),
        failed=failed,
        throttles={"AttachPolicy": throttles} if throttles else {},
        limit=None if limit is None else Limit(limit, rate, 5),
    )


def process(
    *samples: tuple[float, Reading], killed: bool = False, about: About = ABOUT, exit_code: int = 0
) -> Worked:
    """A process with these readings, which it ended with."""
    second, last = samples[-1] if samples else (0.0, reading(0))
    usage = Usage(
        started=STARTED,
        finished=STARTED + timedelta(seconds=second),
        issued=last.reached["ISSUED"],
        done=last.reached["DONE"],
        throttles=dict(last.throttles),
        exit_code=exit_code,
        about=about,
    )
    return Worked(usage, samples, killed)


def written(
    root: Path, fates: Sequence[Fate], processes: Sequence[Worked] = (), meta: Mapping[str, str] = META
) -> Path:
    """Write all reports of a run in which each device met its fate, and return its folder."""
    folder = RunFolder(root)
    with closing(ledger_of(folder, fates, meta, processes)) as reader:
        write_all(reader, folder)
    return root


def page_of(root: Path, fates: Sequence[Fate], processes: Sequence[Worked] = (), **meta: str) -> str:
    """Return the page of such a run."""
    return (written(root, fates, processes, META | meta) / REPORT_HTML).read_text(encoding="utf-8")


def again(root: Path) -> str:
    """Write the reports of a run anew, and return its page."""
    folder = RunFolder(root)
    reader = finished_ledger(folder.ledger)
    assert reader is not None
    with closing(reader):
        write_all(reader, folder)
    return (root / REPORT_HTML).read_text(encoding="utf-8")


def page_alone(root: Path) -> str:
    """Return the page of a ledger as it is now, and write nothing."""
    folder = RunFolder(root)
    reader = finished_ledger(folder.ledger)
    assert reader is not None
    with closing(reader):
        return b"".join(report_html(reader, summarise(reader, folder), {})).decode()


def change(root: Path, *statements: tuple[str, Iterable[Sequence[object]]]) -> None:
    """Change a ledger as somebody might who hands it over; each statement is executed for each of its rows."""
    with closing(sqlite3.connect(RunFolder(root).ledger)) as connection, connection:
        for statement, rows in statements:
            connection.executemany(statement, rows)


def poison(root: Path, text: str) -> None:
    """Have a text stand in every place of a ledger that takes some, but for names of things."""
    about = {"thingmill": text, "identity": text, "station": text, "options": {text: text}}
    values = [(key, text) for key in ("account", "Region", "endpoint", "key type")]
    values.append(("quotas", json.dumps({text: {"rate": 1, "source": text}})))
    limit = {"name": text, "per_second": 2, "waiting": 1}
    counts = {"reached": {"DONE": 1}, "spent": {}, "failed": 0, "skipped": 0}
    change(
        root,
        ("UPDATE devices SET error_code = ?1, error_message = ?1, error_advice = ?1", [(text,)]),
        ("INSERT OR REPLACE INTO meta VALUES (?, ?)", values),
        ("UPDATE processes SET about = ?", [(json.dumps(about),)]),
        ("UPDATE samples SET reading = ?", [(json.dumps(counts | {"throttles": {text: 1}, "limit": limit}),)]),
    )


def lively(root: Path) -> Path:
    """Write the reports of a run with failures, a device left alone, throttles, and a process that went on."""
    fates = [Fate(device(f"fleet-{number:03}", number)) for number in range(1, 131)]
    fates += [
        Fate(device(f"old-{number:02}", 200 + number), State.PLANNED, failed=EXISTS) for number in range(1, 21)
    ]
    fates += [
        Fate(device("wrong", 300), State.KEYED, failed=WRONG),
        Fate(device("alone", 301), State.LISTED, skipped=ALONE),
        Fate(device("under-way", 302), State.BUNDLED),
    ]
    issue = "CreateCertificateFromCsr"
    first = [
        (1.0, reading(9, limit=issue, rate=15.0, spent=4.0)),
        (2.0, reading(23, limit=issue, rate=15.0, spent=8.0)),
        (3.0, reading(36, limit=issue, rate=12.0, spent=12.0, throttles=2)),
        (4.0, reading(48, limit=issue, rate=13.0, spent=16.0, throttles=2)),
    ]
    second = [
        (1.0, reading(14, limit="AttachPolicy", rate=14.5, failed=20)),
        (5.0, reading(82, throttles=3, limit="AttachPolicy", rate=14.5, failed=21, spent=30.0)),
    ]
    return written(root, fates, [process(*first, exit_code=130), process(*second, exit_code=1)])


def fill(root: Path, number: int, waiting: int = 0) -> None:
    """Make the ledger of so many devices, the last ``waiting`` of them not done, all at once."""
    folder = RunFolder(root)
    ledger_of(folder, [Fate(device("thing-00000"))], META, [process((10.0, reading(number)))]).close()
    rows = (
        (
            f"thing-{each:05}",
            each,
            device(f"thing-{each:05}").to_json(),
            int(State.DONE if each < number - waiting else State.LINKED),
            1767323045.0 + each / 15,
            f"{each:064x}",
            ARN + f"{each:064x}",
        )
        for each in range(1, number)
    )
    change(
        root,
        (
            (
                "INSERT INTO devices (thing_name, folded, line, description, state, requested_at, certificate_id, "
                "certificate_arn) VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            ),
            rows,
        ),
    )


@dataclass
class Parsed(HTMLParser):
    """A page read as a browser without scripts would read it.

    Attributes:
        tags: Its elements in order, each with the names of its attributes.
        text: All text that it shows.
        scripts: What its ``script`` elements hold, by ``id``, or "" without one.
        rows: The texts of the cells of its rows.
    """

    tags: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    text: str = ""
    scripts: dict[str, str] = field(default_factory=dict)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    _within: str | None = None
    _script: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._within = tag
        self._script = dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  the name is html.parser's
        self._within = None

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
        elif self._within != "style":
            self.text += data

    @property
    def rows(self) -> list[list[str | int]]:
        found: list[list[str | int]] = json.loads(self.scripts["rows"])
        return found


def parsed(page: str) -> Parsed:
    """Return a page, read."""
    reader = Parsed()
    reader.feed(page)
    reader.close()
    return reader


def plain(text: str) -> str:
    """Return text with each stretch of white space as one blank."""
    return re.sub(r"\s+", " ", text)


def words_of(page: str) -> str:
    """Return all text that a page shows."""
    return plain(parsed(page).text)


def table_after(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the rows of the first table that follows a text."""
    body = page[page.index(heading) :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    return [
        [_text_of(cell) for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def _text_of(markup: str) -> str:
    return plain(html.unescape(re.sub(r"<[^>]+>", "", markup))).strip()

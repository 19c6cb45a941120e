"""``report.html``: a run for people, in one file that asks nobody for anything and that nobody can make act.

The page's security policy lets in its own style sheet and script, by their hashes, and nothing else: should
foreign text ever get past ``printable`` and Jinja's escaping, it still could neither run nor load anything. Rows
reach the script as JSON, and the page as text.

``template/`` has the template, the style sheet and the script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

import pipeline
from pipeline.durations import clock_time
from pipeline.report.chart import chart_of
from pipeline.report.rows import COLUMNS, MOST_ROWS, embedded_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from pipeline.ledger import Reader
    from pipeline.report.pace import Pace
    from pipeline.report.summary import Summary
    from pipeline.report.usage import Usage

__all__ = ["report_html"]

_FIRST_ROWS = 100
"""Rows that stand in the page itself, for readers without scripts."""


_NOTHING = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the page is made of, which is the same in each."""

    template: jinja2.Template
    css: Markup
    script: Markup
    policy: str


def report_html(reader: Reader, summary: Summary, checksums: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the file's content in chunks.

    Args:
        reader: The run's ledger.
        summary: The run in numbers.
        checksums: The hex SHA-256 of the files beside it, by name.
    """
    parts = _parts()
    rows = embedded_rows(reader, summary)
    pace = summary.pace
    context: dict[str, Any] = {
        "policy": parts.policy,
        "css": parts.css,
        "script": parts.script,
        "summary": summary,
        "verdict": summary.verdict,
        "last": summary.usage,
        "issued": sum(usage.issued for usage in summary.processes),
        "throttles": sum(sum(usage.throttles.values()) for usage in summary.processes),
        "pace": pace,
        "pace_words": _in_words(pace),
        "chart": chart_of(pace),
        "has_limit": any(bar.allowed is not None for bar in pace.bars),
        "columns": COLUMNS,
        "rows": rows[:_FIRST_ROWS],
        "outcomes": [name for name, number in summary.outcomes.items() if number],
        "left_out": _left_out(summary, len(rows)),
        "data": _json(rows),
        "facts": list(_facts(summary)),
        "checksums": sorted(checksums.items()),
        "names": {"csv": "summary.csv"},
        "version": pipeline.__version__,
    }
    for chunk in parts.template.generate(context):
        yield chunk.encode()


@functools.cache
def _parts() -> _Parts:
    folder = resources.files("pipeline.report") / "template"
    files = {name: (folder / name).read_text("utf-8") for name in ("cause.html", "report.html")}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(files),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, duration=clock_time, moment=_moment, end=_end)
    css, script = ((folder / name).read_text("utf-8") for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    # Ours, from the package: nothing of a run is in them.
    return _Parts(environment.get_template("report.html"), Markup(css), Markup(script), policy)  # noqa: S704


def _hash(text: str) -> str:
    """Return a source of CSP that lets this text in (CSP Level 3, section 2.3.1, hash-source)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(rows: list[list[str | int]]) -> Markup:
    """Return rows as JSON that can stand in a ``script`` element: nothing in it ends one, or begins another."""
    text = json.dumps(rows, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704


def _number(number: int) -> str:
    return f"{number:,}"


def _moment(moment: datetime | None) -> str:
    return _NOTHING if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _end(usage: Usage) -> str:
    """Say how a process ended."""
    if usage.finished is None:
        return "killed, or at work"
    ends = {0: "all done", 1: "some devices failed, or the disk refused", 3: "AWS refused", 130: "interrupted"}
    return ends.get(usage.exit_code or 0, f"exit code {usage.exit_code}")


def _in_words(pace: Pace) -> str:
    """Say what the chart shows."""
    done = sum(bar.done for bar in pace.bars)
    words = (
        f"{done:,} devices in {clock_time(pace.seconds)}, {done / max(pace.seconds, 1):.1f} a second on average. "
    )
    if not pace.ruled:
        return words + "No quota held the run up."
    shares = [f"{name} for {share:.0%} of the time" for name, share in list(pace.ruled.items())[:3]]
    return words + f"What most devices waited for: {', '.join(shares)}."


def _left_out(summary: Summary, shown: int) -> str:
    if shown == summary.total:
        return ""
    if shown:
        return (
            f"The run has {summary.total:,} devices, too many for one page: "
            f"here are {shown:,} of those that are not done."
        )
    return f"The run has {summary.total:,} devices, all done, more than the {MOST_ROWS:,} that one page takes."


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    bound = {
        "devices": f"{summary.total:,}",
        "account": summary.account,
        "Region": summary.region,
        "devices connect to": summary.endpoint,
        "keys made here": f"{summary.total - summary.with_csr:,}, {summary.key_type} unless a row says otherwise",
        "keys that devices keep": f"{summary.with_csr:,}" if summary.with_csr else "",
    }
    return ((label, value) for label, value in bound.items() if value)

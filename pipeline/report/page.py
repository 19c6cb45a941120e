"""``report.html``: a run for people, in one file that asks nobody for anything and that nobody can make act.

The page's security policy lets in its own style sheet and script, by their hashes, and nothing else: should
foreign text ever get past ``printable`` and Jinja's escaping, it still could run no script, and load no picture,
frame, font or style. A policy in the page itself does not keep foreign markup from leading away, by a refresh in a
``meta`` element or a link that somebody follows, nor from showing false words: that rests on the escaping alone.
Rows reach the script as JSON, and the page as text.

``template/`` has the template, the style sheet and the script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

import pipeline
from pipeline.counting import counted
from pipeline.durations import clock_time
from pipeline.report import page_words
from pipeline.report.chart import chart_of, limits_drawn, share_bar, shown_rate
from pipeline.report.going_on import going_on
from pipeline.report.rows import table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.ledger import Reader
    from pipeline.report.summary import Summary
    from pipeline.report.usage import Usage

__all__ = ["report_html"]

_FIRST_ROWS = 100
"""Rows that stand in the page itself, for readers without scripts."""

_MOST_CAUSES = 50
"""Causes that a page tells; a run has a handful, and one that somebody else made may have any number."""

_OPTION = re.compile(r"((?<!\S)--existing (?:fail|skip|add|rotate)\b|(?<!\S)--[a-z][a-z-]*)")

_MOST_PROCESSES = 100
"""Processes that a page lists, the last of them."""


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
    table = table_of(reader, summary)
    pace = summary.pace
    processes = [(number, usage) for number, usage in enumerate(summary.processes, 1)][-_MOST_PROCESSES:]
    context: dict[str, Any] = {
        "policy": parts.policy,
        "css": parts.css,
        "script": parts.script,
        "summary": summary,
        "standing": page_words.standing(summary),
        "go_on": going_on(summary),
        "failures": summary.failures[:_MOST_CAUSES],
        "skips": summary.skips[:_MOST_CAUSES],
        "pace": pace,
        "pace_words": page_words.pace(summary),
        "chart": chart_of(pace),
        "has_limit": bool(limits_drawn(pace)),
        "ruled": page_words.ruled(summary),
        "columns": table.columns,
        "rows": table.rows[:_FIRST_ROWS],
        "row_count": len(table.rows),
        "outcomes": [name for name, number in summary.outcomes.items() if number],
        "left_out": page_words.left_out(summary, len(table.rows)),
        "data": _json(table.rows),
        "facts": page_words.facts(summary),
        "processes": processes,
        "hands": _hands([usage for _, usage in processes]),
        "quotas": page_words.quotas(summary),
        "checksums": sorted(checksums.items()),
        "version": pipeline.__version__,
    }
    for chunk in parts.template.generate(context):
        yield chunk.encode()


@functools.cache
def _parts() -> _Parts:
    folder = resources.files("pipeline.report") / "template"
    files = {each.name: each.read_text("utf-8") for each in folder.iterdir() if each.name.endswith(".html")}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(files),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=lambda number: f"{number:,}",
        counted=counted,
        quoted=shlex.quote,
        options=_options,
        duration=clock_time,
        rate=shown_rate,
        share=share_bar,
        moment=page_words.moment,
        end=page_words.end,
    )
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


def _options(text: str) -> Markup:
    """Return text with the options in it marked, so that no line ends within one."""
    parts = _OPTION.split(text)
    return Markup("").join(
        Markup('<code class="option">{}</code>').format(part) if index % 2 else part
        for index, part in enumerate(parts)
    )


def _json(rows: Sequence[Sequence[str | int]]) -> Markup:
    """Return rows as JSON that can stand in a ``script`` element: nothing in it ends one, or begins another."""
    text = json.dumps(rows, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704


def _hands(processes: Sequence[Usage]) -> list[str]:
    """Return who ran the processes: one sentence each, or one for all of them where it is the same."""
    hands = [page_words.hand(usage.about) for usage in processes]
    return hands[:1] if len(set(hands)) == 1 else hands

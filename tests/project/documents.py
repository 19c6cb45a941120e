"""The project's documents, taken apart as GitHub shows them: tables, headings and their anchors, links, prose."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from tests.project.sources import ROOT, project_files

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DOCUMENTS", "GENERATED", "anchors", "block", "code", "links", "prose", "section", "table"]

DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in project_files()
    if path.suffix == ".md"
}
"""Every document by its path in the project."""

GENERATED = frozenset({"benchmarks/results.md", "docs/commands.md"})
"""Those that a program writes, as it likes."""

_CELLS = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
_FENCE = re.compile(r" *(`{3,}|~{3,})")
_HEADING = re.compile(r"#{1,6} +(.*?)(?: +#+)?")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def table(document: str, first_header: str) -> list[list[str]]:
    """Return the rows, without the two of its head, of the table whose first column has this header."""
    lines = iter(document.splitlines())
    for line in lines:
        if line.startswith("|") and _row(line)[0] == first_header:
            next(lines)
            return list(_rows(lines))
    raise AssertionError(f"no table begins with {first_header}")


def _rows(lines: Iterator[str]) -> Iterator[list[str]]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield _row(line)


def _row(line: str) -> list[str]:
    return [cell.strip() for cell in _CELLS.split(line.strip().strip("|"))]


def code(cell: str) -> set[str]:
    """Return what stands between backticks."""
    return set(re.findall(r"`([^`]+)`", cell))


def block(document: str, begin: str) -> str:
    """Return what follows a first line in the one fenced block that begins with it."""
    [found] = re.findall(rf"^```\w*\n{re.escape(begin)}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    return str(found)


def section(document: str, heading: str) -> str:
    """Return what stands below a heading of the second level, up to the next one."""
    [found] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    return str(found)


def prose(document: str) -> list[tuple[int, str]]:
    """Return the lines outside of fenced blocks with their numbers."""
    found, fence = [], ""
    for number, line in enumerate(document.splitlines(), start=1):
        mark = _FENCE.match(line)
        if mark is not None and (not fence or line.strip() == fence):
            fence = "" if fence else mark.group(1)
        elif not fence:
            found.append((number, line))
    return found


def links(document: str) -> list[str]:
    """Return where links and pictures lead; what stands in code is none."""
    return _LINK.findall(_CODE.sub("", "\n".join(line for _, line in prose(document))))


def anchors(document: str) -> set[str]:
    """Return what a link may name behind ``#``: a heading's words as GitHub writes them.

    In small letters, without what is neither letter, digit, hyphen nor underscore, with hyphens for blanks, and
    with a number where it comes again (GitHub Docs, "Basic writing and formatting syntax", section links).
    """
    met, found = Counter[str](), set()
    for _, line in prose(document):
        heading = _HEADING.fullmatch(line.rstrip())
        if heading is None:
            continue
        words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1))
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.add(f"{slug}-{met[slug]}" if met[slug] else slug)
        met[slug] += 1
    return found

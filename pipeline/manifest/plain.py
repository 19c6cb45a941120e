"""Reads ``.txt`` manifests: a thing name a line, blank lines skipped, ``#`` starts a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.manifest.columns import layout_of
from pipeline.manifest.rows import ManifestRow, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PlainReader"]


class PlainReader(Reader):
    """Reads a name a line; white space around it is no part of it."""

    def __iter__(self) -> Iterator[ManifestRow]:
        """Yield a row for each line that holds a name."""
        layout = layout_of(("thing_name",))
        lines = self.source.lines
        for line in lines:
            name = line.partition("#")[0].strip()
            if name and lines.damaged != lines.number:
                yield ManifestRow(lines.number, layout, (name,), line, self)

    def position(self, row: ManifestRow, index: int) -> tuple[int, int]:  # noqa: ARG002 - there is one column
        """Return where the name begins on its line."""
        return row.line, len(row.raw) - len(row.raw.lstrip()) + 1

"""Reads ``.toml`` manifests: ``[run]`` settings, and things as ``[[thing]]`` or in a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.manifest.names import quoted
from pipeline.manifest.objects import ATTRIBUTES, Members, cells_of
from pipeline.manifest.rows import ManifestRow, Reader
from pipeline.manifest.run_table import SettingError, run_setting
from pipeline.manifest.toml_tables import Table, TableError, parse_table, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.manifest.rows import Source

__all__ = ["ThingsError", "TomlReader"]


class ThingsError(Exception):
    """Why the file that ``things`` names cannot be read, as a sentence."""


class TomlReader(Reader):
    """Reads a TOML manifest.

    Args:
        source: What to read.
        open_things: Opens the file that ``things`` names; raises ThingsError.

    Attributes:
        settings: The ``[run]`` settings met so far; whole once the rows are through.
    """

    def __init__(self, source: Source, open_things: Callable[[str], Reader]) -> None:
        super().__init__(source)
        self.settings: dict[str, object] = {}
        self._open_things = open_things
        self._things: tuple[str, tuple[int, int]] | None = None
        self._has_run = False

    def __iter__(self) -> Iterator[ManifestRow]:
        """Yield a row for each ``[[thing]]``, or those of the file that ``things`` names."""
        for table, document in self._documents():
            for thing in document:
                if self._things is not None:
                    self._fault(table, "thing", "there is both things = … and [[thing]]; use one of them")
                    continue
                row = self._row(table, thing)
                if row is not None:
                    yield row
        if self._things is not None:
            name, place = self._things
            try:
                reader = self._open_things(name)
            except ThingsError as error:
                self.source.fault(*place, str(error))
            else:
                yield from reader

    def read_settings(self) -> dict[str, object]:
        """Return the ``[run]`` settings; what is wrong in the TOML file itself is in the source's log then."""
        for _ in self._documents():
            pass
        return self.settings

    def position(self, row: ManifestRow, index: int) -> tuple[int, int]:
        """Return where the value begins, as well as a look-up in the table's text can tell."""
        return Table(row.line, row.raw, is_thing=True).position(row.layout.names[index])

    def _fault(self, table: Table, key: str, reason: str, header: str | None = None) -> None:
        self.source.fault(*table.position(key, header), reason)

    def _documents(self) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
        """Yield the things of each piece; the rest of the piece is taken in."""
        try:
            for table in tables(self.source.lines):
                try:
                    document = parse_table(table)
                except TableError as error:
                    self.source.fault(error.line, error.column, str(error))
                    continue
                yield table, self._take_in(table, document)
        except TableError as error:
            self.source.fault(error.line, error.column, str(error))

    def _take_in(self, table: Table, document: dict[str, Any]) -> list[dict[str, Any]]:
        things: list[dict[str, Any]] = []
        for key, value in document.items():
            if key == "run":
                self._take_in_run(table, value)
            elif key == "things":
                if isinstance(value, str) and value:
                    self._things = value, table.position(key)
                else:
                    self._fault(table, key, 'things takes the path of a file: things = "line-7.csv"')
            elif key == "thing":
                if isinstance(value, list) and all(isinstance(thing, dict) for thing in value):
                    things = value
                else:
                    self._fault(table, key, "a thing is a table in double brackets: [[thing]]")
            else:
                self._fault(table, key, f"{quoted(key)} is unknown here; there are [run], things and [[thing]]")
        return things

    def _take_in_run(self, table: Table, settings: object) -> None:
        if not isinstance(settings, dict):
            self._fault(table, "run", "run is a table: [run]")
            return
        if self._has_run:
            self._fault(table, "run", "[run] is there twice")
        self._has_run = True
        for key, value in settings.items():
            try:
                name, checked = run_setting(key, value)
            except SettingError as error:
                self._fault(table, key, str(error), header="run")
                continue
            if name in self.settings:
                self._fault(table, key, f"{quoted(name)} is there twice", header="run")
            self.settings[name] = checked

    def _row(self, table: Table, thing: dict[str, Any]) -> ManifestRow | None:
        members = Members(
            (key, Members(value.items()) if key == ATTRIBUTES and isinstance(value, dict) else value)
            for key, value in thing.items()
        )
        cells = cells_of(members)
        row = ManifestRow(table.line, cells.layout, cells.values, table.text, self)
        for index, reason in (*cells.layout.problems, *cells.problems):
            if cells.layout.names:
                row.fault(index, reason)
            else:
                self.source.fault(table.line, 1, reason)
        name = cells.layout.thing_name
        return None if name is None or name in dict(cells.problems) else row

"""Reads ``.toml`` manifests: ``[run]`` settings, and things as ``[[thing]]`` or in a file of their own.

Under ``[[target]]`` a manifest has the things of one account and Region, in the same two ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.manifest.names import quoted
from pipeline.manifest.objects import ATTRIBUTES, Members, cells_of
from pipeline.manifest.rows import ManifestRow, Reader
from pipeline.manifest.run_table import SettingError, run_setting
from pipeline.manifest.toml_tables import Table, TableError, parse_table, tables
from pipeline.target import Target, profile_fault, region_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.manifest.rows import Source

__all__ = ["ThingsError", "TomlReader"]


class ThingsError(Exception):
    """Why the file that ``things`` names cannot be read, as a sentence."""


class _Things(NamedTuple):
    """A file of things: its name, where the manifest names it, and where its rows go."""

    file: str
    place: tuple[int, int]
    target: Target


_OF_TARGET = "target.thing"
_ORDER = "[[thing]] comes before the first [[target]], and the things of a target are [[target.thing]] behind it"


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
        self._files: list[_Things] = []
        self._section = "thing"
        self._has_file = False
        self._has_run = False

    def __iter__(self) -> Iterator[ManifestRow]:
        """Yield a row for each ``[[thing]]``, then those of the files that ``things`` names."""
        for table, document in self._documents():
            for thing in document:
                if self._has_file:
                    reason = f"there is both things = … and [[{self._section}]]; use one of them"
                    self._fault(table, "thing", reason)
                    continue
                row = self._row(table, thing)
                if row is not None:
                    yield row
        for things in self._files:
            try:
                reader = self._open_things(things.file)
            except ThingsError as error:
                self.source.fault(*things.place, str(error))
            else:
                reader.target = things.target
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
                self._take_in_file(table, value)
            elif key == "thing":
                things = self._things_of(table, key, value)
            elif key == "target":
                things = self._take_in_target(table, value)
            else:
                known = "[run], things, [[thing]] and [[target]]"
                self._fault(table, key, f"{quoted(key)} is unknown here; there are {known}")
        return things

    def _things_of(self, table: Table, key: str, value: object) -> list[dict[str, Any]]:
        if isinstance(value, list) and all(isinstance(thing, dict) for thing in value):
            if key != self._section:
                self._fault(table, "thing", _ORDER)
                return []
            return value
        self._fault(table, "thing", f"a thing is a table in double brackets: [[{key}]]")
        return []

    def _take_in_file(self, table: Table, value: object) -> None:
        if isinstance(value, str) and value:
            self._has_file = True
            self._files.append(_Things(value, table.position("things"), self.target))
        else:
            self._fault(table, "things", 'things takes the path of a file: things = "line-7.csv"')

    def _take_in_target(self, table: Table, value: object) -> list[dict[str, Any]]:
        """Take in a ``[[target]]``, or return the things of a ``[[target.thing]]``."""
        if isinstance(value, dict) and value.keys() == {"thing"}:
            return self._things_of(table, _OF_TARGET, value["thing"])
        if not (isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)):
            self._fault(table, "target", "a target is a table in double brackets: [[target]]")
            return []
        self._section, self._has_file, self.target = _OF_TARGET, False, Target()
        [settings] = value
        for key, fault in (("profile", profile_fault), ("region", region_fault)):
            if key in settings:
                text = settings.pop(key)
                reason = fault(text) if isinstance(text, str) and text else f"{key} takes text"
                if reason:
                    self._fault(table, key, reason)
                else:
                    self.target = self.target._replace(**{key: text})
        if "things" in settings:
            self._take_in_file(table, settings.pop("things"))
        things = self._things_of(table, _OF_TARGET, settings.pop("thing", []))
        for key in settings:
            known = "profile, region, things and [[target.thing]]"
            self._fault(table, key, f"{quoted(key)} is unknown here; a target has {known}")
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

"""Which reader reads what: by suffix, and for standard input by how the text begins."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import UsageError
from pipeline.manifest.columns import field_of
from pipeline.manifest.delimited import DelimitedReader
from pipeline.manifest.jsonl import JsonLinesReader
from pipeline.manifest.lines import Lines
from pipeline.manifest.names import quoted
from pipeline.manifest.plain import PlainReader
from pipeline.manifest.rows import Source
from pipeline.manifest.toml import ThingsError, TomlReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.manifest.faults import FaultLog
    from pipeline.manifest.rows import Reader

__all__ = ["STANDARD_INPUT", "open_manifest"]

STANDARD_INPUT = "-"

_READERS: dict[str, Callable[[Source], Reader]] = {
    ".txt": PlainReader,
    ".csv": lambda source: DelimitedReader(source, ","),
    ".tsv": lambda source: DelimitedReader(source, "\t"),
    ".jsonl": JsonLinesReader,
    ".ndjson": JsonLinesReader,
}
_SUFFIXES = f"{', '.join(_READERS)} and .toml"


@contextmanager
def open_manifest(manifest: str, log: FaultLog, stdin: BinaryIO) -> Iterator[Reader]:
    """Open a manifest for reading its rows, and close it afterwards.

    Args:
        manifest: A path, or ``-`` for standard input.
        log: Where faults go.
        stdin: Standard input.

    Raises:
        UsageError: There is no such file, it cannot be read, or its suffix is of no known format.
    """
    with ExitStack() as open_files:
        if manifest == STANDARD_INPUT:
            yield _sniffed(_source(STANDARD_INPUT, Path(), stdin, log))
            return
        suffix = Path(manifest).suffix.lower()
        if suffix != ".toml" and suffix not in _READERS:
            raise UsageError(
                f"the manifest {quoted(manifest)} is of no known format", advice=f"known suffixes are {_SUFFIXES}"
            )
        try:
            source = _open(manifest, log, open_files)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"the manifest {quoted(manifest)} cannot be read: {_cause(error)}",
                advice="give a file that is there and that you may read, or - for standard input",
            ) from error
        if suffix != ".toml":
            yield _READERS[suffix](source)
            return
        yield TomlReader(source, lambda things: _open_things(things, source, open_files))


def _open(name: str, log: FaultLog, open_files: ExitStack) -> Source:
    file = open_files.enter_context(Path(name).open("rb"))  # noqa: SIM115 - the stack closes it
    about = os.fstat(file.fileno())
    size = about.st_size if stat.S_ISREG(about.st_mode) else None
    return _source(name, Path(name).parent, file, log, size)


def _open_things(things: str, toml: Source, open_files: ExitStack) -> Reader:
    """Open the file that a TOML manifest names, relative to its own folder; it is named that way in faults."""
    reader = _READERS.get(Path(things).suffix.lower())
    if reader is None:
        raise ThingsError(f"the things in {quoted(things)} are of no known format; it takes {', '.join(_READERS)}")
    try:
        return reader(_open(os.path.normpath(toml.folder / things), toml.log, open_files))
    except (OSError, ValueError) as error:
        raise ThingsError(f"the things in {quoted(things)} cannot be read: {_cause(error)}") from error


def _source(name: str, folder: Path, stream: BinaryIO, log: FaultLog, size: int | None = None) -> Source:
    return Source(name, folder, Lines(stream, name, log), log, size)


def _cause(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _sniffed(source: Source) -> Reader:
    """Choose by the first line that is not blank, and give back what was read for it.

    ``{`` begins JSON lines; a tab makes a TSV header, a comma or a known column name a CSV header; what is
    left is a list of names.
    """
    first = ""
    for line in source.lines:
        if first := line.strip():
            source.lines.give_back([line])
            break
    if first.startswith("{"):
        return JsonLinesReader(source)
    if first.startswith("#"):
        return PlainReader(source)
    if "\t" in first:
        return DelimitedReader(source, "\t")
    if "," in first or field_of(first.strip('"')) is not None:
        return DelimitedReader(source, ",")
    return PlainReader(source)

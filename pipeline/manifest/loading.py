"""A manifest read from its first byte to a roster of devices, or to all of its faults."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import ManifestError, UsageError
from pipeline.manifest.assignment import default_fault
from pipeline.manifest.csr_folder import CsrFolder
from pipeline.manifest.faults import Fault, FaultLog
from pipeline.manifest.formats import STANDARD_INPUT, open_manifest
from pipeline.manifest.names import quoted
from pipeline.manifest.roster import Roster
from pipeline.manifest.rules import Rules
from pipeline.manifest.toml import TomlReader
from pipeline.settings import Defaults

if TYPE_CHECKING:
    from pipeline.manifest.rows import Reader
    from pipeline.part import Part

__all__ = ["Progress", "load", "run_settings"]

Progress = Callable[[int, int, int | None], None]
"""Called with rows read, bytes read, and bytes in all (None: not known)."""

_PROGRESS_EVERY = 2000


def load(
    manifest: str,
    defaults: Defaults,
    *,
    csr_dir: Path | None = None,
    part: Part | None = None,
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
) -> Roster:
    """Read and check a manifest whole. Nothing is submitted, and memory does not grow with its length.

    Args:
        manifest: A path whose suffix tells the format, or ``-`` for standard input.
        defaults: What a row gets where it does not say otherwise.
        csr_dir: A folder of CSRs, one file a thing name, for rows that have none; or None.
        part: Which of its devices are meant, or None for all. All of them are checked.
        stdin: Standard input; the process's own by default.
        progress: Told how far it is, every 2,000 rows and at the end.

    Returns:
        The devices, to be closed by the caller.

    Raises:
        ManifestError: The manifest has faults, or no thing. All were found, the first 100 are listed.
        UsageError: There is no such file or folder, its suffix is unknown, or a default is no valid name.
        DiskError: There is no space for the scratch database.
    """
    reason = default_fault(defaults)
    if reason is not None:
        raise UsageError(reason, advice="correct the option, or the setting of its name under [run]")
    log = FaultLog()
    csr_folder = None if csr_dir is None else CsrFolder(csr_dir)
    with ExitStack() as until_whole:
        roster = until_whole.enter_context(Roster())
        try:
            with open_manifest(manifest, log, stdin or sys.stdin.buffer) as reader:
                _fill(roster, reader, Rules(defaults, roster, csr_folder), progress)
        except OSError as error:
            raise UsageError(
                f"the manifest {quoted(manifest)} cannot be read: {error.strerror or error}",
                advice="see that its disk is in order and that nobody writes it, then run the same command again",
            ) from error
        for stray in csr_folder.strays(roster) if csr_folder is not None else ():
            log.add(stray)
        if log.total:
            raise ManifestError(log.first(), log.total)
        if part is not None:
            roster.keep(part)
        until_whole.pop_all()
    return roster


def _fill(roster: Roster, reader: Reader, rules: Rules, progress: Progress | None) -> None:
    check, add = rules.check, roster.add
    source, count = reader.source, 0
    for count, row in enumerate(reader, start=1):
        entry = check(row)
        if row.layout.remarks:
            roster.is_of_failures = True
        if entry is not None:
            add(entry, row)
        if progress is not None and count % _PROGRESS_EVERY == 0:
            source = row.reader.source
            progress(count, source.lines.bytes_read, source.size)
    roster.seal()
    if count == 0 and source.log.total == 0:
        source.log.add(Fault(1, 1, source.name, "there is no thing in this manifest"))
    if progress is not None:
        progress(count, source.lines.bytes_read, source.size)


def run_settings(manifest: str) -> dict[str, object]:
    """Return the ``[run]`` settings of a TOML manifest; other manifests have none.

    Keys are the command line's option names with ``_``. Values are checked: text, ``bool`` for switches, ``float``
    for ``rate``, ``str`` for ``workers``, ``list[str]`` for ``group`` and ``format``, and ``dict[str, float]``
    (calls per second by API) for ``quota``.

    Raises:
        ManifestError: A setting is unknown or has a wrong value, or the file is not TOML. The faults of the
            things are listed too, so that all can be mended in one go.
        UsageError: There is no such file.
    """
    if manifest == STANDARD_INPUT or Path(manifest).suffix.lower() != ".toml":
        return {}
    log = FaultLog()
    with open_manifest(manifest, log, sys.stdin.buffer) as reader:
        settings = reader.read_settings() if isinstance(reader, TomlReader) else {}
    if log.total:
        load(manifest, _defaults_in(settings)).close()
        raise ManifestError(log.first(), log.total)
    return settings


def _defaults_in(settings: dict[str, object]) -> Defaults:
    """Return the defaults among the settings, so that no row is blamed for a type that ``[run]`` gives."""
    thing_type = settings.get("thing_type")
    defaults = Defaults(thing_type=thing_type if isinstance(thing_type, str) else None)
    return Defaults() if default_fault(defaults) else defaults

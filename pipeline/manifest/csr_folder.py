"""A folder of CSRs, one file a thing name: who has one there, and which files are nobody's.

``NAME.csr`` or ``NAME.pem`` says that the thing NAME keeps its own key. A file that belongs to no row is a fault:
its name is most likely misspelt, and a key would be made here for a device that has one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.manifest.faults import Place
from pipeline.manifest.names import THING_NAME, quoted
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.manifest.faults import Fault
    from pipeline.manifest.roster import Roster

__all__ = ["CsrFolder"]

_SUFFIXES = (".csr", ".pem")


class CsrFolder:
    """The folder that ``--csr-dir`` names. Nothing of it is kept in memory.

    Args:
        path: The folder.

    Raises:
        UsageError: It is no folder, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            os.scandir(path).close()
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error

    def files_of(self, thing_name: str) -> list[Path]:
        """Return the files that are there for a thing, of whatever kind; two are one too many.

        Raises:
            UsageError: The folder may be listed but not entered.
        """
        # As text until one is there: this runs for every row.
        stem = f"{self._path}{os.sep}{thing_name}"
        return [Path(stem + suffix) for suffix in _SUFFIXES if self._has(stem + suffix)]

    def strays(self, roster: Roster) -> Iterator[Fault]:
        """Yield a fault for each CSR of the folder that no device of the roster brings.

        Args:
            roster: The devices of the whole manifest, sealed.

        Raises:
            UsageError: The folder cannot be read to its end.
        """
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - a million of them, none a Path
                    # Hidden files are an editor's or a file manager's: no thing name begins with a dot.
                    if suffix.lower() in _SUFFIXES and not stem.startswith("."):
                        reason = _stray(stem, suffix, roster)
                        if reason is not None:
                            yield Place(str(self._path / entry.name), 1, 1).fault(reason)
        except OSError as error:
            raise self._unreadable(error) from error

    def _has(self, path: str) -> bool:
        try:
            os.lstat(path)  # a link that leads nowhere is there too, and must not pass for a device without a CSR
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unreadable(error) from error
        return True

    def _unreadable(self, error: Exception) -> UsageError:
        cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return UsageError(
            f"the folder of CSRs '{printable(str(self._path))}' cannot be read: {cause}",
            advice="give --csr-dir a folder that is there, with NAME.csr or NAME.pem for each thing",
        )


def _stray(stem: str, suffix: str, roster: Roster) -> str | None:
    """Return why a file of the folder is nobody's, or None where its thing brings it."""
    listed = roster.find(stem) if THING_NAME.holds(stem) else None
    if listed is None:
        return f"no row names the thing {quoted(stem)}; rename or remove the file"
    if listed.thing_name != stem:
        return (
            f"no row names the thing {quoted(stem)}, but line {listed.line} names {quoted(listed.thing_name)}; "
            "give the file that name"
        )
    if suffix not in _SUFFIXES:
        return f"the suffix {quoted(suffix)} is not read; write it {suffix.lower()}"
    if not listed.brings_csr:
        return "the file was not there yet when its row was read; run the same command again"
    return None

"""What may hold keys, or stand beside them: folders that are ours and closed, and files with one name alone.

Nothing is made or changed here.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from pipeline.errors import DiskError, UsageError
from pipeline.layout import DEVICES, EXPORTS, STAGING
from pipeline.text import printable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_above", "check_file", "check_folder", "check_readers", "check_run"]


def check_folder(folder: Path, option: str = "--output") -> None:
    """See that a folder is one, that it is ours, and that nobody else can enter it.

    Args:
        folder: Which.
        option: What of the command line chose its place, for the advice.

    Raises:
        FileNotFoundError: There is nothing of that name.
        DiskError: It is a symbolic link or no folder, belongs to somebody else, or is open to others.
    """
    where, found = printable(str(folder)), folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise DiskError(
            f"{where} is a symbolic link, which is not followed",
            advice="find out who put it there, move it away and run the same command again",
        )
    if not stat.S_ISDIR(found.st_mode):
        raise DiskError(f"{where} is not a folder", advice="move it away and run again")
    if found.st_uid != os.geteuid():
        raise DiskError(
            f"{where} belongs to another user",
            advice="keys are written only into folders of the user who runs thingmill",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise DiskError(
            f"{where} can be entered by other users",
            advice=f"close it with chmod 700, or choose another {option}",
        )


def check_run(root: Path) -> None:
    """See that the folder of a run that is there is still ours alone, and so are the way to it and what is in it.

    A symbolic link that a user has for it is fine where it leads to such a folder. Inside there is none: whoever
    handed the run over would decide by it what is read as its bundles.

    Raises:
        DiskError: It is not.
    """
    check_above(root)
    own = root.resolve()
    check_folder(own)
    for name in (DEVICES, STAGING, EXPORTS):
        with contextlib.suppress(FileNotFoundError):
            check_folder(own / name)


def check_above(folder: Path, option: str = "--output") -> None:
    """See that nobody but root and ourselves decides what stands at a folder's name.

    Who may rename what is in a folder can put another in the place of one below it. So none of the folders above
    may be writable by everybody, unless it is sticky (``/tmp``: there only owners rename, unlink(2)); and the one
    right above belongs to us or to root. Members of a group that may write there are trusted: that is how a line
    shares its output folder, and they still cannot enter the run's own. Folders that are not there yet pass.

    Args:
        folder: Which.
        option: What of the command line chose its place, for the advice.

    Raises:
        DiskError: Somebody else does.
    """
    absolute = folder.absolute()
    # Where a symbolic link is on the way, both its own place and where it leads to have to be safe.
    ways = {absolute: absolute.parent, folder.resolve(): folder.resolve().parent}
    for way, parent in ways.items():
        for above in way.parents:
            try:
                found = above.stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise DiskError(
                    f"cannot look at {printable(str(above))}: {error.strerror}", advice=f"choose another {option}"
                ) from error
            _check_writers(above, found, option)
            if above == parent and found.st_uid not in {0, os.geteuid()}:
                raise DiskError(
                    f"{printable(str(above))} belongs to another user, who could put another folder in the place "
                    f"of {printable(folder.name)}",
                    advice=f"choose another {option}, in a folder of your own, or of root",
                )


def _check_writers(folder: Path, found: os.stat_result, option: str) -> None:
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise DiskError(
            f"everybody may rename what is in {printable(str(folder))}, also a folder that holds keys",
            advice=f"close it with chmod o-w, or make it sticky with chmod +t, or choose another {option}",
        )


def check_readers(path: str, found: os.stat_result, what: str) -> None:
    """See that nobody else can read a secret that a user keeps in a file.

    Args:
        path: Its name, for the message.
        found: What is there: of the open file itself.
        what: What it is, for a person: ``the passphrase``.

    Raises:
        UsageError: It belongs to somebody else, or is open to others.
    """
    shown = printable(path)
    if found.st_uid not in {0, os.geteuid()}:
        raise UsageError(
            f"{shown} belongs to another user, who can read {what}", advice="copy it to a file of your own"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UsageError(f"{shown} holds {what} and is open to other users", advice="close it with chmod 600")


def check_file(path: Path, found: os.stat_result) -> None:
    """See that a file that is written in place is a regular one and has no second name.

    Through a second name (a hard link) what is written here would change a file somewhere else.

    Args:
        path: Its name, for the message.
        found: What is there: of the open file itself, where it is open.

    Raises:
        DiskError: It is not.
    """
    what = ""
    if stat.S_ISLNK(found.st_mode):
        what = "is a symbolic link, which is not followed"
    elif not stat.S_ISREG(found.st_mode):
        what = "is no regular file"
    elif found.st_nlink > 1:
        what = "has a second name (a hard link) somewhere else"
    if what:
        raise DiskError(
            f"{printable(str(path))} {what}", advice="find out who put it there, move it away and run again"
        )

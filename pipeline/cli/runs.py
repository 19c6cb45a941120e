"""The runs in an output folder: found by their names, offered to a shell, and told apart from what is none."""

from __future__ import annotations

import contextlib
import os
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bucket import is_address
from pipeline.cli.nearest import did_you_mean
from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RUN_NAME", "find_run", "refuse_bucket", "runs_in"]

RUN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""What a run can be named: no character of it means anything to a shell, a file system or a terminal."""

_SHOWN = 5


def refuse_bucket(output: str) -> None:
    """Refuse a bucket as the place for runs.

    A key has to be durable before its CSR is sent, on a disk that this process can wait for and lock: else a crash
    would leave certificates whose keys are lost.

    Args:
        output: What ``--output`` says, also after ``Path`` has made one slash of two.

    Raises:
        UsageError: It is one.
    """
    if is_address(output):
        raise UsageError(
            "--output names a bucket, and a run is kept on a disk of this machine: each key is durable there "
            "before its CSR is sent",
            advice="give a folder, and put bundles there afterwards: thingmill export RUN --format pem --to "
            "s3://BUCKET/PREFIX",
        )


def find_run(run: str, output: Path) -> Path:
    """Return the folder of a run that is named by its path, or by its name in the output folder.

    Raises:
        UsageError: There is no such run.
    """
    refuse_bucket(str(output))
    folders = (Path(run), output / run)
    for folder in folders:
        if _is_run(folder):
            return folder
    where = printable(str(output))
    there = list(runs_in(output))
    advice = f"give a run's folder, or its name in {where} (see --output)"
    if near := did_you_mean(Path(run).name, there):
        advice = f"{near} {advice}"
    elif there:
        more = f" and {len(there) - _SHOWN:,} more" if len(there) > _SHOWN else ""
        advice = f"{advice}: there {'is' if len(there) == 1 else 'are'} {', '.join(there[:_SHOWN])}{more}"
    if any(_is_folder(folder) for folder in folders if run):
        raise UsageError(f"the folder {printable(run)} is no run: it has no ledger.db", advice=advice)
    raise UsageError(f"there is no run {printable(run)}", advice=advice)


def runs_in(output: Path, begin: str = "", most: int = 2000) -> Iterator[str]:
    """Yield the names of the runs in a folder that could be named on a command line as they are, sorted.

    Args:
        output: Where runs land; nothing is yielded where it cannot be read.
        begin: What their names begin with.
        most: How many folders are looked into at most.
    """
    names: list[str] = []
    with contextlib.suppress(OSError), os.scandir(output) as entries:
        fitting = (
            entry.name for entry in entries if entry.name.startswith(begin) and RUN_NAME.fullmatch(entry.name)
        )
        names = sorted(islice(fitting, most))
    yield from (name for name in names if _is_run(output / name))


def _is_run(folder: Path) -> bool:
    with contextlib.suppress(OSError):  # a name that is too long, a folder that nobody may enter
        return (folder / "ledger.db").is_file()
    return False


def _is_folder(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return folder.is_dir()
    return False

"""--version: a first line for programs, and below it what a report of a fault should say."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

import typer

from pipeline import __version__

if TYPE_CHECKING:
    from tests.foreign.stage import Desk


def test_the_version_stands_alone_on_the_first_line(desk: Desk) -> None:
    """Name and version come first, then Python and the system, the libraries, and which extras are there."""
    done = desk.call("--version")
    assert (done.code, done.err) == (0, "")
    first, python, libraries, extras = done.out.splitlines()
    assert first == f"thingmill {__version__}"
    assert python.startswith(f"Python {platform.python_version()}, {platform.system()} ")
    assert {"aiobotocore", "botocore", "cryptography"} < set(re.findall(r"[a-z]+(?= \d)", libraries))
    assert f"typer {typer.__version__}" in libraries
    assert extras.startswith("extras: ")

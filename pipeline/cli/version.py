"""``thingmill --version``: the version, and below it what a report of a fault should say."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pipeline import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["version_lines"]

_LIBRARIES = ("aiobotocore", "botocore", "cryptography", "rich", "typer")
_EXTRAS = ("ministack", "paho-mqtt", "pyrage", "distributed", "esp-idf-nvs-partition-gen")


def version_lines() -> Iterator[str]:
    """Yield ``thingmill 0.1.0``, alone on its line, then Python, the system, and the libraries that are there."""
    yield f"thingmill {__version__}"
    yield f"Python {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}"
    yield ", ".join(filter(None, map(_named, _LIBRARIES)))
    extras = ", ".join(filter(None, map(_named, _EXTRAS)))
    yield f"extras: {extras or 'none'}"


def _named(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return ""

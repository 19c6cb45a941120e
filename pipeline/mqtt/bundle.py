"""What a device finds in its bundle, held inside the bundle's folder, and how a proof of it fails."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.codes import ProofCode
from pipeline.errors import ThingmillError
from pipeline.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.secret import Secret

__all__ = ["BundleFiles", "ProofError", "read_bundle"]

_CONFIG_BYTES = 65_536
_ENDPOINT = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")


class ProofError(ThingmillError):
    """A bundle did not prove itself.

    Args:
        code: The cause.
        message: What happened, in one sentence.
        advice: What to do about it.
    """

    def __init__(self, code: ProofCode, message: str, *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.code = code


@dataclass(frozen=True, slots=True)
class BundleFiles:
    """What a device finds in its bundle. The key is a path: it goes into TLS and nowhere else.

    ``opened`` is the key in clear where the file is encrypted: PKCS #8 PEM, which goes into TLS and nowhere else.
    """

    thing_name: str
    endpoint: str
    port: int
    certificate: Path
    key: Path
    root_ca: Path
    opened: Secret | None = None


def read_bundle(folder: Path) -> BundleFiles:
    """Return what ``config.json`` in a bundle's folder names, held inside that folder.

    Raises:
        ProofError: ``BadBundle``: it is missing or damaged, or a name in it leads out of the folder.
    """
    try:
        with (folder / "config.json").open("rb") as file:
            config = json.loads(file.read(_CONFIG_BYTES))
    except OSError as error:
        raise _bad(folder, f"config.json cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _bad(folder, "config.json is not JSON") from error
    if not isinstance(config, dict):
        raise _bad(folder, "config.json is not a JSON object")

    def text(key: str, pattern: re.Pattern[str]) -> str:
        value = config.get(key)
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise _bad(folder, f"config.json has no usable `{key}`")

    def inside(key: str) -> Path:
        path = folder / text(key, re.compile(r"[^/\\\0]{1,255}"))
        # Resolved, since a symbolic link leads out as well as `..` does.
        if path.name in {"", "..", "."} or path.resolve().parent != folder.resolve():
            raise _bad(folder, f"`{key}` in config.json leads out of the bundle")
        return path

    port = config.get("port")
    if type(port) is not int or not 0 < port < 65_536:  # not isinstance: True is an int
        raise _bad(folder, "config.json has no usable `port`")
    return BundleFiles(
        thing_name=text("thing-name", _THING_NAME),
        endpoint=text("endpoint", _ENDPOINT),
        port=port,
        certificate=inside("cert"),
        key=inside("key"),
        root_ca=inside("root-ca"),
    )


def _bad(folder: Path, what: str) -> ProofError:
    return ProofError(ProofCode.BAD_BUNDLE, f"{printable(folder.name)}: {printable(what)}")

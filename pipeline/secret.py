"""Bytes that hold a private key, or open one: shown by nobody, and never pickled.

>>> Secret(b"-----BEGIN PRIVATE KEY-----")
Secret(27 bytes)
"""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Secret", "plain"]


class Secret:
    """Bytes that no log, traceback or pool may see.

    Its length alone is shown, and pickling it fails: what crosses to another process or is stored would be in
    clear. Comparing and hashing are by identity.

    Args:
        data: The bytes.
    """

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def reveal(self) -> bytes:
        """Return the bytes, to whoever writes or uses them right away."""
        return self._data

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"Secret({len(self._data)} bytes)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: it must not leave its process in clear")


def plain(content: bytes | Secret) -> bytes:
    """Return the bytes of what may be a secret, to whoever writes or compares them right away."""
    return content.reveal() if isinstance(content, Secret) else content

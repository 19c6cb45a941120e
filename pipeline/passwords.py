"""A password or passphrase from where its owner keeps it: a prompt, a file, an open descriptor; never an argument.

An argument is in the shell's history and in the list of processes, and an environment variable is inherited by
every child. So a command line, or a manifest's ``[run]`` table, only ever says where the secret is.
"""

from __future__ import annotations

import codecs
import fcntl
import getpass
import os
import re
import warnings
from dataclasses import dataclass, field

from pipeline import privacy
from pipeline.errors import UsageError
from pipeline.hardening import harden
from pipeline.secret import Secret
from pipeline.text import printable

__all__ = ["SOURCES", "Carried", "is_source", "read_password"]

SOURCES = "prompt, file:PATH or fd:N"
"""What a source may be, in the words of messages."""

_SOURCE = re.compile(r"prompt|file:(?P<path>.+)|fd:(?P<number>[0-9]{1,4})", re.ASCII | re.DOTALL)

_MOST_BYTES = 1024
"""Far above any passphrase; what is longer is another file than was meant."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A password on its way to a worker process of the same run, over the pipe between the two.

    ``Secret`` refuses to be pickled, so that no private key crosses by accident. A password has to cross, since a
    worker encrypts with it, and this type is how that is said. Its bytes are in no repr.

    Attributes:
        data: The password in UTF-8.
    """

    data: bytes = field(repr=False)

    @classmethod
    def of(cls, password: Secret | None) -> Carried | None:
        """Return what crosses for a password, None for none."""
        return None if password is None else cls(password.reveal())

    def arrived(self) -> Secret:
        """Return the password where it was carried to."""
        return Secret(self.data)


def is_source(source: str) -> bool:
    """Whether a text says where a password is, rather than being one.

    >>> is_source("file:secrets/line-7"), is_source("hunter2")
    (True, False)
    """
    return _SOURCE.fullmatch(source) is not None


def read_password(source: str, what: str, *, confirm: bool) -> Secret:
    """Return a password from where ``source`` says that it is.

    One newline at its end is not part of it. A file may be a symbolic link. A descriptor is read to its end and
    then closed, unless it is one of the three standard ones.

    Args:
        source: ``prompt``, ``file:PATH`` or ``fd:N``.
        what: What it is, for a person: ``the PKCS #12 password``.
        confirm: Ask twice at a prompt: for what will be encrypted, where a slip would lock its owner out.

    Raises:
        UsageError: It cannot be had from there, is empty, more than a line of 1,024 bytes, or no UTF-8; its file
            is open to other users; or there is no terminal to ask at.
    """
    found = _SOURCE.fullmatch(source)
    if found is None:
        # Not quoted: whoever gave the password itself need not see it in a log.
        raise UsageError(f"{what} is not given itself", advice=f"say where it is: {SOURCES}")
    harden()  # whoever can read this process's memory would have it
    if found["path"] is not None:
        data = _from_file(found["path"], what)
    elif found["number"] is not None:
        data = _from_descriptor(int(found["number"]), what)
    else:
        data = _from_prompt(what, confirm=confirm)
    return Secret(_checked(data, what))


def _from_file(path: str, what: str) -> bytes:
    shown = printable(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            data = file.read(_MOST_BYTES + 3)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "no such file"
        raise UsageError(
            f"{what} cannot be read from {shown}: {reason}", advice="give a file of your own, of mode 0600"
        ) from None
    privacy.check_readers(path, found, what)
    return data


def _from_descriptor(number: int, what: str) -> bytes:
    data = b""
    try:
        if fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
            # Whatever this process opened itself has that flag (PEP 446), and what a shell opened for it has not.
            raise UsageError(
                f"nobody opened descriptor {number} for {what}", advice="open it in the shell, as in 3<FILE"
            )
        if os.isatty(number):
            raise UsageError(
                f"descriptor {number} is a terminal, which would show {what}",
                advice="say prompt to be asked for it",
            )
        while len(data) < _MOST_BYTES + 3 and (more := os.read(number, _MOST_BYTES + 3 - len(data))):
            data += more
        if number > 2:
            os.close(number)
    except OSError as error:
        raise UsageError(
            f"{what} cannot be read from descriptor {number}: {error.strerror}",
            advice="open it in the shell, as in 3<FILE",
        ) from None
    return data


def _from_prompt(what: str, *, confirm: bool) -> bytes:
    entered = _ask(f"{what[0].upper()}{what[1:]}: ", what)
    if confirm and _ask("The same again: ", what) != entered:
        raise UsageError(f"{what} was entered in two ways", advice="run the same command again")
    try:
        return entered.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not UTF-8 text", advice="set the terminal to UTF-8") from None


def _ask(prompt: str, what: str) -> str:
    with warnings.catch_warnings():
        # Without a terminal getpass would warn, and read what anybody can see.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except (getpass.GetPassWarning, OSError):
            raise UsageError(
                f"there is no terminal to ask for {what} at", advice="give file:PATH or fd:N instead"
            ) from None
        except EOFError:
            raise UsageError(
                f"{what} was not entered", advice="run the same command again, or give file:PATH or fd:N"
            ) from None


def _checked(data: bytes, what: str) -> bytes:
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    if data.startswith(codecs.BOM_UTF8):
        # Nobody types it at a prompt, and some tools take it for a part of the password and others do not.
        raise UsageError(
            f"{what} begins with a byte order mark",
            advice="save its file as UTF-8 without one, as most editors can",
        )
    if not data:
        raise UsageError(f"{what} is empty", advice="it has one character at least")
    if len(data) > _MOST_BYTES or any(byte in data for byte in b"\n\r\0"):
        raise UsageError(
            f"{what} is one line of up to {_MOST_BYTES:,} bytes without a NUL; this is more",
            advice="see that the right file was named",
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{what} is not UTF-8 text", advice="see that the right file was named") from None
    return data

"""Recipients are read from the command line and from files, and what is none is named with its place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pipeline import recipients
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sealing.holders import Holder


def test_recipients_are_sorted_and_none_is_there_twice(holders: dict[str, Holder], tmp_path: Path) -> None:
    """In whatever order, with comments or without, in a file or not: the same recipients are the same."""
    listed = [holder.recipient for holder in holders.values()]
    path = tmp_path / "line 7"
    path.write_text("# the line's\n\n" + "\n".join(f"  {each}  " for each in reversed(listed)), encoding="utf-8")
    assert recipients.read([str(path)]) == recipients.read([*listed, str(path)])
    plain = sorted(" ".join(each.split()[:2]) for each in listed)
    assert list(recipients.read(listed)) == plain


def test_a_line_that_is_no_recipient_is_named_with_its_number(holder: Holder, tmp_path: Path) -> None:
    """One character too many, and the file and the line are in the message."""
    path = tmp_path / "recipients.txt"
    path.write_text(f"# one\n{holder.recipient}\n{holder.recipient}q\n", encoding="ascii")
    with pytest.raises(UsageError, match=r"recipients\.txt:3: age1\w+ is no recipient"):
        recipients.read([str(path)])


def test_a_line_of_another_file_than_was_meant_is_not_repeated(tmp_path: Path) -> None:
    """Where a file of passwords was named by mistake, its place is told and what stands there is not."""
    path = tmp_path / "passwords"
    path.write_text("hunter2\n", encoding="ascii")
    with pytest.raises(UsageError, match=r"passwords:1: what is there is no recipient") as caught:
        recipients.read([str(path)])
    assert "hunter2" not in f"{caught.value.message}{caught.value.advice}"


@pytest.mark.parametrize("given", ["age1qqqq", "ssh-ed25519 AAAA", "ssh-dss AAAA nobody", "age1\x1b[2J"])
def test_an_option_that_is_no_recipient_is_refused(given: str) -> None:
    """A mistyped recipient is refused, and shows nothing that a terminal would act on."""
    with pytest.raises(UsageError, match="is no recipient") as caught:
        recipients.read([given])
    assert "\x1b" not in str(caught.value)


def test_a_private_key_in_place_of_a_recipient_is_not_repeated(holders: dict[str, Holder]) -> None:
    """Whoever gives the identity itself, as an option or in a file, is told so, without it."""
    text = holders["x25519"].identity.read_text(encoding="ascii")
    secret = text.splitlines()[-1]
    for given in (secret, str(holders["x25519"].identity), str(holders["rsa"].identity)):
        with pytest.raises(UsageError, match="a private key") as caught:
            recipients.read([given])
        assert secret not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"# nobody\n", b"\xff\xfe"])
def test_a_file_without_recipients_is_refused(tmp_path: Path, content: bytes) -> None:
    """To encrypt to nobody would lose every key."""
    path = tmp_path / "recipients.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"recipients file .*recipients\.txt"):
        recipients.read([str(path)])


def test_a_file_that_is_not_there_is_named() -> None:
    """What is neither a recipient nor a file is taken for a file, and what it could be is said."""
    with pytest.raises(UsageError, match="No such file") as caught:
        recipients.read(["line-7.txt"])
    assert "age1" in caught.value.advice


def test_without_pyrage_the_extra_is_named(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known before anything is made, and how to come by it is said."""
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(UsageError, match="extra `encrypt`") as caught:
        recipients.read([holder.recipient])
    assert "thingmill[encrypt]" in caught.value.advice

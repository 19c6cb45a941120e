"""What the command line and a manifest may say of encryption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipeline.bundles import formats
from pipeline.bundles.formats import Format
from pipeline.cli import standing
from pipeline.cli.options import resolve
from pipeline.errors import ManifestError, UsageError
from pipeline.manifest import run_settings
from pipeline.recipients import read
from pipeline.secret import Secret
from pipeline.settings import Encryption

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sealing.holders import Holder


def resolved(table: dict[str, Any] | None = None, **given: Any) -> Encryption:  # noqa: ANN401
    """Return what is made of options and a table."""
    options = {"encrypt_to": None, "passphrase": None, "name": "nowhere"} | given
    return resolve("line.txt", options, table or {}).encryption


def test_recipients_and_a_passphrase_exclude_each_other(holder: Holder) -> None:
    """One key has one kind of encryption, so both together are refused."""
    with pytest.raises(UsageError, match="exclude each other"):
        resolved(encrypt_to=[holder.recipient], passphrase="prompt")


def test_the_command_line_takes_the_place_of_the_table(holder: Holder) -> None:
    """With a passphrase on the command line the manifest's recipients do not count, and the other way round."""
    table = {"encrypt_to": [holder.recipient]}
    assert resolved(table) == Encryption(read([holder.recipient]))
    assert resolved(table, passphrase="prompt") == Encryption(passphrase=True, source="prompt")
    assert resolved({"passphrase": "prompt"}, encrypt_to=[holder.recipient]) == Encryption(
        read([holder.recipient])
    )


@pytest.mark.parametrize("source", ["hunter2", "fd:", "file:"])
def test_a_passphrase_itself_is_never_taken_nor_repeated(source: str) -> None:
    """Neither on the command line nor in a manifest, and the message does not say it again."""
    with pytest.raises(UsageError, match="is not given itself") as caught:
        resolved(passphrase=source)
    assert "hunter2" not in f"{caught.value} {caught.value.advice}"


def test_a_manifest_says_how_keys_are_encrypted(tmp_path: Path, holder: Holder) -> None:
    """``encrypt-to`` and ``passphrase`` stand in ``[run]``, and a passphrase itself is a fault, not repeated."""
    path = tmp_path / "line.toml"
    path.write_text(f'[run]\nencrypt-to = ["{holder.recipient}"]\n\n[[thing]]\nname = "one"\n', encoding="utf-8")
    assert run_settings(str(path)) == {"encrypt_to": [holder.recipient]}
    path.write_text('[run]\npassphrase = "hunter2"\n\n[[thing]]\nname = "one"\n', encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        run_settings(str(path))
    [fault] = caught.value.faults
    assert "says where it is, never itself: prompt, file:PATH or fd:N" in str(fault)
    assert "hunter2" not in str(fault)


def test_a_format_that_opens_keys_is_refused_up_front(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have to have the key in clear; where it can be made instead is said."""
    monkeypatch.setitem(formats.FORMATS, "opening", Format(lambda _: {}, "", opens_key=True))
    monkeypatch.setitem(formats.FORMATS, "copying", Format(lambda _: {}, ""))
    resolved(encrypt_to=[holder.recipient], format=["copying"])
    for encryption in ({"encrypt_to": [holder.recipient]}, {"passphrase": "prompt"}):
        with pytest.raises(UsageError, match="the format opening has to have them in clear") as caught:
            resolved(**encryption, format=["copying", "opening"])
        assert "thingmill export" in caught.value.advice


@pytest.mark.parametrize("there", ["", "staging/one/one.csr", "staging/one/one.key", "devices/ab/one/one.key"])
def test_a_passphrase_is_asked_for_twice_until_a_key_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    """A slip would lock the owner out of every key, and only a key that is there can tell."""
    asked: list[bool] = []

    def told(*_: object, confirm: bool) -> Secret:
        asked.append(confirm)
        return Secret(b"a passphrase")

    monkeypatch.setattr(standing, "read_password", told)
    manifest = tmp_path / "line.txt"
    manifest.write_text("one\n", encoding="ascii")
    (tmp_path / "output" / "line").mkdir(parents=True)
    if there:
        path = tmp_path / "output" / "line" / there
        path.parent.mkdir(parents=True)
        path.touch()
    given = {"passphrase": "prompt", "output": str(tmp_path / "output")}
    settings = resolve(str(manifest), given, {})
    standing.passphrase_of(settings, [standing.folder_of(settings)])
    assert asked == [not there.endswith(".key")]

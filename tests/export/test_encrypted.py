"""Keys that are encrypted leave their run encrypted, unless somebody who can open them says otherwise."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from pipeline import files
from pipeline.cli.options import resolve
from tests.core.mill import Mill
from tests.export.conftest import Exporting
from tests.support.awsiot import AwsIotDouble
from tests.support.csrs import make_csr
from tests.verify.inspecting import OWN, keys_of_the_double

if TYPE_CHECKING:
    from pathlib import Path

pyrage = pytest.importorskip("pyrage", reason="needs the extra `encrypt`")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a run whose keys are encrypted to an age recipient, with the identity beside it."""
    home = tmp_path_factory.mktemp("encrypted")
    identity = pyrage.x25519.Identity.generate()
    files.replace_whole(home / "identity", str(identity).encode(), 0o600)
    (home / "own.csr").write_text(make_csr(OWN).pem, encoding="ascii")
    told = resolve("manifest.csv", {"encrypt_to": [str(identity.to_public())]}, {})

    async def make() -> None:
        async with AwsIotDouble() as double:
            manifest = f"name,csr\none,\ntwo,\n{OWN},own.csr\n"
            await Mill(double, home).run(manifest, suffix=".csv", encryption=told.encryption)

    with keys_of_the_double():
        anyio.run(make)
    return home


@pytest.fixture
def encrypted(made: Path, tmp_path: Path) -> Exporting:
    """The command line for a copy of the run."""
    shutil.copytree(made / "run", tmp_path / "run")
    return Exporting(tmp_path / "run")


@pytest.fixture
def identity(made: Path) -> str:
    """The file that opens the keys."""
    return str(made / "identity")


def test_formats_that_copy_the_key_copy_it_encrypted(encrypted: Exporting) -> None:
    """They need no identity, and nothing that was written has a key in clear."""
    encrypted("--format", "pem", "--format", "tar")
    exported, bundle = encrypted.root / "export" / "pem" / "one", encrypted.root / "devices" / "one"
    assert {path.name: path.read_bytes() for path in exported.iterdir()} == {
        path.name: path.read_bytes() for path in bundle.iterdir()
    }
    assert (exported / "one.key.age").stat().st_mode & 0o777 == 0o400
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in encrypted.root.rglob("*") if path.is_file())


@pytest.mark.parametrize("given", ["", "--identity FILE", "--in-clear"])
def test_a_key_in_clear_wants_both_to_be_said(encrypted: Exporting, identity: str, given: str) -> None:
    """A format with the key in another form is refused before anything is written, unless both are there."""
    said = encrypted("--format", "der", *given.replace("FILE", identity).split(), expect=2)
    assert "encrypted" in said
    assert "--identity" in said
    assert not (encrypted.root / "export").exists()


def test_a_note_that_is_missing_opens_no_key(encrypted: Exporting, identity: str) -> None:
    """A ledger that does not say that keys are encrypted is not believed over the key's own file."""
    with closing(sqlite3.connect(encrypted.root / "ledger.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'key encryption'")
    said = encrypted("--format", "der", "--identity", identity, expect=1)
    assert said.count("its key is encrypted, and would be in clear (see --in-clear)") == 2
    assert not list((encrypted.root / "export").rglob("*.key*"))


def test_keys_are_written_in_clear_for_who_says_so(encrypted: Exporting, identity: str) -> None:
    """With an identity and --in-clear every format has the key itself, 0400, and config.json names that file."""
    encrypted("--format", "der", "--format", "pem", "--identity", identity, "--in-clear")
    key = encrypted.root / "export" / "pem" / "one" / "one.key"
    assert key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert key.stat().st_mode & 0o777 == 0o400
    assert "age" not in (key.parent / "config.json").read_text(encoding="ascii")
    in_der = {name: list((encrypted.root / "export" / "der" / name).iterdir()) for name in ("two", OWN)}
    assert len(in_der["two"]) > len(in_der[OWN]) > 0


def test_a_pkcs12_file_with_a_password_is_not_in_clear(
    encrypted: Exporting, identity: str, tmp_path: Path
) -> None:
    """So it wants an identity and not --in-clear, and is the same when it is exported again."""
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text("correct horse\n", encoding="ascii")
    words = ("--format", "pkcs12", "--pkcs12-password", f"file:{password}")
    assert "encrypted" in encrypted(*words, expect=2)
    encrypted(*words, "--identity", identity)
    data = (encrypted.root / "export" / "pkcs12" / "one" / "one.p12").read_bytes()
    assert pkcs12.load_pkcs12(data, b"correct horse").key is not None
    assert "there     2:" in encrypted(*words, "--identity", identity)


def test_an_identity_that_does_not_open_the_keys_exports_none(encrypted: Exporting, tmp_path: Path) -> None:
    """Each device whose key does not open is named; one that keeps its own is exported."""
    other = tmp_path / "other"
    files.replace_whole(other, str(pyrage.x25519.Identity.generate()).encode(), 0o600)
    said = encrypted("--format", "pem", "--identity", str(other), expect=1)
    assert "1 of 3 devices exported" in said
    assert [path.name for path in (encrypted.root / "export" / "pem").iterdir()] == [OWN]


def test_a_listing_that_leads_to_keys_is_refused(encrypted: Exporting) -> None:
    """What reads it would take what is encrypted for the key; others are written."""
    assert "encrypted" in encrypted("--format", "mass-mfg", expect=2)
    encrypted("--format", "bulk-results")


@pytest.fixture
def mixed(tmp_path: Path, aws_keys: None) -> Exporting:  # noqa: ARG001  a client wants keys
    """The command line for a run in which a row names a recipient and another does not."""
    identity = pyrage.x25519.Identity.generate()
    files.replace_whole(tmp_path / "identity", str(identity).encode(), 0o600)

    async def make() -> None:
        async with AwsIotDouble() as double:
            rows = f"name,encrypt_to\nclear,\nsealed,{identity.to_public()}\n"
            await Mill(double, tmp_path).run(rows, suffix=".csv")

    anyio.run(make)
    return Exporting(tmp_path / "run")


@pytest.mark.parametrize("given", [(), ("--identity", "identity")], ids=["nothing", "identity"])
def test_where_some_keys_are_encrypted_each_device_is_judged_by_its_own(
    mixed: Exporting, given: tuple[str, ...]
) -> None:
    """A key in clear is exported without a word; an encrypted one is not written in clear unless it is said."""
    words = [str(mixed.root.parent / word) if word == "identity" else word for word in given]
    said = mixed("--format", "der", *words, expect=1)
    assert "sealed: der: its key is encrypted, and would be in clear (see --in-clear)" in said
    assert [path.name for path in (mixed.root / "export" / "der").iterdir()] == ["clear"]
    mixed("--format", "der", "--in-clear", "--identity", str(mixed.root.parent / "identity"))
    assert (mixed.root / "export" / "der" / "sealed" / "sealed.key.der").stat().st_mode & 0o777 == 0o400

"""Encrypted keys verified: as far as can be seen from outside, and to the last bit by who can open them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.errors import UsageError
from pipeline.recipients import read
from pipeline.secret import Secret
from pipeline.settings import Encryption
from pipeline.unsealing import Opener, read_identities
from pipeline.verify import Checks, Connector
from tests.core.mill import Mill
from tests.sealing.holders import age_holder
from tests.support.awsiot import AwsIotDouble
from tests.verify.inspecting import found, keys_of_the_double, verify_now

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sealing.holders import Holder

PASSPHRASE = Secret(b"a passphrase")


@pytest.fixture(scope="module", params=["age", "passphrase"])
def original(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, holders: dict[str, Holder]
) -> Path:
    """The key of the first of two devices of a finished run that nobody changes."""
    recipient = holders["x25519"].recipient
    encryption = Encryption(read([recipient])) if request.param == "age" else Encryption(passphrase=True)

    async def make() -> Path:
        async with AwsIotDouble() as double:
            mill = Mill(double, tmp_path_factory.mktemp("original"))
            run = mill.prepare("one\ntwo\n", encryption=encryption)
            run.passphrase = PASSPHRASE
            await mill.finish(run)
            return mill.folder.bundle("one") / ("one.key.age" if encryption.recipients else "one.key")

    with keys_of_the_double():
        return anyio.run(make)


@pytest.fixture
def sealed(original: Path, tmp_path: Path) -> Path:
    """The same key in a copy of the run, to be broken."""
    copy = shutil.copytree(root_of(original), tmp_path / "run")
    return copy / original.relative_to(root_of(original))


@pytest.fixture
def opening(holder: Holder) -> Checks:
    """Checks by somebody who can open either kind of key."""
    return Checks(opener=Opener(read_identities([str(holder.identity)]), PASSPHRASE))


def root_of(key: Path) -> Path:
    return key.parents[2]


def write(key: Path, data: bytes) -> None:
    key.chmod(0o600)
    key.write_bytes(data)
    key.chmod(0o400)


def test_an_encrypted_run_is_in_order_for_those_with_and_without_identity(sealed: Path, opening: Checks) -> None:
    """Nothing is wrong either way, and only one of them has looked into the keys."""
    for checks, closed in ((Checks(), [True, True]), (opening, [False, False])):
        verdicts, _ = anyio.run(verify_now, root_of(sealed), checks)
        assert [verdict.findings for verdict in verdicts] == [(), ()]
        assert [verdict.key_closed for verdict in verdicts] == closed


def test_a_changed_bit_is_found_without_opening_the_key(sealed: Path, opening: Checks) -> None:
    """The ledger knows the checksum of what is encrypted; with an identity it is said that it does not open."""
    data = bytearray(sealed.read_bytes())
    at = len(data) - 40
    data[at] = ord("A") if data[at] != ord("A") else ord("B")
    write(sealed, bytes(data))
    assert found(root_of(sealed)) == {"one": ["ChecksumDiffers"]}
    codes = found(root_of(sealed), opening)["one"]
    assert "KeyNotOpened" in codes or "KeyBroken" in codes


@pytest.mark.parametrize("part", [slice(0, 0), slice(0, 60), slice(0, -40), slice(30, None)])
def test_what_is_no_encrypted_key_is_found_without_opening_it(sealed: Path, part: slice) -> None:
    """Cut at either end it is not well-formed, or is at least not what was written."""
    write(sealed, sealed.read_bytes()[part])
    assert found(root_of(sealed))["one"] in (["KeyBroken"], ["ChecksumDiffers"])


def test_the_key_of_another_device_is_found_by_who_opens_it(sealed: Path, opening: Checks) -> None:
    """It is whole and opens, and is not the one that was made for this device."""
    write(sealed, (root_of(sealed) / "devices" / "two" / sealed.name.replace("one", "two")).read_bytes())
    assert found(root_of(sealed)) == {"one": ["ChecksumDiffers"]}
    assert "WrongKey" in found(root_of(sealed), opening)["one"]


def test_a_missing_and_an_open_key_are_found(sealed: Path) -> None:
    """File, mode and owner are looked at as those of a key in clear are."""
    sealed.chmod(0o644)
    assert found(root_of(sealed)) == {"one": ["KeyMode"]}
    sealed.unlink()
    assert found(root_of(sealed)) == {"one": ["FileMissing"]}


def test_what_opens_nothing_is_a_finding_for_each_key(sealed: Path, tmp_path: Path) -> None:
    """Another identity and another passphrase: each key is named that they do not open."""
    stranger = age_holder(tmp_path, "stranger")
    checks = Checks(opener=Opener(read_identities([str(stranger.identity)]), Secret(b"another")))
    assert found(root_of(sealed), checks) == {"one": ["KeyNotOpened"], "two": ["KeyNotOpened"]}


def test_bundles_that_nobody_opens_do_not_connect(sealed: Path) -> None:
    """They are left out of what has to connect, and are no failure."""

    async def verify() -> None:
        verdicts, _ = await verify_now(root_of(sealed), Checks(connector=Connector(2, 50.0)))
        assert [(verdict.ok, verdict.connected) for verdict in verdicts] == [(True, None)] * 2

    anyio.run(verify)


@pytest.mark.parametrize(
    "content", ["", "# nobody\n", "AGE-SECRET-KEY-1QQQ\n", "-----BEGIN OPENSSH PRIVATE KEY-----\n"]
)
def test_a_file_without_an_identity_is_refused(tmp_path: Path, content: str) -> None:
    """It is named, and what it holds is not repeated."""
    (tmp_path / "id").write_text(content, encoding="ascii")
    (tmp_path / "id").chmod(0o600)
    with pytest.raises(UsageError, match="holds no identity") as caught:
        read_identities([str(tmp_path / "id")])
    assert "QQQ" not in str(caught.value)


def test_an_identity_that_is_encrypted_is_told_apart(tmp_path: Path) -> None:
    """How to open it on the way is said."""
    (tmp_path / "id").write_bytes(b"age-encryption.org/v1\n-> scrypt")
    (tmp_path / "id").chmod(0o600)
    with pytest.raises(UsageError, match="itself encrypted") as caught:
        read_identities([str(tmp_path / "id")])
    assert "age -d" in caught.value.advice


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_an_identity_that_others_may_read_is_refused(holder: Holder, tmp_path: Path, mode: int) -> None:
    """Whoever reads it opens every key of the run, so it is closed first, as the file of a passphrase is."""
    copy = tmp_path / "identity"
    copy.write_bytes(holder.identity.read_bytes())
    copy.chmod(mode)
    with pytest.raises(UsageError, match="is open to other users") as caught:
        read_identities([str(copy)])
    assert caught.value.advice == "close it with chmod 600"
    copy.chmod(0o400)
    assert len(read_identities([str(copy)])) == 1

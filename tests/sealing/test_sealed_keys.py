"""A sealed key and its CSR come to disk together, whatever is killed, and never in clear."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import failpoints, files, keys, sealing
from pipeline.errors import DeviceError
from pipeline.pkcs8 import WrappingKey
from pipeline.recipients import read
from pipeline.sealing import AgeSeal, LockedSeal, PassphraseSeal, ensure_sealed_key
from pipeline.secret import Secret
from pipeline.settings import KeyType
from pipeline.staging import read_key
from pipeline.unsealing import Opener, read_identities
from tests.sealing.holders import clear_parts, spki_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.device import KeyReceipt
    from pipeline.sealing import Seal
    from tests.sealing.holders import Holder

PASSPHRASE = Secret(b"a passphrase")


class KilledError(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(params=["age", "passphrase"])
def seal(request: pytest.FixtureRequest, holder: Holder) -> Seal:
    """What encrypts keys, of either kind."""
    if request.param == "age":
        return AgeSeal(read([holder.recipient]))
    return PassphraseSeal(WrappingKey.derive(PASSPHRASE))


def ensure(folder: Path, seal: Seal, expected: str | None = None, **fields: Any) -> KeyReceipt:  # noqa: ANN401
    asked = {"common_name": "one", "key_type": KeyType.EC_P256} | fields
    return ensure_sealed_key(folder / "one", "one", asked["common_name"], asked["key_type"], expected, seal)


def opened(folder: Path, holder: Holder) -> bytes:
    """Return the key that lies in a folder, in clear."""
    return (
        Opener(read_identities([str(holder.identity)]), PASSPHRASE)
        .open(read_key(folder / "one", "one"))
        .data.reveal()
    )


def killed_at(name: str) -> pytest.MonkeyPatch:
    """Have the process end at a failpoint until this is undone."""
    patch = pytest.MonkeyPatch()

    def hit(passed: str) -> None:
        if passed == name:
            raise KilledError

    patch.setattr(failpoints, "hit", hit)
    return patch


@pytest.mark.parametrize("kind", ["x25519", "ed25519", "rsa"])
@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P521, KeyType.RSA_2048])
def test_age_opens_what_was_sealed(
    tmp_path: Path, holders: dict[str, Holder], kind: str, key_type: KeyType
) -> None:
    """Each holder of an identity finds with Debian's age the very key that the CSR is for, in a file of 0400."""
    seal = AgeSeal(read([holder.recipient for holder in holders.values()]))
    receipt = ensure(tmp_path, seal, key_type=key_type)
    path = tmp_path / "one" / "one.key.age"
    assert path.stat().st_mode & 0o777 == 0o400
    assert spki_of(holders[kind].open(path)) == receipt.spki_sha256


def test_nothing_in_clear_is_handed_to_the_disk(
    tmp_path: Path, seal: Seal, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that is written, temporary files too, nothing has any part of the key."""
    written: list[bytes] = []
    write = files._temporary

    def record(path: Path, chunks: Any, mode: int) -> Any:  # noqa: ANN401
        written.extend(chunks := list(chunks))
        return write(path, chunks, mode)

    monkeypatch.setattr(files, "_temporary", record)
    ensure(tmp_path, seal)
    pem = opened(tmp_path, holder)
    assert written
    assert [part for part in clear_parts(pem) if part in b"\0".join(written)] == []


def test_a_sealed_key_is_taken_up_with_its_csr(tmp_path: Path, seal: Seal) -> None:
    """Asked again, also by a run without the passphrase, key and CSR stay and the receipt is the same."""
    receipt = ensure(tmp_path, seal)
    before = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert before.keys() == {f"one.key{seal.suffix}", "one.csr"}
    assert ensure(tmp_path, seal) == receipt
    assert ensure(tmp_path, LockedSeal() if not seal.suffix else seal, receipt.spki_sha256) == receipt
    assert {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()} == before


@pytest.mark.parametrize("place", failpoints.NAMES[:5])
def test_a_kill_at_any_place_leaves_key_and_csr_of_one_pair(
    tmp_path: Path, seal: Seal, holder: Holder, place: str
) -> None:
    """Wherever the making ends, the next time there is one key, and the CSR beside it is its own."""
    patch = killed_at(place)
    try:
        with pytest.raises(KilledError):
            ensure(tmp_path, seal)
    finally:
        patch.undo()
    committed = keys.key_file(tmp_path / "one", "one")
    digest = None if committed is None else committed.read_bytes()
    assert (digest is not None) == (place in {"key.durable", "key.receipt"})
    receipt = ensure(tmp_path, seal)
    assert spki_of(opened(tmp_path, holder)) == receipt.spki_sha256
    csr = (tmp_path / "one" / "one.csr").read_text(encoding="ascii")
    assert csr == receipt.csr
    assert digest in {None, (tmp_path / "one" / f"one.key{seal.suffix}").read_bytes()}
    assert {path.name for path in (tmp_path / "one").iterdir()} == {f"one.key{seal.suffix}", "one.csr"}


def test_two_workers_at_once_never_mix_a_pair(
    tmp_path: Path, seal: Seal, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was given up for dead writes all of its own in between: its key stands, with its own CSR."""
    receipts: list[KeyReceipt] = []
    create = files.create_once

    def overtaken(*arguments: Any) -> None:  # noqa: ANN401
        monkeypatch.setattr(files, "create_once", create)
        receipts.append(ensure(tmp_path, seal))
        create(*arguments)

    monkeypatch.setattr(files, "create_once", overtaken)
    with pytest.raises(DeviceError, match="by another process") as caught:
        ensure(tmp_path, seal)
    assert caught.value.code == "StrangeKey"
    assert ensure(tmp_path, seal) == receipts[0]
    assert spki_of(opened(tmp_path, holder)) == receipts[0].spki_sha256


def test_a_key_without_its_csr_is_not_paired_with_another(tmp_path: Path, seal: Seal) -> None:
    """With the CSR gone the key is left alone: named while nothing was sent, lost once something was."""
    receipt = ensure(tmp_path, seal)
    (tmp_path / "one" / "one.csr").unlink()
    for expected, code in ((None, "StrangeKey"), (receipt.spki_sha256, "KeyLost")):
        with pytest.raises(DeviceError) as caught:
            ensure(tmp_path, seal, expected)
        assert caught.value.code == code


def test_the_csr_of_another_key_is_not_taken_for_one_that_was_asked_for(tmp_path: Path, seal: Seal) -> None:
    """A key that the ledger knows by its hash is lost when the CSR beside it is another's."""
    ensure(tmp_path, seal)
    with pytest.raises(DeviceError) as caught:
        ensure(tmp_path, seal, hashlib.sha256(b"another").hexdigest())
    assert caught.value.code == "KeyLost"


@pytest.mark.parametrize("changed", [{"common_name": "two"}, {"key_type": KeyType.EC_P384}])
def test_a_row_that_changed_before_its_key_was_recorded_is_told(
    tmp_path: Path, seal: Seal, changed: dict[str, Any]
) -> None:
    """The CSR cannot be made anew for another name or type, so the key is named and not used."""
    ensure(tmp_path, seal)
    with pytest.raises(DeviceError) as caught:
        ensure(tmp_path, seal, **changed)
    assert caught.value.code == "StrangeKey"


def test_a_key_in_clear_is_no_key_of_an_encrypted_run(tmp_path: Path, seal: Seal) -> None:
    """Neither used nor replaced, it is named."""
    keys.ensure_key(tmp_path / "one", "one", "one", KeyType.EC_P256)
    with pytest.raises(DeviceError, match="not encrypted") as caught:
        ensure(tmp_path, seal)
    assert caught.value.code == "StrangeKey"


def test_without_the_passphrase_no_key_is_made(tmp_path: Path) -> None:
    """The device fails, and nothing was written."""
    with pytest.raises(DeviceError) as caught:
        ensure(tmp_path, LockedSeal())
    assert caught.value.code == "PassphraseMissing"
    assert list((tmp_path / "one").iterdir()) == []


def test_what_is_sealed_says_so_of_itself(tmp_path: Path, seal: Seal) -> None:
    """The file of a sealed key is told from one in clear by how it begins."""
    ensure(tmp_path, seal)
    assert sealing.is_sealed((tmp_path / "one" / f"one.key{seal.suffix}").read_bytes())
    keys.ensure_key(tmp_path / "two", "two", "two", KeyType.EC_P256)
    assert not sealing.is_sealed((tmp_path / "two" / "two.key").read_bytes())

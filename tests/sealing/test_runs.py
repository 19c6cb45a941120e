"""Runs whose keys are encrypted: nothing in clear in what they leave, and resumed by whoever may."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.cli.options import resolve
from pipeline.device import State
from pipeline.errors import RunFolderError, UsageError
from pipeline.ledger import live_ledger
from pipeline.recipients import read
from pipeline.secret import Secret
from pipeline.settings import Encryption
from tests.sealing.holders import age_holder, clear_parts, spki_of
from tests.support.awsiot import Fail
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.run import Run
    from tests.core.mill import Mill
    from tests.sealing.holders import Holder

pytestmark = pytest.mark.anyio

PASSPHRASE = Secret(b"a passphrase")
BY_PASSPHRASE = Encryption(passphrase=True, source="prompt")


def to(*holders: Holder) -> Encryption:
    return Encryption(read(holder.recipient for holder in holders))


async def run_with(mill: Mill, passphrase: Secret | None, manifest: str = "one\n", **options: Any) -> Run:  # noqa: ANN401
    """Run a manifest whose keys a passphrase encrypts."""
    run = mill.prepare(manifest, encryption=BY_PASSPHRASE, **options)
    run.passphrase = passphrase
    return await mill.finish(run)


async def fail_at_step_4(mill: Mill, passphrase: Secret | None = PASSPHRASE, **options: Any) -> None:  # noqa: ANN401
    """Have a run of one device end with its key on disk and no certificate."""
    mill.double.faults.script("CreateCertificateFromCsr", Fail("InvalidRequestException"))
    run = mill.prepare(**({"encryption": BY_PASSPHRASE} | options))
    run.passphrase = passphrase
    await mill.finish(run)
    assert mill.code("one") is not None


async def test_no_part_of_a_key_is_in_what_a_run_leaves(mill: Mill, holder: Holder) -> None:
    """Not in the ledger nor its log, not in the trail, the reports or the bundles: each key is the canary."""
    await mill.run("one\ntwo\n", encryption=to(holder))
    left = {path: path.read_bytes() for path in mill.home.rglob("*") if path.is_file()}
    assert mill.folder.ledger in left
    for name in ("one", "two"):
        pem = holder.open(mill.folder.bundle(name) / f"{name}.key.age")
        assert spki_of(pem) == mill.entry(name).spki_sha256
        found = [(path.name, part) for part in clear_parts(pem) for path, data in left.items() if part in data]
        assert found == []


async def test_the_passphrase_is_in_nothing_that_a_run_leaves(mill: Mill) -> None:
    """The ledger remembers that there is one, and nothing by which it could be guessed at."""
    await run_with(mill, PASSPHRASE)
    assert all(b"a passphrase" not in path.read_bytes() for path in mill.home.rglob("*") if path.is_file())
    with closing(live_ledger(mill.folder.ledger)) as reader:
        assert reader.meta()["key encryption"] == "passphrase"


async def test_the_configuration_says_what_the_key_is_called_and_where_it_lies(mill: Mill, holder: Holder) -> None:
    """``key`` is the device's own name for it; a device that keeps its key has neither, and says who holds it."""
    (mill.home / "own.csr").write_text(make_csr("own").pem, encoding="ascii")
    await mill.run("name,csr\none,\nown,own.csr\n", suffix=".csv", encryption=to(holder))
    config = json.loads((mill.folder.bundle("one") / "config.json").read_bytes())
    assert (config["key"], config["key-encrypted"]) == ("one.key", "one.key.age")
    assert not (mill.folder.bundle("one") / "one.key").exists()
    own = json.loads((mill.folder.bundle("own") / "config.json").read_bytes())
    assert own["key-held-by"] == "device"
    assert not {"key", "key-encrypted"} & own.keys()


async def test_a_run_goes_on_without_the_passphrase_once_its_keys_are_made(mill: Mill) -> None:
    """The CSR lies beside the key, so the rest needs neither."""
    await fail_at_step_4(mill)
    sealed = (mill.folder.staged("one") / "one.key").read_bytes()
    await run_with(mill, None)
    assert mill.entry("one").state is State.DONE
    assert (mill.folder.bundle("one") / "one.key").read_bytes() == sealed
    assert len(mill.certificates("one")) == 1


async def test_without_the_passphrase_no_key_is_left_to_be_made(mill: Mill) -> None:
    """A row was added: that is refused before anything is done, and says how many keys are left."""
    await fail_at_step_4(mill)
    calls = mill.double.journal.count("CreateThing")
    with pytest.raises(UsageError, match="1 of them is left to be made") as caught:
        await run_with(mill, None, "one\ntwo\n")
    assert "--passphrase" in caught.value.advice
    assert mill.double.journal.count("CreateThing") == calls


async def test_another_passphrase_is_refused(mill: Mill) -> None:
    """It does not open the key that is there, so no other key gets it; the right one is taken."""
    await fail_at_step_4(mill)
    with pytest.raises(UsageError, match="does not open the keys"):
        await run_with(mill, Secret(b"another"), "one\ntwo\n")
    await run_with(mill, PASSPHRASE, "one\ntwo\n")
    assert mill.entry("two").state is State.DONE


async def test_a_passphrase_that_cannot_be_tried_is_refused(mill: Mill) -> None:
    """With all bundles taken away nobody can say whether it is the same, and a second one would be a trap."""
    await run_with(mill, PASSPHRASE)
    mill.folder.bundle("one").rename(mill.home / "taken away")
    with pytest.raises(UsageError, match="none of the keys") as caught:
        await run_with(mill, PASSPHRASE, "one\ntwo\n")
    assert "one bundle back" in caught.value.advice


async def test_one_damaged_key_does_not_speak_for_all(mill: Mill) -> None:
    """The passphrase is right when it opens another key of the run."""
    await run_with(mill, PASSPHRASE, "one\ntwo\n")
    path = mill.folder.bundle("one") / "one.key"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"A", b"B"))
    await run_with(mill, PASSPHRASE, "one\ntwo\nthree\n")
    assert mill.entry("three").state is State.DONE


async def test_other_recipients_are_another_run(mill: Mill, holder: Holder) -> None:
    """Nor can a run change from encrypted keys to plain ones, or from recipients to a passphrase, half-way."""
    await mill.run(encryption=to(holder))
    other = age_holder(mill.home, "other")
    for encryption in (to(other), to(holder, other), Encryption(), BY_PASSPHRASE):
        with pytest.raises(RunFolderError, match="key encryption was age for 1 recipient and is now"):
            await mill.run("one\ntwo\n", encryption=encryption)


async def test_another_set_of_recipients_is_told_by_name(mill: Mill, holder: Holder) -> None:
    """How many there were and are, who is new and who is left out: whoever gave another file sees which."""
    other, third = age_holder(mill.home, "other"), age_holder(mill.home, "third")
    await mill.run(encryption=to(holder, other))
    with pytest.raises(RunFolderError) as caught:
        await mill.run(encryption=to(other, third))
    assert caught.value.message.endswith(
        "key encryption was age for 2 recipients and is now age for 2 recipients; "
        f"new: {third.recipient}; left out: {holder.recipient}"
    )


@pytest.mark.parametrize("change", ["UPDATE meta SET value = 'somebody' WHERE", "DELETE FROM meta WHERE"])
async def test_recipients_that_are_not_on_record_are_not_guessed(mill: Mill, holder: Holder, change: str) -> None:
    """A note that is not what the run is bound to, or is gone, is not shown as if it were."""
    await mill.run(encryption=to(holder))
    with closing(sqlite3.connect(mill.folder.ledger, isolation_level=None)) as connection:
        connection.execute(f"{change} key = 'recipients'")
    with pytest.raises(RunFolderError, match="was age for others, not on record and is now age for 1 recipient"):
        await mill.run(encryption=to(age_holder(mill.home, "other")))


async def test_a_ledger_that_does_not_say_how_keys_are_encrypted_makes_none(mill: Mill, holder: Holder) -> None:
    """No run leaves it out; taken as none, the rest of the keys would be made in clear."""
    await mill.run(encryption=to(holder))
    with closing(sqlite3.connect(mill.folder.ledger, isolation_level=None)) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'key encryption'")
    for encryption in (Encryption(), to(holder)):
        with pytest.raises(RunFolderError, match="does not say its key encryption"):
            await mill.run("one\ntwo\n", encryption=encryption)
    assert not list(mill.folder.root.rglob("two.key*"))


async def test_what_failed_is_fed_back_with_its_recipients(mill: Mill, holders: dict[str, Holder]) -> None:
    """``failed.csv`` names devices only, and keys that are still to be made have the recipients of the others."""
    everybody = to(*holders.values())
    mill.double.faults.script("CreateThing", Fail("InvalidRequestException"))
    await mill.run(encryption=everybody)
    assert mill.entry("one").state is State.LISTED
    given = {"encrypt_to": None, "passphrase": None}
    recalled = resolve(str(mill.folder.root / "failed.csv"), given, {}).encryption
    assert recalled == everybody
    assert await _is_done_by_all(mill, recalled, holders)


async def _is_done_by_all(mill: Mill, encryption: Encryption, holders: dict[str, Holder]) -> bool:
    await mill.run(encryption=encryption)
    path = mill.folder.bundle("one") / "one.key.age"
    return {spki_of(holder.open(path)) for holder in holders.values()} == {mill.entry("one").spki_sha256}


async def test_a_run_recalls_that_it_has_a_passphrase(mill: Mill) -> None:
    """Given again without ``--passphrase`` the same command goes on, and is no other run."""
    await fail_at_step_4(mill)
    manifest = mill.home / "manifest.txt"
    given = {"output": str(mill.home), "name": "run", "encrypt_to": None, "passphrase": None}
    assert resolve(str(manifest), given, {}).encryption == Encryption(passphrase=True)
    fresh: Path = mill.home / "elsewhere"
    assert resolve(str(manifest), given | {"output": str(fresh)}, {}).encryption == Encryption()

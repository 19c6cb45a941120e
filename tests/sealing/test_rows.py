"""Rows that name recipients of their own: a lot's keys are for whoever the lot is for."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline import keys
from pipeline.device import State
from pipeline.errors import DeviceError, RunFolderError
from pipeline.recipients import read
from pipeline.settings import Encryption, KeyType
from tests.manifest.manifest_reading import devices_in, faults_in, write
from tests.sealing.holders import age_holder, spki_of
from tests.support.awsiot import Fail
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.mill import Mill
    from tests.sealing.holders import Holder


@pytest.mark.anyio
async def test_each_key_is_for_whom_its_row_names(mill: Mill, holder: Holder) -> None:
    """A row's recipients take the place of the run's, and an empty cell leaves the run's."""
    other = age_holder(mill.home, "other")
    rows = f"id,encrypt_to\none,{other.recipient}\ntwo,\n"
    await mill.run(rows, suffix=".csv", encryption=Encryption(read([holder.recipient])))
    for name, opens in (("one", other), ("two", holder)):
        pem = opens.open(mill.folder.bundle(name) / f"{name}.key.age")
        assert spki_of(pem) == mill.entry(name).spki_sha256


@pytest.mark.anyio
async def test_keys_in_clear_and_keys_encrypted_in_one_run(mill: Mill, holder: Holder) -> None:
    """Where the run encrypts nothing, the rows that name recipients are encrypted all the same, and no other."""
    await mill.run(f"id,encrypt_to\none,{holder.recipient}\ntwo,\n", suffix=".csv")
    assert [path.name for path in mill.folder.bundle("one").glob("*.key*")] == ["one.key.age"]
    assert [path.name for path in mill.folder.bundle("two").glob("*.key*")] == ["two.key"]


@pytest.mark.anyio
async def test_recipients_of_a_key_that_is_there_stay(mill: Mill, holder: Holder) -> None:
    """A row may not name others once its key is made: it would say of the key what does not hold."""
    rows = f"id,encrypt_to\none,{holder.recipient}\n"
    await mill.run(rows, suffix=".csv")
    other = age_holder(mill.home, "other")
    with pytest.raises(RunFolderError, match="other recipients than before"):
        await mill.run(rows.replace(holder.recipient, other.recipient), suffix=".csv")


def test_several_recipients_are_sorted_each_once(tmp_path: Path, holders: dict[str, Holder]) -> None:
    """A cell lists them with ``;`` between, and equal sets are equal devices."""
    listed = [holders[name].recipient for name in ("x25519", "ed25519", "x25519")]
    [device] = devices_in(write(tmp_path, "m.csv", f"id,encrypt_to\na,{'; '.join(listed)}\n"))
    assert device.encrypt_to == read(set(listed))


def test_what_is_no_recipient_is_a_fault(tmp_path: Path, holder: Holder) -> None:
    """It is named with its place; a private key in its place is a fault too, and is not repeated."""
    private = holder.identity.read_text(encoding="ascii").splitlines()[-1]
    path = write(tmp_path, "m.csv", f"id,encrypt_to\na,age1nobody\nb,{private}\n")
    first, second = faults_in(path)
    assert first == (
        "m.csv:2:3: encrypt_to: age1nobody is no recipient; "
        "give age1…, ssh-ed25519 … or ssh-rsa … (2,048 bits and more)"
    )
    assert second == (
        "m.csv:3:3: encrypt_to: this is a private key, and not a recipient; "
        "give its public half: what age-keygen -y prints, or the SSH key's .pub file"
    )


def test_a_device_with_a_csr_has_no_key_to_encrypt(tmp_path: Path, holder: Holder) -> None:
    """Recipients beside a CSR are a fault: no key is made for that device."""
    write(tmp_path, "a.csr", make_csr("a").pem)
    path = write(tmp_path, "m.csv", f"id,csr,encrypt_to\na,a.csr,{holder.recipient}\n")
    assert faults_in(path) == [
        "m.csv:2:9: the row has a CSR, so the device has its key already; leave encrypt_to empty"
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--passphrase", "prompt"), "rows name recipients, and --passphrase is given"),
        (("--format", "der"), "keys are encrypted, and the format der has to have them in clear"),
    ],
    ids=["passphrase", "der"],
)
def test_what_does_not_go_with_rows_that_name_recipients(
    tmp_path: Path, holder: Holder, options: tuple[str, str], says: str
) -> None:
    """It is refused before an account is asked for anything, and nothing is made."""
    path = write(tmp_path, "m.csv", f"id,encrypt_to\na,{holder.recipient}\n")
    words = ["-m", "pipeline", "run", str(path), "--output", str(tmp_path / "output"), *options]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "output").exists()


@pytest.mark.anyio
@pytest.mark.parametrize("then", ["", "another"])
async def test_recipients_stay_also_before_a_key_is_recorded(mill: Mill, holder: Holder, then: str) -> None:
    """A row that loses or changes its recipients is refused in every state: no key ends in clear or for others."""
    rows = f"id,encrypt_to\none,{holder.recipient}\n"
    mill.double.faults.script("CreateThing", Fail("InvalidRequestException"))
    await mill.run(rows, suffix=".csv")
    assert mill.entry("one").state is State.LISTED
    new = age_holder(mill.home, "other").recipient if then else ""
    with pytest.raises(RunFolderError, match="other recipients than before"):
        await mill.run(rows.replace(holder.recipient, new), suffix=".csv")
    assert not list(mill.folder.root.rglob("*.key*"))


def test_a_sealed_key_is_not_joined_by_one_in_clear(tmp_path: Path) -> None:
    """Where an encrypted key is staged, no key in clear is made beside it."""
    folder = tmp_path / "one"
    folder.mkdir(mode=0o700)
    (folder / "one.key.age").write_bytes(b"age-encryption.org/v1\n")
    with pytest.raises(DeviceError, match="encrypted, and the device's key is to be in clear"):
        keys.ensure_key(folder, "one", "one", KeyType.EC_P256)
    assert not (folder / "one.key").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_recipient_that_nobody_can_encrypt_to_is_a_fault(tmp_path: Path) -> None:
    """The point of low order that pyrage gives up on is refused with the manifest, and stops no run."""
    nobody = "age1" + "q" * 52 + "5cu47z"
    path = write(tmp_path, "m.csv", f"id,encrypt_to\na,{nobody}\n")
    assert len(faults_in(path)) == 1

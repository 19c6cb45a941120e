"""The judge: what is on the account held against what is on disk and in the ledger, when a run is over."""

from __future__ import annotations

import copy
import hashlib
import sqlite3
import stat
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from typer.testing import CliRunner

from pipeline.cli.app import app, load_commands
from pipeline.device import State
from pipeline.preflight.machine import TRIAL
from pipeline.verify import verification
from tests.support.awsiot.journal import PENDING
from tests.support.awsiot.signing import CertificateKey, spki_sha256
from tests.torture.scene import GROUP, POLICY

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from tests.core.mill import Mill
    from tests.support.awsiot import AwsIotDouble, Certificate, Thing
    from tests.torture.scene import Scene

__all__ = ["Tally", "check", "judge", "one_each"]

PUBLIC_FILES = {"root-ca.pem", "config.json"}


@dataclass(slots=True)
class Tally:
    """What was found.

    Attributes:
        devices: How many devices there are.
        duplicates: Certificates of a device beyond its first.
        orphans: Certificates on the account that are in no bundle.
        keys_without_certificate: Bundles, or keys left in staging, that the account has no certificate for.
        certificates_without_key: Certificates on the account whose key no bundle holds.
        problems: Every other thing that does not hold, and these four again, as sentences.
    """

    devices: int = 0
    duplicates: int = 0
    orphans: int = 0
    keys_without_certificate: int = 0
    certificates_without_key: int = 0
    problems: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.devices + other.devices,
            self.duplicates + other.duplicates,
            self.orphans + other.orphans,
            self.keys_without_certificate + other.keys_without_certificate,
            self.certificates_without_key + other.certificates_without_key,
            self.problems + other.problems,
        )


@dataclass(frozen=True, slots=True)
class _Bundle:
    """What stands in ``devices/NAME``: the hash of the device's public key, and its certificate's id."""

    spki: str
    certificate_id: str


def judge(scene: Scene) -> None:
    """Hold everything that must be true of a finished run.

    Raises:
        AssertionError: Something does not hold.
    """
    problems = check(scene).problems
    assert not problems, "\n".join(problems)


def one_each(mill: Mill, names: list[str]) -> None:
    """Hold what a finished run in this process must have left."""
    assert len(mill.double.account.store.certificates) == len(names)
    for name in names:
        [certificate] = mill.certificates(name)
        assert mill.entry(name).state is State.DONE
        assert mill.bundled(name) == certificate.pem
        assert (certificate.status, certificate.things) == ("ACTIVE", [name])
    assert not list(mill.folder.staging.iterdir())
    assert not list(mill.home.rglob("*.tmp"))


def check(scene: Scene) -> Tally:
    """Compare account, disk and ledger of a run that says it is finished."""
    scene.aws.until(lambda double: all(call.outcome != PENDING for call in double.journal.calls))
    certificates, things = scene.aws.run(_snapshot)
    tally = Tally(devices=len(scene.names))
    bundles = {name: bundle for name in scene.names if (bundle := _bundle(scene, name, tally)) is not None}
    _count(certificates, bundles, scene, tally)
    for certificate in certificates:
        _hold_links(certificate, things, tally)
    for name, bundle in bundles.items():
        if not scene.asked.get(name, set()) <= {bundle.spki}:
            tally.problems.append(f"{name}: a CSR was sent for a key that is not the bundle's")
    _hold_ledger(scene, bundles, {each.certificate_id for each in certificates}, tally)
    _hold_folders(scene, tally)
    verified = _verify(scene)
    if verified.exit_code != 0:
        tally.problems.append(f"verify: {verified.output}{verified.exception!r}")
    return tally


def _verify(scene: Scene) -> Result:
    """Return how ``thingmill verify`` ends, in this process: one of its own takes longer to start than that."""
    load_commands()
    with pytest.MonkeyPatch.context() as patch:
        # What a process does before it reads keys cannot be undone.
        patch.setattr(verification, "harden", lambda: None)
        return CliRunner().invoke(app, ["verify", str(scene.root)])


def _snapshot(double: AwsIotDouble) -> tuple[list[Certificate], dict[str, Thing]]:
    return copy.deepcopy((list(double.account.store.certificates.values()), double.account.registry.things))


def _bundle(scene: Scene, name: str, tally: Tally) -> _Bundle | None:
    folder = scene.root / "devices" / name
    if not folder.is_dir():
        tally.problems.append(f"{name}: there is no bundle")
        return None
    expected = PUBLIC_FILES | {f"{name}.pem", f"{name}.csr"}
    expected |= {f"{name}.key"} if name in scene.made else set()
    found = {path.name for path in folder.iterdir()}
    if found != expected:
        tally.problems.append(f"{name}: the bundle holds {sorted(found)}, not {sorted(expected)}")
        return None
    certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    spki = scene.own_keys[name] if name in scene.own else _key(folder / f"{name}.key", tally)
    certified = certificate.public_key()
    assert isinstance(certified, CertificateKey)
    if spki_sha256(certified) != spki:
        tally.problems.append(f"{name}: the bundle's certificate is for another key")
    return _Bundle(spki, hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest())


def _key(path: Path, tally: Tally) -> str:
    if stat.S_IMODE(path.stat().st_mode) != 0o400:
        tally.problems.append(f"{path.name} has another mode than 0400")
    public = load_pem_private_key(path.read_bytes(), password=None).public_key()
    assert isinstance(public, CertificateKey)
    return spki_sha256(public)


def _count(certificates: list[Certificate], bundles: dict[str, _Bundle], scene: Scene, tally: Tally) -> None:
    by_device = Counter(certificate.common_name for certificate in certificates)
    known = {bundle.certificate_id for bundle in bundles.values()}
    keys = {bundle.spki for bundle in bundles.values()}
    certified = {certificate.spki for certificate in certificates}
    staged = len(list((scene.root / "staging").glob("*/*.key")))
    tally.duplicates = sum(number - 1 for number in by_device.values())
    tally.orphans = sum(certificate.certificate_id not in known for certificate in certificates)
    tally.keys_without_certificate = len(keys - certified) + staged
    tally.certificates_without_key = sum(certificate.spki not in keys for certificate in certificates)
    for what in ("duplicates", "orphans", "keys_without_certificate", "certificates_without_key"):
        if number := getattr(tally, what):
            tally.problems.append(f"{number} {what.replace('_', ' ')}")


def _hold_links(certificate: Certificate, things: dict[str, Thing], tally: Tally) -> None:
    name = certificate.common_name
    thing = things.get(name)
    expected = ("ACTIVE", [name], [POLICY], [certificate.arn], [GROUP])
    found = (
        certificate.status,
        certificate.things,
        certificate.policies,
        thing.principals if thing else None,
        thing.groups if thing else None,
    )
    if found != expected:
        tally.problems.append(f"{name}: status, things, policies, principals, groups are {found}, not {expected}")


def _hold_ledger(scene: Scene, bundles: dict[str, _Bundle], issued: set[str], tally: Tally) -> None:
    log = scene.root / "ledger.db-wal"
    if log.exists():
        tally.problems.append("the ledger was not closed")
    ledger = sqlite3.connect(f"{(scene.root / 'ledger.db').as_uri()}?mode=ro", uri=True)
    try:
        rows = ledger.execute("SELECT thing_name, state, outcome, spki_sha256, certificate_id FROM devices")
        found = {row[0]: row[1:] for row in rows}
        left = {row[0] for row in ledger.execute("SELECT certificate_id FROM rejected")} & issued
        sound = ledger.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        ledger.close()
    expected = {name: (State.DONE, None, each.spki, each.certificate_id) for name, each in bundles.items()}
    if found != expected:
        wrong = [name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)]
        tally.problems.append(f"the ledger and the bundles differ: {sorted(wrong)}")
    if left or sound != "ok":
        tally.problems.append(
            f"rejected certificates that are left: {sorted(left)}; integrity of the ledger: {sound}"
        )


def _hold_folders(scene: Scene, tally: Tally) -> None:
    # A process killed while it tried the file system out leaves an empty trial, which a run an hour later removes.
    left = (path for path in scene.output.rglob("*.tmp") if not path.parent.name.startswith(TRIAL))
    temporary = [path.name for path in left]
    if temporary:
        tally.problems.append(f"temporary files are left: {temporary}")
    for folder, expected in (("devices", set(scene.names)), ("staging", set[str]())):
        found = {path.name for path in (scene.root / folder).iterdir()}
        if found != expected:
            tally.problems.append(f"{folder}/ holds {sorted(found)}, not {sorted(expected)}")

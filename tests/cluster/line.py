"""One manifest provisioned by way of a cluster, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from pipeline.aws.quotas import DEFAULTS
from pipeline.keys import parsed, spki_sha256
from tests.hygiene.keymaterial import KeyMaterial

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.cluster.authority import Authority
    from tests.e2e.command import Workplace
    from tests.support.awsiot import DoubleThread

__all__ = ["Line", "said"]


@dataclass
class Line:
    """Where it happens.

    Attributes:
        home: A folder for everything.
        authority: Signs for the cluster.
        double: Stands for AWS IoT.
        workplace: Has the command line.
    """

    home: Path
    authority: Authority
    double: DoubleThread
    workplace: Workplace

    @property
    def devices(self) -> Path:
        return self.workplace.output / "line" / "devices"

    def words(self, count: int, scheduler: str, *options: str) -> list[str]:
        """Return the command that provisions so many devices."""
        manifest = self.workplace.manifest("line.txt", "".join(f"d{number}\n" for number in range(count)))
        quotas = [f"--quota={api}=5000" for api in DEFAULTS]
        return ["run", manifest, "--yes", "--workers", scheduler, "--policy", "device", *quotas, *options]

    def keys_made(self) -> int:
        return sum(1 for _ in (self.workplace.output / "line").rglob("*.key"))

    def material(self) -> KeyMaterial:
        """Return what gives away the keys of the run."""
        return KeyMaterial(path.read_bytes() for path in self.devices.rglob("*.key"))

    def assert_done_once(self, count: int) -> None:
        """Each device has one certificate, for the key in its bundle, and no other was issued."""
        assert self.double.run(lambda double: double.journal.count("CreateCertificateFromCsr")) == count
        hashes = set()
        for number in range(count):
            folder = self.devices / f"d{number}"
            key = parsed((folder / f"d{number}.key").read_bytes())
            certificate = x509.load_pem_x509_certificate((folder / f"d{number}.pem").read_bytes())
            assert key is not None
            assert spki_sha256(key.public_key()) == spki_sha256(certificate.public_key())
            hashes.add(spki_sha256(key.public_key()))
        assert len(hashes) == count


def said(process: subprocess.Popen[str]) -> str:
    """Wait for a command to end well, and return what it said on standard error."""
    _, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    return err

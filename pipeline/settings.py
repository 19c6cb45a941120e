"""What a run is asked to do, frozen before it starts."""

from __future__ import annotations

import enum
import hashlib
import os
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.part import Part
    from pipeline.secret import Secret

__all__ = ["Access", "Cluster", "Defaults", "Encryption", "Existing", "KeyType", "Settings", "usable_cores"]


def usable_cores() -> int:
    """Return how many cores this process may use; all of the machine where the system does not tell."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class KeyType(enum.StrEnum):
    """The keys that AWS IoT accepts in a CSR."""

    RSA_4096 = "rsa-4096"
    RSA_3072 = "rsa-3072"
    RSA_2048 = "rsa-2048"
    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"


class Existing(enum.StrEnum):
    """What to do with a thing that had a certificate attached before this run."""

    FAIL = "fail"
    SKIP = "skip"
    ADD = "add"
    ROTATE = "rotate"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a manifest row gets where it does not say otherwise."""

    thing_type: str | None = None
    groups: tuple[str, ...] = ()
    billing_group: str | None = None
    policy: str | None = None
    profile: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach an account.

    Attributes:
        profile: AWS profile, or None for the usual chain.
        region: AWS Region, or None for the profile's.
        endpoint_url: Another endpoint for every AWS call (an emulator).
        quotas: Calls per second by API operation, where the user knows better than the table.
    """

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    quotas: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Encryption:
    """How keys are encrypted where they lie; neither way unless it is asked for, and never both.

    Attributes:
        recipients: age recipients, sorted. They are public.
        passphrase: Whether a passphrase encrypts them.
        source: Where the passphrase is (``passwords.SOURCES``), or None where it was not given.
    """

    recipients: tuple[str, ...] = ()
    passphrase: bool = False
    source: str | None = None

    @property
    def wanted(self) -> bool:
        """Whether keys are encrypted at all."""
        return self.passphrase or bool(self.recipients)

    @property
    def binding(self) -> str:
        """What a run's folder remembers of it, to tell another from it."""
        if self.passphrase:
            return "passphrase"
        if not self.recipients:
            return "none"
        return "age " + hashlib.sha256("\n".join(self.recipients).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Dask cluster that makes keys in place of this machine.

    Attributes:
        scheduler: The scheduler's address, ``tls://HOST:PORT`` or ``tcp://HOST:PORT``.
        insecure: Whether it is on loopback and may be without TLS.
    """

    scheduler: str
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that ``thingmill run`` can be told.

    Attributes:
        manifest: Path of the manifest, or ``-``.
        run_folder: Where the run lands.
        access: How to reach the account.
        local: Run against the embedded AWS IoT.
        key_type: The key made for each device that brings no CSR.
        workers: Processes that make keys, where no cluster does.
        cluster: Makes keys instead, or None.
        rate: Devices per second at most, or None.
        defaults: What rows get where they do not say otherwise.
        policy_document: A policy file's JSON text; ``defaults.policy`` is then its name.
        create_missing: Make the thing types and groups that the manifest names and the account lacks.
        inactive: Leave certificates inactive.
        existing: What to do with things that have a certificate already.
        shard: Spread device folders over ``devices/ab/``.
        formats: Formats that bundles are written in besides PEM files (``bundles.formats``), and listings of the
            run (``bundles.listings``), in order.
        csr_dir: A folder of CSRs, one file a thing name, or None.
        encryption: How keys are encrypted where they lie.
        pkcs12_password: Encrypts PKCS #12 files, or None.
        resumes_failed: The manifest is the run's own ``failed.csv``, fed back: it names only some devices.
        part: Which devices of the manifest are meant, where other stations provision the others; None for all.
        joined_in: The name of the folder that has the joint reports of this run and those of the manifest's other
            targets, or None where the manifest has one target.
        words: The words of the command line, for whoever goes on with the run; none where it has none.
    """

    manifest: str
    run_folder: Path
    access: Access = field(default_factory=Access)
    local: bool = False
    key_type: KeyType = KeyType.RSA_4096
    workers: int = field(default_factory=usable_cores)
    rate: float | None = None
    defaults: Defaults = field(default_factory=Defaults)
    policy_document: str | None = None
    create_missing: bool = False
    inactive: bool = False
    existing: Existing = Existing.FAIL
    shard: bool = False
    formats: tuple[str, ...] = ()
    csr_dir: Path | None = None
    encryption: Encryption = field(default_factory=Encryption)
    pkcs12_password: Secret | None = None
    resumes_failed: bool = False
    part: Part | None = None
    joined_in: str | None = None
    cluster: Cluster | None = None
    words: tuple[str, ...] = ()

    def at(self, profile: str, region: str) -> Settings:
        """Return the settings of a run with a profile and in a Region; "" for the usual chain's."""
        return replace(self, access=replace(self.access, profile=profile or None, region=region or None))

    @property
    def gives_way(self) -> bool:
        """Whether the run looks, device by device, for another station that has the same ones by mistake."""
        return self.part is not None and self.existing is not Existing.ADD

"""A line of sixty devices, provisioned in one run: keys in a token, and keys made here, in clear and encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.devicekeys.softhsm import softhsm
from tests.e2e.command import DEVICE_POLICY, Workplace
from tests.support.tools import needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.devicekeys.softhsm import SoftHsm
    from tests.sealing.holders import Holder

HELD = {f"chip-{number:02}": "ec-p256" if number < 18 else "rsa-2048" for number in range(20)}
"""Devices with a secure element, and what key it made."""

CLEAR = [f"plain-{number:02}" for number in range(20)]
"""Devices whose RSA-4096 keys are made on the station and lie there in clear."""

SEALED = [f"sealed-{number:02}" for number in range(20)]
"""Devices whose P-256 keys are made on the station and encrypted to their lot's recipient."""


@dataclass(frozen=True)
class Line:
    """A run that is done.

    Attributes:
        workplace: Where it was made.
        token: What holds the keys of ``HELD``.
        csrs: The folder of CSRs.
        manifest: The manifest's path.
        holder: Who can open the keys of ``SEALED``.
    """

    workplace: Workplace
    token: SoftHsm
    csrs: Path
    manifest: str
    holder: Holder

    @property
    def root(self) -> Path:
        """The run's folder."""
        return self.workplace.output / "line"

    def bundle(self, name: str) -> Path:
        """Return the folder of a device."""
        return self.root / "devices" / name


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Provisioned by the command line on the embedded AWS IoT, CSRs in a folder, in one run."""
    needs("softhsm2-util", "gnutls-cli")
    pytest.importorskip("ministack", reason="needs the extra `local`")
    pytest.importorskip("pyrage", reason="needs the extra `encrypt`")
    from tests.sealing.holders import age_holder  # noqa: PLC0415  it needs the extra

    home = tmp_path_factory.mktemp("line")
    workplace = Workplace(home / "output")
    csrs = home / "csrs"
    csrs.mkdir()
    (home / "token").mkdir()
    with softhsm(home / "token") as token:
        for name, key_type in HELD.items():
            (csrs / f"{name}.csr").write_text(token.csr(name, key_type), encoding="ascii")
        holder = age_holder(home)
        rows = ["thing_name,key_type,encrypt_to"]
        rows += [f"{name},," for name in (*HELD, *CLEAR)]
        rows += [f"{name},ec-p256,{holder.recipient}" for name in SEALED]
        manifest = workplace.manifest("line.csv", "\n".join(rows))
        given = ("--csr-dir", str(csrs), "--key", "rsa-4096", "--policy", DEVICE_POLICY)
        workplace.run("run", manifest, "--local", *given, "--quiet")
        yield Line(workplace, token, csrs, manifest, holder)

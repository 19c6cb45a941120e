"""Processes killed where sealed keys come to disk: the run goes on, each key with its own certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from pipeline.keys import spki_sha256
from tests.sealing.holders import spki_of
from tests.support.thorough import sampled
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sealing.holders import Holder

FLEET = [f"Made{number:02}" for number in range(4)]


@pytest.mark.parametrize(
    "place", sampled(["file.synced:3", "key.durable:2", "key.receipt:1"], lambda place: place == "key.durable:2")
)
def test_killed_workers_never_part_a_key_from_its_certificate(tmp_path: Path, holder: Holder, place: str) -> None:
    """Whatever workers die over, each device ends with one certificate, for the key that its holder opens."""
    with Scene(tmp_path, FLEET) as scene:
        command = scene.command("--encrypt-to", holder.recipient)
        ended = scene.end(scene.start(place, command))
        assert "Traceback" not in ended.err
        ended = scene.end(scene.start(None, command))
        assert (ended.code, ended.err) == (0, "")
        assert scene.certificates() == len(FLEET)
        for name in FLEET:
            bundle = scene.root / "devices" / name
            certificate = x509.load_pem_x509_certificate((bundle / f"{name}.pem").read_bytes())
            assert spki_of(holder.open(bundle / f"{name}.key.age")) == spki_sha256(certificate.public_key())
        command = scene.command()
        verify = [*command[:3], "verify", str(scene.root), "--identity", str(holder.identity)]
        assert "4 of 4 bundles verified" in scene.end(scene.start(command=verify)).out
        assert list(scene.root.rglob("*.tmp")) == []


def test_the_command_line_encrypts_and_resumes_with_a_passphrase(tmp_path: Path) -> None:
    """Killed when keys are made, resumed without the passphrase; a wrong one is refused with exit code 2."""
    for name, text in (("right", "a passphrase\n"), ("wrong", "another\n")):
        (tmp_path / name).write_text(text, encoding="ascii")
        (tmp_path / name).chmod(0o600)
    with Scene(tmp_path / "scene", FLEET[:2]) as scene:
        given = scene.command("--passphrase", f"file:{tmp_path / 'right'}")
        # At the second certificate both devices have their keys.
        assert scene.end(scene.start("certificate.before:2", given)).killed
        wrong = scene.end(scene.start(None, scene.command("--passphrase", f"file:{tmp_path / 'wrong'}")))
        assert wrong.code == 2
        assert "does not open the keys" in wrong.err
        ended = scene.end(scene.start(None, scene.command()))
        assert (ended.code, ended.err) == (0, "")
        assert scene.certificates() == 2

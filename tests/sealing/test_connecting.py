"""Bundles with encrypted keys, by the command line on the embedded AWS IoT: connected by who can open them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.command import DEVICE_POLICY, Workplace, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sealing.holders import Holder

pytest.importorskip("ministack", reason="needs the extra `local`")
pytestmark = pytest.mark.xdist_group("embedded")

MAKE = ("--local", "--key", "ec-p256", "--policy", DEVICE_POLICY, "--quiet")


def test_a_holder_connects_with_each_bundle_and_nobody_else_does(tmp_path: Path, holder: Holder) -> None:
    """With the identity all connect; without it none could be tried, which ends with 1, and no byte is changed."""
    workplace = Workplace(tmp_path / "output")
    workplace.run("run", workplace.manifest("line.txt", "one\ntwo\n"), *MAKE, "--encrypt-to", holder.recipient)
    before = snapshot(workplace.output / "line")
    told = workplace.run("verify", "line", "--local", "--connect", "--identity", str(holder.identity)).stdout
    assert "connect  2 of 2 connected" in told
    assert "2 of 2 bundles verified and connected" in told
    ended = workplace.run("verify", "line", "--local", "--connect", expect=1)
    assert "connect  0 of 2 connected\n" in ended.stdout
    assert "sealed   2: keys are encrypted, and were not looked into, nor connected" in ended.stdout
    assert ended.stdout.endswith("2 of 2 bundles verified\n")
    assert "no bundle could be tried" in ended.stderr
    assert "give --identity FILE or --passphrase SOURCE" in ended.stderr
    *verdicts, summary = map(json.loads, workplace.run("verify", "line", "--json").stdout.splitlines())
    assert [(verdict["ok"], verdict["connected"], verdict["sealed"]) for verdict in verdicts] == [
        (True, None, True)
    ] * 2
    assert (summary["ok"], summary["connected"], summary["sealed"]) == (2, 0, 2)
    assert snapshot(workplace.output / "line") == before


def test_a_passphrase_opens_bundles_for_a_connection(tmp_path: Path) -> None:
    """Read from a file to make the keys, and again to look into them; nothing in clear is left behind."""
    workplace = Workplace(tmp_path / "output")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase\n", encoding="ascii")
    passphrase.chmod(0o600)
    source = f"file:{passphrase}"
    workplace.run("run", workplace.manifest("line.txt", "one\n"), *MAKE, "--passphrase", source)
    told = workplace.run("verify", "line", "--local", "--connect", "--passphrase", source).stdout
    assert "1 of 1 bundle verified and connected" in told
    left = [path for path in workplace.output.rglob("*") if path.is_file() and "line" in path.parts]
    assert [path for path in left if b"BEGIN PRIVATE KEY" in path.read_bytes()] == []


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="becomes another user")
def test_a_user_without_rights_hands_a_key_to_tls_too() -> None:
    """A process that others cannot look into still reads its own pipe by its path, also where it is not root."""
    look = (
        "import os\n"
        "from pipeline.hardening import harden\n"
        "os.setuid(65534)\n"
        "harden()\n"
        "reading, writing = os.pipe()\n"
        "os.write(writing, b'a key'); os.close(writing)\n"
        "print(open(f'/dev/fd/{reading}', 'rb').read())\n"
    )
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("b'a key'\n", "")

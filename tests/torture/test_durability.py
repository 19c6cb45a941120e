"""What is durable before what: seen from outside, in the system calls of a real run."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.ledger import Ledger
from tests.torture.checker import judge
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

_FULL = 2


def test_the_ledger_waits_for_the_disk_at_each_commit(tmp_path: Path) -> None:
    """A ledger is in WAL mode with synchronous=FULL: a commit that was told is on the disk."""

    async def look() -> tuple[int, str]:
        async with Ledger(tmp_path / "ledger.db") as ledger:
            connection = ledger._connection
            return (
                connection.execute("PRAGMA synchronous").fetchone()[0],
                connection.execute("PRAGMA journal_mode").fetchone()[0],
            )

    assert anyio.run(look) == (_FULL, "wal")


def test_the_intent_is_committed_before_the_request_arrives(scene: Scene) -> None:
    """When a CreateCertificateFromCsr arrives, key and CSR are on disk and the ledger says REQUESTED."""
    found: list[tuple[bool, int]] = []

    def look() -> None:
        with closing(sqlite3.connect(scene.root / "ledger.db")) as ledger:
            requested = ledger.execute("SELECT thing_name FROM devices WHERE state = 3").fetchall()
        staged = [scene.root / "staging" / name for (name,) in requested]
        whole = all((each / f"{each.name}.csr").is_file() for each in staged)
        found.append((whole, len(requested)))

    scene.at(1, look, "CreateCertificateFromCsr")
    scene.finish()
    assert found
    assert all(whole and requested for whole, requested in found)
    judge(scene)


@pytest.mark.skipif(shutil.which("strace") is None, reason="the test above sees the same from the server's side")
def test_key_then_ledger_then_request_reach_the_disk_and_the_wire_in_this_order(tmp_path: Path) -> None:
    """The key file and its name are fsynced, then the ledger's log, and only then does the CSR leave."""
    trace = tmp_path / "trace"
    prefix = [
        "strace",
        "-f",
        "-y",
        "-s",
        "64",
        "-o",
        str(trace),
        "-e",
        "trace=fsync,fdatasync,linkat,link,sendto,write",
    ]
    with Scene(tmp_path / "scene", ["Made00"]) as scene:
        ended = scene.run(prefix=prefix)
        assert ended.code == 0, ended.err
        judge(scene)
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    key_linked = _first(lines, r"link(at)?\(.*Made00\.key")
    key_synced = max(n for n in _all(lines, r"fsync\(\d+<.*staging/Made00/\.[0-9a-f]+\.tmp>") if n < key_linked)
    name_synced = _first(lines, r"fsync\(\d+<[^>]*staging/Made00>", key_linked)
    csr_sent = _first(lines, r"(sendto|write)\(.*POST /certificates\?")
    ledger_synced = [n for n in _all(lines, r"(fsync|fdatasync)\(\d+<[^>]*ledger\.db-wal>") if n < csr_sent]
    assert key_synced < key_linked < name_synced < ledger_synced[-2] < ledger_synced[-1] < csr_sent
    bundle_synced = _first(lines, r"fsync\(\d+<[^>]*/devices>", csr_sent)
    attached = _first(lines, r"(sendto|write)\(.*PUT /things/Made00/principals")
    bundle_recorded = [
        n for n in _all(lines, r"(fsync|fdatasync)\(\d+<[^>]*ledger\.db-wal>") if bundle_synced < n < attached
    ]
    assert bundle_synced < attached
    assert bundle_recorded


def _all(lines: list[str], pattern: str) -> list[int]:
    return [number for number, line in enumerate(lines) if re.search(pattern, line)]


def _first(lines: list[str], pattern: str, after: int = -1) -> int:
    found = [number for number in _all(lines, pattern) if number > after]
    assert found, f"nothing in the trace looks like {pattern}"
    return found[0]

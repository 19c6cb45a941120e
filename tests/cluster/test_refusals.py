"""Runs on a cluster that end before anything is done, with what to do about it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TLS = ("--workers", "tls://127.0.0.1:1")


def nothing(_: Path) -> dict[str, str]:
    return {}


def no_file(home: Path) -> dict[str, str]:
    found = Authority(home / "authority").client()
    return found | {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(home / "nowhere.pem")}


def another_key(home: Path) -> dict[str, str]:
    first, second = Authority(home / "first").client(), Authority(home / "second").client()
    name = "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
    return first | {name: second[name]}


def not_installed(home: Path) -> dict[str, str]:
    """Where Python finds Dask, there is something that cannot be imported."""
    (home / "distributed.py").write_text("raise ImportError\n", encoding="ascii")
    return {"PYTHONPATH": str(home)}


@pytest.mark.parametrize(
    ("words", "scene", "reason", "advice"),
    [
        (
            ("run", *TLS),
            nothing,
            "tls.ca-file and distributed.comm.tls.client.cert are not set",
            "docs/cluster.md",
        ),
        (("run", *TLS), no_file, "cannot be used: ca-file: no such file", "docs/cluster.md"),
        (("run", *TLS), another_key, "cannot be used: ", "belong together"),
        (("run", *TLS), not_installed, "need the extra `dask`", "pip install 'thingmill[dask]'"),
        (("run", "--workers", "tcp://127.0.0.1:1"), nothing, "is not reached over TLS", "--insecure-workers"),
        (("run", "--insecure-workers"), nothing, "is for a cluster on this machine", "--workers tcp://"),
        (("run", *TLS, "--insecure-workers"), nothing, "is reached over TLS", "leave --insecure-workers out"),
        (("plan", *TLS), nothing, "not on a cluster", "--workers N"),
    ],
    ids=["no TLS", "no file", "another key", "no extra", "in clear", "no cluster", "TLS after all", "plan"],
)
def test_what_cannot_be_ends_with_2(
    tmp_path: Path, words: tuple[str, ...], scene: Callable[[Path], dict[str, str]], reason: str, advice: str
) -> None:
    """It is told in a sentence, and nothing is made."""
    (tmp_path / "line.txt").write_text("one\n", encoding="ascii")
    command, *options = words
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", command, "line.txt", *options],
        cwd=tmp_path,
        env=os.environ | {"DASK_CONFIG": str(tmp_path / "dask"), "COLUMNS": "200"} | scene(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2, result.stderr
    assert reason in result.stderr
    assert advice in result.stderr
    assert not (tmp_path / "output").exists()

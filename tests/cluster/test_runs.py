"""Runs on a real Dask cluster over TLS, whose machines die, come late and are not all alike."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.keys import generate
from pipeline.settings import KeyType
from tests.cluster.line import said
from tests.cluster.machines import Machines, until
from tests.hygiene.keymaterial import KeyMaterial
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from tests.cluster.line import Line

pytestmark = [pytest.mark.xdist_group("cluster"), pytest.mark.timeout(180)]

ANOTHER_VERSION = """
import importlib.metadata
found = importlib.metadata.version
importlib.metadata.version = lambda name: "0.0.9" if name == "thingmill" else found(name)
import pipeline
pipeline.__version__ = "0.0.9"
"""
"""For a machine with another thingmill than this one, whose keys a run refuses."""

NO_SEAL = """
from cryptography.hazmat.primitives.serialization import load_pem_private_key
import pipeline.cluster.job as job
class Open:
    def encrypt(self, key, public_key, info):
        return key
job.SUITE = Open()
job.keys.generate = lambda key_type: load_pem_private_key({pem!r}, None)
"""
"""For a worker that sends its key, always the same one, as it is."""


@pytest.mark.parametrize(
    ("count", "key_type"), sampled([(24, "rsa-2048"), (200, "rsa-2048")], lambda case: case[0] == 24)
)
def test_a_killed_worker_costs_nothing_and_no_key_is_seen(line: Line, count: int, key_type: str) -> None:
    """One worker dies half-way, one is of another version; each device is done once, its key nowhere else."""
    with Machines(line.home / "cluster", line.authority) as machines:
        killed, other = machines.add_worker(), machines.add_worker()
        strange = machines.add_worker(ANOTHER_VERSION)
        process = line.workplace.start(*line.words(count, machines.address, "--key", key_type))
        until(lambda: line.keys_made() >= count // 2)
        killed.send_signal(signal.SIGKILL)
        err = said(process)
        assert strange.poll() is other.poll() is None
        left = machines.left()
    line.assert_done_once(count)
    assert "makes no keys: thingmill 0.0.9 (here " in err
    material = line.material()
    assert left["sent"].count(b"SealedKey") >= count
    assert left["spilled"].count(b"SealedKey") >= count
    assert b"DEBUG" in left["logged"]
    assert {name: material.within(data) for name, data in left.items()} == dict.fromkeys(left, False)
    assert not material.within(err.encode())


@pytest.mark.thorough
def test_a_restarted_scheduler_and_new_workers_are_taken_up(line: Line) -> None:
    """The scheduler dies half-way and comes back with other workers: each device is done once all the same."""
    with Machines(line.home / "cluster", line.authority) as machines:
        machines.add_worker()
        process = line.workplace.start(*line.words(24, machines.address, "--key", "rsa-2048"))
        until(lambda: line.keys_made() >= 8)
        machines.start_scheduler()
        machines.add_worker()
        said(process)
    line.assert_done_once(24)


@pytest.mark.thorough
def test_a_run_that_is_stopped_while_its_scheduler_is_away_goes_on_later(line: Line) -> None:
    """Ctrl-C ends the wait for a scheduler at once; with a scheduler the same command does what is left."""
    with Machines(line.home / "cluster", line.authority) as machines:
        machines.add_worker()
        words = line.words(24, machines.address, "--key", "rsa-2048")
        process = line.workplace.start(*words)
        until(lambda: line.keys_made() >= 8)
        machines.kill_scheduler()
        made = until(lambda: process.stderr and "does not answer" in process.stderr.readline())
        assert made
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130
        machines.start_scheduler()
        machines.add_worker()
        line.workplace.run(*words)
    line.assert_done_once(24)


def test_a_key_that_is_not_sealed_is_found_and_refused(line: Line) -> None:
    """Where a worker sends its key in clear, the search above finds it, and the run does not take it."""
    pem = generate(KeyType.RSA_2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with Machines(line.home / "cluster", line.authority) as machines:
        machines.add_worker(NO_SEAL.format(pem=pem))
        words = line.words(2, machines.address, "--key", "rsa-2048", "--quiet")
        err = line.workplace.run(*words, expect=1).stderr
        found = {name: KeyMaterial([pem]).within(data) for name, data in machines.left().items()}
    assert found["sent"], err
    assert found["spilled"], err
    assert err.count("StrangeSealedKey") >= 1
    assert line.keys_made() == 0
    assert not KeyMaterial([pem]).within(err.encode())


def test_a_scheduler_without_tls_is_named_as_that(line: Line) -> None:
    """Asked over TLS it answers with something else: a sentence, at once, and no traceback."""
    with Machines(line.home / "cluster", None) as machines:
        address = machines.address.replace("tcp://", "tls://")
        err = line.workplace.run(*line.words(2, address, "--key", "rsa-2048", "--quiet"), expect=1).stderr
    assert "or it speaks no TLS" in err
    assert "--protocol tls" in err
    assert "Traceback" not in err

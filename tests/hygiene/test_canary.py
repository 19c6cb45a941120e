"""A run's private keys, looked for wherever they must not be: on disk, in words, in what crosses the pool."""

from __future__ import annotations

import os
import signal
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pipeline.bundles.formats import FORMATS
from pipeline.files import SECRET
from tests.support.awsiot import Fail
from tests.support.thorough import sampled

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tests.hygiene.workshop import Workshop
    from tests.support.awsiot import DoubleThread

TAP = """
import os
from multiprocessing.connection import Connection
tap = os.environ["HYGIENE_TAP"]
def keep(data):
    with open(f"{tap}/{os.getpid()}", "ab") as file:
        file.write(data)
send, receive = Connection._send_bytes, Connection._recv_bytes
def sending(self, data):
    keep(data)
    return send(self, data)
def receiving(self, *words):
    buffer = receive(self, *words)
    keep(buffer.getvalue())
    return buffer
Connection._send_bytes, Connection._recv_bytes = sending, receiving
"""
"""Keeps what crosses between the run's process and its workers at both ends: jobs, results and errors."""

WORKER = """
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pipeline import keys
real = keys.sign_request
def signing(key, name):
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    number = key.private_numbers().private_value
    if name == "two":
        {}
    return real(key, name)
keys.sign_request = signing
"""

FORMAT = """
from pipeline.bundles.formats import FORMATS, Format
def contents(parts):
    pem = parts.key.data.reveal()
    if parts.device.thing_name == "two":
        raise LookupError(f"cannot write {pem} of {parts}")
    return {}
FORMATS["broken"] = Format(contents, "raises", needs_key=True)
"""

COORDINATOR = """
from pipeline import staging
def publish(*words):
    raise RuntimeError(*words)
staging.read_csr = publish
from pipeline import issuance
def inspecting(*words):
    raise RuntimeError(*words)
issuance.inspect = inspecting
"""

CORES = """
import resource
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
"""


@dataclass(frozen=True)
class Scene:
    """A run in which something goes wrong, what it says then, and the exit code that it ends with."""

    says: bytes
    injected: str = ""
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    code: int = 1


DEVELOPMENT = {"PYTHONFAULTHANDLER": "1", "PYTHONDEVMODE": "1"}
UNFORESEEN = b"nobody foresaw"
CAUSED = WORKER.format("raise OSError(28, str(number), pem.decode()) from ValueError(pem)")
SCENES = {
    "a device fails": Scene(b"InvalidRequest", options=("--json",)),
    "a device fails, at a terminal": Scene(b"InvalidRequest"),
    "a worker's error quotes its key": Scene(UNFORESEEN, WORKER.format("raise ValueError(pem, key, number)")),
    "the same in development mode": Scene(UNFORESEEN, CAUSED, ("--json",), DEVELOPMENT),
    "a worker crashes": Scene(
        b"die", CORES + WORKER.format("import ctypes; ctypes.string_at(0)"), (), DEVELOPMENT
    ),
    "a format raises": Scene(UNFORESEEN, FORMAT, ("--format=broken", "--json")),
    "a format raises in development mode": Scene(UNFORESEEN, FORMAT, ("--format=broken",), DEVELOPMENT),
    "the run's own process has a bug": Scene(b"Traceback", COORDINATOR, (), DEVELOPMENT),
    "the run is killed": Scene(b"", CORES, (), {"THINGMILL_FAILPOINTS": "certificate.after:1"}, -signal.SIGKILL),
}


def places_with_keys(workshop: Workshop, said: bytes) -> set[str]:
    """Return where keys are besides their own files: names of files, and ``said``."""
    material = workshop.material()
    found = {"said"} if material.within(said) else set()
    for path in workshop.home.rglob("*"):
        about = path.lstat()
        # Core files and what else may be there is looked into, but not what a secret may be in.
        if (
            stat.S_ISREG(about.st_mode)
            and stat.S_IMODE(about.st_mode) != SECRET
            and material.inside(path.read_bytes())
        ):
            found.add(str(path.relative_to(workshop.home)))
    return found


@pytest.fixture(autouse=True)
def tap(workshop: Workshop) -> None:
    folder = workshop.home / "tap"
    folder.mkdir()
    workshop.injected = TAP
    workshop.environment["HYGIENE_TAP"] = str(folder)
    workshop.manifest("one\ntwo\nthree\n")


def tapped(workshop: Workshop) -> bytes:
    return b"".join(path.read_bytes() for path in (workshop.home / "tap").iterdir())


@pytest.mark.parametrize(
    "scene", sampled(SCENES, lambda scene: "at a terminal" not in scene and "mode" not in scene)
)
def test_a_key_is_nowhere_but_in_its_files(workshop: Workshop, double: DoubleThread, scene: str) -> None:
    """Ledger, log, trail, reports, events, words, tracebacks, cores and the pool's pipes are without it."""
    play = SCENES[scene]
    double.run(lambda d: d.faults.script("CreateThing", Fail("ThrottlingException", 429), times=2))
    double.run(
        lambda d: d.faults.script("AttachThingPrincipal", Fail("InvalidRequestException", 400), subject="one")
    )
    workshop.injected += play.injected
    workshop.environment |= play.environment
    formats = [f"--format={name}" for name in FORMATS]
    said = workshop.run(workshop.command(*workshop.run_words(*formats, *play.options)), expect=play.code)
    assert play.says in said
    assert len(workshop.keys()) >= 1
    assert b"CERTIFICATE REQUEST" in tapped(workshop)
    assert places_with_keys(workshop, said) == set()


def test_nor_is_it_after_an_interrupt(workshop: Workshop, double: DoubleThread) -> None:
    """Ctrl-C in the middle of a run leaves no key anywhere either."""
    running: list[subprocess.Popen[bytes]] = []

    def interrupt(operation: str, _params: object) -> None:
        if operation == "CreateCertificateFromCsr" and running:
            os.kill(running.pop().pid, signal.SIGINT)

    double.run(lambda d: setattr(d, "on_request", interrupt))
    with workshop.start(workshop.command(*workshop.run_words("--json"))) as process:
        running.append(process)
        out, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert places_with_keys(workshop, out + err) == set()


def test_a_key_that_is_planted_is_found(workshop: Workshop) -> None:
    """The search is no formality: a worker that lets its key slip is found out in every place that it reached."""
    workshop.injected += WORKER.format("print(pem); return real(key, name) + str(number)")
    said = workshop.run(workshop.command(*workshop.run_words()))
    found = places_with_keys(workshop, said)
    assert {"said", "output/line/devices/two/two.csr"} <= found
    assert any(name.startswith("tap/") for name in found)

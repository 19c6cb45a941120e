"""The system calls of real runs: no file with a key was ever within reach of others, nor written a second time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.bundles.formats import FORMATS
from pipeline.files import SECRET
from tests.hygiene.keymaterial import KeyMaterial
from tests.hygiene.workshop import needs_strace
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hygiene.trace import File, Trace
    from tests.hygiene.workshop import Workshop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")

DEVICES = 2


def asking(*formats: str) -> list[str]:
    return [f"--format={name}" for name in formats]


def bearing(workshop: Workshop) -> Callable[[File], bool]:
    """Return a question: whether a file holds a key, by its bytes or by the mode that secrets are written with."""
    material = workshop.material()

    def bears(file: File) -> bool:
        return not file.is_folder and (file.mode == SECRET or material.inside(bytes(file.data)))

    return bears


def assert_clean(workshop: Workshop, trace: Trace, least: int) -> None:
    """No fault in the trace, which saw at least so many files with a key, each of those that are on disk."""
    material, bears = workshop.material(), bearing(workshop)
    seen = {file.name for file in trace.files if bears(file)}
    paths = [path for path in workshop.root.rglob("*") if path.is_file()]
    kept = {str(path) for path in paths if material.inside(path.read_bytes())}
    assert len(kept) >= least
    assert kept <= seen
    assert {path.stat().st_mode & 0o777 for path in paths if str(path) in kept} == {SECRET}
    assert trace.faults(bears) == []
    assert not any(material.within(bytes(data)) for data in trace.elsewhere.values())


@pytest.mark.parametrize("name", sampled(["pem", *FORMATS], lambda name: name == "pem"))
def test_no_file_with_a_key_is_ever_within_reach_of_others(workshop: Workshop, name: str) -> None:
    """With umask 0 each is made with O_EXCL and 0400 in a 0700 folder, once, and its bytes go nowhere else."""
    needs_strace()
    trace = workshop.traced(*workshop.run_words(*asking(name)))
    assert_clean(workshop, trace, DEVICES)


def test_nor_is_one_when_all_formats_are_written_at_once(workshop: Workshop) -> None:
    """One run with every format there is, and the same holds."""
    needs_strace()
    trace = workshop.traced(*workshop.run_words(*asking("pem", *FORMATS)))
    assert_clean(workshop, trace, DEVICES)


def test_an_export_keeps_keys_as_close_as_a_run(workshop: Workshop) -> None:
    """What is exported afterwards, in every format, is written in the same way, here into the run's own folder."""
    needs_strace()
    workshop.run(workshop.command(*workshop.run_words("--quiet")))
    trace = workshop.traced("export", str(workshop.root), *asking("pem", *FORMATS))
    assert {path.name for path in (workshop.root / "export").iterdir()} == {"pem", *FORMATS}
    material, bears = workshop.material(), bearing(workshop)
    exported = [path for path in (workshop.root / "export").rglob("*") if path.is_file()]
    kept = {str(path) for path in exported if material.inside(path.read_bytes())}
    assert len(kept) >= DEVICES
    assert kept <= {file.name for file in trace.files if bears(file)}
    assert trace.faults(bears) == []
    assert not any(material.within(bytes(data)) for data in trace.elsewhere.values())


def assert_encrypted(trace: Trace, keys: list[bytes]) -> None:
    """No call wrote a byte of these keys to anything, and what holds them was written as keys are."""
    material = KeyMaterial(keys)
    assert len(keys) == DEVICES
    assert not any(material.inside(bytes(file.data)) for file in trace.files)
    assert not any(material.within(bytes(data)) for data in trace.elsewhere.values())
    assert trace.faults(lambda file: not file.is_folder and file.mode == SECRET) == []
    assert len({file.name for file in trace.files if file.mode == SECRET}) >= DEVICES


COPYING = [name for name, each in FORMATS.items() if not each.opens_key]
"""Formats that take an encrypted key as it is."""


def test_a_run_to_an_age_recipient_writes_no_key_in_clear(workshop: Workshop) -> None:
    """With --encrypt-to no write to any file, pipe or socket has a byte of a key."""
    needs_strace()
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    words = workshop.run_words("--encrypt-to", str(identity.to_public()), *asking(*COPYING))
    trace = workshop.traced(*words)
    sealed = sorted((workshop.root / "devices").glob("*/*.key.age"))
    assert_encrypted(trace, [pyrage.decrypt(path.read_bytes(), [identity]) for path in sealed])


def test_a_run_under_a_passphrase_writes_no_key_in_clear(workshop: Workshop) -> None:
    """With --passphrase neither, and the passphrase itself crosses no pipe."""
    needs_strace()
    secret = workshop.home / "passphrase"
    secret.touch(mode=0o600)
    secret.write_bytes(b"correct horse battery staple")
    trace = workshop.traced(*workshop.run_words("--passphrase", f"file:{secret}", *asking(*COPYING)))
    sealed = sorted((workshop.root / "devices").glob("*/*.key"))
    keys = [load_pem_private_key(path.read_bytes(), secret.read_bytes()) for path in sealed]
    pems = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys]
    assert_encrypted(trace, pems)
    assert not any(secret.read_bytes() in data for data in trace.elsewhere.values())

"""Runs that are spoiled on purpose: each way to be careless with a key is one that the trace tells."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.hygiene.test_system_calls import bearing
from tests.hygiene.workshop import needs_strace
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from tests.hygiene.workshop import Workshop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")

OPENED = """
import os
real = os.open
def careless(path, flags, mode=0o777, **words):
    if mode == 0o400:
        {}
    return real(path, flags, mode, **words)
os.open = careless
"""

AFTERWARDS = """
import os
from pipeline import files
real = files.create_once
def careless(path, *words):
    real(path, *words)
    {}
files.create_once = careless
"""

ENTERED = """
from pipeline import files
real = files.private_folder
def careless(folder):
    real(folder)
    if folder.parent.name == "staging":
        folder.chmod(0o711)
files.private_folder = careless
"""

PLAIN = """
from pipeline.bundles.formats import FORMATS, Format
def contents(parts):
    return {"copy": parts.key.data.reveal()}
FORMATS["careless"] = Format(contents, "the key as if it were public", needs_key=True)
"""

MUTATIONS = {
    "created open, then closed": (OPENED.format("mode = 0o644"), "made with mode 0644"),
    "created without O_EXCL": (OPENED.format("flags &= ~os.O_EXCL"), "made without O_EXCL"),
    "opened for an instant": (AFTERWARDS.format("path.chmod(0o444); path.chmod(0o400)"), "mode changed to 0444"),
    "written again": (AFTERWARDS.format("os.close(os.open(path, os.O_WRONLY))"), "opened for writing"),
    "in a folder for all": (ENTERED, "which others may enter"),
    "by a format that forgets Secret": (PLAIN, "made with mode 0644"),
}
USUAL = {"created open, then closed", "opened for an instant", "by a format that forgets Secret"}
"""What a change of the code, and not of a mind, could bring."""


@pytest.mark.parametrize("mutation", sampled(MUTATIONS, lambda mutation: mutation in USUAL))
def test_a_careless_write_is_told(workshop: Workshop, mutation: str) -> None:
    """The same check that passes for thingmill as it is fails where one write is careless."""
    needs_strace()
    workshop.injected, fault = MUTATIONS[mutation]
    workshop.manifest("one\n")
    trace = workshop.traced(*workshop.run_words(*(["--format=careless"] if workshop.injected == PLAIN else [])))
    assert any(fault in found for found in trace.faults(bearing(workshop)))


def test_a_key_that_leaves_its_process_is_told(workshop: Workshop) -> None:
    """A worker that writes its key into a pipe is seen, in whatever form it does."""
    needs_strace()
    workshop.injected = """
import base64, os
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pipeline import keys
real = keys.generate
def careless(key_type):
    key = real(key_type)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    os.write(os.pipe()[1], base64.b64encode(der))
    return key
keys.generate = careless
"""
    workshop.manifest("one\n")
    trace = workshop.traced(*workshop.run_words())
    material = workshop.material()
    assert any(material.within(bytes(data)) for data in trace.elsewhere.values())

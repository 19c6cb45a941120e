"""What holds for every format: where a key may be, what a name may be, and when the bytes are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.bundles.formats import FORMATS
from pipeline.errors import DeviceError
from pipeline.secret import Secret
from tests.bundles.devices import (
    KEY_TYPES,
    ODD_NAMES,
    clear_key,
    emulated,
    encrypted,
    keeping_its_key,
    parts_of,
    plain,
)
from tests.hygiene.keymaterial import KeyMaterial

if TYPE_CHECKING:
    from pipeline.settings import KeyType

ANY_DEVICE = ("aws-console", "greengrass", "device-client", "pkcs12", "der", "c-header", "tar", "zip")
"""Formats that any device can have; others take only some names and keys, and have tests of their own."""

WITHOUT_KEY = [name for name in ANY_DEVICE if not FORMATS[name].needs_key]
OPENING = [name for name in ANY_DEVICE if FORMATS[name].opens_key]
COPYING = [name for name in ANY_DEVICE if not FORMATS[name].opens_key]


@pytest.mark.parametrize("form", ANY_DEVICE)
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_secret_is_what_holds_the_key(form: str, key_type: KeyType) -> None:
    """The key is in one file, which is a secret, and every other file is none."""
    parts = parts_of(key_type=key_type)
    material = KeyMaterial([clear_key(parts)])
    contents = FORMATS[form].make(parts)
    with_key = {name for name, data in plain(contents).items() if material.inside(data)}
    assert with_key == {name for name, data in contents.items() if isinstance(data, Secret)}
    assert len(with_key) == 1


@pytest.mark.parametrize("form", WITHOUT_KEY)
def test_a_device_that_keeps_its_key_gets_no_secret(form: str) -> None:
    """What is made without a key may be seen by anybody."""
    contents = FORMATS[form].make(keeping_its_key())
    assert contents
    assert not any(isinstance(data, Secret) for data in contents.values())


@pytest.mark.parametrize("form", OPENING)
@pytest.mark.parametrize("suffix", [".age", ""])
def test_an_encrypted_key_is_refused_where_it_would_have_to_be_opened(form: str, suffix: str) -> None:
    """A format that writes the key in another form names the device whose key it cannot have."""
    with pytest.raises(DeviceError, match="pump-001's key is encrypted"):
        FORMATS[form].make(encrypted(parts_of(), suffix))


@pytest.mark.parametrize("form", COPYING)
@pytest.mark.parametrize("suffix", [".age", ""])
def test_an_encrypted_key_is_passed_on_as_it_is(form: str, suffix: str) -> None:
    """A format that takes the key's file keeps its bytes and its suffix, and it is a secret all the same."""
    parts = encrypted(parts_of(), suffix)
    secrets = {name: data for name, data in FORMATS[form].make(parts).items() if isinstance(data, Secret)}
    [(name, data)] = secrets.items()
    assert clear_key(parts) in data.reveal()
    assert name.endswith((suffix, ".tar", ".zip"))


@pytest.mark.parametrize("form", OPENING)
def test_what_is_no_key_fails_the_device_and_is_not_told(form: str) -> None:
    """A format that opens the key says whose it is, and nothing of what it found in the file."""
    parts = parts_of(key=b"-----BEGIN PRIVATE KEY-----\nc3VycHJpc2U=\n-----END PRIVATE KEY-----\n")
    with pytest.raises(DeviceError) as refused:
        FORMATS[form].make(parts)
    assert (refused.value.code, refused.value.message) == ("StrangeKey", "pump-001.key is no private key")
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


@pytest.mark.parametrize("form", ANY_DEVICE)
@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_name_of_a_thing_takes_the_place_of_another_file(form: str, name: str) -> None:
    """Whatever a thing is called it gets as many files as any other, each of a plain name that differs."""
    names = list(FORMATS[form].make(parts_of(name)))
    assert len({each.casefold() for each in names}) == len(FORMATS[form].make(parts_of("pump-001")))
    assert not any("/" in each or each.startswith(".") or len(each) > 255 for each in names)


@pytest.mark.parametrize("name", [name for name in ANY_DEVICE if FORMATS[name].matches is None])
def test_equal_parts_give_equal_bytes(name: str) -> None:
    """A format that is made twice is the same twice, so a run that is resumed changes no file."""
    parts = parts_of(endpoint=emulated())
    assert plain(FORMATS[name].make(parts)) == plain(FORMATS[name].make(parts))

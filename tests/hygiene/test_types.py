"""Every type that bears a key, or opens one: shown without it, and never pickled in clear."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pickle
import re
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.keys import PrivateKey, generate
from pipeline.secret import Secret
from pipeline.settings import KeyType
from tests.hygiene.keymaterial import KeyMaterial
from tests.project.sources import modules, syntax

KEY = generate(KeyType.EC_P256)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

CROSSING = {
    "Carried": "data",  # a password, which a worker needs to encrypt with
    "WrappingKey": "key",  # made of a passphrase, for the same purpose
}
"""Types whose job it is to be pickled, and the field that nobody shows. No private key is in them."""

NAMES = re.compile(r"key|password|passphrase|secret|identit|derived|clear|opened", re.IGNORECASE)
"""Fields so named hold something that must not be shown, where they are bytes."""


@cache
def classes() -> tuple[tuple[str, ast.ClassDef], ...]:
    nodes = ((module, node) for module, path in modules().items() for node in ast.walk(syntax(path)))
    return tuple((module, node) for module, node in nodes if isinstance(node, ast.ClassDef))


def fields_of(node: ast.ClassDef) -> dict[str, str]:
    """Return a class's fields with their annotations, as a dataclass has them; and what ``__init__`` is given."""
    found = {
        item.target.id: ast.unparse(item.annotation)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            found |= {word.arg: ast.unparse(word.annotation) for word in item.args.args if word.annotation}
    return {name: kind for name, kind in found.items() if not kind.startswith("ClassVar")}


def held(node: ast.ClassDef) -> dict[str, str]:
    """Return the fields that may hold what they name; a function takes it or returns it."""
    return {name: kind for name, kind in fields_of(node).items() if not kind.startswith("Callable")}


def bearing(*first: str) -> dict[str, str]:
    """Return the classes that bear one of these, with their modules: by a field, or one of a class that does."""
    everything = {node.name: (module, held(node)) for module, node in classes()}
    found = set(first)
    while True:
        words = re.compile(rf"\b({'|'.join(found)})\b")
        more = {name for name, (_, fields) in everything.items() if any(map(words.search, fields.values()))}
        if more <= found:
            return {name: everything[name][0] for name in sorted(found & everything.keys())}
        found |= more


SECRETIVE = bearing("Secret", "PrivateKey")
BEARING = SECRETIVE | bearing(*CROSSING)


def instance(name: str) -> Any:  # noqa: ANN401  of whichever class it is
    """Return an instance in which every field that can bear a key does; the others are None."""
    if name == "Secret":
        return Secret(PEM)
    kind = getattr(importlib.import_module(BEARING[name]), name)
    made = object.__new__(kind)
    for field, annotation in next(fields_of(node) for _, node in classes() if node.name == name).items():
        found = set() if annotation.startswith("Callable") else set(re.findall(r"\w+", annotation))
        value: object = None
        if CROSSING.get(name) == field or ("bytes" in found and NAMES.search(field) and name not in CROSSING):
            value = PEM
        elif "PrivateKey" in found:
            value = KEY
        elif inner := found & BEARING.keys():
            value = instance(inner.pop())
        # A class that is no dataclass keeps what it is given under a name of its own.
        object.__setattr__(made, field if dataclasses.is_dataclass(kind) else f"_{field}", value)
    return made


def test_there_are_types_to_look_at() -> None:
    """The walk finds those that are known to bear keys, through their fields' types."""
    assert {"Secret", "KeyFile", "Parts", *CROSSING} <= BEARING.keys()


@pytest.mark.parametrize("name", BEARING)
def test_a_type_with_a_key_shows_none(name: str) -> None:
    """Its repr and its text are without it, however deep inside it is."""
    made = instance(name)
    material = KeyMaterial([PEM])
    assert not material.within(f"{made!r} {made}".encode())


@pytest.mark.parametrize("name", SECRETIVE)
def test_a_type_with_a_key_is_not_pickled(name: str) -> None:
    """It refuses, because of what it holds and not by chance."""
    made = instance(name)
    with pytest.raises(TypeError, match=r"not pickled|cannot pickle"):
        pickle.dumps(made)


def test_a_key_object_itself_is_not_pickled_nor_shown() -> None:
    """The library's own objects refuse too; no field needs to hide them."""
    assert isinstance(KEY, PrivateKey)
    assert not KeyMaterial([PEM]).within(repr(KEY).encode())
    with pytest.raises(TypeError):
        pickle.dumps(KEY)


def test_bytes_that_may_be_a_key_are_never_shown() -> None:
    """A dataclass field of plain bytes with such a name says repr=False, and all others are a Secret."""
    shown = set()
    for module, node in classes():
        fields = {
            name for name, kind in fields_of(node).items() if re.search(r"\bbytes\b", kind) and NAMES.search(name)
        }
        kind = getattr(importlib.import_module(module), node.name, None)
        if kind is not None and dataclasses.is_dataclass(kind):
            shown |= {
                (node.name, each.name) for each in dataclasses.fields(kind) if each.repr and each.name in fields
            }
    assert shown == set()

"""The published schemas: as they are, and closed, so that a key which they do not describe is refused."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.project.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["COMMANDS", "EVENTS", "KINDS", "SUMMARY", "closed", "lines_of", "nodes", "schema", "takes", "validator"]

EVENTS = "events.schema.json"
SUMMARY = "summary.schema.json"
_LINES = "_lines"


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema as it is published; nobody changes it."""
    found: dict[str, Any] = json.loads((ROOT / "docs" / name).read_text(encoding="utf-8"))
    return found


def lines_of(command: str) -> str:
    """Return where the schema of a command's lines is."""
    return f"{EVENTS}#/$defs/{command}{_LINES}"


COMMANDS = [name.removesuffix(_LINES) for name in schema(EVENTS)["$defs"] if name.endswith(_LINES)]
KINDS = {
    command: [each["$ref"].rpartition("/")[2] for each in schema(EVENTS)["$defs"][f"{command}{_LINES}"]["oneOf"]]
    for command in COMMANDS
}
"""What each command prints, by the names under ``$defs``."""


def nodes(found: object, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object of a schema with its place."""
    if isinstance(found, dict):
        yield path, found
        for name, inner in found.items():
            yield from nodes(inner, f"{path}/{name}")
    elif isinstance(found, list):
        for number, inner in enumerate(found):
            yield from nodes(inner, f"{path}/{number}")


@cache
def closed(name: str) -> dict[str, Any]:
    """Return a schema that refuses every key without a description, in inner objects too; nobody changes it."""
    mine = copy.deepcopy(schema(name))
    for path, node in nodes(mine):
        # What other keywords of the same object look at counts as seen: an event has the document's keys too.
        if isinstance(node.get("properties"), dict) and path != "#" and "additionalProperties" not in node:
            node["unevaluatedProperties"] = False
        elif node.get("$ref") == SUMMARY and "/properties/" in path:
            node["unevaluatedProperties"] = False  # the whole document, as a value of its own
    return mine


def validator(
    ref: str, *, strict: bool = True, instead: Mapping[str, object] | None = None
) -> Draft202012Validator:
    """Return what holds values against a part of the schemas.

    Args:
        ref: Which part, for instance ``events.schema.json#/$defs/run_lines``.
        strict: Whether a key that is not described is refused.
        instead: Other content for entries of ``$defs``, by ``FILE#/$defs/NAME``.
    """
    registry: Registry[Any] = Registry()
    for name in (EVENTS, SUMMARY):
        content = closed(name) if strict else schema(name)
        ours = {place.rpartition("/")[2]: new for place, new in (instead or {}).items() if place.startswith(name)}
        content = content | {"$defs": content["$defs"] | ours}
        registry = registry.with_resource(name, Resource.from_contents(content))
    top = {"$ref": ref}
    if strict:
        top["unevaluatedProperties"] = False  # type: ignore[assignment]
    return Draft202012Validator(top, registry=registry)


@cache
def _strict(ref: str) -> Draft202012Validator:
    return validator(ref)


@cache
def _open(ref: str) -> Draft202012Validator:
    return validator(ref, strict=False)


def takes(ref: str, value: object, *, strict: bool = True) -> bool:
    """Return whether a value is as a part of the schemas says."""
    return (_strict if strict else _open)(ref).is_valid(value)

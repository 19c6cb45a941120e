"""Every code that a user can meet has a heading in docs/troubleshooting.md, and each failure comes with advice."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from pipeline import codes, errors, permissions
from pipeline.aws import failures
from pipeline.aws.failures import CallError, Failure
from pipeline.bucket.failures import ADVICE as OF_BUCKETS
from pipeline.codes import CallCode, DeviceCode, FindingCode, ProofCode
from tests.project.documents import DOCUMENTS, anchors, code, prose, table
from tests.project.sources import calls_in, modules, syntax

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Iterator

PAGE = DOCUMENTS["docs/troubleshooting.md"]
OURS: tuple[type[enum.StrEnum], ...] = tuple(getattr(codes, name) for name in codes.__all__)

_CODE = re.compile(r"[A-Z][A-Za-z0-9]+")
_TAKES_A_CODE = {"DeviceError": 1, "CallError": 2, "ProofError": 0, "_rejected": 0, "_find": 0, "_finding": 0}
"""What is given a code, and as which of its arguments; mypy sees to the types of those that are ours alone."""


@dataclass(frozen=True)
class Entry:
    """A heading of the third level, in its stage, with the codes that stand in it or on the line ``Codes:``."""

    stage: str
    heading: str
    codes: tuple[str, ...]
    words: str


def entries() -> Iterator[Entry]:
    """Take the page apart."""
    for stage in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        for part in re.split(r"^### ", stage, flags=re.MULTILINE)[1:]:
            heading, _, below = part.partition("\n")
            listed, _, rest = below.strip().partition("\n\n")
            if not listed.startswith("Codes:"):
                listed, rest = "", below
            named = [each for each in re.findall(r"`([^`]+)`", heading + listed) if _CODE.fullmatch(each)]
            yield Entry(stage.partition("\n")[0], heading, tuple(named), rest.strip())


def told(stage: re.Pattern[str]) -> list[str]:
    """Return the codes of all entries of some stages, sorted."""
    return sorted(name for entry in entries() if stage.match(entry.stage) for name in entry.codes)


def values(kind: type[enum.StrEnum]) -> set[str]:
    return {member.value for member in kind}


@cache
def answered_by_aws() -> frozenset[str]:
    """Return the errors that AWS IoT's service model lists for the operations that some subcommand calls."""
    model = ServiceModel(Loader().load_service_model("iot", "service-2"))
    called = permissions.operations(permissions.NEEDS) & set(model.operation_names)
    assert len(called) > 25
    return frozenset(shape.name for name in called for shape in model.operation_model(name).error_shapes)


def kinds_of(error: type[BaseException]) -> Iterator[type[BaseException]]:
    yield error
    for kind in error.__subclasses__():
        yield from kinds_of(kind)


def silent() -> set[str]:
    """Return what stands for a code where there was no answer: names of exceptions of Python and botocore."""
    importlib.import_module("aiobotocore.response")
    homes = (builtins.__name__, "botocore.exceptions", "botocore.parsers", "aiobotocore.response")
    named = {kind: given for kinds, _, given in failures._KINDS for kind in kinds}
    found = {each for kind, given in named.items() if given is None for each in kinds_of(kind)}
    told_otherwise = {each for kind, given in named.items() if given is not None for each in kinds_of(kind)}
    return {each.__name__ for each in found - told_otherwise if each.__module__ in homes}


def of_calls() -> set[str]:
    """Return every code of a call: ours, those that ``aws.failures`` knows, and those of the service model."""
    known = failures._THROTTLES | failures._EXPIRED | failures._DENIED | failures._UNKNOWN_CALLER
    return values(CallCode) | known | failures._ADVICE.keys() | silent() | answered_by_aws()


STAGES: dict[str, tuple[re.Pattern[str], Callable[[], set[str]]]] = {
    "devices": (re.compile(r"Steps? [1-8]"), lambda: values(DeviceCode)),
    "verify": (re.compile(r"verify(?! --connect)"), lambda: values(FindingCode)),
    "connect": (re.compile(r"verify --connect"), lambda: values(ProofCode)),
    "buckets": (re.compile(r"Buckets"), lambda: set(OF_BUCKETS)),
    "calls": (re.compile(r"Calls"), of_calls),
}


@pytest.mark.parametrize("stage", STAGES)
def test_every_code_has_its_heading_once(stage: str) -> None:
    """Each code has a heading under its stage, and no heading there names a code that does not exist."""
    pattern, expected = STAGES[stage]
    assert told(pattern) == sorted(expected())


def test_no_code_stands_under_another_stage() -> None:
    """What is told of codes stands under the stages that are held against the code."""
    known = [pattern for pattern, _ in STAGES.values()]
    astray = [
        entry.heading for entry in entries() if entry.codes and not any(one.match(entry.stage) for one in known)
    ]
    assert astray == []


def test_each_heading_has_an_anchor_of_its_own_and_words() -> None:
    """A link leads to one place, and there something is said."""
    headings = [line for _, line in prose(PAGE) if line.startswith("#")]
    assert len(anchors(PAGE)) == len(headings)
    assert [name for name in anchors(PAGE) if re.search(r"-\d+$", name) and name[:-2] in anchors(PAGE)] == []
    assert [entry.heading for entry in entries() if len(entry.words.split()) < 15] == []


def test_what_is_looked_at_before_the_first_device_has_a_heading() -> None:
    """Each finding of a run's first look is found under the word that it begins with."""
    about = set()
    for module in modules():
        if not module.startswith("pipeline.preflight."):
            continue
        for call in calls_in(module):
            if ast.unparse(call.func) == "Finding":
                word = call.args[0]
                given = getattr(importlib.import_module(module), word.id) if isinstance(word, ast.Name) else word
                about.add(given if isinstance(given, str) else ast.literal_eval(given))
    headings = {entry.heading.strip("`") for entry in entries() if entry.stage == "Before the first device"}
    assert len(about) > 4
    assert about - headings == set()


def test_exit_codes_point_to_where_to_look() -> None:
    """The page's first table has a row for each exit code but 0."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert {int(row[0]) for row in table(PAGE, "exit code")} == {kind.exit_code for kind in kinds}


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_code_has_a_meaning_and_a_use(kind: type[enum.StrEnum]) -> None:
    """A code has a sentence below it where it is defined, and some code gives it to somebody."""
    [body] = [
        node.body
        for node in syntax(modules()["pipeline.codes"]).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    ]
    for member, meaning in zip(body[1::2], body[2::2], strict=True):
        assert isinstance(member, ast.Assign)
        assert isinstance(meaning, ast.Expr)
        assert re.search(r"\w+\.$", ast.literal_eval(meaning.value))
    used = Counter(
        node.attr
        for module in modules()
        for node in ast.walk(syntax(modules()[module]))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == kind.__name__
    )
    assert sorted(used) == sorted(member.name for member in kind)


def test_codes_are_named_in_one_place() -> None:
    """No code is written out where it is given to somebody: ours are of ``codes``, all others are passed on."""
    written = []
    for module in modules():
        for call in calls_in(module):
            place = _TAKES_A_CODE.get(ast.unparse(call.func).rpartition(".")[2])
            if place is not None and len(call.args) > place:
                given = call.args[place]
                written += [ast.unparse(call)] * isinstance(given, ast.Constant | ast.JoinedStr | ast.BinOp)
    assert written == []


def test_each_failure_of_a_device_comes_with_advice() -> None:
    """Where a device's failure is made it is said what to do, and so it is for each way in which a call fails."""
    made = [call for module in modules() for call in calls_in(module) if ast.unparse(call.func) == "DeviceError"]
    assert len(made) > 10
    bare = []
    for call in made:
        given = [word.value for word in call.keywords if word.arg == "advice"]
        # One that a ledger told of may have come without.
        if not given or ast.unparse(given[0]) == repr(""):
            bare.append(ast.unparse(call))
    assert bare == []
    for failure in Failure:
        for name in (*of_calls(), "SomethingNew"):
            error = CallError("AttachPolicy", failure, name, "why")
            assert error.advice
            assert error.for_device(8).advice == error.for_run().advice == error.advice


def test_the_codes_in_the_page_are_known() -> None:
    """What the page says has the look of a code between backticks is one of some stage, or an operation of AWS."""
    known = {name for kind in OURS for name in values(kind)} | of_calls() | OF_BUCKETS.keys()
    looks = {word for _, line in prose(PAGE) for word in code(line) if re.fullmatch(r"([A-Z][a-z]+){2,}", word)}
    model = ServiceModel(Loader().load_service_model("iot", "service-2"))
    assert looks - known - set(model.operation_names) - {"GetCallerIdentity", "SimulatePrincipalPolicy"} == set()

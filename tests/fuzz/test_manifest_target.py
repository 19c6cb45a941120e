"""A short run of the fuzz target over the manifest reader; ``python -m tests.fuzz`` is a longer one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.manifest_target import examine
from tests.fuzz.mutations import SUFFIXES, Input, Mutator

EXAMPLES = Path(__file__).parents[2] / "manifests"
INPUTS = 250


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_break_the_reader(tmp_path: Path, seed: int) -> None:
    """Each of some hundred spoilt manifests ends in devices or in faults with a place, and does so again."""
    mutator, ended = Mutator(EXAMPLES, seed), Counter[bool]()
    for number in range(INPUTS):
        outcome = examine(mutator.make(number), tmp_path, twice=number % 8 == 0)
        ended[bool(outcome.devices)] += 1
    assert min(ended.values()) > INPUTS // 50  # neither is so rare that nothing was tried


def test_an_input_is_made_again_from_its_numbers() -> None:
    """A finding is named by seed and number: the same pair gives the same bytes, another pair others."""
    assert Mutator(EXAMPLES, 1).make(5) == Mutator(EXAMPLES, 1).make(5)
    assert len({Mutator(EXAMPLES, seed).make(number) for seed in (1, 2) for number in range(50)}) > 90


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_target_takes_what_is_right(tmp_path: Path, suffix: str) -> None:
    """A faultless manifest of each format ends in its devices, so that the target judges more than faults."""
    contents = {".jsonl": b'{"id":"one"}\n', ".toml": b"[[thing]]\nid = 'one'\n", ".txt": b"one\n"}
    outcome = examine(
        Input(suffix, contents.get(suffix, b"id\tcn\none\tx\n" if suffix == ".tsv" else b"id\none\n")), tmp_path
    )
    assert len(outcome.devices) == 1

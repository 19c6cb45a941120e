"""A number and its noun go together in every sentence, for one as for many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.counting import counted, plural, verb


@pytest.mark.parametrize(
    ("noun", "one", "many"),
    [
        ("device", "1 device", "1,000 devices"),
        ("billing group", "1 billing group", "1,000 billing groups"),
        ("policy", "1 policy", "1,000 policies"),
        ("key", "1 key", "1,000 keys"),
    ],
)
def test_a_noun_is_in_the_form_that_its_number_asks_for(noun: str, one: str, many: str) -> None:
    """None at all takes the form for many, and thousands are set off."""
    assert (counted(1, noun), counted(1000, noun)) == (one, many)
    assert counted(0, noun) == f"0 {plural(noun, 2)}"


@given(
    st.integers(0, 10**9), st.sampled_from([("are", "is"), ("have", "has"), ("were", "was"), ("need", "needs")])
)
def test_a_verb_is_in_the_form_that_its_number_asks_for(number: int, forms: tuple[str, str]) -> None:
    """The irregular ones too."""
    many, one = forms
    assert verb(many, number) == (one if number == 1 else many)

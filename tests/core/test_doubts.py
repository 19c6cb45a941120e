"""Requests without an answer are told of once, however many there are, and so is what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.doubts import Doubts, Fate
from pipeline.meter import Meter
from pipeline.progress.sinks import Silence
from pipeline.stop import Stop
from tests.support.awsiot import Drop

if TYPE_CHECKING:
    from tests.core.mill import Mill


class Notes(Silence):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


def play(expected: int, turns: list[tuple[bool, Fate]], stop: Stop | None = None) -> list[str]:
    """Settle doubts: in each turn one is taken up, and ends at once or only after all the others."""
    notes = Notes()
    doubts = Doubts(Meter(listeners=[notes]), stop or Stop(), 29.4)
    doubts.expect(expected)
    for at_once, fate in turns:
        doubts.begin()
        if at_once:
            doubts.end(fate)
    for at_once, fate in turns:
        if not at_once:
            doubts.end(fate)
    return notes.said


def test_several_at_once_are_one_note_and_so_is_their_end() -> None:
    """The number, how long it may take, and then how many of them led to a certificate and how many did not."""
    turns = [(False, Fate.FOUND), (False, Fate.NOT_ISSUED), (False, Fate.FOUND)]
    assert play(3, turns) == [
        "3 requests without an answer are being looked for, up to 30 s",
        "3 requests without an answer: 2 found, 1 not issued",
    ]


def test_one_is_told_of_in_the_singular() -> None:
    """A request whose answer was lost in the middle of a run is not expected, and is told of all the same."""
    assert play(0, [(True, Fate.OPEN)]) == [
        "1 request without an answer is being looked for, up to 30 s",
        "1 request without an answer: 1 still in doubt",
    ]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(Fate)), min_size=1, max_size=20))
def test_those_that_were_expected_are_two_notes_in_whatever_order_they_come(
    turns: list[tuple[bool, Fate]],
) -> None:
    """However they come and go, the first note has all of them, and the second accounts for all of them."""
    begin, end = play(len(turns), turns)
    assert begin.startswith(f"{len(turns)} request")
    assert sum(int(part.split()[0]) for part in end.partition(": ")[2].split(", ")) == len(turns)


def test_a_run_that_is_stopped_does_not_wait_for_those_that_never_come() -> None:
    """What became of the ones that were taken up is said."""
    stop = Stop()
    stop.requested = True
    assert play(5, [(True, Fate.OPEN)], stop)[-1] == "1 request without an answer: 1 still in doubt"


@pytest.mark.anyio
async def test_a_run_tells_of_an_answer_that_was_lost(mill: Mill) -> None:
    """A certificate that was issued without an answer is looked for, found, and told of with two notes."""
    mill.double.faults.script("CreateCertificateFromCsr", Drop(after=True), subject="two", times=1)
    notes = Notes()
    run = mill.prepare("one\ntwo\n")
    run.meter.listeners.append(notes)
    await mill.finish(run)
    assert [note for note in notes.said if "without an answer" in note] == [
        "1 request without an answer is being looked for, up to 1 s",
        "1 request without an answer: 1 found",
    ]

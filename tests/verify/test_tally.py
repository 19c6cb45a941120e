"""Verdicts counted: what was connected, what could have been, and what nobody could try."""

from __future__ import annotations

import pytest

from pipeline.codes import ProofCode
from pipeline.verify import Check, Finding, Remarks, Tally, Verdict

TRIED = frozenset({Check.OFFLINE, Check.CONNECT})
LOOKED = frozenset({Check.OFFLINE})
REFUSED = Finding(Check.CONNECT, next(iter(ProofCode)), "refused")

CONNECTED = Verdict("a", 1, None, "done", TRIED, ())
NOT_CONNECTED = Verdict("b", 2, None, "done", TRIED, (REFUSED,))
SEALED = Verdict("c", 3, None, "done", LOOKED, (), key_closed=True)
OWN = Verdict("d", 4, None, "done", LOOKED, (), keeps_key=True)
REVOKED = Verdict("e", 5, None, "revoked", frozenset(), ())


def tally_of(*verdicts: Verdict) -> Tally:
    tally = Tally()
    for verdict in verdicts:
        tally.add(verdict)
    return tally


def test_what_is_sealed_is_neither_connected_nor_wrong() -> None:
    """It is counted apart, as is who keeps its own key; the first could connect, the second never."""
    tally = tally_of(CONNECTED, NOT_CONNECTED, SEALED, OWN, REVOKED)
    assert (tally.connected, tally.connectable, tally.sealed, tally.problems) == (1, 3, 1, 1)
    told = tally.to_json(Remarks())
    assert (told["devices"], told["ok"], told["connected"], told["sealed"]) == (4, 3, 1, 1)
    assert told["checks"]["connect"] == {"looked": 2, "failed": 1}


@pytest.mark.parametrize(
    ("verdicts", "only"),
    [
        ((SEALED, SEALED), True),
        ((SEALED, OWN), True),
        ((SEALED, CONNECTED), False),
        ((SEALED, NOT_CONNECTED), False),
        ((OWN,), False),
        ((REVOKED,), False),
    ],
)
def test_sealed_keys_alone_are_the_reason_where_nobody_was_tried(
    verdicts: tuple[Verdict, ...], only: bool
) -> None:
    """One device that was tried, or a run without any encrypted key, is another matter."""
    assert tally_of(*verdicts).only_sealed is only

"""Ctrl-C and SIGTERM: what is in flight is recorded, and nothing is left running."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.awsiot import Hang, Slow
from tests.support.thorough import sampled
from tests.torture.checker import judge

if TYPE_CHECKING:
    from tests.torture.scene import Scene

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ISSUE = "CreateCertificateFromCsr"


@pytest.mark.parametrize("number", sampled(SIGNALS, lambda number: number == signal.SIGINT))
def test_a_signal_lets_what_is_in_flight_be_recorded(scene: Scene, number: signal.Signals) -> None:
    """A certificate on its way when the signal comes is recorded; the run ends with 130 and goes on later."""
    scene.aws.run(lambda double: double.faults.script(ISSUE, Slow(0.5), times=None))
    scene.at(3, lambda: scene.signal(number), ISSUE)
    ended = scene.run()
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    assert not list(scene.output.rglob("*.tmp"))
    scene.aws.run(lambda double: double.faults.clear())
    scene.finish()
    judge(scene)
    looked = scene.aws.run(lambda double: double.journal.count("ListCertificates"))
    assert looked == 0, "a request was left in doubt"


# Two of one kind may reach it as one.
@pytest.mark.parametrize(("first", "second"), sampled([SIGNALS, SIGNALS[::-1]], lambda case: case == SIGNALS))
def test_a_second_signal_ends_it_at_once(scene: Scene, first: signal.Signals, second: signal.Signals) -> None:
    """Who cannot wait for an answer that does not come signals again; the run goes on later all the same."""
    scene.aws.run(lambda double: double.faults.script(ISSUE, Hang(after=True)))
    process = scene.start()
    scene.aws.until(lambda double: any(call.committed and call.fault for call in double.journal.find(ISSUE)))
    scene.signal(first)
    scene.signal(second)
    ended = scene.end(process)
    assert ended.code == 130, ended.err
    scene.finish()
    judge(scene)


@pytest.mark.parametrize(
    ("number", "nth"),
    sampled(
        [(number, nth) for number in SIGNALS for nth in (1, 40)],
        lambda case: case == (signal.SIGTERM, 1),
    ),
)
def test_a_signal_at_any_call_leaves_a_run_that_goes_on(scene: Scene, number: signal.Signals, nth: int) -> None:
    """From the first call on, a signal ends the run with 130 and without a traceback, and it can be resumed."""
    scene.at(nth, lambda: scene.signal(number))
    ended = scene.run()
    assert ended.code == 130, (ended.code, ended.err)
    assert "Traceback" not in ended.err
    assert not list(scene.output.rglob("*.tmp"))
    scene.finish()
    judge(scene)

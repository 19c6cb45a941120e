"""What a failure says of the certificate that it leaves nothing of, and of a call that nobody answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from pipeline import reconcile
from pipeline.aws.failures import CallError, Failure
from pipeline.breaker import Breaker
from pipeline.codes import CallCode, DeviceCode
from pipeline.device import State
from pipeline.errors import DeviceError
from tests.support.awsiot import Drop, Spoil, Wrong

if TYPE_CHECKING:
    from tests.core.mill import Mill

ISSUE = "CreateCertificateFromCsr"
GONE = "it was set inactive and deleted, never bundled; "


@pytest.mark.anyio
async def test_a_certificate_that_is_not_valid_now_makes_one_look_at_the_clock(mill: Mill) -> None:
    """First it is said what became of the certificate, then where the cause may be."""
    mill.double.faults.script(ISSUE, Spoil(Wrong.NOT_YET_VALID))
    await mill.run()
    error = mill.entry("one").error
    assert error is not None
    assert error.advice.startswith(GONE)
    assert "clock" in error.advice


@pytest.mark.anyio
async def test_a_wrong_certificate_found_by_looking_comes_with_the_same_advice(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it came as an answer or was found afterwards, it is taken away, and the device's failure says so."""

    def refuse(*_: object) -> NoReturn:
        raise DeviceError(5, DeviceCode.WRONG_COMMON_NAME, "another name", advice="look there")

    monkeypatch.setattr(reconcile, "inspect", refuse)
    mill.double.faults.script(ISSUE, Drop(after=True))
    await mill.run()
    entry = mill.entry("one")
    assert entry.error is not None
    assert (entry.error.code, entry.error.advice) == ("WrongCommonName", f"{GONE}look there")
    assert (entry.state, mill.certificates("one")) == (State.KEYED, [])


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (Failure.REFUSED, "InvalidRequestException", "was refused"),
        (Failure.FATAL, "AccessDeniedException", "was refused"),
        (Failure.FATAL, CallCode.NO_CREDENTIALS, "could not be sent"),
        (Failure.FATAL, CallCode.TLS_FAILED, "could not be sent"),
        (Failure.UNSENT, CallCode.NO_CONNECTION, "got no answer, again and again"),
        (Failure.UNANSWERED, "ReadTimeoutError", "got no answer, again and again"),
        (Failure.UNANSWERED, CallCode.STRANGE_ANSWER, "got an answer without sense"),
    ],
)
def test_a_call_is_called_refused_only_where_it_was(failure: Failure, code: str, words: str) -> None:
    """Nobody looks for a missing permission where the network is down, for a device or for a run."""
    error = CallError("DescribeThing", failure, code, "why")
    for told in (error.for_device(1), error.for_run()):
        assert told.message.startswith(f"DescribeThing {words}: why")


def test_what_stops_a_run_names_the_code_to_look_up() -> None:
    """The sentence that ends a run after failures alike has their code at its end."""
    breaker = Breaker()
    stopped = [breaker.failed(DeviceError(7, "LimitExceededException", "full", advice="look")) for _ in range(20)]
    assert stopped[:19] == [None] * 19
    assert stopped[19] is not None
    assert stopped[19].message.endswith("full (LimitExceededException)")

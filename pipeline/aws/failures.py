"""What a failed AWS call means for the device and for the run.

Sources: the errors of each operation in the AWS IoT API reference, the common errors of AWS APIs, and the
exceptions of botocore. ``LimitExceededException`` is on botocore's list of throttles, but for AWS IoT it says
that a resource is full (ten policies on a certificate), which waiting does not change.
"""

from __future__ import annotations

import enum
import socket

from aiohttp import ClientConnectorError
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from pipeline.errors import DeviceError, RefusedError, ThingmillError
from pipeline.text import printable

__all__ = ["CallError", "Failure", "sort"]


class Failure(enum.Enum):
    """What to do about it."""

    THROTTLED = "throttled"
    """Not done; slow down and try again. Never fails a device."""
    UNSENT = "unsent"
    """Certainly not done: no connection came about. Try again with jitter."""
    UNANSWERED = "unanswered"
    """Perhaps done: the answer was lost, or was a 5xx. What is idempotent is tried again with jitter;
    CreateCertificateFromCsr is not, and is settled by looking."""
    REFUSED = "refused"
    """Not done, and asking again would not help: this device fails."""
    FATAL = "fatal"
    """Not done for this device or any other: the run stops, and nothing is held against the device."""


class CallError(ThingmillError):
    """One AWS call failed. Where no device is concerned it reaches the user as it is, with exit code 3.

    Attributes:
        api: The operation (``CreateThing``).
        failure: What it means.
        code: The error's code as AWS names it, or the kind of connection failure.
        reason: What AWS said, safe to print.
    """

    exit_code = 3

    def __init__(self, api: str, failure: Failure, code: str, reason: str) -> None:
        super().__init__(f"{api} failed: {reason} ({code})", advice=_advice(code))
        self.api = api
        self.failure = failure
        self.code = code
        self.reason = reason

    def for_device(self, step: int) -> DeviceError:
        """Return what fails one device."""
        if self.failure is Failure.REFUSED:
            return DeviceError(
                step, self.code, f"{self.api} was refused: {self.reason}", advice=_advice(self.code)
            )
        return DeviceError(
            step,
            self.code,
            f"{self.api} got no answer, again and again: {self.reason}",
            advice="look at the network and at AWS's health page, then run the same command again",
        )

    def for_run(self) -> RefusedError:
        """Return what stops the run."""
        return RefusedError(f"{self.api} was refused: {self.reason} ({self.code})", advice=_advice(self.code))


_THROTTLES = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottledException",
        "RequestThrottled",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "SlowDown",
        "PriorRequestNotComplete",
    }
)

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedException", "UnauthorizedOperation", "NotAuthorized"}
)
_UNKNOWN_CALLER = frozenset(
    {
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

_KINDS: tuple[tuple[tuple[type[Exception], ...], Failure, str], ...] = (
    (
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.TokenRetrievalError,
            boto.SSOError,
            boto.NoAuthTokenError,
        ),
        Failure.FATAL,
        "NoCredentials",
    ),
    ((boto.ConnectTimeoutError,), Failure.UNSENT, "NoConnection"),
    ((boto.SSLError,), Failure.FATAL, "TLSFailed"),
    # Also a connection that broke when the request was on its way, which has no class of its own.
    (
        (boto.HTTPClientError, boto.ConnectionError, ResponseParserError, TimeoutError, ConnectionError),
        Failure.UNANSWERED,
        "",
    ),
    ((boto.ParamValidationError,), Failure.REFUSED, "ParamValidation"),
)
"""What botocore raises when there is no answer, most telling kind first; without a code, its own name serves."""


_STILL_EXPIRED = "refreshed credentials are still expired"
"""In what botocore raises, a plain RuntimeError, before it would sign with credentials that have ended: those of
the environment with AWS_CREDENTIAL_EXPIRATION (``RefreshableCredentials._protected_refresh``)."""


def sort(api: str, error: Exception) -> CallError:
    """Return what an exception of an AWS call means.

    Args:
        api: The operation that was called.
        error: What aiobotocore raised. Anything that is no failure of a call is raised again as it is.
    """
    if isinstance(error, boto.ClientError):
        return _sort_answer(api, error)
    if isinstance(error, RuntimeError) and _STILL_EXPIRED in str(error):
        return CallError(api, Failure.FATAL, "ExpiredToken", "the credentials have ended, and nobody renewed them")
    if isinstance(error, boto.EndpointConnectionError) and _was_never_connected(error):
        return CallError(api, Failure.UNSENT, "NoConnection", printable(str(error)))
    for kinds, failure, code in _KINDS:
        if isinstance(error, kinds):
            return CallError(api, failure, code or type(error).__name__, printable(str(error)))
    raise error


def _was_never_connected(error: boto.EndpointConnectionError) -> bool:
    """Whether no connection came about, so that no byte of the request can have been sent.

    aiobotocore raises the same error for a connection that was reset after the request went out; only the cause
    that it carries tells the two apart.
    """
    return isinstance(error.kwargs.get("error"), ClientConnectorError | socket.gaierror)


def _sort_answer(api: str, error: boto.ClientError) -> CallError:
    answer = error.response.get("Error", {})
    code = printable(answer.get("Code", "") or "Unknown", 80)
    message = printable(answer.get("Message", "") or "no reason given")
    if code in _UNKNOWN_CALLER:
        # Some go on with the canonical request, and so with the session token that was signed.
        message = message.partition(". ")[0][:200]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLES or status == 429:
        failure = Failure.THROTTLED
    elif code in _EXPIRED | _DENIED | _UNKNOWN_CALLER or status in (401, 403):
        failure = Failure.FATAL
    elif status >= 500 or status == 408:
        failure = Failure.UNANSWERED
    else:
        failure = Failure.REFUSED
    return CallError(api, failure, code, message)


def _advice(code: str) -> str:
    return _ADVICE.get(code, "mend what the message names, then run the same command again")


_ADVICE: dict[str, str] = {
    **dict.fromkeys(_EXPIRED, "get new credentials, then run the same command again: it goes on where it stopped"),
    **dict.fromkeys(_DENIED, "allow the operation in the IAM policy of these credentials, then run again"),
    **dict.fromkeys(_UNKNOWN_CALLER, "check the profile, its keys and the clock of this machine"),
    "NoCredentials": "name a profile with --profile, or set up credentials as for the AWS CLI (aws configure)",
    "TLSFailed": "check --endpoint-url, and the certificates that this machine trusts",
    "LimitExceededException": "a limit of AWS IoT is reached (10 policies on a certificate, 10 groups of a thing)",
}

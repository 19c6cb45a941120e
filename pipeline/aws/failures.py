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

from pipeline.codes import CallCode
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
        code: The error's code as AWS names it, a ``CallCode``, or the class of the connection's failure.
        reason: What AWS said, safe to print.
    """

    exit_code = 3

    def __init__(self, api: str, failure: Failure, code: str, reason: str) -> None:
        super().__init__(f"{api} failed: {reason} ({code})", advice=_advice(code, failure))
        self.api = api
        self.failure = failure
        self.code = code
        self.reason = reason

    def for_device(self, step: int) -> DeviceError:
        """Return what fails one device."""
        return DeviceError(step, self.code, f"{self.api} {self._outcome}: {self.reason}", advice=self.advice)

    def for_run(self) -> RefusedError:
        """Return what stops the run."""
        return RefusedError(f"{self.api} {self._outcome}: {self.reason} ({self.code})", advice=self.advice)

    @property
    def _outcome(self) -> str:
        if self.code == CallCode.STRANGE_ANSWER:
            return "got an answer without sense"
        if self.failure in _SILENT:
            return "got no answer, again and again"
        unsent = self.code in (CallCode.NO_CREDENTIALS, CallCode.TLS_FAILED)
        return "could not be sent" if unsent else "was refused"


_SILENT = (Failure.UNSENT, Failure.UNANSWERED)


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

_KINDS: tuple[tuple[tuple[type[Exception], ...], Failure, CallCode | None], ...] = (
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
        CallCode.NO_CREDENTIALS,
    ),
    ((boto.ConnectTimeoutError,), Failure.UNSENT, CallCode.NO_CONNECTION),
    ((boto.SSLError,), Failure.FATAL, CallCode.TLS_FAILED),
    # Also a connection that broke when the request was on its way, which has no class of its own.
    (
        (boto.HTTPClientError, boto.ConnectionError, ResponseParserError, TimeoutError, ConnectionError),
        Failure.UNANSWERED,
        None,
    ),
    ((boto.ParamValidationError,), Failure.REFUSED, CallCode.PARAM_VALIDATION),
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
        reason = "the credentials have ended, and nobody renewed them"
        return CallError(api, Failure.FATAL, CallCode.EXPIRED_TOKEN, reason)
    if isinstance(error, boto.EndpointConnectionError) and _was_never_connected(error):
        return CallError(api, Failure.UNSENT, CallCode.NO_CONNECTION, printable(str(error)))
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
    code = printable(answer.get("Code", "") or CallCode.UNKNOWN, 80)
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


def _advice(code: str, failure: Failure) -> str:
    silent = "look at the network and at AWS's health page, then run the same command again"
    named = "mend what the message names, then run the same command again"
    return _ADVICE.get(code, silent if failure in _SILENT else named)


_TOGETHER = "somebody else changes the same: run the same command again"

_ADVICE: dict[str, str] = {
    **dict.fromkeys(_EXPIRED, "get new credentials, then run the same command again: it goes on where it stopped"),
    **dict.fromkeys(_DENIED, "allow the operation in the IAM policy of these credentials, then run again"),
    **dict.fromkeys(_UNKNOWN_CALLER, "check the profile, its keys and the clock of this machine"),
    "RequestExpired": "set the clock of this machine, keep it by NTP, then run the same command again",
    "OptInRequired": "see that the account is activated and has this Region enabled, then run again",
    "CertificateStateException": _TOGETHER,
    "DeleteConflictException": _TOGETHER,
    "LimitExceededException": "a limit of AWS IoT is reached (10 policies on a certificate, 10 groups of a "
    "thing): take away what fills it, then run the same command again",
    "MalformedPolicyException": "mend the policy's document, then run the same command again",
    "ResourceAlreadyExistsException": _TOGETHER,
    "ResourceNotFoundException": "make again what was deleted meanwhile, then run the same command again",
    "VersionConflictException": _TOGETHER,
    CallCode.NO_CONNECTION: "look at the network, the proxy and --endpoint-url, then run the same command again",
    CallCode.NO_CREDENTIALS: "name a profile with --profile, or set up credentials as for the AWS CLI "
    "(aws configure)",
    CallCode.PARAM_VALIDATION: "this is a fault of thingmill: report it with this message",
    **dict.fromkeys(
        (CallCode.STRANGE_ANSWER, CallCode.STRANGE_CERTIFICATE_ID),
        "see that --endpoint-url leads to AWS IoT, and that no proxy answers in its place",
    ),
    CallCode.TLS_FAILED: "check --endpoint-url, and the certificates that this machine trusts",
}

"""What each failure of a call means for the device and for the run."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from aiohttp import ClientConnectorError, ClientOSError
from aiohttp.client_reqrep import ConnectionKey
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from pipeline.aws.failures import CallError, Failure, sort
from pipeline.errors import DeviceError, RefusedError

URL = "http://localhost"

NO_CONNECTION = ClientConnectorError(
    ConnectionKey("localhost", 1, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None),
    ConnectionRefusedError(111, "refused"),
)


def client_error(code: str, status: int, message: str = "why") -> boto.ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "AttachPolicy")


@pytest.mark.parametrize(
    ("code", "status", "failure"),
    [
        # AWS IoT answers throttles with 400, and full resources with 410.
        ("ThrottlingException", 400, Failure.THROTTLED),
        ("TooManyRequestsException", 429, Failure.THROTTLED),
        ("AnythingAtAll", 429, Failure.THROTTLED),
        ("LimitExceededException", 410, Failure.REFUSED),
        ("InvalidRequestException", 400, Failure.REFUSED),
        ("ResourceNotFoundException", 404, Failure.REFUSED),
        ("ResourceAlreadyExistsException", 409, Failure.REFUSED),
        ("CertificateStateException", 406, Failure.REFUSED),
        ("DeleteConflictException", 409, Failure.REFUSED),
        ("InternalFailureException", 500, Failure.UNANSWERED),
        ("ServiceUnavailableException", 503, Failure.UNANSWERED),
        ("RequestTimeout", 408, Failure.UNANSWERED),
        ("UnauthorizedException", 401, Failure.FATAL),
        ("AccessDeniedException", 403, Failure.FATAL),
        ("ExpiredTokenException", 403, Failure.FATAL),
        ("InvalidClientTokenId", 403, Failure.FATAL),
        ("UnrecognizedClientException", 400, Failure.FATAL),
        ("SignatureDoesNotMatch", 400, Failure.FATAL),
        ("NobodyKnowsIt", 403, Failure.FATAL),
    ],
)
def test_an_error_answer_is_sorted_by_code_and_status(code: str, status: int, failure: Failure) -> None:
    """Each code of AWS IoT leads to what helps: wait, look, fail this device, or stop the run."""
    sorted_ = sort("AttachPolicy", client_error(code, status))
    assert (sorted_.failure, sorted_.code) == (failure, code)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (boto.EndpointConnectionError(endpoint_url=URL, error=socket.gaierror()), Failure.UNSENT),
        (boto.EndpointConnectionError(endpoint_url=URL, error=NO_CONNECTION), Failure.UNSENT),
        (boto.EndpointConnectionError(endpoint_url=URL, error=ClientOSError(104, "reset")), Failure.UNANSWERED),
        (boto.EndpointConnectionError(endpoint_url=URL), Failure.UNANSWERED),
        (boto.ConnectTimeoutError(endpoint_url=URL), Failure.UNSENT),
        (boto.ProxyConnectionError(proxy_url=URL), Failure.UNANSWERED),
        (boto.ReadTimeoutError(endpoint_url=URL), Failure.UNANSWERED),
        (boto.ConnectionClosedError(endpoint_url=URL), Failure.UNANSWERED),
        (boto.HTTPClientError(error="broken pipe"), Failure.UNANSWERED),
        (boto.ResponseStreamingError(error="cut off"), Failure.UNANSWERED),
        (ResponseParserError("garbled"), Failure.UNANSWERED),
        (TimeoutError(), Failure.UNANSWERED),
        (ConnectionResetError(), Failure.UNANSWERED),
        (boto.SSLError(endpoint_url=URL, error=OSError("unknown CA")), Failure.FATAL),
        (boto.NoCredentialsError(), Failure.FATAL),
        (boto.PartialCredentialsError(provider="env", cred_var="key"), Failure.FATAL),
        (boto.TokenRetrievalError(provider="sso", error_msg="expired"), Failure.FATAL),
        (boto.ParamValidationError(report="no"), Failure.REFUSED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_missing_answer_is_sorted_by_whether_anything_was_sent(error: Exception, failure: Failure) -> None:
    """Only what certainly never left is UNSENT; whatever may have arrived is in doubt."""
    assert sort("CreateCertificateFromCsr", error).failure is failure


def test_a_message_of_a_server_is_made_safe() -> None:
    """Escape sequences in what AWS says reach no terminal."""
    error = sort("AttachPolicy", client_error("Invalid\x1b[31m", 400, "red \x1b]52;c;eA==\x07"))
    assert "\x1b" not in str(error) + error.code + error.reason
    assert "\\x1b" in error.reason


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ExpiredTokenException", "new credentials"),
        ("AccessDeniedException", "IAM policy"),
        ("InvalidClientTokenId", "profile"),
        ("LimitExceededException", "limit"),
        ("SomethingNew", "run the same command again"),
    ],
)
def test_every_refusal_carries_advice(code: str, advice: str) -> None:
    """What a user can do is said with what happened, for a device and for a run."""
    refused = CallError("AttachPolicy", Failure.REFUSED, code, "why")
    for error in (refused, refused.for_device(8), refused.for_run()):
        assert advice in error.advice
        assert "AttachPolicy" in error.message


def test_a_refusal_names_its_step_and_a_lost_answer_its_cause() -> None:
    """A device's failure says at which step, by which code, and whether AWS said no or nothing."""
    refused = CallError("AttachPolicy", Failure.REFUSED, "LimitExceededException", "full").for_device(8)
    assert isinstance(refused, DeviceError)
    assert (refused.step, refused.code) == (8, "LimitExceededException")
    assert "was refused: full" in refused.message
    lost = CallError("AttachPolicy", Failure.UNANSWERED, "ReadTimeoutError", "slow").for_device(8)
    assert "no answer" in lost.message


def test_what_stops_a_run_ends_in_exit_code_3() -> None:
    """AWS refused before the first device, or for all of them."""
    error = CallError("GetCallerIdentity", Failure.FATAL, "ExpiredToken", "old")
    assert isinstance(error.for_run(), RefusedError)
    assert (error.exit_code, error.for_run().exit_code) == (3, 3)

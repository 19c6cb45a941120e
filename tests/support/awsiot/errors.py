"""The errors that AWS IoT answers with, by code and HTTP status (the ``iot`` service model of botocore)."""

from __future__ import annotations

__all__ = ["STATUS", "AwsError", "not_found"]

STATUS = {
    "CertificateStateException": 406,
    "DeleteConflictException": 409,
    "InternalFailureException": 500,
    "InvalidRequestException": 400,
    "LimitExceededException": 410,
    "MalformedPolicyException": 400,
    "ResourceAlreadyExistsException": 409,
    "ResourceNotFoundException": 404,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 400,
    "UnauthorizedException": 401,
    "VersionConflictException": 409,
    # Answered by the gateway before any service, so no service model lists them.
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    # Service Quotas.
    "IllegalArgumentException": 400,
    "NoSuchResourceException": 400,
    "ServiceException": 500,
    "TooManyRequestsException": 400,
}


class AwsError(Exception):
    """An error answer.

    Args:
        code: The error's code, as in ``x-amzn-ErrorType``.
        message: What AWS says about it.
        status: The HTTP status; the code's own where it is not given.
        members: Further members of the error's shape (``resourceId``, ``resourceArn``).
    """

    def __init__(self, code: str, message: str, *, status: int | None = None, **members: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = STATUS.get(code, 400) if status is None else status
        self.members = members


def not_found(kind: str, name: str) -> AwsError:
    """Return the error for a resource that is not there."""
    return AwsError("ResourceNotFoundException", f"{kind} {name} does not exist")

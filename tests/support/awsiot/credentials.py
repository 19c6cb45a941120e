"""Who signed a request, and whether the credentials are still good. Signatures are not verified."""

from __future__ import annotations

import re

from tests.support.awsiot.errors import AwsError

__all__ = ["Credentials"]

# Authorization: AWS4-HMAC-SHA256 Credential=AKID/20300101/eu-west-1/iot/aws4_request, SignedHeaders=…
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/")


class Credentials:
    """The access keys that were seen, and those that have expired."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._expired: set[str] = set()
        self._left: int | None = None

    def expire(self, after: int = 0) -> None:
        """Let ``after`` more calls pass; then every access key seen by that time has expired. Others are good."""
        self._left = after
        self._expire_if_due()

    @staticmethod
    def access_key(authorization: str) -> str:
        """Return the access key id of an Authorization header, or ``""``."""
        found = _CREDENTIAL.match(authorization)
        return found[1] if found else ""

    def check(self, access_key: str) -> None:
        """Count a call.

        Raises:
            AwsError: MissingAuthenticationTokenException without a signature, ExpiredTokenException.
        """
        if not access_key:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        if access_key in self._expired:
            message = "The security token included in the request is expired"
            raise AwsError("ExpiredTokenException", message)
        self._seen.add(access_key)
        if self._left is not None:
            self._left -= 1
            self._expire_if_due()

    def _expire_if_due(self) -> None:
        if self._left is not None and self._left <= 0:
            self._expired |= self._seen
            self._left = None

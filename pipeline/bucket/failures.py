"""What a failed call of S3 means: for the whole export, or for one object.

Sources: "Error responses" in the Amazon S3 API reference, and "How to prevent object overwrites with conditional
writes" in its User Guide. What holds for every AWS service is in ``aws.failures``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.aws.failures import Failure
from pipeline.errors import RefusedError

if TYPE_CHECKING:
    from pipeline.aws.failures import CallError
    from pipeline.bucket.address import Address

__all__ = ["ADVICE", "AGAIN", "TAKEN", "ends_it"]

TAKEN = frozenset({"PreconditionFailed", "412"})
"""The object is there already, so nothing was written."""

AGAIN = frozenset(
    {"ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "IncompleteBody", "BadDigest", "409"}
)
"""Nothing was written, and asking again may help: somebody else wrote at the same time, or bytes were lost."""

_KMS = "KMS."
"""How codes begin that S3 passes on from AWS KMS."""

_REGION = "name the bucket's Region with --region"
_OTHER_STORE = "export to a bucket of AWS, or of a server that knows If-None-Match"
_SHUT = "see in the account's console why the bucket is shut"
_CLOCK = "set the clock of this machine, keep it by NTP, then run the same command again"

ADVICE: dict[str, str] = {
    "NoSuchBucket": "make the bucket, or name another one with --to",
    "InvalidBucketName": "name another bucket with --to",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "NotImplemented": _OTHER_STORE,
    "MethodNotAllowed": _OTHER_STORE,
    "AllAccessDisabled": _SHUT,
    "AccountProblem": _SHUT,
    "NotSignedUp": _SHUT,
    "RequestTimeTooSkewed": _CLOCK,
}
"""What is so for every object, by S3's own codes, and what to do about it."""

_DENIED = frozenset({"AccessDenied", "403"})


def ends_it(error: CallError, address: Address, owner: str) -> RefusedError | None:
    """Return what ends an export, or None where a failure is of one object alone.

    Args:
        error: The call that failed.
        address: Where it goes.
        owner: The account that the bucket has to be of.
    """
    if error.code in ADVICE:
        advice = ADVICE[error.code]
    elif error.code.startswith(_KMS):
        advice = (
            "see that the KMS key is enabled, is of the bucket's Region, and lets these credentials use it "
            "(kms:GenerateDataKey, kms:Decrypt)"
        )
    elif error.code in _DENIED:
        advice = (
            f"allow s3:PutObject and s3:GetObject below {address}, with a KMS key kms:GenerateDataKey and "
            f"kms:Decrypt too, and see that the bucket is of the account {owner} (--bucket-owner names another)"
        )
    elif error.failure is Failure.REFUSED:
        return None
    else:
        advice = error.advice
    found = error.for_run()
    return RefusedError(f"{address}: {found.message}", advice=advice)

"""A store of objects in this process that can do what S3 does on a bad day, and a bucket that people look into."""

from __future__ import annotations

import base64
import hashlib
import io
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, EndpointConnectionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Self

__all__ = ["ACCOUNT", "KMS_ARN", "KMS_ID", "Answer", "Store", "lost", "refused"]

ACCOUNT = "123456789012"
KMS_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KMS_ARN = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/{KMS_ID}"

_STATUS = {"PreconditionFailed": 412, "NoSuchKey": 404, "SlowDown": 503, "InternalError": 500, "AccessDenied": 403}


def refused(code: str, operation: str = "PutObject", says: str = "") -> ClientError:
    """Return what botocore raises where S3 answers with an error."""
    answer: Any = {
        "Error": {"Code": code, "Message": says or f"said for {code}"},
        "ResponseMetadata": {"HTTPStatusCode": _STATUS.get(code, 400)},
    }
    return ClientError(answer, operation)


def lost() -> Exception:
    """Return what botocore raises where a connection ended without an answer."""
    return EndpointConnectionError(endpoint_url="http://127.0.0.1:9", error=ConnectionResetError())


@dataclass(frozen=True)
class Answer:
    """What becomes of a put: an error that comes instead of it, or after it was carried out."""

    error: Exception | Callable[[bytes], Exception]
    carried_out: bool = False

    def raised(self, data: bytes) -> Exception:
        """Return the error, which may know what was put."""
        return self.error if isinstance(self.error, Exception) else self.error(data)


class _Body(io.BytesIO):
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def read(self) -> bytes:  # type: ignore[override]
        assert len(self.getvalue()) <= 1 << 20, "was read into memory"
        return self.getvalue()


@dataclass
class Store:
    """The client of S3, as far as an export uses it.

    Attributes:
        objects: What is there, by key.
        puts: The keys of all puts that were tried, in their order.
        words: What the last put came with.
        answers: What happens to a put instead, asked for with its key.
        encryption: What it says that objects are encrypted with.
        reads: The keys that were read.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    words: dict[str, Any] = field(default_factory=dict)
    answers: Callable[[str], Answer | None] = lambda _: None
    encryption: dict[str, str] = field(default_factory=lambda: {"ServerSideEncryption": "AES256"})
    reads: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    async def put_object(self, **words: Any) -> dict[str, Any]:  # noqa: ANN401  as the client's
        key, data = words["Key"], words["Body"]
        self.puts.append(key)
        self.words = words
        assert words["IfNoneMatch"] == "*"
        assert words["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(data).digest()).decode()
        answer = self.answers(key)
        if answer is not None and not answer.carried_out:
            raise answer.raised(data)
        if key in self.objects:
            raise refused("PreconditionFailed")
        self.objects[key] = data
        if answer is not None:
            raise answer.raised(data)
        return {"ETag": "x", **self.encryption}

    async def get_object(self, **words: Any) -> dict[str, Any]:  # noqa: ANN401  as the client's
        key = words["Key"]
        self.reads.append(key)
        if key in self.gone:
            self.gone.discard(key)
            self.objects.pop(key)
        if key not in self.objects:
            raise refused("NoSuchKey", "GetObject")
        data = self.objects[key]
        return {"Body": _Body(data), "ContentLength": len(data), **self.encryption}

    def times(self, number: int, answer: Answer, suffix: str = "") -> None:
        """Have so many puts of each key with this end answered so, one after another."""
        left: dict[str, int] = {}

        def answers(key: str) -> Answer | None:
            if not key.endswith(suffix):
                return None
            left[key] = left.get(key, number) - 1
            return answer if left[key] >= 0 else None

        self.answers = answers

    @asynccontextmanager
    async def opened(self, access: object, connections: int) -> AsyncIterator[Store]:
        """Stand in for ``aws.storage.open_storage``."""
        assert access is not None
        assert connections > 0
        yield self

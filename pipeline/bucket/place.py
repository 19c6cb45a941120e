"""A bucket as a place for exported bundles: each object is put once, keys last, and what says that all is there.

S3 has no rename, so a device's objects come one by one: the public files, then what holds a key, and when all of
them stand as they should, ``complete.json`` with the SHA-256 of each. Whoever finds that one finds the others.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import anyio.to_thread

from pipeline.aws.caller import Caller
from pipeline.aws.failures import CallError
from pipeline.aws.quotas import Grant
from pipeline.aws.storage import open_storage
from pipeline.bucket.failures import AGAIN, TAKEN, ends_it
from pipeline.counting import counted
from pipeline.errors import RefusedError, ThingmillError
from pipeline.exported import DiffersError, UnwrittenError
from pipeline.secret import Secret, plain
from pipeline.stop import Stop
from pipeline.text import printable
from pipeline.workers import unforeseen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pipeline.bucket.address import Address
    from pipeline.bucket.key import Key
    from pipeline.places import Made
    from pipeline.settings import Access

__all__ = ["COMPLETE", "BucketPlace", "Target", "open_bucket"]

COMPLETE = "complete.json"
"""The object that comes last. No thing's name has a dot, so no file of a format is called so."""

AT_ONCE = 32
"""Devices in work at once: nearly all of their time is spent waiting for answers."""

_GRANTS = {"PutObject": Grant(3500.0, "table"), "GetObject": Grant(5500.0, "table")}
"""What a prefix takes per second at least (Amazon S3 User Guide, "Best practices design patterns")."""

_MOST_CONFLICTS = 8
"""How often an object is tried that somebody else writes or removes at the same time."""

_MOST_BYTES = 1 << 20
"""No file of a format is near as long, so what is longer is no such file and is not read."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where bundles go, and how they lie there.

    Attributes:
        address: The bucket and the prefix.
        access: How to reach it.
        owner: The number of the account that it has to be of; no object goes to a bucket of another.
        key: The KMS key that objects are to be encrypted with, or None for what the bucket does by itself.
    """

    address: Address
    access: Access
    owner: str
    key: Key | None = None


@contextlib.asynccontextmanager
async def open_bucket(target: Target) -> AsyncIterator[BucketPlace]:
    """Open what puts objects, for the length of a block; nothing is sent before there is something to put.

    Raises:
        UsageError: No Region is known, or calls would go to another machine in clear.
        RefusedError: There is no such profile, or no client can be made.
    """
    async with open_storage(target.access, AT_ONCE) as client:
        yield BucketPlace(target, client)


@dataclass(slots=True)
class BucketPlace:
    """Puts what formats made into a bucket.

    Attributes:
        target: Where.
        client: The client of S3.
    """

    target: Target
    client: Any
    at_once: ClassVar[int] = AT_ONCE
    is_shared: ClassVar[bool] = True
    _encryption: Counter[str] = field(default_factory=Counter)
    """What S3 said of how it encrypted what was put, "" where it said nothing, with the number of objects."""
    _caller: Caller = field(default_factory=lambda: Caller(_GRANTS, Stop(), random.random))

    async def prepare(self, format_names: Sequence[str]) -> None:
        """Do nothing: the first object finds out what a bucket refuses, and no bucket is made or changed."""

    async def have(self, made: Made) -> bool:
        """Have a device's objects in the bucket.

        Args:
            made: The device's files in one format.

        Returns:
            Whether any of them was put: else all were there already, and the same.

        Raises:
            DiffersError: Another object stands in the place of one, and stays; no key is put then.
            UnwrittenError: The bucket does not take an object.
            RefusedError: It takes none, or does not encrypt as was asked for.
        """
        stands: dict[str, bytes] = {}
        written, there = False, False
        # What holds a key comes last: it is not put where something else of the device is in its way.
        for file in sorted(made.contents, key=lambda file: (isinstance(made.contents[file], Secret), file)):
            data = plain(made.contents[file])
            found = await self._once(made, file, data, is_secret=isinstance(made.contents[file], Secret))
            if found is not None and found != data and made.matches is None:
                raise self._differs(made, file)
            stands[file] = data if found is None else found
            written, there = written or found is None, there or found is not None
        # In a thread: a password is derived from slowly.
        if there and made.matches is not None and not await anyio.to_thread.run_sync(made.matches, stands):
            raise self._differs(made)
        complete = _complete(made, stands)
        found = await self._once(made, COMPLETE, complete)
        if found is not None and found != complete:
            raise self._differs(made, COMPLETE)
        return written or found is None

    def notes(self) -> list[str]:
        """Return what S3 said of how it encrypts what was put (``Place``)."""
        return [
            f"at rest   {counted(number, 'object')} encrypted with {said}"
            if said
            else f"at rest   {counted(number, 'object')}, of which the server does not say that it encrypts them"
            for said, number in sorted(self._encryption.items())
        ]

    async def _once(self, made: Made, file: str, data: bytes, *, is_secret: bool = False) -> bytes | None:
        """Put an object unless there is one; return what is there instead, or None where it was put."""
        parts = (made.format_name, made.thing_name, file)
        key = self.target.address.key(*parts)
        for conflict in range(1, _MOST_CONFLICTS + 1):
            try:
                # Once more without harm where no answer came: what the first attempt put is then found there.
                answer = await self._caller.call("PutObject", partial(self._put, key, data))
                self._see_encryption(answer, parts)
            except CallError as error:
                if error.code in TAKEN:
                    found = await self._read(key, parts)
                    if found is not None:
                        return found
                elif error.code not in AGAIN:
                    raise self._meaning(error, parts, quoted=not is_secret) from None
            except ThingmillError:
                raise
            except Exception as error:  # noqa: BLE001  a fault of a library, which may quote what it was given
                raise unforeseen(error, "putting an object") from None
            else:
                return None
            await self._caller.pause(conflict)
        raise UnwrittenError(
            f"{self._shown(parts)} is written or removed by somebody else all the time, or does not arrive whole"
        )

    async def _put(self, key: str, data: bytes) -> Any:  # noqa: ANN401  an answer
        encrypted = {}
        if self.target.key is not None:
            encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.target.key.given}
        return await self.client.put_object(
            Bucket=self.target.address.bucket,
            Key=key,
            Body=data,
            IfNoneMatch="*",
            ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode("ascii"),
            ExpectedBucketOwner=self.target.owner,
            **encrypted,
        )

    async def _read(self, key: str, parts: tuple[str, str, str]) -> bytes | None:
        """Return what an object holds, or None where it is gone again."""
        try:
            answer, data = await self._caller.call("GetObject", partial(self._get, key))
        except CallError as error:
            if error.code in {"NoSuchKey", "404"}:
                return None
            raise self._meaning(error, parts) from None
        if data is None:
            raise DiffersError(f"{self._shown(parts)} is there already and differs")
        wanted = self.target.key
        if wanted is not None and not _is_encrypted(answer, wanted):
            raise DiffersError(f"{self._shown(parts)} is there already and is not encrypted with --kms-key")
        found: bytes = data
        return found

    async def _get(self, key: str) -> tuple[Any, bytes | None]:
        answer = await self.client.get_object(
            Bucket=self.target.address.bucket, Key=key, ExpectedBucketOwner=self.target.owner
        )
        async with answer["Body"] as body:
            return answer, None if answer["ContentLength"] > _MOST_BYTES else await body.read()

    def _see_encryption(self, answer: Any, parts: tuple[str, str, str]) -> None:  # noqa: ANN401  an answer
        wanted = self.target.key
        if wanted is not None and not _is_encrypted(answer, wanted):
            raise RefusedError(
                f"{self._shown(parts)} was taken and not encrypted with --kms-key",
                advice="remove that object, and see that --endpoint-url leads to a server that encrypts",
            )
        said = " ".join(str(answer.get(name) or "") for name in ("ServerSideEncryption", "SSEKMSKeyId"))
        self._encryption[printable(said.strip(), 200)] += 1

    def _meaning(self, error: CallError, parts: tuple[str, str, str], *, quoted: bool = True) -> Exception:
        if not quoted:
            # Whoever was sent a key could say it back.
            reason = "its words are not repeated, since it was sent a key"
            error = CallError(error.api, error.failure, error.code, reason)
        ending = ends_it(error, self.target.address, self.target.owner)
        if ending is not None:
            return ending
        return UnwrittenError(f"{self._shown(parts)}: {error.api} was refused: {error.reason} ({error.code})")

    def _shown(self, parts: Sequence[str]) -> str:
        return printable(self.target.address.shown(*parts), 1024)

    def _differs(self, made: Made, *file: str) -> DiffersError:
        return DiffersError(
            f"{self._shown((made.format_name, made.thing_name, *file))} is there already and differs"
        )


def _is_encrypted(answer: Any, key: Key) -> bool:  # noqa: ANN401  an answer
    return answer.get("ServerSideEncryption") == "aws:kms" and key.is_meant_by(answer.get("SSEKMSKeyId"))


def _complete(made: Made, stands: dict[str, bytes]) -> bytes:
    """Return what says that all objects of a device are there: equal ones give equal bytes."""
    sums = {file: hashlib.sha256(data).hexdigest() for file, data in sorted(stands.items())}
    told = {"thing": made.thing_name, "format": made.format_name, "sha256": sums}
    return (json.dumps(told, indent=2) + "\n").encode("ascii")

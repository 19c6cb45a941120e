"""Where ``thingmill export`` puts bundles: a folder, or a bucket and what is to be said about one."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bucket import Address, Key, is_address
from pipeline.cli.whereabouts import check_region
from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from pipeline.bucket.place import Target
    from pipeline.layout import RunFolder
    from pipeline.places import Place

__all__ = ["BucketOptions", "Destination", "destination"]

_ACCOUNT = re.compile("[0-9]{12}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class BucketOptions:
    """What a command line says of a bucket; None where it says nothing.

    Attributes:
        profile: AWS profile to take credentials from.
        region: The bucket's Region.
        endpoint_url: Where calls go instead of AWS.
        kms_key: The key that S3 is to encrypt with.
        bucket_owner: The account that the bucket is of, where that is not the run's.
    """

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    kms_key: str | None = None
    bucket_owner: str | None = None

    def given(self) -> list[str]:
        """Return the names of the options that were given."""
        named = {
            "--profile": self.profile,
            "--region": self.region,
            "--endpoint-url": self.endpoint_url,
            "--kms-key": self.kms_key,
            "--bucket-owner": self.bucket_owner,
        }
        return [name for name, value in named.items() if value is not None]


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder of this machine, or a bucket.

    Attributes:
        shown: The folder's path, or the bucket's address.
        is_shared: As ``Place`` has it, known before there is one.
        open: Returns what has files there, for the length of a block.
    """

    shown: str
    is_shared: bool
    open: Callable[[], AbstractAsyncContextManager[Place]]


def destination(
    to: str | None, folder: RunFolder, options: BucketOptions, meta: Mapping[str, str], listings: Sequence[str]
) -> Destination:
    """Return where to export to.

    Args:
        to: What ``--to`` says, or None.
        folder: The run's.
        options: What is said of a bucket.
        meta: What the ledger says of the run, by name.
        listings: The listings that are asked for.

    Raises:
        UsageError: It is no place for an export, or not for this one.
    """
    if to is None or not is_address(to):
        from pipeline.places import FolderPlace

        if given := options.given():
            raise UsageError(
                f"{given[0]} is about a bucket, and this export goes to a folder",
                advice="leave it out, or give --to s3://BUCKET/PREFIX",
            )
        place = FolderPlace(_folder(folder, to), folder)
        return Destination(str(place.to), place.is_shared, lambda: contextlib.nullcontext(place))
    address = Address.of(to)
    if listings:
        raise UsageError(
            f"the listing {listings[0]} changes as its run goes on, and nothing in a bucket is written over",
            advice="export it to a folder, and copy it from there",
        )
    from pipeline.bucket.place import BucketPlace, open_bucket

    target = _target(address, options, meta)
    return Destination(str(address), BucketPlace.is_shared, partial(open_bucket, target))


def _target(address: Address, options: BucketOptions, meta: Mapping[str, str]) -> Target:
    from pipeline.bucket.place import Target
    from pipeline.settings import Access

    check_region(options.region)
    owner = options.bucket_owner or meta.get("account", "")
    if not _ACCOUNT.fullmatch(owner):
        raise UsageError(
            f"{printable(owner)} is no account's number" if owner else "the ledger does not say the run's account",
            advice="give the twelve digits of the account that the bucket is of with --bucket-owner",
        )
    key = None if options.kms_key is None else Key.of(options.kms_key)
    # The bucket of a run is looked for where the run was made, unless something else is said.
    access = Access(options.profile, options.region or meta.get("Region"), options.endpoint_url)
    return Target(address, access, owner, key)


def _folder(folder: RunFolder, to: str | None) -> Path:
    """Return the folder to export to.

    Raises:
        UsageError: It is the address of something else, or among what the run itself has in its folder.
    """
    if to is None:
        return folder.exports
    shown = f"--to {printable(to)}"
    if _SCHEME.match(to):
        raise UsageError(f"{shown} is no folder", advice="give a folder, or s3://BUCKET/PREFIX")
    root, chosen = folder.root.resolve(), Path(to).resolve()
    if chosen.is_relative_to(root) and not chosen.is_relative_to(root / folder.exports.name):
        raise UsageError(f"{shown} is inside the run's own folder", advice="choose another, or leave --to out")
    return Path(to)

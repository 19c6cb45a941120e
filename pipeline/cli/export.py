"""``thingmill export``: the bundles of a run that is there already, in other formats."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli import completion
from pipeline.cli.app import command, find_run
from pipeline.cli.parameters import (
    BUNDLES_PANEL,
    DEVICE,
    ENDPOINT_URL,
    FORMATS,
    IDENTITY,
    KEYS_PANEL,
    OPENING_PASSPHRASE,
    OUTPUT,
    PKCS12_PASSWORD,
    PROFILE,
    REGION_OF_RUN,
    RUN,
    SAYS_PANEL,
)
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger import Reader

_BUCKET_PANEL = "A bucket (--to s3://…)"

FORMAT = typer.Option(
    ...,
    "--format",
    metavar="FORMAT",
    help=f"A format, or a listing of the run; repeatable: {FORMATS}",
    autocompletion=completion.formats,
    rich_help_panel=BUNDLES_PANEL,
)
TO = typer.Option(
    None,
    "--to",
    metavar="PLACE",
    show_default="RUN/export",
    help="Where each format gets its folder: a folder, or s3://BUCKET/PREFIX (see docs/buckets.md).",
    rich_help_panel=BUNDLES_PANEL,
)
KMS_KEY = typer.Option(
    None,
    "--kms-key",
    metavar="KEY",
    show_default="as the bucket does by itself",
    help="The KMS key, by ARN or id, that S3 encrypts each object with.",
    rich_help_panel=_BUCKET_PANEL,
)
BUCKET_OWNER = typer.Option(
    None,
    "--bucket-owner",
    metavar="ID",
    show_default="the run's account",
    help="Number of the account that the bucket has to be of.",
    rich_help_panel=_BUCKET_PANEL,
)


@command(
    "export",
    examples="""
        thingmill export line-7 --format tar --format greengrass
        # a listing of the whole run, elsewhere
        thingmill export line-7 --format bulk-results --to handover
        # from keys that are encrypted
        thingmill export line-7 --format der --in-clear --identity key.txt
        # into a bucket, with keys that are encrypted
        thingmill export line-7 --format pem --to s3://line-7-bundles/july
    """,
)
def export(
    run: str = RUN,
    device: list[str] | None = DEVICE,
    output: Path = OUTPUT,
    format: list[str] = FORMAT,  # noqa: A002  arguments are named like their options
    to: str | None = TO,
    pkcs12_password: str | None = PKCS12_PASSWORD,
    identity: list[str] | None = IDENTITY,
    passphrase: str | None = OPENING_PASSPHRASE,
    in_clear: bool = typer.Option(
        False,
        "--in-clear",
        help="Write keys that are encrypted in clear, and keys in clear into a bucket: whoever reads the files "
        "has them.",
        rich_help_panel=KEYS_PANEL,
    ),
    kms_key: str | None = KMS_KEY,
    bucket_owner: str | None = BUCKET_OWNER,
    profile: str | None = PROFILE,
    region: str | None = REGION_OF_RUN,
    endpoint_url: str | None = ENDPOINT_URL,
    as_json: bool = typer.Option(
        False, "--json", help="A JSON line for each device on standard output.", rich_help_panel=SAYS_PANEL
    ),
) -> None:
    """Write the bundles of finished devices in other formats.

    It asks nobody but the folder of the run, and the bucket where that is where they go. Run it again to go on, or
    for devices that were done since: what is there and the same stays as it is, and what differs is named and not
    written over. The exit code is then 1.
    """
    from pipeline import privacy
    from pipeline.binding import refuse_merged
    from pipeline.bundles.listings import LISTINGS
    from pipeline.cli.destination import BucketOptions, destination
    from pipeline.cli.exporting import Exporting
    from pipeline.cli.formats import known, refuse_opening
    from pipeline.cli.unsealing import opener
    from pipeline.export import Order
    from pipeline.layout import RunFolder
    from pipeline.ledger import live_ledger
    from pipeline.lock import RunLock
    from pipeline.passwords import read_password

    chosen = known(format)
    formats = [name for name in chosen if name not in LISTINGS]
    listings = [name for name in chosen if name in LISTINGS]
    if listings and device:
        raise UsageError("a listing is of all devices", advice="give --device with formats of devices only")
    root = find_run(run, output)
    privacy.check_run(root)
    # Nobody provisions or revokes meanwhile, and no other export fills the same folders.
    with RunLock(root / ".lock"), closing(live_ledger(root / "ledger.db")) as reader:
        meta = reader.meta()
        refuse_merged(meta, root)
        folder = RunFolder(root, meta.get("sharded") == str(True))
        options = BucketOptions(profile, region, endpoint_url, kms_key, bucket_owner)
        goes_to = destination(to, folder, options, meta, listings)
        sealed = meta.get("key encryption", "none") != "none"
        if sealed or reader.names_recipients():
            refuse_opening(listings)
        if sealed:
            can_open = bool(identity) or passphrase is not None
            _check_clear(formats, can_open=can_open, in_clear=in_clear, password=pkcs12_password is not None)
        elif goes_to.is_shared and not in_clear:
            _check_shared(formats, reader, device or (), password=pkcs12_password is not None)
        password = None
        if pkcs12_password is not None:
            password = read_password(pkcs12_password, "the PKCS #12 password", confirm=True)
        opens = opener(identity or (), passphrase)
        order = Order(formats, tuple(device or ()), password, opens, in_clear)
        exporting = Exporting(folder, reader, order, goes_to, as_json)
        exporting.carry_out(listings)
    if exporting.failed or not exporting.devices:
        raise typer.Exit(1)


def _check_clear(formats: Sequence[str], *, can_open: bool, in_clear: bool, password: bool) -> None:
    """See, for a run all of whose keys are encrypted, that what opens them is there and may be used.

    It is said once and before anything is written; ``export`` sees to it for each device.

    Args:
        formats: What is asked for.
        can_open: Whether an identity or a passphrase was given.
        in_clear: Whether it was said that keys are to be written in clear.
        password: Whether PKCS #12 files get a password, and so are not in clear.

    Raises:
        UsageError: Something is not said that has to be.
    """
    from pipeline.bundles.formats import FORMATS, PKCS12

    opening = [name for name in formats if name in FORMATS and FORMATS[name].opens_key]
    clear = [name for name in opening if not (name == PKCS12 and password)]
    for name in clear if not in_clear else ():
        raise UsageError(
            f"{name} has keys in clear, and those of this run are encrypted",
            advice="add --in-clear, and --identity FILE or --passphrase SOURCE to open them",
        )
    if (in_clear or opening) and not can_open:
        raise UsageError(
            "the keys of this run are encrypted", advice="give --identity FILE or --passphrase SOURCE to open them"
        )


def _check_shared(formats: Sequence[str], reader: Reader, names: Sequence[str], *, password: bool) -> None:
    """See, for a run whose keys are not all encrypted, that none goes in clear to where others may read it.

    Args:
        formats: What is asked for.
        reader: The run's ledger.
        names: Only these devices; empty for all that are done.
        password: Whether PKCS #12 files get a password, and so are not in clear.

    Raises:
        UsageError: One would.
    """
    from pipeline.bundles.formats import PKCS12
    from pipeline.export import has_clear_keys

    if any(not (name == PKCS12 and password) for name in formats) and has_clear_keys(reader, names):
        raise UsageError(
            "this run has keys in clear, and whoever reads the bucket would have them",
            advice="add --in-clear if that is meant; keys are encrypted where they are made with --encrypt-to",
        )

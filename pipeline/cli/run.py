"""``thingmill run``: the main job."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from pipeline.cli import completion
from pipeline.cli.app import command
from pipeline.cli.parameters import (
    ACCOUNT_PANEL,
    BILLING_GROUP,
    BUNDLES_PANEL,
    CSR_DIR,
    DEVICES_PANEL,
    ENDPOINT_URL,
    FORMATS,
    GROUP,
    INSECURE_WORKERS,
    KEY,
    KEY_MAKERS,
    KEYS_PANEL,
    MANIFEST,
    PART,
    PKCS12_PASSWORD,
    POLICY,
    PROFILE,
    QUOTA,
    RATE,
    REGION,
    RUN_PANEL,
    SAYS_PANEL,
    THING_TYPE,
)
from pipeline.settings import Existing, KeyType

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.progress import Kind


@command(
    "run",
    examples="""
        # without an account, against an AWS IoT of this machine's own
        thingmill run line-7.csv --local --policy device.json --create-missing
        # on your account: look first, then provision; the same again resumes
        thingmill run line-7.csv --profile factory --policy device --dry-run
        thingmill run line-7.csv --profile factory --policy device
        # what failed, once its cause is mended
        thingmill run output/line-7/failed.csv --profile factory
    """,
)
def run(
    manifest: str = MANIFEST,
    name: str | None = typer.Option(
        None,
        "--name",
        metavar="NAME",
        show_default="the manifest's without its suffix",
        help="The run's name, and its folder's.",
        rich_help_panel=RUN_PANEL,
    ),
    output: str | None = typer.Option(
        None,
        "--output",
        metavar="DIR",
        show_default="output",
        help="Where runs land.",
        rich_help_panel=RUN_PANEL,
    ),
    part: str | None = PART,
    workers: str | None = KEY_MAKERS,
    insecure_workers: bool = INSECURE_WORKERS,
    rate: float | None = RATE,
    profile: str | None = PROFILE,
    region: str | None = REGION,
    endpoint_url: str | None = ENDPOINT_URL,
    local: bool = typer.Option(
        False,
        "--local",
        help="Run against the embedded AWS IoT, started for this run and stopped after it.",
        rich_help_panel=ACCOUNT_PANEL,
    ),
    quota: list[str] | None = QUOTA,
    policy: str | None = POLICY,
    thing_type: str | None = THING_TYPE,
    group: list[str] | None = GROUP,
    billing_group: str | None = BILLING_GROUP,
    create_missing: bool = typer.Option(
        False,
        "--create-missing",
        help="Make thing types and groups that the account lacks.",
        rich_help_panel=DEVICES_PANEL,
    ),
    existing: Existing | None = typer.Option(
        None,
        "--existing",
        metavar="MODE",
        show_default="fail",
        help="A thing with a certificate: fail, skip it, add another, or rotate: another for the old one, which "
        "thingmill retire takes away.",
        rich_help_panel=DEVICES_PANEL,
    ),
    inactive: bool = typer.Option(
        False, "--inactive", help="Leave certificates inactive.", rich_help_panel=DEVICES_PANEL
    ),
    key: KeyType | None = KEY,
    csr_dir: str | None = CSR_DIR,
    encrypt_to: list[str] | None = typer.Option(
        None,
        "--encrypt-to",
        metavar="RECIPIENT",
        help="Encrypt keys to this age or SSH recipient, or to those in a file; repeatable.",
        rich_help_panel=KEYS_PANEL,
    ),
    passphrase: str | None = typer.Option(
        None,
        "--passphrase",
        metavar="SOURCE",
        help="Encrypt keys with a passphrase: prompt, file:PATH or fd:N, never itself.",
        rich_help_panel=KEYS_PANEL,
    ),
    format: list[str] | None = typer.Option(  # noqa: A002  arguments are named like their options
        None,
        "--format",
        metavar="FORMAT",
        show_default="pem",
        help=f"Bundles in this format too, or a listing of the run; repeatable: {FORMATS}",
        autocompletion=completion.formats,
        rich_help_panel=BUNDLES_PANEL,
    ),
    pkcs12_password: str | None = PKCS12_PASSWORD,
    shard: bool = typer.Option(
        False,
        "--shard",
        help="In devices/ab/NAME/, for more devices than one folder should hold.",
        rich_help_panel=BUNDLES_PANEL,
    ),
    dry_run: bool = typer.Option(
        False,
        "--dry-run",
        help="Look at manifest and account, say what would be made; make nothing.",
        rich_help_panel=SAYS_PANEL,
    ),
    yes: bool = typer.Option(
        False, "--yes", "-y", help="Do not ask before the first certificate.", rich_help_panel=SAYS_PANEL
    ),
    quiet: bool = typer.Option(
        False, "--quiet", "-q", help="Say nothing but failures.", rich_help_panel=SAYS_PANEL
    ),
    as_json: bool = typer.Option(
        False, "--json", help="Events as JSON lines on standard output.", rich_help_panel=SAYS_PANEL
    ),
) -> None:
    """Provision every device of a manifest; run it again to resume.

    Each device gets a thing, a key, exactly one certificate and a bundle, however often the run is stopped. Most
    options may stand in a TOML manifest too; the command line wins. Rows that name profiles or Regions have a run
    for each, all at once. The exit code is 1 where a device failed.
    """
    given = dict(locals())
    from pipeline.cli.formats import refuse_opening
    from pipeline.cli.options import resolve
    from pipeline.cli.targets import invocation_of
    from pipeline.errors import UsageError
    from pipeline.manifest import load, run_settings
    from pipeline.progress import validating

    settings = replace(resolve(manifest, given, run_settings(manifest)), words=tuple(sys.argv[1:]))
    if settings.cluster is not None:
        from pipeline.cluster.connection import check_usable

        check_usable(settings.cluster)
    kind: Kind = "json" if as_json else "quiet" if quiet else "auto"
    with validating(manifest, stderr=sys.stderr, kind=kind) as progress:
        # A list of failures names devices of its part alone; a stranger in it is refused, and not passed over.
        meant = None if settings.resumes_failed else settings.part
        roster = load(manifest, settings.defaults, csr_dir=settings.csr_dir, part=meant, progress=progress)
    with roster:
        if roster.is_of_failures and not settings.resumes_failed:
            _refuse_failures(manifest, settings.run_folder)
        if roster.names_recipients():
            refuse_opening(settings.formats)
            if settings.encryption.passphrase:
                raise UsageError("rows name recipients, and --passphrase is given", advice="give one of them")
        invocation = invocation_of(settings, roster, kind)
        if dry_run:
            invocation.look()
            return
        if kind == "auto" and not (yes or settings.local):
            invocation.ask()
        code = invocation.provision()
    if code:
        raise typer.Exit(code)


def _refuse_failures(manifest: str, run_folder: Path) -> None:
    """Refuse a run's list of failures where it is taken for a manifest of its own.

    It would begin a run that knows nothing of the one before: neither what was issued there, nor for whom its keys
    are encrypted, so that they would be made in clear.
    """
    from pipeline.errors import UsageError
    from pipeline.text import printable

    own = run_folder / "failed.csv"
    known = (run_folder / "ledger.db").is_file()
    raise UsageError(
        f"{printable(manifest)} is a list of failures, and does not lie in the folder of its run",
        advice=(f"save it as {printable(str(own))} and run that file" if known else "run it where that run has it")
        + ": it goes on with the run and its settings; to have it as a manifest of its own, take out the columns "
        "that say why devices failed (failed at step, error code, error message, what to do)",
    )

"""``thingmill run``: the main job."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import MANIFEST, command
from pipeline.settings import Existing, KeyType

if TYPE_CHECKING:
    from pipeline.progress import Kind


@command("run")
def run(
    manifest: str = MANIFEST,
    output: str | None = typer.Option(
        None, "--output", metavar="DIR", show_default="output", help="Where runs land."
    ),
    name: str | None = typer.Option(None, "--name", show_default="the manifest's", help="The run's name."),
    profile: str | None = typer.Option(None, "--profile", help="AWS profile."),
    region: str | None = typer.Option(None, "--region", help="AWS Region."),
    endpoint_url: str | None = typer.Option(None, "--endpoint-url", metavar="URL", help="Instead of AWS."),
    local: bool = typer.Option(False, "--local", help="Run against the embedded AWS IoT."),
    key: KeyType | None = typer.Option(None, "--key", show_default="rsa-4096", help="The keys to make."),
    workers: str | None = typer.Option(
        None, "--workers", metavar="N", show_default="one a core", help="Processes that make keys."
    ),
    rate: float | None = typer.Option(None, "--rate", min=0.001, help="Devices per second at most."),
    quota: list[str] | None = typer.Option(
        None, "--quota", metavar="API=TPS", help="Calls per second of one operation, where yours differ."
    ),
    policy: str | None = typer.Option(
        None, "--policy", metavar="NAME|FILE.json", help="For rows that name none; a file is made a policy."
    ),
    thing_type: str | None = typer.Option(None, "--thing-type", help="For rows that name none."),
    group: list[str] | None = typer.Option(None, "--group", help="For rows that name none."),
    billing_group: str | None = typer.Option(None, "--billing-group", help="For rows that name none."),
    create_missing: bool = typer.Option(
        False,
        "--create-missing",
        help="Make thing types and groups that the account lacks.",
    ),
    inactive: bool = typer.Option(False, "--inactive", help="Leave certificates inactive."),
    existing: Existing | None = typer.Option(
        None,
        "--existing",
        show_default="fail",
        help="When a thing has a certificate already; rotate is followed by thingmill retire.",
    ),
    csr_dir: str | None = typer.Option(
        None, "--csr-dir", metavar="DIR", help="CSRs of devices that keep their own key: NAME.csr or NAME.pem."
    ),
    encrypt_to: list[str] | None = typer.Option(
        None, "--encrypt-to", metavar="RECIPIENT|FILE", help="Encrypt keys to this age recipient; repeatable."
    ),
    passphrase: str | None = typer.Option(
        None, "--passphrase", metavar="SOURCE", help="Encrypt keys with one: prompt, file:PATH or fd:N."
    ),
    shard: bool = typer.Option(False, "--shard", help="Spread devices over devices/ab/."),
    format: list[str] | None = typer.Option(  # noqa: A002  arguments are named like their options
        None, "--format", metavar="FORMAT", show_default="pem", help="Bundles in this format too."
    ),
    pkcs12_password: str | None = typer.Option(
        None, "--pkcs12-password", metavar="SOURCE", help="Of --format pkcs12: prompt, file:PATH or fd:N."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Look at manifest and account; make nothing."),
    as_json: bool = typer.Option(False, "--json", help="Events as JSON lines on standard output."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Say nothing but errors."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask before the first certificate."),
) -> None:
    """Provision every device of a manifest. Run it again to resume."""
    given = dict(locals())
    from pipeline.cli.formats import refuse_opening
    from pipeline.cli.invocation import Invocation
    from pipeline.cli.options import resolve
    from pipeline.errors import UsageError
    from pipeline.manifest import load, run_settings
    from pipeline.progress import validating

    settings = resolve(manifest, given, run_settings(manifest))
    kind: Kind = "json" if as_json else "quiet" if quiet else "auto"
    with validating(manifest, stderr=sys.stderr, kind=kind) as progress:
        roster = load(manifest, settings.defaults, csr_dir=settings.csr_dir, progress=progress)
    with roster:
        if roster.names_recipients():
            refuse_opening(settings.formats)
            if settings.encryption.passphrase:
                raise UsageError("rows name recipients, and --passphrase is given", advice="give one of them")
        invocation = Invocation(settings, roster, kind)
        if dry_run:
            invocation.look()
            return
        if kind == "auto" and not (yes or settings.local):
            invocation.ask()
        code = invocation.provision()
    if code:
        raise typer.Exit(code)

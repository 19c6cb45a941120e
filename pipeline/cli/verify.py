"""``thingmill verify``: show that each bundle works, and that the account is as the run left it."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.cli.app import command, find_run
from pipeline.cli.parameters import (
    DEVICE,
    ENDPOINT_URL,
    IDENTITY,
    LOCAL,
    OPENING_PASSPHRASE,
    OUTPUT,
    PROFILE,
    QUOTA,
    REGION_OF_RUN,
    RUN,
    RUN_PANEL,
    SAYS_PANEL,
)

_PROOF_PANEL = "Proof over MQTT"

CSV = typer.Option(
    None,
    "--csv",
    metavar="FILE",
    help="Write a row for each problem, and for each device without any, to FILE.",
    rich_help_panel=SAYS_PANEL,
)


@command(
    "verify",
    examples="""
        thingmill verify line-7
        # hold it against the account, and connect as each device
        thingmill verify line-7 --profile factory --remote --connect
        # with keys that are encrypted
        thingmill verify line-7 --connect --identity key.txt
    """,
)
def verify(
    run: str = RUN,
    device: list[str] | None = DEVICE,
    remote: bool = typer.Option(
        False, "--remote", help="Hold each bundle against the account too.", rich_help_panel=RUN_PANEL
    ),
    connect: bool = typer.Option(
        False, "--connect", help="Prove each bundle over MQTT too.", rich_help_panel=RUN_PANEL
    ),
    concurrency: int = typer.Option(
        16,
        "--concurrency",
        metavar="N",
        min=1,
        max=512,
        help="Devices in work at once.",
        rich_help_panel=RUN_PANEL,
    ),
    output: Path = OUTPUT,
    port: int | None = typer.Option(
        None,
        "--port",
        metavar="N",
        min=1,
        max=65_535,
        show_default="the bundle's",
        help="443 asks for MQTT by ALPN.",
        rich_help_panel=_PROOF_PANEL,
    ),
    topic: str | None = typer.Option(
        None,
        "--topic",
        metavar="TOPIC",
        show_default="things/NAME/proof",
        help="Where each publishes one message; {thing} stands for its name.",
        rich_help_panel=_PROOF_PANEL,
    ),
    connect_rate: float = typer.Option(
        50.0,
        "--connect-rate",
        metavar="N",
        min=0.01,
        help="Connections begun per second.",
        rich_help_panel=_PROOF_PANEL,
    ),
    identity: list[str] | None = IDENTITY,
    passphrase: str | None = OPENING_PASSPHRASE,
    profile: str | None = PROFILE,
    region: str | None = REGION_OF_RUN,
    endpoint_url: str | None = ENDPOINT_URL,
    local: bool = LOCAL,
    quota: list[str] | None = QUOTA,
    as_json: bool = typer.Option(
        False, "--json", help="A JSON line for each device on standard output.", rich_help_panel=SAYS_PANEL
    ),
    csv: Path | None = CSV,
) -> None:
    """Check that every bundle is whole and works.

    It looks at the bundles on disk, the ledger and the audit trail, and changes nothing; with --remote at the
    account too, and with --connect each bundle connects with its own files. The exit code is 1 where anything is
    wrong.
    """
    from pipeline.aws import quotas
    from pipeline.cli.unsealing import opener
    from pipeline.cli.verification import Verification
    from pipeline.errors import UsageError
    from pipeline.settings import Access

    if local and endpoint_url:
        raise UsageError("--local and --endpoint-url exclude each other", advice="give one of them")
    if (port or topic) and not connect:
        raise UsageError("--port and --topic are about connections", advice="add --connect")
    access = Access(profile, region, endpoint_url, dict(quotas.parse(option) for option in quota or ()))
    verification = Verification(
        root=find_run(run, output),
        names=tuple(device or ()),
        access=access if remote else None,
        connect=connect,
        port=port,
        topic=topic,
        connect_rate=connect_rate,
        concurrency=concurrency,
        local=local,
        as_json=as_json,
        csv=csv,
        opener=opener(identity or (), passphrase),
    )
    if not verification.carry_out():
        raise typer.Exit(1)

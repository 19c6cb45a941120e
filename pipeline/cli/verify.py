"""``thingmill verify``: show that each bundle works, and that the account is as the run left it."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.cli.app import OUTPUT, RUN, command, find_run

DEVICE = typer.Option(None, "--device", metavar="NAME", help="Only this device; repeatable.")
QUOTA = typer.Option(None, "--quota", metavar="API=TPS", help="As for run.")
IDENTITY = typer.Option(None, "--identity", metavar="FILE", help="Opens encrypted keys: age or SSH; repeatable.")
CSV = typer.Option(None, "--csv", metavar="FILE", help="Write the results as CSV too.")


@command("verify")
def verify(
    run: str = RUN,
    device: list[str] | None = DEVICE,
    remote: bool = typer.Option(False, "--remote", help="Hold each against the account too."),
    connect: bool = typer.Option(False, "--connect", help="Prove each bundle over MQTT too."),
    port: int | None = typer.Option(
        None, "--port", min=1, max=65_535, show_default="the bundle's", help="443 asks for MQTT by ALPN."
    ),
    topic: str | None = typer.Option(
        None, "--topic", help="Publish one message here; {thing} stands for the thing's name."
    ),
    connect_rate: float = typer.Option(50.0, "--connect-rate", min=0.01, help="Connections begun per second."),
    concurrency: int = typer.Option(16, "--concurrency", min=1, max=512, help="Devices in work at once."),
    as_json: bool = typer.Option(False, "--json", help="A JSON line for each device on standard output."),
    csv: Path | None = CSV,
    identity: list[str] | None = IDENTITY,
    passphrase: str | None = typer.Option(
        None, "--passphrase", metavar="SOURCE", help="Opens encrypted keys: prompt, file:PATH or fd:N."
    ),
    profile: str | None = typer.Option(None, "--profile", help="AWS profile."),
    region: str | None = typer.Option(None, "--region", show_default="the run's", help="AWS Region."),
    endpoint_url: str | None = typer.Option(None, "--endpoint-url", metavar="URL", help="Instead of AWS."),
    local: bool = typer.Option(False, "--local", help="Against the embedded AWS IoT."),
    quota: list[str] | None = QUOTA,
    output: Path = OUTPUT,
) -> None:
    """Check every bundle on disk; with --remote hold it against the account, with --connect prove it over MQTT."""
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

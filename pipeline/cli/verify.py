"""``thingmill verify``: show that each bundle works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import OUTPUT, RUN, command, find_run, run_async

if TYPE_CHECKING:
    from pipeline.local import Embedded
    from pipeline.verify import Verdict


@command("verify")
def verify(
    run: str = RUN,
    connect: bool = typer.Option(False, "--connect", help="Prove each bundle over MQTT."),
    local: bool = typer.Option(False, "--local", help="Against the embedded AWS IoT."),
    output: Path = OUTPUT,
) -> None:
    """Check every bundle on disk; with --connect, connect with each."""
    from pipeline.layout import RunFolder
    from pipeline.ledger import finished_ledger
    from pipeline.local import embedded
    from pipeline.verify import verify, wrong_client_id

    root = find_run(run, output)
    reader = finished_ledger(root / "ledger.db")
    if reader is None:
        typer.echo("thingmill: the run is under way or was killed; run it to its end first", err=True)
        raise typer.Exit(4)
    meta = reader.meta()
    folder = RunFolder(root, meta.get("sharded") == "True")
    verdicts: list[Verdict] = []
    stranger: list[str] = []

    async def work() -> None:
        if local:
            async with embedded(root.parent / ".local") as aws:
                await judge(aws)
        else:
            await judge(None)

    async def judge(aws: Embedded | None) -> None:
        port = aws.mqtt_port if aws else None
        await verify(reader, folder, over_mqtt=connect, port=port, tell=verdicts.append)
        if connect and verdicts and not any(verdict.problem for verdict in verdicts):
            name = verdicts[0].thing_name
            reason = await wrong_client_id(folder.bundle(name), port)
            stranger.append(f"{name}'s bundle is refused under another client id, as it must be: {reason}")

    run_async(work)
    bad = sorted((verdict.thing_name, verdict.problem) for verdict in verdicts if verdict.problem)
    for name, problem in bad:
        typer.echo(f"{name}: {problem}")
    word = "verified and connected" if connect else "verified"
    typer.echo(f"{len(verdicts) - len(bad):,} of {len(verdicts):,} bundles {word}")
    for line in stranger:
        typer.echo(line)
    if bad and connect and not local and meta.get("endpoint") == "localhost":
        typer.echo("thingmill: this run was made with --local; give it to verify too", err=True)
    if bad or not verdicts:
        raise typer.Exit(1)

"""Every command but ``run``: each one user-facing job."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import command, find_run, run_async, show
from pipeline.errors import ManifestError

if TYPE_CHECKING:
    from pipeline.local import Embedded
    from pipeline.verify import Verdict

_OUTPUT = typer.Option(Path("output"), "--output", metavar="DIR", help="Where runs land.")
_RUN = typer.Argument(metavar="RUN", help="A run's folder, or its name.")
_MANIFEST = typer.Argument(metavar="MANIFEST", help="A manifest, or - for standard input.")


@command("check")
def check(
    manifest: str = _MANIFEST,
    thing_type: str | None = typer.Option(None, "--thing-type", help="For rows that name none."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Read and validate a manifest; submit nothing.

    Every fault is named as FILE:LINE:COLUMN on standard output. Exit code 2 when there is one.
    """
    from pipeline.cli.options import resolve
    from pipeline.manifest import load, run_settings
    from pipeline.progress import validating

    try:
        settings = resolve(manifest, {"thing_type": thing_type}, run_settings(manifest))
        with validating(manifest, stderr=sys.stderr) as progress:
            roster = load(manifest, settings.defaults, progress=progress)
        with roster:
            things = len(roster)
            names = {
                "thing_types": sorted(roster.thing_types()),
                "thing_groups": sorted(roster.groups()),
                "billing_groups": sorted(roster.billing_groups()),
                "policies": sorted(roster.policies()),
            }
    except ManifestError as error:
        for fault in error.faults:
            line = {"file": fault.file, "line": fault.line, "column": fault.column, "reason": fault.reason}
            typer.echo(json.dumps(line) if as_json else str(fault))
        show(_already_listed(error))
        raise typer.Exit(error.exit_code) from None
    if as_json:
        typer.echo(json.dumps({"things": things, **names}))
        return
    typer.echo(f"{things:,} {'thing' if things == 1 else 'things'}, no fault")
    for kind, found in names.items():
        if found:
            typer.echo(f"{kind.replace('_', ' ')}: {', '.join(found)}")


def _already_listed(error: ManifestError) -> ManifestError:
    error.details = (f"… and {error.total - len(error.faults):,} more",) if error.total > len(error.faults) else ()
    error.total = 0
    return error


@command("verify")
def verify(
    run: str = _RUN,
    connect: bool = typer.Option(False, "--connect", help="Prove each bundle over MQTT."),
    local: bool = typer.Option(False, "--local", help="Against the embedded AWS IoT."),
    output: Path = _OUTPUT,
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
    folder = RunFolder(root, reader.meta().get("sharded") == "True")
    verdicts: list[Verdict] = []

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
            typer.echo(f"{name}'s bundle under another client id: refused, as it should be ({reason})")

    run_async(work)
    bad = sorted((verdict.thing_name, verdict.problem) for verdict in verdicts if verdict.problem)
    for name, problem in bad:
        typer.echo(f"{name}: {problem}")
    word = "verified and connected" if connect else "verified"
    typer.echo(f"{len(verdicts) - len(bad):,} of {len(verdicts):,} bundles {word}")
    if bad or not verdicts:
        raise typer.Exit(1)


@command("local")
def local(output: Path = _OUTPUT) -> None:
    """Run the embedded AWS IoT in the foreground, for trying things out from another terminal."""
    import signal

    import anyio

    from pipeline.local import serve_foreground

    def announce(aws: Embedded) -> None:
        typer.echo("# The embedded AWS IoT is up. In another terminal:")
        for name, value in aws.environment.items():
            typer.echo(f"export {name}={value}")
        typer.echo(f"# MQTT with a bundle's own files: {aws.mqtt_host}:{aws.mqtt_port}")
        typer.echo("# Ctrl-C ends it.")
        sys.stdout.flush()

    async def serve() -> None:
        output.mkdir(parents=True, exist_ok=True)
        async with anyio.create_task_group() as group:

            async def until_signal() -> None:
                with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
                    async for _ in received:
                        group.cancel_scope.cancel()

            group.start_soon(until_signal)
            await serve_foreground(output / ".local", announce)

    run_async(serve)

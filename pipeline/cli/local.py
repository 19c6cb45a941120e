"""``thingmill local``: the embedded AWS IoT in the foreground."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.app import OUTPUT, command, run_async
from pipeline.cli.saying import say

if TYPE_CHECKING:
    from pipeline.local import Embedded


@command("local")
def local(output: Path = OUTPUT) -> None:
    """Run the embedded AWS IoT in the foreground, for trying things out from another terminal."""
    import signal

    import anyio

    from pipeline import files
    from pipeline.local import serve_foreground

    where = "" if output == Path("output") else f" --output {shlex.quote(str(output))}"

    def announce(aws: Embedded) -> None:
        say("# The embedded AWS IoT is up, until Ctrl-C. In another terminal, from here:")
        say(f"#   thingmill run MANIFEST --local{where}")
        say("# Other tools find it with")
        for name, value in aws.environment.items():
            say(f"export {name}={value}")
        say(f"# MQTT with a bundle's own files: {aws.mqtt_host}:{aws.mqtt_port}")
        sys.stdout.flush()

    files.folder_above(output / ".local")

    async def serve() -> None:
        async with anyio.create_task_group() as group:

            async def until_signal() -> None:
                with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
                    async for _ in received:
                        group.cancel_scope.cancel()

            group.start_soon(until_signal)
            await serve_foreground(output / ".local", announce)

    run_async(serve)

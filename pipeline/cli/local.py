"""``thingmill local``: the embedded AWS IoT in the foreground."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.app import command, run_async
from pipeline.cli.parameters import OUTPUT
from pipeline.cli.runs import refuse_bucket
from pipeline.cli.saying import say

if TYPE_CHECKING:
    from pipeline.local import Embedded


@command(
    "local",
    examples="""
        thingmill local
        # and in another terminal
        thingmill run line-7.csv --local
    """,
)
def local(output: Path = OUTPUT) -> None:
    """Run the embedded AWS IoT in the foreground, to try things out.

    Commands with --local in another terminal use it. Its account is kept in DIR/.local, and Ctrl-C ends it.
    """
    import signal

    import anyio

    from pipeline import files
    from pipeline.local import serve_foreground

    refuse_bucket(str(output))
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

"""The command line: options in, exit code out. The only place that knows typer.

Nothing heavy is imported here: each command imports what it needs when it runs, so ``--help`` answers at once.
"""

from __future__ import annotations

from pipeline.cli.app import main

__all__ = ["main"]

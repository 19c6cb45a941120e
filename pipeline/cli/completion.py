"""What a shell offers for a value: runs, formats and the commands that a permission can be for.

Nothing that comes from outside reaches a shell but names of runs, and these hold no character that means anything
to one (``runs.RUN_NAME``).
"""

from __future__ import annotations

from pathlib import Path

import typer  # noqa: TC002  typer reads the types of these functions at run time

from pipeline.bundles.names import FORMAT_NAMES, LISTING_NAMES
from pipeline.cli.runs import runs_in

__all__ = ["commands_on_aws", "formats", "runs"]


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the runs in the output folder. A path is the shell's own business."""
    return list(runs_in(Path(ctx.params.get("output") or "output"), incomplete))


def formats(incomplete: str) -> list[str]:
    """Offer the formats and the listings."""
    return [name for name in (*FORMAT_NAMES, *LISTING_NAMES) if name.startswith(incomplete)]


def commands_on_aws(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the commands that call AWS, but those that are named already."""
    from pipeline.permissions import NEEDS

    named = ctx.params.get("subcommands") or ()
    return [name for name in NEEDS if name.startswith(incomplete) and name not in named]

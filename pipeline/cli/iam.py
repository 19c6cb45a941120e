"""``thingmill iam``: the least IAM policy that the tool itself needs, by subcommand."""

from __future__ import annotations

import typer

from pipeline.cli import completion
from pipeline.cli.app import command, run_async
from pipeline.cli.nearest import did_you_mean
from pipeline.cli.parameters import ACCOUNT_PANEL, PROFILE
from pipeline.cli.saying import say_object
from pipeline.cli.whereabouts import ACCOUNT, check_account, check_region, place_at_hand


@command(
    "iam",
    examples="""
        thingmill iam
        thingmill iam run revoke --account 123456789012 --region eu-central-1
    """,
)
def iam(
    subcommands: list[str] | None = typer.Argument(
        None,
        metavar="COMMAND",
        show_default="run",
        help="Commands of thingmill that are to be allowed.",
        autocompletion=completion.commands_on_aws,
    ),
    account: str | None = ACCOUNT,
    region: str | None = typer.Option(
        None, "--region", metavar="REGION", show_default="any", help="AWS Region.", rich_help_panel=ACCOUNT_PANEL
    ),
    profile: str | None = PROFILE,
) -> None:
    """Print the least IAM policy that commands of thingmill need.

    It holds for any account and Region that are not named; with --profile for those of the profile.
    """
    from pipeline.arns import ANY, Place
    from pipeline.errors import UsageError
    from pipeline.permissions import NEEDS, iam_policy
    from pipeline.text import printable

    check_account(account)
    check_region(region)
    commands = subcommands or ["run"]
    for name in commands:
        if name not in NEEDS:
            near = did_you_mean(name, NEEDS)
            advice = f"{near} name some of {', '.join(NEEDS)}".lstrip()
            raise UsageError(f"{printable(name)} calls nothing on AWS", advice=advice)
    places = [Place(region or ANY, account or ANY)]

    async def ask() -> None:
        places[0] = await place_at_hand(profile, region, account)

    if profile and not (region and account):
        run_async(ask)
    say_object(iam_policy(commands, places[0]), indent=2)

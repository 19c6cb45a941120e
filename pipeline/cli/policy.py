"""``thingmill policy``: a least-privilege device policy, ready for ``run --policy FILE.json``."""

from __future__ import annotations

import typer

from pipeline.cli.app import command, run_async
from pipeline.cli.saying import say_object
from pipeline.cli.whereabouts import ACCOUNT, PROFILE, check_account, check_region, place_at_hand


@command("policy")
def policy(
    topic: list[str] | None = typer.Option(
        None,
        "--topic",
        metavar="PREFIX",
        show_default="things",
        help="Devices speak on PREFIX/NAME/…; repeatable.",
    ),
    account: str | None = ACCOUNT,
    region: str | None = typer.Option(None, "--region", show_default="the profile's", help="AWS Region."),
    profile: str | None = PROFILE,
    as_json: bool = typer.Option(False, "--json", help="On one line."),
) -> None:
    """Print a device policy that lets each device be itself, and nothing more.

    With --account and --region no call is made.
    """
    from pipeline.arns import Place
    from pipeline.device_policy import DEFAULT_TOPIC, device_policy

    check_account(account)
    check_region(region)
    topics = topic or [DEFAULT_TOPIC]
    device_policy(Place(), topics)  # a prefix that is none is told before anything is asked
    places = [Place(region, account)] if account and region else []

    async def ask() -> None:
        places.append(await place_at_hand(profile, region, account))

    if not places:
        run_async(ask)
    say_object(device_policy(places[0], topics), indent=None if as_json else 2)

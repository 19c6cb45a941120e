"""``thingmill policy``: a least-privilege device policy, ready for ``run --policy FILE.json``."""

from __future__ import annotations

import typer

from pipeline.cli.app import command, run_async
from pipeline.cli.parameters import PROFILE, REGION
from pipeline.cli.saying import say_object
from pipeline.cli.whereabouts import ACCOUNT, check_account, check_region, place_at_hand


@command(
    "policy",
    examples="""
        thingmill policy --profile factory --topic plant-2/line-7 > device.json
        thingmill policy --account 123456789012 --region eu-central-1
        thingmill run line-7.csv --profile factory --policy device.json
    """,
)
def policy(
    topic: list[str] | None = typer.Option(
        None,
        "--topic",
        metavar="PREFIX",
        show_default="things",
        help="Devices speak below PREFIX/NAME/; repeatable.",
    ),
    account: str | None = ACCOUNT,
    region: str | None = REGION,
    profile: str | None = PROFILE,
    as_json: bool = typer.Option(False, "--json", help="On one line."),
) -> None:
    """Print a device policy that lets each device be itself alone.

    It is one policy for all devices: each may connect as its own thing, and speak below topics of its own. With
    --account and --region no call is made.
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

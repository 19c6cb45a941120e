"""The account and Region that a policy is printed for: as given, or as the credentials say."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack

import typer

from pipeline.arns import Place
from pipeline.errors import UsageError
from pipeline.text import printable

__all__ = ["ACCOUNT", "check_account", "check_region", "place_at_hand"]

ACCOUNT = typer.Option(None, "--account", metavar="ID", help="Number of the account, where it is not to be asked.")


async def place_at_hand(profile: str | None, region: str | None, account: str | None) -> Place:
    """Return the Region that calls go to, and the account that GetCallerIdentity names.

    Args:
        profile: AWS profile, or None for the usual chain.
        region: The Region, where it is not the profile's.
        account: The account, where it is not the caller's.

    Raises:
        UsageError: No Region is known.
        RefusedError: AWS, or the credentials, refused.
    """
    from pipeline.aws.failures import CallError
    from pipeline.aws.session import open_registry
    from pipeline.settings import Access
    from pipeline.stop import Stop

    async with AsyncExitStack() as stack:
        registry, _ = await open_registry(stack, Access(profile, region), None, Stop(), connections=1)
        try:
            identity = await registry.get_caller_identity()
        except CallError as error:
            raise error.for_run() from error
        return Place(registry.region, account or identity.account)


def check_account(account: str | None) -> None:
    """Refuse what cannot be an account's number.

    Raises:
        UsageError: It is not twelve digits.
    """
    if account is not None and not re.fullmatch("[0-9]{12}", account):
        raise UsageError(f"--account {printable(account)} is no account", advice="give its twelve digits")


def check_region(region: str | None) -> None:
    """Refuse what cannot be the name of a Region.

    Raises:
        UsageError: It is not like ``eu-central-1``.
    """
    if region is not None and not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)+", region):
        raise UsageError(f"--region {printable(region)} is no Region", advice="give one like eu-central-1")

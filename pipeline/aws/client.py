"""One aiobotocore session and its clients, with every retry left to us.

botocore's retries would repeat CreateCertificateFromCsr, which is not idempotent, and slow one operation down for
the throttles of another; hence ``total_max_attempts=1``, one budget per operation, and retries of our own.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiobotocore
import botocore
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import exceptions as boto
from botocore.loaders import create_loader

from pipeline import __version__
from pipeline.aws import expiry
from pipeline.errors import RefusedError, UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from botocore.loaders import Loader
    from types_aiobotocore_iot import IoTClient
    from types_aiobotocore_service_quotas import ServiceQuotasClient
    from types_aiobotocore_sts import STSClient

__all__ = ["Clients", "client_config", "connect", "open_session", "refuse_public", "refused_client"]

_USER_AGENT = f"thingmill/{__version__} aiobotocore/{aiobotocore.__version__} botocore/{botocore.__version__}"

CONNECT_SECONDS = 10
READ_SECONDS = 30
"""Longer than any call of AWS IoT takes: a time-out of CreateCertificateFromCsr has to be settled by looking."""


@dataclass(frozen=True, slots=True)
class Clients:
    """What calls go through.

    Attributes:
        iot: The AWS IoT client.
        sts: The client that says who we are.
        service_quotas: The client that says what the account grants.
        region: The Region that all calls go to.
        open_iam: Opens a client of IAM for the length of a block: few runs need one for more than a question.
        credentials_end: When the credentials end for good, or None (``expiry.end_of``).
        at_aws: Whether this is AWS itself. Of an emulator nobody expects that it knows IAM.
    """

    iot: IoTClient
    sts: STSClient
    service_quotas: ServiceQuotasClient
    region: str
    open_iam: Callable[[], contextlib.AbstractAsyncContextManager[Any]]
    credentials_end: datetime | None
    at_aws: bool


def refuse_public(endpoint_url: str) -> None:
    """See that nobody on the way can read or change what goes to an endpoint.

    Raises:
        UsageError: Somebody can, or it is no address.
    """
    if "@" in endpoint_url:
        # Not shown: it would stand in the ledger and in every report, too. Wherever it stands, since an address
        # whose scheme was forgotten has no user by the grammar.
        raise UsageError(
            "the endpoint's address has a user or a password in it",
            advice="leave them out: credentials come from the AWS chain (--profile, environment, role) alone",
        )
    try:
        parts = urlsplit(endpoint_url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(
            f"the endpoint {printable(endpoint_url)} is no address: {printable(str(error))}",
            advice="give one such as https://iot.eu-central-1.amazonaws.com, or leave it out",
        ) from error
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            f"the endpoint {printable(endpoint_url)} is not encrypted",
            advice="use https, or http to this machine alone (127.0.0.1, localhost): calls carry credentials",
        )


@cache
def _models(search_path: str | None) -> Loader:
    """Return what reads the models of services: once for all accounts, at a tenth of a second and 13 MiB each."""
    return create_loader(search_path)


@contextlib.asynccontextmanager
async def _open_iam(session: AioSession, options: dict[str, Any]) -> AsyncIterator[Any]:
    async with session.create_client("iam", **options) as iam:
        refuse_public(iam.meta.endpoint_url)
        yield iam


def _is_aws(endpoint_url: str) -> bool:
    """Whether an endpoint is AWS's own."""
    return (urlsplit(endpoint_url).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def open_session(profile: str | None, region: str | None, endpoint_url: str | None) -> tuple[AioSession, str]:
    """Return a session, and the Region that its calls go to.

    Args:
        profile: AWS profile, or None for the usual chain.
        region: AWS Region, or None for ``AWS_REGION`` (which botocore alone would not read) or the profile's.
        endpoint_url: Where every call goes instead of AWS, or None.

    Raises:
        UsageError: No Region is known, or the endpoint would have calls go in clear.
        RefusedError: There is no such profile.
    """
    if endpoint_url is not None:
        refuse_public(endpoint_url)
    session = AioSession(profile=profile)
    try:
        # Asked also where --region wins: this is what finds out that there is no such profile.
        configured = session.get_config_variable("region")
        session.register_component("data_loader", _models(session.get_config_variable("data_path")))
    except boto.ProfileNotFound as error:
        raise RefusedError(
            f"there is no AWS profile {printable(profile or '')}", advice="see aws configure list-profiles"
        ) from error
    region = region or os.environ.get("AWS_REGION") or configured
    if not region:
        raise UsageError("no AWS Region is known", advice="name one with --region, or set it in the profile")
    return session, region


def client_config(connections: int, **more: Any) -> AioConfig:  # noqa: ANN401  of botocore's own kinds
    """Return how a client calls: once, so that each retry is ours, and within a time.

    Args:
        connections: How many calls may be under way at once.
        more: What a service needs besides, as ``botocore.config.Config`` has it.
    """
    return AioConfig(
        retries={"total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=connections,
        # As it is: botocore would put one together anew for each call, at a tenth of what the call costs.
        user_agent=_USER_AGENT,
        # What is sent was validated with the manifest, or came from AWS; types hold the rest.
        parameter_validation=False,
        **more,
    )


def refused_client(error: Exception) -> RefusedError:
    """Return what is said where botocore makes no client.

    What it says itself quotes an address out of the environment, with a password where it has one.
    """
    said = "an endpoint has a user or a password in it" if "@" in str(error) else printable(str(error))
    return RefusedError(
        f"no AWS client can be made: {said}", advice="check --region, --endpoint-url and AWS_ENDPOINT_URL"
    )


@contextlib.asynccontextmanager
async def connect(
    *,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    connections: int,
    credentials: tuple[str, str] | None = None,
) -> AsyncIterator[Clients]:
    """Open the clients.

    Args:
        profile: AWS profile, or None for the usual chain.
        region: AWS Region, or None for ``AWS_REGION`` (which botocore alone would not read) or the profile's.
        endpoint_url: Where every call goes instead of AWS, or None.
        connections: How many calls may be under way at once.
        credentials: The embedded AWS IoT's own; real ones come from the AWS chain and nowhere else.

    Raises:
        UsageError: No Region is known.
        RefusedError: There is no such profile.
    """
    session, region = open_session(profile, region, endpoint_url)
    config = client_config(connections)
    options: dict[str, Any] = {"region_name": region, "endpoint_url": endpoint_url, "config": config}
    if credentials is not None:
        # The embedded one is on this machine: no proxy of the user's is asked for the way.
        options["config"] = config.merge(AioConfig(proxies={}))
        options |= {"aws_access_key_id": credentials[0], "aws_secret_access_key": credentials[1]}
    async with contextlib.AsyncExitStack() as stack:
        try:
            iot = await stack.enter_async_context(session.create_client("iot", **options))
            sts = await stack.enter_async_context(session.create_client("sts", **options))
            service_quotas = await stack.enter_async_context(session.create_client("service-quotas", **options))
            # The session keeps what it found for its clients; the embedded AWS IoT's own have no end.
            end = None if credentials else expiry.end_of(await session.get_credentials())
        except (ValueError, boto.BotoCoreError) as error:
            raise refused_client(error) from None
        for made in (iot, sts, service_quotas):
            # The environment and the profile may name other endpoints too (AWS_ENDPOINT_URL).
            refuse_public(made.meta.endpoint_url)
        yield Clients(
            iot=iot,
            sts=sts,
            service_quotas=service_quotas,
            region=region,
            open_iam=partial(_open_iam, session, options),
            credentials_end=end,
            at_aws=_is_aws(iot.meta.endpoint_url),
        )

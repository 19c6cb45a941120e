"""The client of Amazon S3, opened for the length of an export, with every retry left to us."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from botocore import exceptions as boto

from pipeline.aws.client import client_config, open_session, refuse_public, refused_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.settings import Access

__all__ = ["open_storage"]


@contextlib.asynccontextmanager
async def open_storage(access: Access, connections: int) -> AsyncIterator[Any]:
    """Open a client of S3; nothing is sent before it is used.

    Args:
        access: How to reach the account.
        connections: How many calls may be under way at once.

    Raises:
        UsageError: No Region is known, or calls would go to another machine in clear.
        RefusedError: There is no such profile, or no client can be made.
    """
    session, region = open_session(access.profile, access.region, access.endpoint_url)
    config = client_config(
        connections,
        # Each put brings its SHA-256, and what is read is compared as a whole.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(
                session.create_client("s3", region_name=region, endpoint_url=access.endpoint_url, config=config)
            )
        except (ValueError, boto.BotoCoreError) as error:
            raise refused_client(error) from None
        # The environment and the profile may name another endpoint too (AWS_ENDPOINT_URL_S3).
        refuse_public(client.meta.endpoint_url)
        yield client

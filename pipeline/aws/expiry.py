"""When credentials end that nobody renews.

Which ones botocore renews by itself (``botocore.credentials``): those of a role that it assumes (also by web
identity), of SSO, of ``aws login``, of containers and instances, and of a ``credential_process`` that says when
they end, which is then run again. Static ones, of the environment or a file, stay what they are: no end of theirs
is known, but for ``AWS_CREDENTIAL_EXPIRATION`` in the environment, where botocore "renews" by reading the same
variables again.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import RefusedError

if TYPE_CHECKING:
    from aiobotocore.credentials import AioCredentials

__all__ = ["end_of", "refuse_ended"]

_VARIABLE = "AWS_CREDENTIAL_EXPIRATION"


def end_of(credentials: AioCredentials | None) -> datetime | None:
    """Return when credentials end for good, or None where that is not known, or somebody renews them."""
    if credentials is None or credentials.method != "env":
        return None
    try:
        end = datetime.fromisoformat(os.environ.get(_VARIABLE, ""))
    except ValueError:
        return None
    return (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC)


def refuse_ended(end: datetime | None) -> None:
    """Refuse credentials that have ended.

    Raises:
        RefusedError: They have, and how to get others.
    """
    if end is not None and end <= datetime.now(UTC):
        raise RefusedError(
            f"the credentials in the environment ended at {end:%Y-%m-%d %H:%M} UTC ({_VARIABLE})",
            advice="get new ones into the environment, or unset them all and name a profile with --profile",
        )

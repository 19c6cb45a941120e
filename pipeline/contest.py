"""Two stations over one thing: the one that comes later gives way, before its certificate may do anything.

Things are no locks: nothing on AWS tells a station that another one is at work on the same device. So a run that
shares a manifest attaches its certificate, then looks who else's is there. Of two stations the one that attached
later is certain to see the other's, as far as lists show what was attached before. Whoever sees another's takes
its own away again, so both may give way, and no thing is left with two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.arns import CERTIFICATE_ARN
from pipeline.codes import DeviceCode
from pipeline.errors import DeviceError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline.aws.registry import Registry

__all__ = ["give_way"]


async def give_way(registry: Registry, thing_name: str, certificate_arn: str, known: Collection[str]) -> None:
    """Detach a certificate from its thing where another one is attached that nobody knows of.

    Args:
        registry: AWS IoT.
        thing_name: The thing.
        certificate_arn: The certificate of this run, attached a moment ago. It has no policy yet.
        known: The ARNs of the certificates that the thing had before this run.

    Raises:
        DeviceError: It was detached.
        CallError: AWS refused.
    """
    attached = await registry.list_thing_principals(thing_name)
    others = [arn for arn in attached if CERTIFICATE_ARN.fullmatch(arn) and arn not in (certificate_arn, *known)]
    if not others:
        return
    await registry.detach_thing_principal(thing_name, certificate_arn)
    other = printable(others[0].rpartition("/")[2], 64)
    raise DeviceError(
        7,
        DeviceCode.THING_CONTESTED,
        f"the thing {thing_name} was given the certificate {other} while this run was at work on it",
        advice="see which other station has this part of the manifest, and let one of them do it; what this run "
        "issued was detached again, and thingmill revoke --failed-only takes it back",
    )

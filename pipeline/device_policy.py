"""The least that a device needs: to connect as its own thing, and to speak on topics that carry its name.

The policy is one and the same for every device. Thing policy variables stand for the name, and hold only when the
certificate is attached to that thing (AWS IoT Developer Guide, "Thing policy variables").
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.arns import Place

__all__ = ["DEFAULT_TOPIC", "MOST_CHARACTERS", "device_policy"]

DEFAULT_TOPIC = "things"
"""Also where ``verify --connect`` publishes its proof."""

MOST_CHARACTERS = 2048
"""The longest policy, white space not counted (AWS General Reference, AWS IoT Core limits)."""

_NAME = "${iot:Connection.Thing.ThingName}"

_MOST_LEVELS = 6
"""A topic has seven slashes at most (AWS General Reference, AWS IoT Core limits): two come after the prefix."""

_LEVEL = re.compile(r"[^\s/+#*?$]+")
"""What has no wildcard of MQTT or of a policy, and begins no policy variable."""


def device_policy(place: Place, topics: Sequence[str] = (DEFAULT_TOPIC,)) -> dict[str, Any]:
    """Return the policy document.

    A device may connect under its thing's name alone, when its certificate is attached to that thing; publish and
    receive on ``PREFIX/NAME/…``; and subscribe there.

    Args:
        place: The account and Region of the fleet.
        topics: The prefixes; one of AWS IoT's own may begin with ``$aws``.

    Raises:
        UsageError: A prefix is none, or the policy becomes longer than AWS IoT takes.
    """
    prefixes = [_checked(topic) for topic in dict.fromkeys(topics)]
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["iot:Connect"],
                "Resource": [place.iot(f"client/{_NAME}")],
                "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}},
            },
            {
                "Effect": "Allow",
                "Action": ["iot:Publish", "iot:Receive"],
                "Resource": [place.iot(f"topic/{prefix}/{_NAME}/*") for prefix in prefixes],
            },
            {
                "Effect": "Allow",
                "Action": ["iot:Subscribe"],
                "Resource": [place.iot(f"topicfilter/{prefix}/{_NAME}/*") for prefix in prefixes],
            },
        ],
    }
    length = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))
    if length > MOST_CHARACTERS:
        raise UsageError(
            f"the policy would have {length:,} characters, and AWS IoT takes {MOST_CHARACTERS:,}",
            advice="name fewer prefixes with --topic, or shorter ones",
        )
    return document


def _checked(prefix: str) -> str:
    levels = prefix.split("/")
    own = levels[1:] if levels[0] == "$aws" and len(levels) > 1 else levels
    if (
        len(levels) > _MOST_LEVELS
        or printable(prefix) != prefix
        or not all(_LEVEL.fullmatch(level) for level in own)
    ):
        raise UsageError(
            f"--topic {printable(prefix)!r} is no prefix of topics",
            advice=f"give up to {_MOST_LEVELS} levels like plant-2/line-7, without + # * ? $ and spaces",
        )
    return prefix

"""What a server answered, taken for no more than it is: a text, a list, or something strange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.aws.failures import CallError, Failure
from pipeline.codes import CallCode
from pipeline.device import Issued

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["issued", "required", "strange", "text", "texts"]

_LONGEST_TEXT = 65_536


def issued(answer: Mapping[str, object]) -> Issued:
    """Return the certificate that an answer tells of; what it lacks is ""."""
    return Issued(*(text(answer.get(f"certificate{part}")) for part in ("Id", "Arn", "Pem")))


def required(api: str, answer: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401  what a server put there
    """Return a member of an answer.

    Raises:
        CallError: It is missing.
    """
    if answer.get(key) is None:
        raise strange(api)
    return answer[key]


def texts(api: str, answer: Mapping[str, Any], key: str) -> list[str]:
    """Return a member of an answer that is a list of texts.

    Raises:
        CallError: It is missing or no list.
    """
    values = required(api, answer, key)
    if not isinstance(values, list):
        raise strange(api)
    return [str(value) for value in values]


def strange(api: str) -> CallError:
    """Return the failure of a call whose answer makes no sense: it may have been carried out."""
    return CallError(api, Failure.UNANSWERED, CallCode.STRANGE_ANSWER, "the answer is not what the API says")


def text(value: object) -> str:
    """Return a text of an answer, or "" where it is none that can be stored."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:
        return ""
    return value

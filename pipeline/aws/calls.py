"""How the operations of AWS IoT are called: what all of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.aws import answers
from pipeline.aws.failures import CallError, Failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pipeline.aws.caller import Caller, Recorder
    from pipeline.aws.client import Clients
    from pipeline.aws.quotas import Grant

__all__ = ["Calls"]

_T = TypeVar("_T")

_MOST_PAGES = 100
"""No list of what hangs on one thing, certificate or policy is longer; a server that goes on is out of order."""


class Calls:
    """Makes calls in one account and Region.

    All raise ``CallError``, and ``StoppedError`` when the run was asked to stop before a call went out.

    Attributes:
        region: The Region.
        open_iam: Opens a client of IAM for the length of a block.
        credentials_end: When the credentials end for good, or None.
        at_aws: Whether this is AWS itself, and no emulator.
        grants: What may be used, by API operation.
    """

    def __init__(self, clients: Clients, caller: Caller) -> None:
        self._clients = clients
        self._iot = clients.iot
        self._caller = caller
        self._call = caller.call
        self.region = clients.region
        self.open_iam = clients.open_iam
        self.credentials_end = clients.credentials_end
        self.at_aws = clients.at_aws
        self.grants: Mapping[str, Grant] = caller.grants

    def record_by(self, recorder: Recorder) -> None:
        """Have each attempt that may change something told to ``recorder`` from now on."""
        self._caller.recorder = recorder

    def record(self, what: str, **about: str) -> None:
        """Have something told to the recorder that was no call."""
        if self._caller.recorder is not None:
            self._caller.recorder(what, about, "ok", "")

    async def _found(self, api: str, send: Callable[[], Awaitable[_T]], **about: str) -> _T | None:
        """Return an answer, or None where there is no such thing as the call is about."""
        try:
            return await self._call(api, send, **about)
        except CallError as error:
            if error.failure is Failure.REFUSED and error.code == "ResourceNotFoundException":
                return None
            raise

    async def _all(
        self, api: str, send: Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]], key: str, token: str
    ) -> list[Any]:
        """Return a list whole, page after page.

        Args:
            api: The operation.
            send: Asks for a page, given the arguments that say which.
            key: The list's name in an answer.
            token: The name of the argument that asks for the next page, in an answer with ``next`` before it.
        """
        found: list[Any] = []
        more: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            answer = await self._call(api, lambda: send(more))  # noqa: B023  awaited before the next turn
            page = answers.required(api, answer, key)
            if not isinstance(page, list):
                raise answers.strange(api)
            found += page
            name = token if token.startswith("next") else f"next{token[0].upper()}{token[1:]}"
            following = answers.text(answer.get(name))
            if not following:
                return found
            more = {token: following}
        raise answers.strange(api)

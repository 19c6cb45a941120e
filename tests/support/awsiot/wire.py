"""Requests and answers as they are on the wire: REST-JSON for AWS IoT, JSON 1.1 and query for its neighbours."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from aiohttp import web

from tests.support.awsiot.limits import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.awsiot.account import Account
    from tests.support.awsiot.errors import AwsError
    from tests.support.awsiot.signing import Wrong

__all__ = ["Answer", "Protocol", "Request", "Route", "error_response", "ok_response", "read_params"]

Answer = dict[str, Any]

_STS = "https://sts.amazonaws.com/doc/2011-06-15/"
"""The namespace of answers. Clients do not look at it, so the operations of IAM go by the same."""


class Protocol(enum.Enum):
    """How an operation's request and answer are written; the value is the content type of answers."""

    REST_JSON = "application/json"
    JSON_1_1 = "application/x-amz-json-1.1"
    QUERY = "text/xml"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its members by the names of the service model, wherever they stood."""

    params: Mapping[str, object]
    wrong: Wrong | None = None

    def optional(self, name: str) -> str | None:
        """Return a string, or None where it is not given."""
        value = self.params.get(name)
        if value is not None and not isinstance(value, str):
            invalid(f"{name} must be a string")
        return value

    def text(self, name: str) -> str:
        """Return a required string."""
        value = self.optional(name)
        if value is None:
            invalid(f"{name} is required")
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of strings, empty where it is not given."""
        value = self.params.get(name, [])
        if not isinstance(value, list):
            invalid(f"{name} must be a list")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean, False where it is not given; in a query string it is ``true`` or ``false``."""
        value = self.params.get(name, False)
        if value not in {True, False, "true", "false"}:
            invalid(f"{name} must be true or false")
        return value in {True, "true"}

    def number(self, name: str) -> int | None:
        """Return an integer, or None where it is not given."""
        value = self.params.get(name)
        try:
            return None if value is None else int(str(value))
        except ValueError:
            invalid(f"{name} must be an integer")

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a structure, empty where it is not given."""
        value = self.params.get(name, {})
        if not isinstance(value, dict):
            invalid(f"{name} must be a structure")
        return value


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: where it is found on the wire and what it does.

    Attributes:
        operation: As in the service model.
        method: HTTP method.
        path: Template of the path.
        effect: Does it at once, and returns the members of the answer.
        mutating: It can change something.
        renamed: Names of query parameters and headers (lower case) that are not those of their members.
        protocol: How it is written.
    """

    operation: str
    method: str
    path: str
    effect: Callable[[Account, Request], Answer]
    mutating: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    protocol: Protocol = Protocol.REST_JSON


async def read_params(route: Route, http: web.Request) -> dict[str, object]:
    """Return the members of a request.

    Raises:
        AwsError: The body is not a JSON object.
    """
    params: dict[str, object] = {}
    for name, value in http.query.items():
        params[route.renamed.get(name, name)] = value
    for name, value in http.headers.items():
        if (member := route.renamed.get(name.lower())) is not None:
            params[member] = value
    body = await http.read()
    if body and route.protocol is Protocol.QUERY:
        params.update(_unflattened(dict(await http.post())))
    elif body:
        try:
            members = json.loads(body)
        except ValueError:
            invalid("the body is not JSON")
        if not isinstance(members, dict):
            invalid("the body is not a JSON object")
        params.update(members)
    params.update(http.match_info)
    return params


def ok_response(route: Route, answer: Answer, request_id: str, now: float) -> web.Response:
    """Return an answer. ``now`` is for the Date header, in seconds since the epoch."""
    if route.protocol is Protocol.QUERY:
        members = _xml(answer)
        body = (
            f'<{route.operation}Response xmlns="{_STS}"><{route.operation}Result>{members}'
            f"</{route.operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId>"
            f"</ResponseMetadata></{route.operation}Response>"
        )
    else:
        body = json.dumps(answer)
    return _response(route.protocol, 200, body, {}, request_id, now)


def _unflattened(form: Mapping[str, object]) -> dict[str, object]:
    """Return the members of a form, where a list of texts is ``Name.member.1=…&Name.member.2=…``."""
    params: dict[str, Any] = {}
    for name, value in form.items():
        start, found, number = name.partition(".member.")
        if not found:
            params[name] = str(value)
        elif number.isdigit():
            params.setdefault(start, []).append(str(value))
    return params


def _xml(value: object) -> str:
    """Return a value as the XML of a query protocol: structures by name, lists by ``member``."""
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(member)}</{name}>" for name, member in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(member)}</member>" for member in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def error_response(protocol: Protocol, error: AwsError, request_id: str, now: float) -> web.Response:
    """Return an error in the shape of its protocol."""
    headers: dict[str, str] = {}
    if protocol is Protocol.QUERY:
        kind = "Receiver" if error.status >= 500 else "Sender"
        body = (
            f'<ErrorResponse xmlns="{_STS}"><Error><Type>{kind}</Type><Code>{escape(error.code)}</Code>'
            f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId>"
            "</ErrorResponse>"
        )
    elif protocol is Protocol.JSON_1_1:
        body = json.dumps({"__type": error.code, "message": error.message})
    else:
        headers["x-amzn-ErrorType"] = error.code
        body = json.dumps({"message": error.message, **error.members})
    return _response(protocol, error.status, body, headers, request_id, now)


def _response(
    protocol: Protocol, status: int, body: str, headers: dict[str, str], request_id: str, now: float
) -> web.Response:
    headers |= {"x-amzn-RequestId": request_id, "Date": formatdate(now, usegmt=True)}
    return web.Response(status=status, text=body, content_type=protocol.value, headers=headers)

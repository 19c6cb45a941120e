"""The double itself: an HTTP server on the loopback that answers as AWS IoT, and fails on cue.

>>> async def example() -> None:
...     async with AwsIotDouble() as double:
...         double.faults.script("CreateCertificateFromCsr", Drop(after=True), subject="TestThing001")
...         ...  # run the code under test against double.url
...         assert double.journal.count("CreateCertificateFromCsr") == 1
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from functools import partial
from typing import TYPE_CHECKING, Self

from aiohttp import web

from tests.support.awsiot.account import Account
from tests.support.awsiot.credentials import Credentials
from tests.support.awsiot.errors import AwsError
from tests.support.awsiot.faults import Drop, Faults, Spoil
from tests.support.awsiot.journal import Journal
from tests.support.awsiot.records import Arns
from tests.support.awsiot.routes_certificates import ROUTES as CERTIFICATES
from tests.support.awsiot.routes_neighbours import BY_ACTION, BY_TARGET
from tests.support.awsiot.routes_policies import ROUTES as POLICIES
from tests.support.awsiot.routes_things import ROUTES as THINGS
from tests.support.awsiot.strikes import SilenceError, strike_after, strike_before
from tests.support.awsiot.subjects import subject_of
from tests.support.awsiot.throttle import Throttle
from tests.support.awsiot.wire import Protocol, Request, error_response, ok_response, read_params

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from tests.support.awsiot.faults import Fault
    from tests.support.awsiot.journal import Call
    from tests.support.awsiot.wire import Answer, Route

    Hook = Callable[[str, Mapping[str, object]], Awaitable[None] | None]

__all__ = ["AwsIotDouble"]

_RESEND_HEADERS = ("amz-sdk-invocation-id", "amz-sdk-request")


class AwsIotDouble:
    """A double of AWS IoT's control plane, as an asynchronous context manager.

    Args:
        faults: What goes wrong; nothing, if not given.
        on_request: Called with the operation and its members when a request arrives, before any fault or
            effect; may be asynchronous. What it raises is raised again when the double stops.
        latency: Seconds before each answer, for benchmarks.
        clock: Seconds since the epoch, for creation dates, validity and the Date header.
        region: In ARNs and endpoints.

    Attributes:
        account: What is there: things, certificates, policies.
        journal: What was called.
        faults: May be changed, or replaced, at any time.
        throttle: Limits by operation.
        credentials: Can be made to expire.
        url: Where it listens, once it does.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        on_request: Hook | None = None,
        latency: float = 0.0,
        clock: Callable[[], float] = time.time,
        region: str = "eu-west-1",
    ) -> None:
        self.account = Account(Arns(region, "123456789012"), clock)
        self.journal = Journal()
        self.faults = Faults() if faults is None else faults
        self.throttle = Throttle()
        self.credentials = Credentials()
        self.on_request = on_request
        self.latency = latency
        self.url = ""
        self._clock = clock
        self._failures: list[Exception] = []
        self._silenced: dict[tuple[str, ...], Drop] = {}
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._under_way = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application()
        for route in (*THINGS, *CERTIFICATES, *POLICIES):
            application.router.add_route(route.method, route.path, partial(self._serve, route))
        application.router.add_post("/", self._serve_neighbour)
        application.router.add_route("*", "/{path:.*}", self._serve_unknown)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
        if error is None and self._failures:
            raise self._failures[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is asked again whenever a call arrives or ends."""
        while not condition():
            await self._changed.wait()

    async def idle(self) -> None:
        """Wait until no call is under way, late commits included."""
        await self.until(lambda: not self._under_way)

    async def _serve_neighbour(self, http: web.Request) -> web.StreamResponse:
        form = await http.post() if http.content_type == "application/x-www-form-urlencoded" else {}
        route = BY_TARGET.get(http.headers.get("X-Amz-Target", "")) or BY_ACTION.get(str(form.get("Action")))
        return await (self._serve_unknown(http) if route is None else self._serve(route, http))

    async def _serve_unknown(self, http: web.Request) -> web.StreamResponse:
        call = self.journal.begin("UnknownOperation", "", {"path": http.path}, mutating=False, access_key="")
        self._under_way += 1
        self._end(call, "UnknownOperationException")
        error = AwsError("UnknownOperationException", f"the double has no {http.method} {http.path}")
        return error_response(Protocol.REST_JSON, error, call.request_id, self._clock())

    async def _serve(self, route: Route, http: web.Request) -> web.StreamResponse:
        access_key = Credentials.access_key(http.headers.get("Authorization", ""))
        try:
            params = await read_params(route, http)
        except AwsError as error:
            return error_response(route.protocol, error, "unreadable", self._clock())
        subject = subject_of(self.account, params)
        call = self.journal.begin(route.operation, subject, params, mutating=route.mutating, access_key=access_key)
        self._under_way += 1
        self._notify()
        try:
            answer = await self._perform(route, http, call, params)
        except AwsError as error:
            self._end(call, error.code)
            return error_response(route.protocol, error, call.request_id, self._clock())
        except SilenceError as silence:
            self._end(call, silence.outcome)
            if http.transport is not None:
                if silence.reset:
                    _reset_on_close(http.transport)
                http.transport.abort()
            return web.Response()
        except Exception as error:  # noqa: BLE001 - raised again in __aexit__, where the test sees it
            self._failures.append(error)
            failure = AwsError("InternalFailureException", "the double or a hook of the test failed")
            self._end(call, failure.code)
            return error_response(route.protocol, failure, call.request_id, self._clock())
        self._end(call, "ok")
        return ok_response(route, answer, call.request_id, self._clock())

    async def _perform(self, route: Route, http: web.Request, call: Call, params: Mapping[str, object]) -> Answer:
        # 1. A hook sees the request before anything comes of it.
        if self.on_request is not None and (pending := self.on_request(route.operation, params)) is not None:
            await pending
        # 2. One fault at most; credentials and quotas are looked at first, as AWS does.
        fault = call.fault = self._choose(call, http)
        await strike_before(fault, partial(self._client_left, http))
        # 3. The effect takes place at once, or fails for its own reasons.
        request = Request(params, fault.wrong if isinstance(fault, Spoil) else None)
        answer: Answer | AwsError
        try:
            answer = route.effect(self.account, request)
            call.committed = True
        except AwsError as error:
            answer = error
        self._notify()
        # 4. What the client gets to know of it.
        if self.latency:
            await asyncio.sleep(self.latency)
        await strike_after(fault, partial(self._client_left, http))
        if isinstance(answer, AwsError):
            raise answer
        return answer

    def _choose(self, call: Call, http: web.Request) -> Fault | None:
        # aiohttp sends a GET, PUT or DELETE once more by itself when the connection ends without an answer
        # (RFC 9110, section 9.2.2). A dropped call stays dropped, or no script could reach the caller.
        sending = tuple(http.headers.get(name, "") for name in _RESEND_HEADERS)
        if (silenced := self._silenced.pop(sending, None)) is not None:
            call.resend = True
            return silenced
        self.credentials.check(call.access_key)
        if not self.throttle.admits(call.operation):
            raise AwsError("ThrottlingException", "Rate exceeded")
        fault = self.faults.choose(call.operation, call.subject)
        if isinstance(fault, Drop) and all(sending):
            self._silenced[sending] = fault
        return fault

    async def _client_left(self, http: web.Request) -> None:
        # aiohttp tells a handler of it by cancelling only, which could cut an effect in two.
        while http.transport is not None and not self._stopping.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _end(self, call: Call, outcome: str) -> None:
        call.outcome, call.ended = outcome, time.monotonic()
        self._under_way -= 1
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Have the connection end with RST and not with FIN, as when a machine on the way gives it up (socket(7))."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

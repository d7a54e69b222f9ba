"""Faults of requests, as a middleware around the whole application: it sees every answer as the client would."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from n1v1_exchange_simulator.faults import answers
from n1v1_exchange_simulator.faults.active import Faults, Firing
from n1v1_exchange_simulator.faults.bans import Bans
from n1v1_exchange_simulator.faults.descriptions import (
    Ban,
    Delay,
    DropAfter,
    DropBefore,
    DuplicateDelivery,
    HangAfter,
    HangBefore,
    Latency,
    RefuseConnection,
    RequestFault,
    Subject,
)
from n1v1_exchange_simulator.faults.queries import NOT_VISIBLE, LaggingQueries
from n1v1_exchange_simulator.tcp import reset

VENUE = ("/api/", "/sapi/")
"""Probes, metrics and the clock of the replay are no part of the venue that clients see: they never fail."""
LOOK_EVERY_S = 0.05
"""How often a request that hangs looks whether its client has gone."""


class RequestFaults:
    def __init__(self, faults: Faults, accounts: Mapping[str, str], queries: LaggingQueries, bans: Bans) -> None:
        """accounts: names by API key."""
        self._faults = faults
        self._accounts = accounts
        self._queries = queries
        self._bans = bans

    def middleware(self) -> Middleware:
        @web.middleware
        async def with_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not len(self._faults):
                return await handler(request)
            if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                return self._refused_handshake(request) or await handler(request)
            if not request.path.startswith(VENUE):
                return await handler(request)
            return await self._answer(request, handler)

        return with_faults

    def _refused_handshake(self, request: web.Request) -> web.Response | None:
        fired = self._faults.fire(RefuseConnection, Subject(path=request.path))
        return answers.handshake_refused(fired[0].fault) if fired else None

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        subject = await self._subject_of(request)
        firings = self._faults.fire(RequestFault, subject)
        for firing in firings:
            answer = await self._before(firing, request)
            if answer is not None:
                return answer
        # The replica learns of what the engine has accepted, whatever becomes of the answer.
        response = self._as_a_replica_knows_it(subject, await self._delivered(firings, request, handler))
        for firing in firings:
            response = await self._after(firing, request, response)
        return response

    async def _before(self, firing: Firing[RequestFault], request: web.Request) -> web.Response | None:
        match firing.fault:
            case Latency(before=Delay() as delay):
                await self._wait(firing, delay, "before_ms")
            case HangBefore(for_s=for_s):
                return await _hung(request, for_s)
            case DropBefore():
                return _reset(request)
            case Ban():
                return self._bans.answer(firing.fault)
        return answers.answer_before(firing.fault)

    async def _delivered(
        self, firings: list[Firing[RequestFault]], request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        duplicates = [firing.fault for firing in firings if isinstance(firing.fault, DuplicateDelivery)]
        first = await handler(request)
        if not duplicates:
            return first
        second = await handler(request)
        return first if duplicates[0].answer == "first" else second

    async def _after(
        self, firing: Firing[RequestFault], request: web.Request, response: web.StreamResponse
    ) -> web.StreamResponse:
        match firing.fault:
            case Latency(after=Delay() as delay):
                await self._wait(firing, delay, "after_ms")
            case HangAfter(for_s=for_s):
                return await _hung(request, for_s)
            case DropAfter():
                return _reset(request)
        return answers.answer_after(firing.fault) or response

    async def _wait(self, firing: Firing[RequestFault], delay: Delay, leg: str) -> None:
        seconds = delay.draw_s(firing.rng)
        self._faults.note(firing, **{leg: seconds * 1_000})
        await asyncio.sleep(seconds)

    def _as_a_replica_knows_it(self, subject: Subject, response: web.StreamResponse) -> web.StreamResponse:
        if not self._queries.is_needed or not isinstance(response, web.Response) or response.status != 200:
            return response
        if response.content_type != "application/json" or not isinstance(response.body, bytes):
            return response
        truth = orjson.loads(response.body)
        told = self._queries.told(subject, truth)
        if told is NOT_VISIBLE:
            return answers.order_not_visible()
        return response if told is truth else web.Response(body=orjson.dumps(told), content_type="application/json")

    async def _subject_of(self, request: web.Request) -> Subject:
        sent = dict(parse_qsl((await request.read()).decode(errors="replace"))) | dict(request.query)
        return Subject(
            method=request.method,
            path=request.path,
            account=self._accounts.get(request.headers.get("X-MBX-APIKEY", ""), ""),
            symbol=sent.get("symbol", ""),
        )


async def _hung(request: web.Request, for_s: float | None) -> web.Response:
    """Say nothing until the client has gone, or for so long; then reset the connection."""
    deadline = None if for_s is None else asyncio.get_running_loop().time() + for_s
    while not _is_gone(request):
        left = LOOK_EVERY_S if deadline is None else min(LOOK_EVERY_S, deadline - asyncio.get_running_loop().time())
        if left <= 0:
            break
        await asyncio.sleep(left)
    return _reset(request)


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _reset(request: web.Request) -> web.Response:
    """Reset the connection. The answer is only for aiohttp, nobody will read it."""
    transport = request.transport
    if transport is not None and not transport.is_closing():
        reset(transport)
    return web.Response()

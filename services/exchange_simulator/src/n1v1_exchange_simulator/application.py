"""The venue's HTTP application: every path, and what becomes of an error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import Counter

from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator.accounts import ApiAccount, by_api_key
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.calls import Calls
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.limits import Limiter
from n1v1_exchange_simulator.binance.protocol import ProtocolRules
from n1v1_exchange_simulator.binance.rest import RestApi, json_response
from n1v1_exchange_simulator.binance.signing import Authentication, WallClock
from n1v1_exchange_simulator.binance.streams import Streams, install_streams
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.bans import Bans
from n1v1_exchange_simulator.faults.calls import CallFaults
from n1v1_exchange_simulator.faults.connections import ConnectionFaults
from n1v1_exchange_simulator.faults.queries import LaggingQueries
from n1v1_exchange_simulator.faults.requests import RequestFaults
from n1v1_exchange_simulator.faults.rules import RuleFaults
from n1v1_exchange_simulator.journal import JournalError
from n1v1_exchange_simulator.simulation_api import Mode, SimulationApi


def install_venue(
    application: web.Application,
    exchange: Exchange,
    accounts: Iterable[ApiAccount],
    *,
    mode: Mode,
    metrics: Metrics,
    broken: asyncio.Future[JournalError],
    wall_ns: WallClock = time.time_ns,
    faults: Faults | None = None,
    protocol: ProtocolRules | None = None,
) -> Streams:
    """Add the venue to `application`, which may have paths of its own, and push its streams from now on.

    broken: gets the error when the journal fails; the process must end then.
    faults: stand around everything else. They also move the clock.
    protocol: limits and filters; by default none but those that the backtest knows.
    """
    accounts = tuple(accounts)
    names = {account.api_key: account.name for account in accounts}
    if faults is not None:
        wall_ns = faults.moved(wall_ns)
        queries, bans = LaggingQueries(faults), Bans(faults)
        application.middlewares.append(RequestFaults(faults, names, queries, bans).middleware())
        around_calls = CallFaults(faults, names, queries, bans).around
    application.middlewares.append(_answering(metrics, broken))
    protocol = protocol or ProtocolRules()
    calls = Calls(
        exchange,
        rulebook=protocol.rulebook(exchange.instruments),
        limiter=Limiter(protocol.rate_limits, wall_ns),
        wall_ns=wall_ns,
        serves_listen_keys=protocol.serves_listen_keys,
    )
    authentication = Authentication(by_api_key(accounts), wall_ns)
    streams = install_streams(
        application,
        exchange,
        calls,
        authentication,
        wall_ns=wall_ns,
        broken=broken,
        limits=protocol.conversations,
        timing=protocol.event_timing,
        is_stepped=mode == "lockstep",
    )
    if faults is not None:
        streams.api.around = around_calls
        RuleFaults(faults, calls.rulebook, exchange)
        connection_faults = ConnectionFaults(faults, streams.conversations, streams.api)
        application.cleanup_ctx.append(connection_faults.driven)
        streams.users.on_join.append(connection_faults.look_at)
        exchange.on_time += [connection_faults.look, faults.timers.ring]
        exchange.alarms.append(faults.timers.next_ns)
    exchange.on_report.append(calls.limiter.on_report)
    application.add_routes(
        [
            *RestApi(calls, authentication).routes(),
            *SimulationApi(exchange, mode).routes(),
        ]
    )
    return streams


def _answering(metrics: Metrics, broken: asyncio.Future[JournalError]) -> Middleware:
    """Counts every answer, and makes Binance's JSON of a refusal.

    When the journal fails the client is told the truth: nobody knows whether its command took effect. From then
    on nothing is answered, because the venue's memory holds what its next life will not remember.
    """

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if broken.done():
            return _unknown()
        try:
            return await handler(request)
        except ApiError as refused:
            return json_response(refused.body(), status=refused.status)
        except JournalError as error:
            if not broken.done():
                broken.set_result(error)
            return _unknown()

    counters: dict[tuple[str, int], Counter] = {}

    @web.middleware
    async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await answer(request, handler)
        key = _route_of(request), response.status
        if key not in counters:
            counters[key] = metrics.counter("exchange_simulator_requests_total", route=key[0], status=str(key[1]))
        counters[key].inc()
        return response

    return counted


def _unknown() -> web.Response:
    unknown = errors.execution_unknown()
    return json_response(unknown.body(), status=unknown.status)


def _route_of(request: web.Request) -> str:
    """The route as it was declared, so that a path nobody serves does not make a series of its own."""
    resource = request.match_info.route.resource
    return "none" if resource is None else f"{request.method} {resource.canonical}"

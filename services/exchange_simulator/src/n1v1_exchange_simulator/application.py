"""The venue's HTTP application: every path, and what becomes of an error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import Counter

from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator import websocket
from n1v1_exchange_simulator.accounts import ApiAccount, by_api_key
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.market_streams import MarketStreams
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.rest_market import MarketEndpoints
from n1v1_exchange_simulator.binance.rest_order_lists import OrderListEndpoints
from n1v1_exchange_simulator.binance.rest_trading import Endpoint, TradingEndpoints
from n1v1_exchange_simulator.binance.signing import Authentication, WallClock
from n1v1_exchange_simulator.binance.user_streams import UserStreams
from n1v1_exchange_simulator.binance.wire import Symbols
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.requests import RequestFaults
from n1v1_exchange_simulator.journal import JournalError
from n1v1_exchange_simulator.simulation_api import Mode, SimulationApi

REST = "/api/v3/"


@dataclass(frozen=True, slots=True)
class Streams:
    market: MarketStreams
    user: UserStreams

    @property
    def audience(self) -> int:
        """Subscriptions that stand at this moment."""
        return self.market.audience + self.user.audience


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
) -> Streams:
    """Add the venue to `application`, which may have paths of its own, and push its streams from now on.

    broken: gets the error when the journal fails; the process must end then.
    faults: stand around everything else. They also move the clock: `wall_ns` is theirs then.
    """
    accounts = tuple(accounts)
    if faults is not None:
        wall_ns = faults.clock
        names = {account.api_key: account.name for account in accounts}
        application.middlewares.append(RequestFaults(faults, names).middleware())
    application.middlewares.append(_answering(metrics, broken))
    websocket.prepare_application(application)
    symbols = Symbols(exchange.instruments)
    authentication = Authentication(by_api_key(accounts), wall_ns)
    streams = Streams(
        market=MarketStreams(symbols, exchange.source.timeframe),
        user=UserStreams(exchange, symbols, authentication, wall_ns),
    )
    exchange.on_market.append(streams.market.publish)
    exchange.on_report.append(streams.user.publish)
    market = MarketEndpoints(exchange, symbols, wall_ns)
    signed = TradingEndpoints(exchange, symbols).table() | OrderListEndpoints(exchange, symbols).table()
    application.add_routes(
        [
            *_public_routes(market),
            *_signed_routes(signed, authentication),
            *_stream_routes(streams.market),
            web.get("/ws-api/v3", streams.user.serve),
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
            return _json({"code": refused.code, "msg": refused.msg}, status=refused.status)
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
    msg = "An unexpected response was received from the message bus. Execution status unknown."
    return _json({"code": -1006, "msg": msg}, status=503)


def _route_of(request: web.Request) -> str:
    """The route as it was declared, so that a path nobody serves does not make a series of its own."""
    resource = request.match_info.route.resource
    return "none" if resource is None else f"{request.method} {resource.canonical}"


def _public_routes(endpoints: MarketEndpoints) -> list[web.RouteDef]:
    def handler_of(endpoint: Callable[[Parameters], Any]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            return _json(endpoint(Parameters.of_request(_raw_query(request), "")))

        return handle

    return [web.get(REST + path, handler_of(endpoint)) for path, endpoint in endpoints.table().items()]


def _signed_routes(endpoints: Mapping[tuple[str, str], Endpoint], authentication: Authentication) -> list[web.RouteDef]:
    def handler_of(endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            body = (await request.read()).decode(errors="replace")
            api_key = request.headers.get("X-MBX-APIKEY")
            account, parameters = authentication.of_request(api_key, _raw_query(request), body)
            return _json(endpoint(account, parameters))

        return handle

    return [web.route(method, REST + path, handler_of(endpoint)) for (method, path), endpoint in endpoints.items()]


def _stream_routes(streams: MarketStreams) -> list[web.RouteDef]:
    async def bare(request: web.Request) -> web.StreamResponse:
        return await streams.serve(request, streams=(), is_combined=False)

    async def named(request: web.Request) -> web.StreamResponse:
        names = request.match_info["streams"].split("/")
        return await streams.serve(request, streams=names, is_combined=False)

    async def combined(request: web.Request) -> web.StreamResponse:
        names = [name for name in request.query.get("streams", "").split("/") if name]
        return await streams.serve(request, streams=names, is_combined=True)

    return [
        web.get("/ws", bare),
        web.get("/ws/{streams:.+}", named),
        web.get("/stream", combined),
        web.get("/stream/ws", bare),
        web.get("/stream/ws/{number:[0-9]+}", bare),
    ]


def _raw_query(request: web.Request) -> str:
    """As the client sent it: a signature is over those bytes."""
    return request.raw_path.partition("?")[2]


def _json(answer: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, content_type="application/json")

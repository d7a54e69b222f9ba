"""Drills on the venue itself: ccxt meets a fault, and the venue knows what became of the order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import ccxt
import ccxt.pro
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.application import install_venue
from n1v1_exchange_simulator.binance.streams import Streams
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.descriptions import fault_of
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.timing import WallTimers

SOON_S = 5.0
PAIR = "BTC/USD"


@dataclass
class Drill:
    exchange: Exchange
    faults: Faults
    streams: Streams
    client: Any
    """ccxt.pro, which carries no types."""

    def add(self, **described: object) -> None:
        self.faults.add(fault_of(described))

    async def buy(self, name: str) -> Any:
        return await self.client.create_order(PAIR, "limit", "buy", 1, 50, {"newClientOrderId": name})


@pytest.fixture
async def drill(make_exchange: Callable[..., Exchange]) -> AsyncIterator[Drill]:
    exchange = make_exchange()
    exchange.advance_by(1)
    wall_ns = asyncio.get_running_loop().time
    faults = Faults(
        seed=1, log=FaultLog(None), venue_ns=lambda: exchange.clock_ns, timers=WallTimers(lambda: int(wall_ns() * 1e9))
    )
    main = ApiAccount("main", "key-of-main", "secret-of-main", {})
    application = web.Application()
    broken = asyncio.get_running_loop().create_future()
    streams = install_venue(
        application, exchange, [main], mode="lockstep", metrics=Metrics(), broken=broken, faults=faults
    )
    async with TestServer(application) as server:
        rest = str(server.make_url("")).rstrip("/")
        client = ccxt.pro.binance(configuration(rest))
        try:
            await client.load_markets()
            yield Drill(exchange, faults, streams, client)
        finally:
            await client.close()


def configuration(rest: str) -> dict[str, Any]:
    streams = rest.replace("http", "ws", 1)
    return {
        "apiKey": "key-of-main",
        "secret": "secret-of-main",
        "timeout": 500,
        "urls": {
            "api": {
                "public": f"{rest}/api/v3",
                "private": f"{rest}/api/v3",
                "ws": {"spot": f"{streams}/stream/ws", "ws-api": {"spot": f"{streams}/ws-api/v3"}},
            }
        },
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False},
    }


@pytest.mark.parametrize(
    ("kind", "stands"), [("hang_before", False), ("drop_before", False), ("hang_after", True), ("drop_after", True)]
)
async def test_an_order_without_an_answer_stands_or_not_and_can_be_asked_for(
    drill: Drill, kind: str, stands: bool
) -> None:
    drill.add(kind=kind, method="POST", path="/api/v3/order", account="main", symbol="BTC-USD", count=1)
    with pytest.raises(ccxt.NetworkError):
        await drill.buy("intent-1")
    if stands:
        order = await drill.client.fetch_order(None, PAIR, {"origClientOrderId": "intent-1"})
        assert order["status"] == "open"
    else:
        with pytest.raises(ccxt.OrderNotFound):
            await drill.client.fetch_order(None, PAIR, {"origClientOrderId": "intent-1"})
    assert len(drill.exchange.venue.open_orders("main")) == stands
    assert [entry["on"]["account"] for entry in drill.faults.log.since(0)] == ["main"]


@pytest.mark.parametrize(
    ("described", "error"),
    [
        ({"kind": "overloaded"}, ccxt.ExchangeError),
        ({"kind": "timeout_after"}, ccxt.RequestTimeout),
        ({"kind": "http_error", "status": 502}, ccxt.ExchangeNotAvailable),
        ({"kind": "http_error", "status": 429}, ccxt.DDoSProtection),
        ({"kind": "ban"}, ccxt.DDoSProtection),
        ({"kind": "maintenance"}, ccxt.OperationFailed),
        ({"kind": "clock", "offset_ms": 3_600_000}, ccxt.InvalidNonce),
        ({"kind": "symbol_halt"}, ccxt.ExchangeError),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value.__name__,
)
async def test_ccxt_knows_what_a_fault_says(drill: Drill, described: dict[str, Any], error: type[Exception]) -> None:
    drill.add(**described)
    with pytest.raises(error):
        await drill.buy("intent-1")


async def test_who_is_told_that_his_order_is_a_duplicate_has_one(drill: Drill) -> None:
    drill.add(kind="duplicate_delivery", method="POST", answer="second", count=1)
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
        await drill.buy("intent-1")
    assert [order.request.client_order_id for order in drill.exchange.venue.open_orders("main")] == ["intent-1"]


async def test_a_lost_report_is_in_the_account_all_the_same(drill: Drill) -> None:
    drill.add(kind="drop_message", event="executionReport", count=1)
    watched = asyncio.ensure_future(drill.client.watch_orders())
    async with asyncio.timeout(SOON_S):
        while not drill.streams.audience:  # noqa: ASYNC110 - a subscription tells nobody on this side
            await asyncio.sleep(0.01)
        await drill.buy("lost")
        await drill.buy("heard")
        heard = await watched
    assert [order["clientOrderId"] for order in heard] == ["heard"]
    assert len(await drill.client.fetch_open_orders(PAIR)) == 2

"""In lockstep a faulted run repeats: the same recording, faults, seed and commands give the same log of faults, journal
and messages, however long the computer took in between."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from n1v1.events import BarClosed
from n1v1.simulation.venue import VenueRules
from n1v1.values import Instrument
from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.application import install_venue
from n1v1_exchange_simulator.exchange import Rules
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.descriptions import fault_of
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.timing import MarketTimers
from n1v1_exchange_simulator.journal import FILE_NAME, Journal
from n1v1_exchange_simulator.market_events import DepthSnapshot, MarketEvent, PublicTrade
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.source import Quality, Step
from n1v1_exchange_simulator.settings import exchange_over

START_NS = 1_704_067_200_000_000_000  # 2024-01-01
SECOND = 1_000_000_000
STEPS = 30
COIN = Instrument(
    symbol="COIN-USD",
    base="COIN",
    quote="USD",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.01"),
    quantum=Decimal("0.001"),
    step_lots=1,
    min_notional=0,
)
MAIN = ApiAccount("main", "key-of-main", "secret-of-main", {"USD": 10**13, "COIN": 10**6})

FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "path": "*order*", "probability": 0.3, "after": {"median_ms": 1, "sigma": 0.5}},
    {"kind": "duplicate_delivery", "method": "POST", "probability": 0.2},
    {"kind": "overloaded", "method": "POST", "probability": 0.2},
    {"kind": "api_error", "code": -1007, "msg": "who knows", "when": "after", "method": "CALL", "probability": 0.2},
    {"kind": "http_error", "status": 502, "path": "/api/v3/order", "probability": 0.1},
    {"kind": "ban", "path": "/api/v3/openOrders", "for_s": 6, "starts": "2024-01-01T00:00:10Z"},
    {"kind": "order_not_visible", "delay_ms": 2500, "probability": 0.8},
    {"kind": "stale_account", "age_ms": 3000},
    {"kind": "close_connection", "path": "/ws-api/*", "after_s": 12.5},
    {"kind": "stall", "path": "/ws", "after_s": 5, "for_s": 4},
    {"kind": "event_stream_terminated", "account": "main", "after_s": 3, "count": 1},
    {"kind": "drop_message", "event": "depthUpdate", "probability": 0.3},
    {"kind": "duplicate_message", "event": "kline", "probability": 0.5},
    {"kind": "delay_message", "event": "trade", "probability": 0.3, "delay": {"median_ms": 1200, "sigma": 0.4}},
    {"kind": "reorder_messages", "event": "executionReport", "probability": 0.3},
    {"kind": "symbol_halt", "starts": "2024-01-01T00:00:20Z", "ends": "2024-01-01T00:00:24Z"},
    {"kind": "fee_change", "maker_bps": 1, "taker_bps": 2, "starts": "2024-01-01T00:00:15Z"},
]


class Recorded:
    """A price that climbs and falls by a tick a second."""

    timeframe = "1s"
    identity = "recorded"
    instruments = (COIN,)
    total_steps = None
    first_ns = START_NS

    def __init__(self, quality: Quality) -> None:
        self.quality = quality

    def steps(self) -> Iterator[Step]:
        for second in range(1, STEPS + 1):
            ticks = 1_000 + min(second % 14, 14 - second % 14)
            for event in self._events(START_NS + second * SECOND, ticks):
                yield (event,)

    def _events(self, ts_ns: int, ticks: int) -> list[MarketEvent]:
        if self.quality is Quality.BARS:
            return [_bar(ts_ns, ticks)]
        book = DepthSnapshot(
            ts_ns=ts_ns, symbol="COIN-USD", last_id=1, bids=((ticks - 1, 900),), asks=((ticks + 1, 900),)
        )
        trade = PublicTrade(
            ts_ns=ts_ns, symbol="COIN-USD", number=1, ticks=ticks, lots=50, is_buyer_maker=ticks % 2 == 0
        )
        return [book, trade]


def _bar(ts_ns: int, ticks: int) -> BarClosed:
    return BarClosed(
        id=f"bar-{ts_ns}",
        ts_ns=ts_ns,
        symbol="COIN-USD",
        timeframe="1s",
        open_ns=ts_ns - SECOND,
        open=ticks,
        high=ticks + 2,
        low=ticks - 2,
        close=ticks,
        volume=5_000,
    )


class Client:
    """Does one thing after another; what it hears of, it keeps."""

    def __init__(self, session: aiohttp.ClientSession, dawdle: Random | None) -> None:
        self._session = session
        self._dawdle = dawdle
        """In what it takes its time."""
        self._readers: list[asyncio.Task[list[str]]] = []
        self._now_ms = START_NS // 1_000_000
        """The market's time, which is the venue's."""
        self.answers: list[Any] = []

    async def run(self) -> list[list[str]]:
        """What each connection heard."""
        await self._connect("/ws", {"method": "SUBSCRIBE", "params": _STREAMS, "id": 1})
        api = await self._connect("/ws-api/v3", self._call("userDataStream.subscribe.signature"))
        for second in range(1, STEPS):
            await self._advance(second)
            await self._order("POST", side="BUY" if second % 3 else "SELL", type="MARKET", quantity="0.5")
            await self._order("POST", newClientOrderId=f"rests-{second}", **_limit(second))
            await self._order("GET", origClientOrderId=f"rests-{second - 1}")
            await self._signed("GET", "/api/v3/openOrders", symbol="COINUSD")
            await self._signed("GET", "/api/v3/account")
            if second < 12:  # until it is cut
                place = {"symbol": "COINUSD", "newClientOrderId": f"called-{second}", **_limit(second + 1)}
                await api.send_str(_text(self._call("order.place", **place)))
                await asyncio.sleep(0.005)  # it is heard before the next request is sent
        await self._connect("/ws", {"method": "LIST_SUBSCRIPTIONS", "id": 2})
        await self._session.close()
        return list(await asyncio.gather(*self._readers))

    async def _connect(self, path: str, first: dict[str, Any]) -> aiohttp.ClientWebSocketResponse:
        socket = await self._session.ws_connect(path)
        await socket.send_str(_text(first))
        heard = [(await socket.receive(timeout=5)).data]

        async def read() -> list[str]:
            async for message in socket:
                heard.append(message.data)
            return heard

        self._readers.append(asyncio.create_task(read()))
        return socket

    async def _advance(self, second: int) -> None:
        now_ns = START_NS + second * SECOND
        await self._request("POST", "/simulation/v1/advance", data=orjson.dumps({"until_ns": now_ns}))
        self._now_ms = now_ns // 1_000_000

    async def _order(self, method: str, **parameters: str) -> None:
        await self._signed(method, "/api/v3/order", symbol="COINUSD", **parameters)

    async def _signed(self, method: str, path: str, **parameters: str) -> None:
        query = urlencode(parameters | {"timestamp": str(self._now_ms)})
        signature = hmac.new(b"secret-of-main", query.encode(), "sha256").hexdigest()
        await self._request(method, f"{path}?{query}&signature={signature}", headers={"X-MBX-APIKEY": "key-of-main"})

    async def _request(self, method: str, path: str, **more: Any) -> None:
        if self._dawdle is not None:
            await asyncio.sleep(self._dawdle.uniform(0, 0.02))
        async with self._session.request(method, path, **more) as response:
            self.answers.append((response.status, await response.text()))

    def _call(self, method: str, **parameters: str) -> dict[str, Any]:
        parameters |= {"apiKey": "key-of-main", "timestamp": str(self._now_ms)}
        payload = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        signature = hmac.new(b"secret-of-main", payload.encode(), "sha256").hexdigest()
        return {"id": method, "method": method, "params": parameters | {"signature": signature}}


_STREAMS = ["coinusd@depth@100ms", "coinusd@trade", "coinusd@kline_1s", "coinusd@bookTicker", "coinusd@ticker"]


def _limit(second: int) -> dict[str, str]:
    side, price = ("BUY", "99.9") if second % 2 else ("SELL", "100.9")
    return {"side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.3", "price": price}


def _text(message: dict[str, Any]) -> str:
    return orjson.dumps(message).decode()


Run = tuple[bytes, bytes, list[list[str]]]
"""The log of faults, the journal, and what each connection heard."""


async def faulted_run(folder: Path, quality: Quality, *, seed: int = 7, dawdle: Random | None = None) -> Run:
    fees = 1_000_000
    rules: Rules = MatchingRules(taker_fee_ppb=fees, maker_fee_ppb=fees)
    if quality is Quality.BARS:
        rules = VenueRules(fee_rate_ppb=fees, slippage_ppb=0)
    journal, log = Journal(folder, identity={}, fsync=False), FaultLog(folder / "faults.jsonl")
    exchange = exchange_over(Recorded(quality), rules, journal, {MAIN.name: MAIN.balances})
    faults = Faults(
        seed=seed,
        log=log,
        venue_ns=lambda: exchange.clock_ns,
        timers=MarketTimers(lambda: exchange.clock_ns),
    )
    for described in FAULTS:
        faults.add(fault_of(described))
    application = web.Application()
    broken = asyncio.get_running_loop().create_future()
    install_venue(
        application,
        exchange,
        [MAIN],
        mode="lockstep",
        metrics=Metrics(),
        broken=broken,
        faults=faults,
        wall_ns=lambda: exchange.clock_ns,
    )
    async with TestServer(application) as server:
        session = aiohttp.ClientSession(server.make_url("/"))
        heard = await Client(session, dawdle).run()
    journal.close()
    log.close()
    return (folder / "faults.jsonl").read_bytes(), (folder / FILE_NAME).read_bytes(), heard


@pytest.mark.parametrize("quality", [Quality.BARS, Quality.DEPTH])
async def test_a_faulted_run_repeats_to_the_byte(tmp_path: Path, quality: Quality) -> None:
    log, journal, heard = await faulted_run(tmp_path / "once", quality)
    again = await faulted_run(tmp_path / "again", quality, dawdle=Random(1))
    assert again[0].splitlines() == log.splitlines()
    assert again[1] == journal
    assert again[2] == heard
    fired = {orjson.loads(line).get("kind") for line in log.splitlines()}
    of_bars = {"delay_message"} if quality is Quality.BARS else set()
    assert fired - {None} == {described["kind"] for described in FAULTS} - of_bars


async def test_another_seed_is_another_run(tmp_path: Path) -> None:
    one, other = [await faulted_run(tmp_path / str(seed), Quality.DEPTH, seed=seed) for seed in (1, 2)]
    assert one[0] != other[0]
    assert one[1] != other[1]

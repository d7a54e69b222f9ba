"""How many trades a second one core takes in from a venue: by the raw path and through ccxt, beside a bare client.

`python -m bench.market_data` measures it alone. A server in a process of its own floods one WebSocket on loopback with
trades of one symbol, as fast as the client reads. What counts is the CPU time of the client's process, from the socket
to the queue from which events are published. Every trade has to come, or to be reported as lost: else this fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop
from aiohttp import web
from rich.console import Console

from bench.report import Aim, Figure, Ratio, Report
from n1v1.events import MarketDataLost, TradeSeen
from n1v1.values import Instrument
from n1v1_common.state.rate_budget import BINANCE, MemoryLedger, RateBudget
from n1v1_market_data.adapters.binance_market import BinanceMarket
from n1v1_market_data.adapters.binance_rest import BinanceRest
from n1v1_market_data.flow import Flow
from n1v1_market_data.ports import Venue
from n1v1_market_data.silence import Silence
from n1v1_market_data.venue_parts import VenueParts

RESULTS = Path("results/bench-market_data.json")
TRADES, TRADES_CCXT = 200_000, 40_000
ROUNDS = 5
RAW_AIM, CCXT_AIM = Aim(">=", 100_000), Aim(">=", 8_000)
QUEUE = 50_000
DEADLINE_S = 300.0
BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
WIDTH = 120

TRADE = (
    '{"e":"trade","E":1723161255208,"s":"BTCUSDT","t":%d,"p":"61837.63000000","q":"0.02000000",'
    '"T":1723161255342,"m":true,"M":true}'
)

Work = Callable[[str, int], Awaitable[float]]
"""Takes in so many trades from a server and says the CPU seconds of it."""


# --- the server ------------------------------------------------------------------------------------------------------


async def flood(request: web.Request) -> web.WebSocketResponse:
    """As many trades as the path says, once somebody subscribes."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    wish = await socket.receive_json()
    await socket.send_json({"result": None, "id": wish["id"]})
    with suppress(ConnectionError):
        for number in range(1, int(request.match_info["trades"]) + 1):
            await socket.send_str(TRADE % number)
        await socket.receive()
    return socket


async def serve() -> None:
    application = web.Application()
    application.router.add_get("/{trades}/{path:.*}", flood)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """host:port of a server in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.market_data", "--serve", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.terminate()
        await process.wait()


# --- the clients -----------------------------------------------------------------------------------------------------


async def bare(address: str, trades: int) -> float:
    """The least that a client does: read, parse, two floats."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://{address}/{trades}/ws") as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": [], "id": 1})
        began = time.process_time()
        total, last = 0.0, 0
        while last < trades:
            message = orjson.loads((await socket.receive()).data)
            if "t" in message:
                last = message["t"]
                total += float(message["p"]) * float(message["q"])
        return time.process_time() - began


async def raw(address: str, trades: int) -> float:
    async with aiohttp.ClientSession() as session:
        rest = BinanceRest(session, f"http://{address}", _budget())
        parts = _parts()
        venue = BinanceMarket(session, parts, rest=rest, ws_url=f"ws://{address}/{trades}", serves_open_bar=True)
        return await _taken_in(venue, parts.flow, trades)


async def through_ccxt(address: str, trades: int) -> float:
    from n1v1_market_data.adapters.ccxt_exchange import binance_at, budgeted_exchange
    from n1v1_market_data.adapters.ccxt_market import CcxtMarket

    def exchange() -> Any:  # Any: ccxt has no types
        made = budgeted_exchange("binance", _budget(), binance_at(f"http://{address}", f"ws://{address}/{trades}"))
        made.set_markets([made.safe_market_structure(_MARKET)])
        made.has["fetchTime"] = made.has["watchOHLCV"] = made.has["watchOHLCVForSymbols"] = False
        return made

    parts = _parts()
    return await _taken_in(CcxtMarket(exchange, parts, book_levels=10), parts.flow, trades)


_MARKET = {
    "id": "BTCUSDT",
    "lowercaseId": "btcusdt",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "type": "spot",
    "spot": True,
    "precision": {"amount": 1e-8, "price": 0.01},
}


def _budget() -> RateBudget:
    return RateBudget(MemoryLedger(BINANCE), BINANCE, key="bench")


def _parts() -> VenueParts:
    silence = Silence({}, on_disconnected=lambda: None, clock=time.monotonic)
    flow = Flow(QUEUE, on_loss=lambda loss: None)
    return VenueParts((BTC,), "1m", ("bars", "trades"), flow, silence, {})


async def _taken_in(venue: Venue, flow: Flow, trades: int) -> float:
    """Raises RuntimeError when a trade neither came nor was reported as lost."""
    running = asyncio.ensure_future(venue.run())
    came = lost = last = 0
    try:
        began = time.process_time()
        async with asyncio.timeout(DEADLINE_S):
            while last < trades:
                for event in await flow.batch(1000):
                    if isinstance(event, TradeSeen):
                        came, last = came + 1, int(event.trade_id)
                    elif isinstance(event, MarketDataLost):
                        lost, last = lost + (event.lost or 0), max(last, int(event.last_id or 0))
        seconds = time.process_time() - began
    finally:
        running.cancel()
        await asyncio.wait([running])
    if came + lost != trades:
        raise RuntimeError(f"{trades} trades were sent, {came} came and {lost} were reported as lost")
    return seconds


# --- the measurement -------------------------------------------------------------------------------------------------


async def measure(*, rounds: int = ROUNDS, trades: int = TRADES, trades_ccxt: int = TRADES_CCXT) -> Report:
    found: dict[str, list[float]] = {"bare": [], "raw": [], "ccxt": []}
    async with served() as address:
        await raw(address, trades // 10)  # warm
        await through_ccxt(address, trades_ccxt // 10)
        for _ in range(rounds):
            for name, work, count in (
                ("bare", bare, trades),
                ("raw", raw, trades),
                ("ccxt", through_ccxt, trades_ccxt),
            ):
                found[name].append(count / await work(address, count))
    return _report(found)


def _report(found: Mapping[str, Sequence[float]]) -> Report:
    unit = "trades per second of CPU"
    return Report(
        machine={"cpu_count": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        ratios=[
            Ratio("raw path", unit, found["raw"], found["bare"]),
            Ratio("through ccxt", unit, found["ccxt"], found["bare"]),
        ],
        figures=[
            Figure("raw path", unit, found["raw"], RAW_AIM),
            Figure("through ccxt", unit, found["ccxt"], CCXT_AIM),
            Figure("bare client", unit, found["bare"]),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_known_args()[0]  # the rest of the line is for other sections
    if options.serve:
        uvloop.run(serve())
        return
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    work = measure(rounds=1, trades=TRADES // 10, trades_ccxt=TRADES_CCXT // 10) if options.quick else measure()
    report = uvloop.run(work)
    report.print(console)
    report.write(RESULTS)
    console.print(f"written to {RESULTS}; the floor is aiohttp, orjson and two floats a trade")


if __name__ == "__main__":
    main()

"""The exchange simulator as its clients have it: orders a second, how long an answer takes, trades heard a second, and
how fast a recorded market is replayed.

`python -m bench.venue` measures it alone. The venue (`venue_server.py`) is a process of its own with an order book of a
thousand levels a side and its journal on disk; the clients are this process, so that two processors are kept busy.
Orders rest in the book, far from its best prices. Wall time, and the CPU time of the venue's process for each order or
message: that one does not grow when others keep the machine busy.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import os
import platform
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import aiohttp
import orjson
import uvloop
from rich.console import Console

from bench.processes import cpu_s
from bench.report import Aim, Figure, Report, percentile
from bench.venue_server import KEY, SECRET

RESULTS = Path("results/bench-venue.json")
WIDTH = 120
AT_ONCE = 30
"""Orders under way, where the venue is asked as fast as it answers."""
PACE = 500
"""Orders a second, where the answer's time counts."""
LISTENERS = 10
ORDERS_AIM, ORDER_CPU_AIM = Aim(">=", 2_000), Aim("<=", 500)
P99_AIM = Aim("<=", 5)
FAN_OUT_AIM, MESSAGE_CPU_AIM = Aim(">=", 100_000), Aim("<=", 10)
REPLAY_AIM = Aim(">=", 100)
TRADE = b'"e":"trade"'
RECORDED = Path(__file__).parents[2] / "shared/data/book/binance"
"""Eleven minutes of depth, trades and best prices over midnight, as Binance sent them."""
EVENTS_AT_ONCE = 1_000
"""Of the recording, between two looks at what its hearers have to read."""


@dataclass(frozen=True, slots=True)
class Sizes:
    rounds: int
    orders: int
    paced_s: float
    heard_s: float


FULL, QUICK = Sizes(3, 3_000, 10.0, 5.0), Sizes(1, 200, 1.0, 0.5)


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Rate:
    """cpu_us: of the venue's process, for each order or message."""

    per_s: float
    cpu_us: float


async def measure(sizes: Sizes) -> Report:
    machine = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    rest: list[Rate] = []
    calls: list[Rate] = []
    p99_ms: list[float] = []
    heard: list[Rate] = []
    replayed: list[Rate] = []
    for _ in range(sizes.rounds):
        with _venue() as server:
            rest.append(await _rate(server, _orders_by_rest(server.port, sizes.orders)))
            calls.append(await _rate(server, _orders_by_calls(server.port, sizes.orders)))
            p99_ms.append(await _paced_p99_ms(server.port, sizes.paced_s))
            async with _listening(server.port, LISTENERS, "/ws/btcusdt@trade") as listeners:
                await asyncio.sleep(sizes.heard_s / 5)  # all of them have begun to hear
                heard.append(await _rate(server, _heard_within(listeners, sizes.heard_s)))
        if RECORDED.exists():
            with _venue(RECORDED) as server:
                replayed.append(await _rate(server, _replayed_s(server.port)))
    return Report(
        {**machine, "load": os.getloadavg()},
        [],
        [
            Figure("orders by REST", "1/s", [each.per_s for each in rest], ORDERS_AIM),
            Figure("... CPU of the venue for each", "us", [each.cpu_us for each in rest], ORDER_CPU_AIM),
            Figure("orders by the WebSocket API", "1/s", [each.per_s for each in calls], ORDERS_AIM),
            Figure("... CPU of the venue for each", "us", [each.cpu_us for each in calls], ORDER_CPU_AIM),
            Figure(f"p99 of an answer by the WebSocket API, {PACE} orders a second", "ms", p99_ms, P99_AIM),
            Figure(f"trades heard, {LISTENERS} clients together", "1/s", [each.per_s for each in heard], FAN_OUT_AIM),
            Figure("... CPU of the venue for each", "us", [each.cpu_us for each in heard], MESSAGE_CPU_AIM),
            *_of_replay(replayed),
        ],
    )


def _of_replay(rates: list[Rate]) -> list[Figure]:
    """None without the recording."""
    if not rates:
        return []
    by_cpu = [1_000_000 / each.cpu_us for each in rates]
    return [
        Figure("recorded depth replayed, times real time", "x", [each.per_s for each in rates], REPLAY_AIM),
        Figure("... by the CPU time of the venue", "x", by_cpu, REPLAY_AIM),
    ]


async def _rate(server: Server, work: Awaitable[float]) -> Rate:
    """work: says how many orders, messages or recorded seconds it was."""
    began, cpu_before_s = time.perf_counter(), cpu_s(server.pid)
    count = await work
    took_s, cpu_took_s = time.perf_counter() - began, cpu_s(server.pid) - cpu_before_s
    return Rate(count / took_s, cpu_took_s / count * 1_000_000)


@contextmanager
def _venue(*arguments: Path) -> Iterator[Server]:
    """While the block lasts."""
    command = [sys.executable, "-m", "bench.venue_server", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        try:
            yield Server(int(process.stdout.readline()), process.pid)
        finally:
            process.stdin.close()


def _order(number: int) -> dict[str, str]:
    return {
        "apiKey": KEY,
        "newClientOrderId": f"bench-{number}",
        "newOrderRespType": "RESULT",
        "price": f"{50 + number % 100 / 100:.2f}",
        "quantity": "0.2",
        "side": "BUY",
        "symbol": "BTCUSDT",
        "timeInForce": "GTC",
        "timestamp": str(time.time_ns() // 1_000_000),
        "type": "LIMIT",
    }


def _signature(payload: str) -> str:
    return hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()


async def _orders_by_rest(port: int, orders: int) -> int:
    async with aiohttp.ClientSession(headers={"X-MBX-APIKEY": KEY}) as session:

        async def place(numbers: Iterator[int]) -> None:
            for number in numbers:
                order = _order(number)
                del order["apiKey"]
                body = urlencode(order)
                signed = f"{body}&signature={_signature(body)}"
                async with session.post(f"http://127.0.0.1:{port}/api/v3/order", data=signed) as answer:
                    answer.raise_for_status()
                    await answer.read()

        numbers = iter(range(orders))
        await asyncio.gather(*(place(numbers) for _ in range(AT_ONCE)))
        return orders


class Caller:
    """One connection to the WebSocket API, with any number of calls under way."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def place(self, number: int) -> None:
        params = _order(number)
        signature = _signature("&".join(f"{name}={value}" for name, value in params.items()))
        answered = self._waiting[number] = asyncio.get_running_loop().create_future()
        call = {"id": number, "method": "order.place", "params": params | {"signature": signature}}
        await self._socket.send_str(orjson.dumps(call).decode())
        await answered

    async def hear(self) -> None:
        async for message in self._socket:
            answer = orjson.loads(message.data)
            assert answer["status"] == 200, answer
            self._waiting.pop(answer["id"]).set_result(None)


@asynccontextmanager
async def _calling(port: int) -> AsyncIterator[Caller]:
    url = f"ws://127.0.0.1:{port}/ws-api/v3?returnRateLimits=false"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        caller = Caller(socket)
        hearing = asyncio.create_task(caller.hear())
        yield caller
        hearing.cancel()


async def _orders_by_calls(port: int, orders: int) -> int:
    async with _calling(port) as caller:

        async def place(numbers: Iterator[int]) -> None:
            for number in numbers:
                await caller.place(number)

        numbers = iter(range(1_000_000, 1_000_000 + orders))
        await asyncio.gather(*(place(numbers) for _ in range(AT_ONCE)))
        return orders


async def _paced_p99_ms(port: int, seconds: float) -> float:
    """From when an order was due, so that a late client does not look like a fast venue."""
    took_ms: list[float] = []
    async with _calling(port) as caller, asyncio.TaskGroup() as tasks:

        async def place(number: int, due: float) -> None:
            await caller.place(number)
            took_ms.append((time.perf_counter() - due) * 1_000)

        began = time.perf_counter()
        for number in range(int(PACE * seconds)):
            due = began + number / PACE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(place(2_000_000 + number, due))
    return percentile(took_ms, 99)


class Listener(asyncio.Protocol):
    """Reads and counts, nothing else: the venue is measured, not a WebSocket library."""

    def __init__(self, path: str) -> None:
        self.heard = 0
        self.is_cut = False
        self._path = path
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).write(  # uvloop's do not derive from asyncio's
            b"GET " + self._path.encode() + b" HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        whole = self._end + data
        self.heard += whole.count(TRADE)
        self._end = whole[1 - len(TRADE) :]  # shorter than the word, so that none is counted twice

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_cut = True


@asynccontextmanager
async def _listening(port: int, count: int, path: str) -> AsyncIterator[list[Listener]]:
    """Raises RuntimeError when one of them was cut off within the block: they read as fast as they can."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Listener(path), "127.0.0.1", port) for _ in range(count)]
    listeners = [listener for _, listener in made]
    yield listeners
    if any(listener.is_cut for listener in listeners):
        raise RuntimeError("the venue has cut a client that reads as fast as it can")
    for transport, _ in made:
        transport.close()


async def _heard_within(listeners: list[Listener], seconds: float) -> int:
    before = sum(listener.heard for listener in listeners)
    await asyncio.sleep(seconds)
    return sum(listener.heard for listener in listeners) - before


async def _replayed_s(port: int) -> float:
    """How much recorded time was replayed, with somebody who hears depth, trades and best prices of it."""
    path = "/stream?streams=btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker"
    url = f"http://127.0.0.1:{port}/simulation/v1"
    async with aiohttp.ClientSession() as session, _listening(port, 1, path) as (listener,):

        async def ask(method: str, call: str, body: dict[str, int] | None) -> dict[str, Any]:
            async with session.request(method, f"{url}/{call}", json=body) as answer:
                answer.raise_for_status()
                return cast(dict[str, Any], await answer.json())

        clock = await ask("GET", "clock", None)
        began_ns = clock["clock_ns"]
        while clock["next_ns"] is not None:
            await ask("POST", "advance", {"events": EVENTS_AT_ONCE})
            clock = await ask("GET", "clock", None)
        if not listener.heard:
            raise RuntimeError("a market was replayed, and its listener heard no trade")
        return float(clock["clock_ns"] - began_ns) / 1_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_known_args()[0].quick  # the rest of the line is for other sections
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    report = uvloop.run(measure(QUICK if quick else FULL))
    report.print(console)
    report.write(RESULTS)
    console.print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()

"""The exchange simulator as its clients have it: orders a second, how long an answer takes, trades heard a second.

`python -m bench.venue` measures it alone. The venue (`venue_server.py`) is a process of its own with an order book of a
thousand levels a side and its journal on disk; the clients are this process, so that two processors are kept busy.
Orders rest in the book, far from its best prices. Wall time.
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
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import aiohttp
import orjson
import uvloop
from rich.console import Console

from bench.report import Aim, Figure, Report, percentile
from bench.venue_server import KEY, SECRET

RESULTS = Path("results/bench-venue.json")
WIDTH = 120
AT_ONCE = 30
"""Orders under way, where the venue is asked as fast as it answers."""
PACE = 500
"""Orders a second, where the answer's time counts."""
LISTENERS = 10
FAN_OUT_AIM = Aim(">=", 100_000.0)
TRADE = b'"e":"trade"'


@dataclass(frozen=True, slots=True)
class Sizes:
    rounds: int
    orders: int
    paced_s: float
    heard_s: float


FULL, QUICK = Sizes(3, 3_000, 10.0, 5.0), Sizes(1, 200, 1.0, 0.5)


async def measure(sizes: Sizes) -> Report:
    machine = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    rest: list[float] = []
    calls: list[float] = []
    p99_ms: list[float] = []
    heard: list[float] = []
    for _ in range(sizes.rounds):
        with _venue() as port:
            rest.append(await _orders_by_rest(port, sizes.orders))
            calls.append(await _orders_by_calls(port, sizes.orders))
            p99_ms.append(await _paced_p99_ms(port, sizes.paced_s))
            heard.append(await _trades_heard(port, sizes.heard_s))
    return Report(
        {**machine, "load": os.getloadavg()},
        [],
        [
            Figure("orders by REST", "1/s", rest),
            Figure("orders by the WebSocket API", "1/s", calls),
            Figure(f"p99 of an answer by the WebSocket API, {PACE} orders a second", "ms", p99_ms),
            Figure(f"trades heard, {LISTENERS} clients together", "1/s", heard, FAN_OUT_AIM),
        ],
    )


@contextmanager
def _venue() -> Iterator[int]:
    """Its port, while the block lasts."""
    command = [sys.executable, "-m", "bench.venue_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        try:
            yield int(process.stdout.readline())
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


async def _orders_by_rest(port: int, orders: int) -> float:
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

        began = time.perf_counter()
        numbers = iter(range(orders))
        await asyncio.gather(*(place(numbers) for _ in range(AT_ONCE)))
        return orders / (time.perf_counter() - began)


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


async def _orders_by_calls(port: int, orders: int) -> float:
    async with _calling(port) as caller:

        async def place(numbers: Iterator[int]) -> None:
            for number in numbers:
                await caller.place(number)

        began = time.perf_counter()
        numbers = iter(range(1_000_000, 1_000_000 + orders))
        await asyncio.gather(*(place(numbers) for _ in range(AT_ONCE)))
        return orders / (time.perf_counter() - began)


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

    def __init__(self) -> None:
        self.heard = 0
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).write(  # uvloop's do not derive from asyncio's
            b"GET /ws/btcusdt@trade HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        whole = self._end + data
        self.heard += whole.count(TRADE)
        self._end = whole[1 - len(TRADE) :]  # shorter than the word, so that none is counted twice


async def _trades_heard(port: int, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(Listener, "127.0.0.1", port) for _ in range(LISTENERS)]
    listeners = [listener for _, listener in made]
    await asyncio.sleep(seconds / 5)  # all of them have begun to hear
    before, began = sum(listener.heard for listener in listeners), time.perf_counter()
    await asyncio.sleep(seconds)
    heard, took = sum(listener.heard for listener in listeners) - before, time.perf_counter() - began
    if any(transport.is_closing() for transport, _ in made):
        raise RuntimeError("the venue has cut a client that reads as fast as it can")
    for transport, _ in made:
        transport.close()
    return heard / took


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

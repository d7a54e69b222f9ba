"""Faults of the WebSocket API on a real socket, whose engine is a counter: what the client hears, what was done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from n1v1_exchange_simulator.conversations import Conversations, IncomingLimit, text_frame
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.bans import Bans
from n1v1_exchange_simulator.faults.calls import CallFaults
from n1v1_exchange_simulator.faults.descriptions import fault_of
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.queries import LaggingQueries
from n1v1_exchange_simulator.faults.timing import WallTimers

SOON_S, SILENCE_S = 5.0, 0.2
ORDER = {"symbol": "BTCUSD", "orderId": 1}


@dataclass
class Api:
    """done: calls that reached the engine. now_ns: the time that faults go by."""

    faults: Faults = field(init=False)
    done: int = 0
    now_ns: int = 0
    socket: Any = None

    def __post_init__(self) -> None:
        self.faults = Faults(seed=1, log=FaultLog(None), venue_ns=lambda: 0, timers=WallTimers(lambda: self.now_ns))

    def answer(self, text: str) -> bytes:
        call = orjson.loads(text)
        match call["method"]:
            case "order.status":
                result: object = ORDER
            case "openOrders.status":
                result = [ORDER]
            case "account.status":
                result = {"updateTime": self.done}
            case _:
                self.done += 1
                result = ORDER | {"done": self.done}
        return text_frame(orjson.dumps({"id": call["id"], "status": 200, "result": result}))

    def add(self, **described: object) -> None:
        self.faults.add(fault_of(described))

    async def place(self, call_id: str = "o") -> Any:
        return await self.call("order.place", call_id)

    async def call(self, method: str, call_id: str = "o") -> Any:
        call = {"id": call_id, "method": method, "params": {"symbol": "BTCUSD", "apiKey": "k"}}
        await self.socket.send_str(orjson.dumps(call).decode())
        message = await self.socket.receive(timeout=SILENCE_S)
        return orjson.loads(message.data) if message.type is WSMsgType.TEXT else message.type


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api()
    conversations, faults = (
        Conversations(),
        CallFaults(api.faults, {"k": "main"}, LaggingQueries(api.faults), Bans(api.faults)),
    )

    async def serve(request: web.Request) -> web.StreamResponse:
        limit = IncomingLimit(1_000, [WSMsgType.TEXT])
        return await conversations.hold(
            request, lambda one: faults.around(one, api.answer), client="somebody", incoming=limit
        )

    application = web.Application()
    application.add_routes([web.get("/ws-api/v3", serve)])
    async with (
        TestServer(application) as server,
        aiohttp.ClientSession(server.make_url("/")) as session,
        session.ws_connect("/ws-api/v3") as api.socket,
    ):
        yield api


@pytest.mark.parametrize(("kind", "done"), [("hang_before", 0), ("hang_after", 1)])
async def test_a_call_that_hangs_is_done_or_not_and_the_next_one_is_answered(api: Api, kind: str, done: int) -> None:
    api.add(kind=kind, method="CALL", path="order.place", account="main", count=1)
    with pytest.raises(TimeoutError):
        await api.place()
    assert api.done == done
    answered = await api.place("next")
    assert (answered["id"], answered["result"]["done"]) == ("next", done + 1)


@pytest.mark.parametrize(("kind", "done"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_dropped_call_ends_the_connection(api: Api, kind: str, done: int) -> None:
    api.add(kind=kind, method="CALL")
    assert await api.place() in (WSMsgType.CLOSED, WSMsgType.ERROR)
    assert api.done == done


@pytest.mark.parametrize(
    ("kind", "status", "code", "done"),
    [("timeout_after", 504, -1007, 1), ("overloaded", 503, -1008, 0), ("maintenance", 503, -1001, 0)],
)
async def test_a_refused_call_says_its_code(api: Api, kind: str, status: int, code: int, done: int) -> None:
    api.add(kind=kind)
    answer = await api.place()
    assert (answer["id"], answer["status"], answer["error"]["code"], api.done) == ("o", status, code, done)


async def test_a_slow_call_is_answered_in_the_end(api: Api) -> None:
    api.add(kind="latency", before={"median_ms": 5}, after={"median_ms": 5})
    assert (await api.place())["result"]["done"] == 1
    assert [set(entry) & {"before_ms", "after_ms"} for entry in api.faults.log.since(1)] == [
        {"before_ms"},
        {"after_ms"},
    ]


async def test_a_call_that_is_delivered_twice_is_done_twice(api: Api) -> None:
    api.add(kind="duplicate_delivery", answer="second")
    assert (await api.place())["result"]["done"] == 2


async def test_a_fault_of_rest_is_none_of_calls(api: Api) -> None:
    api.add(kind="hang_after", method="POST", path="/api/v3/order")
    api.add(kind="http_error", status=502, method="POST")
    assert (await api.place())["status"] == 200


async def test_a_balancers_error_is_an_answer_with_its_status(api: Api) -> None:
    api.add(kind="http_error", status=502, when="after", count=1)
    refused = await api.place()
    assert (refused["id"], refused["status"], refused["error"]["code"], api.done) == ("o", 502, -1000, 1)
    api.add(kind="http_error", status=429, retry_after_s=3, count=1)
    limited = await api.place()
    assert (limited["status"], limited["error"]["code"], api.done) == (429, -1003, 1)
    assert limited["error"]["data"] == {"serverTime": 0, "retryAfter": 3_000}


async def test_a_ban_holds_for_calls_until_it_is_over(api: Api) -> None:
    api.add(kind="ban", for_s=10)
    refused = await api.place()
    assert (refused["status"], refused["error"]["code"], api.done) == (418, -1003, 0)
    api.now_ns = 10_000_000_000
    assert (await api.place())["status"] == 200


async def test_a_query_does_not_know_a_new_order_for_a_while(api: Api) -> None:
    api.add(kind="order_not_visible", delay_ms=500)
    await api.place()
    hidden = await api.call("order.status")
    assert (hidden["status"], hidden["error"]["code"]) == (400, -2013)
    assert (await api.call("openOrders.status"))["result"] == []
    api.now_ns = 500_000_000
    assert (await api.call("order.status"))["result"] == ORDER
    assert (await api.call("openOrders.status"))["result"] == [ORDER]


async def test_an_account_comes_out_of_a_cache(api: Api) -> None:
    api.add(kind="stale_account", age_ms=1_000)
    first = await api.call("account.status")
    await api.place()
    assert (await api.call("account.status"))["result"] == first["result"]
    api.now_ns = 1_000_000_000
    assert (await api.call("account.status"))["result"] != first["result"]

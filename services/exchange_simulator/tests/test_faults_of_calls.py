"""Faults of the WebSocket API on a real socket, whose engine is a counter: what the client hears, what was done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from n1v1_exchange_simulator.conversations import Conversations, IncomingLimit, text_frame
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.calls import CallFaults
from n1v1_exchange_simulator.faults.descriptions import fault_of
from n1v1_exchange_simulator.faults.log import FaultLog

SOON_S, SILENCE_S = 5.0, 0.2


@dataclass
class Api:
    """done: calls that reached the engine."""

    faults: Faults
    done: int = 0
    socket: Any = None

    def answer(self, text: str) -> bytes:
        self.done += 1
        return text_frame(orjson.dumps({"id": orjson.loads(text)["id"], "status": 200, "result": self.done}))

    def add(self, **described: object) -> None:
        self.faults.add(fault_of(described))

    async def place(self, call_id: str = "o") -> Any:
        call = {"id": call_id, "method": "order.place", "params": {"symbol": "BTCUSD", "apiKey": "k"}}
        await self.socket.send_str(orjson.dumps(call).decode())
        message = await self.socket.receive(timeout=SILENCE_S)
        return orjson.loads(message.data) if message.type is WSMsgType.TEXT else message.type


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api(Faults(seed=1, log=FaultLog(None), venue_ns=lambda: 0, wall_ns=lambda: 0))
    conversations, faults = Conversations(), CallFaults(api.faults, {"k": "main"})

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
    assert await api.place("next") == {"id": "next", "status": 200, "result": done + 1}


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
    assert (await api.place())["result"] == 1
    assert [set(entry) & {"before_ms", "after_ms"} for entry in api.faults.log.since(1)] == [
        {"before_ms"},
        {"after_ms"},
    ]


async def test_a_call_that_is_delivered_twice_is_done_twice(api: Api) -> None:
    api.add(kind="duplicate_delivery", answer="second")
    assert (await api.place())["result"] == 2


async def test_a_fault_of_rest_is_none_of_calls(api: Api) -> None:
    api.add(kind="hang_after", method="POST", path="/api/v3/order")
    api.add(kind="http_error", status=502)
    assert (await api.place())["status"] == 200

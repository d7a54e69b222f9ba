"""Each fault of a request against a real server, whose engine is a counter: what the client sees, what was done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.admin import admin_application
from n1v1_exchange_simulator.faults.bans import Bans
from n1v1_exchange_simulator.faults.descriptions import fault_of
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.queries import LaggingQueries
from n1v1_exchange_simulator.faults.requests import RequestFaults
from n1v1_exchange_simulator.faults.timing import WallTimers

PATIENCE = aiohttp.ClientTimeout(total=0.3)


@dataclass
class Engine:
    """Accepts every order. seen: how many requests reached it."""

    seen: int = 0
    orders: list[dict[str, Any]] = field(default_factory=list)

    async def place(self, request: web.Request) -> web.Response:
        self.seen += 1
        sent = await request.post()
        self.orders.append({"symbol": sent["symbol"], "orderId": len(self.orders) + 1})
        return web.json_response(self.orders[-1])

    async def order(self, request: web.Request) -> web.Response:
        self.seen += 1
        return web.json_response(self.orders[int(request.query["orderId"]) - 1])

    async def open_orders(self, request: web.Request) -> web.Response:
        return web.json_response(self.orders)

    async def account(self, request: web.Request) -> web.Response:
        return web.json_response({"orders": len(self.orders)})

    def application(self, faults: Faults) -> web.Application:
        application = web.Application(
            middlewares=[RequestFaults(faults, {"k": "main"}, LaggingQueries(faults), Bans(faults)).middleware()]
        )
        application.add_routes(
            [
                web.post("/api/v3/order", self.place),
                web.get("/api/v3/order", self.order),
                web.get("/api/v3/openOrders", self.open_orders),
                web.get("/api/v3/account", self.account),
                web.get("/readyz", self.account),
            ]
        )
        return application


@dataclass
class Wall:
    """A clock that a test may move forward."""

    moved_ns: int = 0

    def __call__(self) -> int:
        return 10_000_000_000 + self.moved_ns


@dataclass
class Venue:
    engine: Engine
    wall: Wall
    faults: Faults
    session: aiohttp.ClientSession

    def add(self, **described: object) -> None:
        self.faults.add(fault_of(described))

    async def place(self) -> tuple[int, Any]:
        return await self.ask("POST", "/api/v3/order", data={"symbol": "BTCUSD"})

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self.session.request(method, path, headers={"X-MBX-APIKEY": "k"}, **more) as response:
            return response.status, await response.json(content_type=None)


@asynccontextmanager
async def opened() -> AsyncIterator[Venue]:
    engine, wall = Engine(), Wall()
    faults = Faults(seed=1, log=FaultLog(None), venue_ns=wall, timers=WallTimers(wall))
    async with (
        TestServer(engine.application(faults)) as server,
        aiohttp.ClientSession(server.make_url("/"), timeout=PATIENCE) as session,
    ):
        yield Venue(engine, wall, faults, session)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    async with opened() as venue:
        yield venue


@pytest.mark.parametrize(("kind", "orders"), [("hang_before", 0), ("hang_after", 1)])
async def test_a_request_that_hangs_is_done_or_not_and_nobody_is_told(venue: Venue, kind: str, orders: int) -> None:
    venue.add(kind=kind, method="POST", path="/api/v3/order", count=1)
    with pytest.raises(TimeoutError):
        await venue.place()
    assert venue.engine.seen == orders
    assert (await venue.place())[0] == 200, "only the next one hangs"


@pytest.mark.parametrize(("kind", "orders"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_dropped_request_ends_in_a_reset(venue: Venue, kind: str, orders: int) -> None:
    venue.add(kind=kind)
    with pytest.raises((ConnectionResetError, aiohttp.ClientOSError)):
        await venue.place()
    assert venue.engine.seen == orders


@pytest.mark.parametrize(
    ("described", "status", "code", "orders"),
    [
        ({"kind": "timeout_after"}, 504, -1007, 1),
        ({"kind": "overloaded"}, 503, -1008, 0),
        ({"kind": "invalid_key"}, 401, -2015, 0),
        ({"kind": "maintenance"}, 503, -1001, 0),
        ({"kind": "http_error", "status": 429, "retry_after_s": 3}, 429, -1003, 0),
        ({"kind": "api_error", "code": -1015, "msg": "Too many.", "status": 429}, 429, -1015, 0),
        ({"kind": "api_error", "code": -1006, "msg": "Unknown.", "when": "after"}, 400, -1006, 1),
        ({"kind": "ban", "for_s": 60}, 418, -1003, 0),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
async def test_a_refusal_says_its_code_and_the_engine_knows_or_not(
    venue: Venue, described: dict[str, Any], status: int, code: int, orders: int
) -> None:
    venue.add(**described)
    answered, body = await venue.place()
    assert (answered, body["code"], venue.engine.seen) == (status, code, orders)


@pytest.mark.parametrize("status", [403, 500, 502, 503, 504])
@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
async def test_a_load_balancer_says_html(venue: Venue, status: int, when: str, orders: int) -> None:
    venue.add(kind="http_error", status=status, when=when)
    async with venue.session.post("/api/v3/order", data={"symbol": "BTCUSD"}) as response:
        assert response.status == status
        assert response.content_type == "text/html"
    assert venue.engine.seen == orders


async def test_what_is_no_part_of_the_venue_never_fails(venue: Venue) -> None:
    venue.add(kind="maintenance")
    assert (await venue.ask("GET", "/api/v3/account"))[0] == 503
    assert (await venue.ask("GET", "/readyz"))[0] == 200


async def test_a_ban_names_its_end_and_is_over_then(venue: Venue) -> None:
    venue.add(kind="ban", for_s=60)
    async with venue.session.get("/api/v3/account") as response:
        assert response.headers["Retry-After"] == "60"
        assert "banned until 70000" in await response.text()
    venue.wall.moved_ns += 60_000_000_000
    assert (await venue.ask("GET", "/api/v3/account"))[0] == 200


@pytest.mark.parametrize(("answer", "number"), [("first", 1), ("second", 2)])
async def test_a_request_that_is_delivered_twice_is_done_twice(venue: Venue, answer: str, number: int) -> None:
    venue.add(kind="duplicate_delivery", answer=answer)
    assert (await venue.place())[1]["orderId"] == number
    assert venue.engine.seen == 2


async def test_a_new_order_is_not_visible_for_a_while(venue: Venue) -> None:
    await venue.place()
    venue.add(kind="order_not_visible", name="lag", delay_ms=60_000)
    await venue.place()
    assert (await venue.ask("GET", "/api/v3/order", params={"orderId": "1"}))[0] == 200, "it was there before"
    status, body = await venue.ask("GET", "/api/v3/order", params={"orderId": "2"})
    assert (status, body["code"]) == (400, -2013)
    assert [order["orderId"] for order in (await venue.ask("GET", "/api/v3/openOrders"))[1]] == [1]
    venue.faults.remove("lag")
    assert (await venue.ask("GET", "/api/v3/order", params={"orderId": "2"}))[0] == 200


async def test_an_order_whose_answer_was_lost_is_not_visible_for_a_while_either(venue: Venue) -> None:
    venue.add(kind="order_not_visible", name="lag", delay_ms=60_000)
    venue.add(kind="drop_after", method="POST", path="/api/v3/order")
    with pytest.raises(aiohttp.ClientError):
        await venue.place()
    assert (await venue.ask("GET", "/api/v3/order", params={"orderId": "1"}))[1]["code"] == -2013
    venue.faults.remove("lag")
    assert (await venue.ask("GET", "/api/v3/order", params={"orderId": "1"}))[0] == 200


async def test_an_account_out_of_a_cache_knows_nothing_of_the_last_order(venue: Venue) -> None:
    venue.add(kind="stale_account", name="cache", age_ms=60_000)
    assert (await venue.ask("GET", "/api/v3/account"))[1] == {"orders": 0}
    await venue.place()
    assert (await venue.ask("GET", "/api/v3/account"))[1] == {"orders": 0}
    venue.faults.remove("cache")
    assert (await venue.ask("GET", "/api/v3/account"))[1] == {"orders": 1}


async def test_latency_is_drawn_and_logged(venue: Venue) -> None:
    venue.add(kind="latency", name="slow", before={"median_ms": 5, "sigma": 0.5}, after={"median_ms": 7})
    assert (await venue.place())[0] == 200
    drawn = [entry for entry in venue.faults.log.since(0) if "before_ms" in entry or "after_ms" in entry]
    assert [entry["seed"] for entry in drawn] == ["1/slow/1", "1/slow/1"]
    assert drawn[1]["after_ms"] == pytest.approx(7)


@pytest.fixture
async def admin(venue: Venue) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        TestServer(admin_application(venue.faults)) as server,
        aiohttp.ClientSession(server.make_url("/")) as session,
    ):
        yield session


async def test_one_call_makes_the_next_order_hang_after_it_was_done(venue: Venue, admin: aiohttp.ClientSession) -> None:
    fault = {"kind": "hang_after", "method": "POST", "path": "/api/v3/order", "count": 1, "name": "drill"}
    async with admin.post("/admin/v1/faults", json=fault) as response:
        assert (response.status, await response.json()) == (201, {"added": ["drill"]})
    with pytest.raises(TimeoutError):
        await venue.place()
    async with admin.get("/admin/v1/faults/drill") as response:
        assert await response.json() == fault | {"matches": 1, "firings": 1, "is_spent": True}
    async with admin.get("/admin/v1/faults/log") as response:
        (entry,) = (await response.json())["entries"]
    assert entry["seed"] == "1/drill/1"


async def test_faults_are_listed_and_removed(venue: Venue, admin: aiohttp.ClientSession) -> None:
    await admin.post("/admin/v1/faults", json=[{"kind": "maintenance"}, {"kind": "overloaded", "name": "busy"}])
    async with admin.get("/admin/v1/faults") as response:
        assert [fault["name"] for fault in (await response.json())["faults"]] == ["maintenance-1", "busy"]
    async with admin.delete("/admin/v1/faults/busi") as response:
        assert (response.status, await response.json()) == (
            404,
            {"error": "there is no fault 'busi'; did you mean 'busy'?"},
        )
    assert (await admin.delete("/admin/v1/faults/busy")).status == 200
    assert (await admin.delete("/admin/v1/faults")).status == 200
    assert len(venue.faults) == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "as JSON"),
        (b'{"kind": "hang"}', "fault 1: "),
        (b'[{"kind": "maintenance"}, {"kind": "stall", "for_s": "x"}]', "fault 2: stall.for_s"),
    ],
)
async def test_bad_input_is_answered_clearly_and_nothing_is_added(
    venue: Venue, admin: aiohttp.ClientSession, body: bytes, said: str
) -> None:
    async with admin.post("/admin/v1/faults", data=body) as response:
        assert response.status == 400
        assert said in (await response.json())["error"]
    assert len(venue.faults) == 0


async def test_a_handshake_is_refused_and_requests_are_not(venue: Venue) -> None:
    venue.add(kind="refuse_connection", status=429, retry_after_s=9)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await venue.session.ws_connect("/ws")
    assert refused.value.status == 429
    assert refused.value.headers is not None
    assert refused.value.headers["Retry-After"] == "9"
    assert (await venue.place())[0] == 200


async def test_a_hang_ends_when_its_client_has_gone() -> None:
    async with opened() as venue:
        venue.add(kind="hang_before")
        with pytest.raises(TimeoutError):
            await venue.place()
    # Leaving the block closes the server, which waits for its requests: that it ends is what is asserted.
    assert len(asyncio.all_tasks()) == 1

"""A leader that is stopped while another takes over places nothing when it wakes up: real processes, a real venue.

The time-outs of the requests are short here, so that a stop of a few seconds is longer than them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from n1v1.events import OrderAccepted, OrderApproved
from n1v1.ids import SignalId, order_id
from n1v1.values import OrderType, Side, TimeInForce
from n1v1_cli.stack.service import Service, ServiceSpec
from n1v1_cli.stack.stack import Stack
from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.lifecycle.run import EXIT_SUPERSEDED
from n1v1_common.servers import ServerMissing
from n1v1_common.servers.ports import claim_port
from n1v1_common.settings.load import Loaded, load
from n1v1_common.settings.model import Settings
from n1v1_common.settings.service import SETTINGS_VARIABLE, dump_for_service
from n1v1_common.stage.opening import bus_url, codec_of
from n1v1_common.state.breaker import BreakerFlags
from n1v1_common.state.redis_state import connect as connect_redis
from n1v1_common.streams import ALL_STREAMS, TRADING
from n1v1_execution.adapters.client import client_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

RECV_WINDOW_MS, MARGIN_MS = 1_500, 500
WITHIN_S = 30.0

STOPS_ITSELF = """
import os, signal, sys
from n1v1_execution.adapters import client
from n1v1_execution.main import main
from n1v1_common.storage.journal import Journal

def stop_once(url, method):
    if method == "POST" and url.endswith("/order") and not stopped:
        stopped.append(url)
        os.kill(os.getpid(), signal.SIGSTOP)

stopped, point, walled = [], os.environ["STOP_WHEN"], client._Walled
fetch, made = walled.fetch, client.client_of
if point == "signed":
    async def stopping(self, url, method="GET", headers=None, body=None):
        stop_once(url, method)
        return await fetch(self, url, method, headers, body)
    walled.fetch = stopping
elif point == "fence passed":
    import ccxt.async_support
    plain = ccxt.async_support.Exchange.fetch
    async def stopping(self, url, method="GET", headers=None, body=None):
        stop_once(url, method)
        return await plain(self, url, method, headers, body)
    ccxt.async_support.Exchange.fetch = stopping
if "WITHOUT_FENCE" in os.environ:
    async def prove(self):
        pass
    Journal.prove = prove
sys.exit(main())
"""
"""The execution service, except that it stops itself once, exactly where the test wants it."""


@dataclass
class Drill:
    """Servers and a venue; leaders are started by the tests, each from a folder of its own."""

    folder: Path
    settings: Settings
    bus: NatsBus
    codec: Codec

    async def leader(self, name: str, *, recv_window_ms: int = RECV_WINDOW_MS, **env: str) -> Service:
        folder = self.folder / name
        (folder / "logs").mkdir(parents=True)
        path = folder / "settings.json"
        port = claim_port("services.execution.port", 0)
        changes: dict[str, Any] = {
            "paths.state_dir": folder,
            "services.execution.port": port,
            "exchange.recv_window_ms": recv_window_ms,
        }
        dump_for_service(Loaded(self.settings, ()), path, changes)
        module = "n1v1_execution"
        if env:
            module = "stops_itself"
            (folder / f"{module}.py").write_text(STOPS_ITSELF)
            env["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        leader = Service(ServiceSpec("execution", module, env={SETTINGS_VARIABLE: str(path), **env}), folder)
        await leader.start()
        return leader

    async def approve(self, number: int) -> None:
        event = approved(number)
        subject, data = self.codec.encode(event)
        await self.bus.publish([Outgoing(subject, data, event.id)])

    async def until_accepted(self) -> None:
        """At least one order, by whom ever."""

        async def is_accepted() -> bool:
            return await self.bus.last_message(TRADING.name, subject_filter(OrderAccepted)) is not None

        await until(is_accepted)

    async def orders_at_venue(self) -> list[str]:
        """Client order ids of everything the venue ever took from us."""
        client = client_of("simulator", self.settings.exchange, live=False)
        try:
            await client.load_markets()
            return [order["clientOrderId"] for order in await client.fetch_orders("BTC/USD")]
        finally:
            await client.close()


@pytest.fixture
async def drill(tmp_path: Path) -> AsyncIterator[Drill]:
    settings = [
        f"exchange.recv_window_ms={RECV_WINDOW_MS}",
        f"exchange.absence_margin_ms={MARGIN_MS}",
        "market.start=2021-01-01",
        "market.end=2021-01-10",
        "servers.durability=process",
    ]
    stack = Stack(load([], {}, settings), tmp_path / "stack", services=["exchange_simulator"])
    try:
        async with stack:
            await stack.ready()
            settings_of_stack = stack.plan.settings
            await first_bar(f"{settings_of_stack.exchange.rest_url}/simulation/v1/advance")
            bus = await NatsBus.connect(bus_url(settings_of_stack), name="test")
            await bus.declare(ALL_STREAMS)
            async with connect_redis(settings_of_stack.redis.url.get_secret_value()) as state:
                await BreakerFlags(state).close("main", version=1)
            yield Drill(tmp_path, settings_of_stack, bus, codec_of(settings_of_stack))
            await bus.drain()
    except ServerMissing as missing:
        pytest.skip(str(missing))


async def first_bar(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(url, json={"step": 1}) as response:
        assert response.status == 200, await response.text()


def approved(number: int) -> OrderApproved:
    signal_id = SignalId(f"cross:BTC-USD:{number}")
    return OrderApproved(
        id=f"approved:{number}",
        ts_ns=1,
        cause_id=signal_id,
        order_id=order_id("main", signal_id),
        signal_id=signal_id,
        account="main",
        instance="cross",
        symbol="BTC-USD",
        side=Side.BUY,
        type=OrderType.MARKET,
        lots=1_000_000,
        limit_ticks=None,
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        reference_ticks=2_900_000,
        valid_until_ns=2**62,
    )


async def until_stopped(leader: Service) -> None:
    async def is_stopped() -> bool:
        return "\nState:\tT" in Path(f"/proc/{leader.pid}/status").read_text()  # noqa: ASYNC240 (no disk is asked)

    await until(is_stopped)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await is_so():  # noqa: ASYNC110 (processes and servers are looked at)
            await asyncio.sleep(0.05)


async def wakes_up_and_leaves(leader: Service) -> str:
    """What the old leader says when it goes on and finds another in its place."""
    assert leader.pid is not None
    os.kill(leader.pid, signal.SIGCONT)
    async with asyncio.timeout(WITHIN_S):
        assert await leader.wait() == EXIT_SUPERSEDED, leader.log.read_text()[-3000:]
    return leader.log.read_text()


async def test_an_idle_leader_that_was_stopped_leaves_when_it_wakes_up(drill: Drill) -> None:
    old = await drill.leader("old")
    assert old.pid is not None
    os.kill(old.pid, signal.SIGSTOP)
    new = await drill.leader("new")
    await drill.approve(1)
    await drill.until_accepted()
    said = await wakes_up_and_leaves(old)
    assert f"superseded: execution (process {new.pid} on " in said
    await drill.approve(2)

    async def are_both_there() -> bool:
        return len(await drill.orders_at_venue()) == 2

    await until(are_both_there)
    assert await new.stop() == 0


@pytest.mark.parametrize("point", ["signed", "fence passed"])
async def test_a_leader_that_was_stopped_while_it_sent_an_order_places_nothing_when_it_wakes_up(
    drill: Drill, point: str
) -> None:
    """Its order was journalled, and is sent by the successor: under a new attempt, when the old request is over."""
    old = await drill.leader("old", STOP_WHEN=point)
    await drill.approve(1)
    await until_stopped(old)
    new = await drill.leader("new")
    await drill.until_accepted()
    said = await wakes_up_and_leaves(old)
    assert "superseded" in said
    assert await drill.orders_at_venue() == [f"n1v1-{approved(1).order_id}-2"]
    assert await new.stop() == 0


async def test_the_fence_holds_also_where_a_request_is_valid_for_long(drill: Drill) -> None:
    old = await drill.leader("old", recv_window_ms=60_000, STOP_WHEN="signed")
    await drill.approve(1)
    await until_stopped(old)
    new = await drill.leader("new")
    await drill.until_accepted()
    await wakes_up_and_leaves(old)
    assert await drill.orders_at_venue() == [f"n1v1-{approved(1).order_id}-2"]
    assert await new.stop() == 0


async def test_control_without_fence_and_window_the_old_leader_places_the_order_a_second_time(drill: Drill) -> None:
    old = await drill.leader("old", recv_window_ms=60_000, STOP_WHEN="signed", WITHOUT_FENCE="1")
    await drill.approve(1)
    await until_stopped(old)
    new = await drill.leader("new")
    await drill.until_accepted()
    assert old.pid is not None
    os.kill(old.pid, signal.SIGCONT)

    async def are_both_there() -> bool:
        return len(await drill.orders_at_venue()) == 2

    await until(are_both_there)
    await old.wait()
    order = approved(1).order_id
    assert sorted(await drill.orders_at_venue()) == [f"n1v1-{order}-1", f"n1v1-{order}-2"]
    await new.stop()

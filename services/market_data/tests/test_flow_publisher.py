"""The flow on the bus: in order, and honest about what a bus that was killed does not have any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from n1v1.events import Event, MarketDataLost, TickerSeen, TradeSeen
from n1v1.values import Instrument
from n1v1_common.bus.api import Bus, Delivery, Outgoing, Published
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.testing import eventually
from n1v1_common.codec import Codec
from n1v1_common.streams import MARKET_FLOW
from n1v1_common.telemetry.metrics import Metrics
from n1v1_market_data.flow import Flow
from n1v1_market_data.flow_publisher import FlowPublisher, last_trades

BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
CODEC = Codec((BTC,), signal_partitions=1)


def trade(number: int) -> TradeSeen:
    return TradeSeen(
        id=f"trade:BTC-USDT:{number}",
        ts_ns=number,
        symbol="BTC-USDT",
        trade_id=str(number),
        ticks=1,
        lots=1,
        is_buyer_maker=True,
    )


TICKER = TickerSeen(
    id="ticker:1", ts_ns=1, symbol="BTC-USDT", bid_ticks=1, bid_lots=1, ask_ticks=2, ask_lots=1, last_ticks=None
)


class Forgetful(MemoryBus):
    """As a server that is killed after so many messages and comes back without the newest of them."""

    def __init__(self, *, killed_after: int, forgets: int) -> None:
        super().__init__()
        self._killed_after = killed_after
        self._forgets = forgets

    async def publish(self, messages: Sequence[Outgoing], *, retry_for_s: float = 0.0) -> list[Published]:
        answers = await super().publish(messages, retry_for_s=retry_for_s)
        return [
            each._replace(seq=each.seq - self._forgets) if each.seq > self._killed_after else each for each in answers
        ]


@asynccontextmanager
async def publishing(bus: Bus, flow: Flow) -> AsyncIterator[None]:
    await bus.declare([MARKET_FLOW])
    publisher = FlowPublisher(flow=flow, bus=bus, codec=CODEC, metrics=Metrics(), keeper=None)
    running = asyncio.ensure_future(publisher.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()


async def published(bus: Bus, count: int) -> list[Event]:
    """All of them, as soon as there are so many."""

    async def enough() -> list[Delivery]:
        found = await bus.read(MARKET_FLOW.name, limit=1000)
        return found if len(found) >= count else []

    return [CODEC.decode(message.subject, message.data)[0] for message in await eventually(enough)]


async def test_what_flows_is_published_in_order() -> None:
    bus, flow = MemoryBus(), Flow(100, on_loss=lambda loss: None)
    async with publishing(bus, flow):
        for number in (1, 2, 3):
            flow.put(trade(number))
        assert [event.id for event in await published(bus, 3)] == [trade(number).id for number in (1, 2, 3)]
    assert await last_trades(bus, CODEC, ["BTC-USDT"]) == {"BTC-USDT": trade(3)}


@pytest.mark.parametrize("at_once", [1, 256])
async def test_what_a_killed_bus_has_forgotten_is_said_of_everything_that_flows(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was killed between two batches or within one."""
    monkeypatch.setattr("n1v1_market_data.flow_publisher.BATCH", at_once)
    told: list[MarketDataLost] = []
    bus, flow = Forgetful(killed_after=4, forgets=2), Flow(100, on_loss=told.append)
    async with publishing(bus, flow):
        flow.put(TICKER)
        flow.put(trade(1))
        await published(bus, 2)
        for number in (2, 3, 4, 5):
            flow.put(trade(number))
        losses = [event for event in await published(bus, 8) if isinstance(event, MarketDataLost)]
    assert [(loss.channel, loss.lost) for loss in losses] == [("ticker", None), ("trades", None)]
    assert {loss.reason for loss in losses} == {"the bus has forgotten the last 2 messages of the flow"}
    assert told == losses, "and counted"


async def test_a_message_that_was_there_before_is_not_taken_for_a_step_back() -> None:
    told: list[MarketDataLost] = []
    bus, flow = MemoryBus(), Flow(100, on_loss=told.append)
    async with publishing(bus, flow):
        for event in (trade(1), trade(2), replace(trade(1), ts_ns=9), trade(3)):
            flow.put(event)
            await asyncio.sleep(0)
        await published(bus, 3)
    assert told == []

"""An entry with a stop and a target: all three are orders, and the position shows what protects it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import asyncpg
import pytest
import pytest_asyncio

from n1v1.events import (
    Bracket,
    Event,
    OrderApproved,
    PositionChanged,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueReport,
)
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, OrderId, SignalId, TradeId, VenueOrderId
from n1v1.run_hash import first_difference, from_events
from n1v1.values import Instrument, Liquidity, OrderType, Side, TimeInForce
from n1v1_common.storage.journal import Cursor
from n1v1_reporting.adapters.projections import PostgresProjections
from n1v1_reporting.api.answers import Answers, System
from n1v1_reporting.projection import rows_of
from n1v1_reporting.queries import Queries

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.servers]

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
LOTS = 100_000_000
ENTRY = OrderApproved(
    id="approved:1",
    ts_ns=1_000,
    order_id=OrderId("o-abcdefghijklmnop"),
    signal_id=SignalId("ema:BTC-USD:1"),
    account="main",
    instance="ema",
    symbol="BTC-USD",
    side=Side.BUY,
    type=OrderType.MARKET,
    lots=LOTS,
    limit_ticks=None,
    time_in_force=TimeInForce.GTC,
    reduce_only=False,
    reference_ticks=10_000,
    valid_until_ns=2_000,
    bracket=Bracket(stop_ticks=9_500, target_ticks=11_000),
)


def client(leg: str = "") -> ClientOrderId:
    return ClientOrderId(f"n1v1-{ENTRY.order_id}{leg}-1")


def accepted(leg: str, number: int) -> VenueAccepted:
    return VenueAccepted(
        ts_ns=1_001, client_order_id=client(leg), symbol="BTC-USD", venue_order_id=VenueOrderId(str(number))
    )


def filled(leg: str, *, lots: int, ticks: int, remaining: int) -> VenueFilled:
    return VenueFilled(
        ts_ns=1_002,
        client_order_id=client(leg),
        symbol="BTC-USD",
        trade_id=TradeId(f"{ticks}"),
        side=Side.SELL if leg else Side.BUY,
        lots=lots,
        ticks=ticks,
        value=lots * ticks // 100,
        fee=0,
        liquidity=Liquidity.TAKER,
        remaining_lots=remaining,
    )


def closed(leg: str, *, expired: bool, remaining: int) -> VenueClosed:
    return VenueClosed(
        ts_ns=1_002,
        client_order_id=client(leg),
        symbol="BTC-USD",
        remaining_lots=remaining,
        expired=expired,
        reason="so it goes",
    )


def position(lots: int) -> PositionChanged:
    return PositionChanged(
        id=f"position:{lots}", ts_ns=1_003, account="main", symbol="BTC-USD", lots=lots, cost=0, realised=0, fees=0
    )


@dataclass
class Run:
    """What execution says, as reporting hears it."""

    pool: asyncpg.Pool
    stage: Execution = field(default_factory=lambda: Execution(account="main", venue="simulator"))
    said: list[Event] = field(default_factory=list)

    async def store(self, *events: Event) -> None:
        self.said += events
        rows = [row for event in events for row in rows_of(event)]
        await PostgresProjections(self.pool).store(rows, "TRADING", Cursor(len(self.said), 1))

    async def report(self, *reports: VenueReport) -> None:
        await self.store(*self.stage.report(*reports).events)

    def answers(self) -> Answers:
        async def lag() -> int:
            return 0

        return Answers(System("paper", "main", "4h", ("ema",), {"BTC-USD": BTC}), Queries(self.pool, "main"), lag)

    async def protection(self) -> list[tuple[str, Decimal | None]]:
        (shown,) = (await self.answers().positions()).positions
        return [(leg.purpose, leg.price) for leg in shown.protection]


@pytest_asyncio.fixture(loop_scope="session")
async def run(pool: asyncpg.Pool) -> Run:
    run = Run(pool)
    await run.store(ENTRY, *run.stage.handle(ENTRY).events)
    await run.report(accepted("", 1), accepted("-stop", 2), accepted("-target", 3))
    return run


async def test_a_position_shows_what_protects_it_until_that_is_done(run: Run) -> None:
    await run.report(filled("", lots=LOTS, ticks=10_001, remaining=0))
    await run.store(position(LOTS))
    assert await run.protection() == [("STOP_LOSS", Decimal("95.00")), ("TAKE_PROFIT", Decimal("110.00"))]

    await run.report(
        filled("-stop", lots=LOTS, ticks=9_500, remaining=0), closed("-target", expired=False, remaining=LOTS)
    )
    await run.store(position(0))
    assert await run.protection() == []


async def test_legs_are_orders_of_their_own_that_name_their_entry(run: Run) -> None:
    orders = {order.purpose: order for order in (await run.answers().orders(None, 10)).orders}
    assert {purpose: order.entry_id for purpose, order in orders.items()} == {
        "ENTRY": None,
        "STOP_LOSS": ENTRY.order_id,
        "TAKE_PROFIT": ENTRY.order_id,
    }
    assert (orders["STOP_LOSS"].stop_price, orders["STOP_LOSS"].limit_price) == (Decimal("95.00"), None)
    assert (orders["TAKE_PROFIT"].stop_price, orders["TAKE_PROFIT"].limit_price) == (None, Decimal("110.00"))
    assert {order.side for order in orders.values()} == {"BUY", "SELL"}
    stop = await run.answers().order(orders["STOP_LOSS"].id)
    assert [step.what for step in stop.history] == ["SUBMITTED", "ACCEPTED"]


async def test_a_leg_that_protected_half_an_entry_is_filled_in_the_records_as_in_the_events(run: Run) -> None:
    half = LOTS // 2
    await run.report(filled("", lots=half, ticks=10_001, remaining=half))
    await run.report(
        closed("", expired=True, remaining=half),
        filled("-stop", lots=half, ticks=9_500, remaining=0),
        closed("-target", expired=False, remaining=LOTS),
    )
    records = await Queries(run.pool, "main").records()
    assert first_difference(records, from_events(run.said)) is None
    assert {row[0].removeprefix(ENTRY.order_id): row[5:] for row in records.orders} == {
        "": ("EXPIRED", half),
        "-stop": ("FILLED", half),
        "-target": ("CANCELLED", 0),
    }

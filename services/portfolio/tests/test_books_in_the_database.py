"""The portfolio's tables after a month of trading: exact, balanced, written once, and never changed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

from n1v1.events import BarClosed, BarsComplete, EquityMarked, Event, FillsComplete, OrderFilled
from n1v1.ids import FillId, OrderId, TradeId
from n1v1.pipeline import bars_complete
from n1v1.portfolio.stage import Portfolio
from n1v1.values import Instrument, Liquidity, Side
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.servers import Durability, ServerMissing
from n1v1_common.servers.postgres import PostgresServer
from n1v1_common.state.errors import StateUnavailable
from n1v1_common.state.hot_state import Value, Versioned
from n1v1_common.state.memory import MemoryHotState
from n1v1_common.storage.database import connect, migrate
from n1v1_common.storage.errors import SeenBefore
from n1v1_common.storage.journal import Cursor, Journal, Step
from n1v1_common.telemetry.metrics import Metrics
from n1v1_portfolio.handlers import PortfolioHandler
from n1v1_portfolio.main import MIGRATIONS

pytestmark = pytest.mark.servers

HOUR_NS = 3_600_000_000_000
ONE = 100_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")


@pytest.fixture
async def pool() -> AsyncIterator[asyncpg.Pool]:
    # A folder that any user may enter: started by root, PostgreSQL runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="n1v1-portfolio-"))
    server = PostgresServer(
        folder / "postgres", secrets=folder, log=folder / "postgres.log", durability=Durability.PROCESS
    )
    try:
        await server.start()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    await migrate(server.url, "portfolio", [MIGRATIONS])
    pool = await connect(server.url, "portfolio")
    yield pool
    await pool.close()
    await server.stop()
    shutil.rmtree(folder)


class AwayState:
    """Hot state that never answers."""

    async def put(self, key: str, value: Value, *, version: int) -> bool:
        raise StateUnavailable(key, "connection refused")

    async def get(self, key: str, *, max_age_ms: int | None = None) -> Versioned:
        raise StateUnavailable(key, "connection refused")

    async def check(self) -> str | None:
        return "away"


def made(state: MemoryHotState | AwayState | None = None) -> PortfolioHandler:
    stage = Portfolio(account="main", instruments=[BTC], initial_cash=10_000 * ONE)
    return PortfolioHandler(
        account="main", stage=stage, instruments=[BTC], state=state or MemoryHotState(), metrics=Metrics()
    )


def bar(hour: int, price: int) -> BarClosed:
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR_NS,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR_NS,
        open=price * 100,
        high=price * 100,
        low=price * 100,
        close=price * 100,
        volume=1,
    )


def complete(hour: int) -> tuple[BarsComplete, FillsComplete]:
    return (
        bars_complete(hour * HOUR_NS, (bar(hour, 1),), hour),
        FillsComplete(id=f"fills:{hour}", ts_ns=hour * HOUR_NS, account="main"),
    )


def fill(number: int, side: Side, lots: int, price: int, *, fee: int) -> OrderFilled:
    return OrderFilled(
        id=f"filled:{number}",
        ts_ns=number * HOUR_NS,
        order_id=OrderId(f"o-{number}"),
        account="main",
        symbol="BTC-USD",
        fill_id=FillId(f"simulator:BTC-USD:{number}"),
        trade_id=TradeId(str(number)),
        instance="toy",
        side=side,
        lots=lots,
        ticks=price * 100,
        value=price * lots,
        fee=fee,
        liquidity=Liquidity.TAKER,
        is_final=True,
    )


HISTORY: tuple[tuple[Event, ...], ...] = (
    (bar(1, 100), *complete(1)),
    (fill(2, Side.BUY, ONE, 100, fee=7), bar(2, 110), *complete(2)),
    (fill(3, Side.SELL, ONE // 4, 120, fee=3), fill(4, Side.BUY, 1, 120, fee=0), bar(3, 90), *complete(3)),
)


async def step(journal: Journal, handler: PortfolioHandler, number: int) -> None:
    """One step as the stage loop does it."""
    said = [answer for event in HISTORY[number] for answer in await handler.handle(event)]
    effects = handler.effects(said)
    inbox = [event.id for event in HISTORY[number]]
    await journal.commit(Step(inbox, {"TRADING": Cursor(number + 1, 1)}, b"", (), effects))
    await handler.show_newest()


async def test_ledger_positions_and_equity_agree_to_the_last_quantum(pool: asyncpg.Pool) -> None:
    journal, handler = await Journal.take_over(pool, MemoryBus(), writer="a test"), made()
    for number in range(len(HISTORY)):
        await step(journal, handler, number)

    sums = await pool.fetch("SELECT asset, sum(amount) AS total FROM ledger GROUP BY asset")
    assert {row["asset"]: row["total"] for row in sums} == {"BTC": 0, "USD": 0}
    held = await pool.fetchval("SELECT sum(amount) FROM ledger WHERE account = 'assets:position:BTC-USD'")
    position = await pool.fetchrow("SELECT * FROM positions")
    assert position is not None
    assert held == position["quantity"] == Decimal("0.75000001")
    cash = await pool.fetchval("SELECT sum(amount) FROM ledger WHERE account = 'assets:cash'")
    marks = await pool.fetch("SELECT * FROM equity ORDER BY ts_ns")
    assert [row["ts_ns"] // HOUR_NS for row in marks] == [1, 2, 3]
    assert cash == marks[-1]["cash"] == 10_000 - 100 + 30 - Decimal("0.00000010") - Decimal("0.00000120")
    assert marks[-1]["equity"] == cash + held * 90
    assert marks[-1]["peak"] == max(row["equity"] for row in marks)


async def test_a_step_that_comes_again_is_not_booked_again(pool: asyncpg.Pool) -> None:
    journal, handler = await Journal.take_over(pool, MemoryBus(), writer="a test"), made()
    await step(journal, handler, 0)
    before = handler.snapshot()
    await step(journal, handler, 1)
    rows = await pool.fetchval("SELECT (SELECT count(*) FROM ledger) * 1000 + (SELECT count(*) FROM equity)")

    handler.restore(before)
    with pytest.raises(SeenBefore):
        await step(journal, handler, 1)
    assert rows == await pool.fetchval("SELECT (SELECT count(*) FROM ledger) * 1000 + (SELECT count(*) FROM equity)")


async def test_the_ledger_cannot_be_changed(pool: asyncpg.Pool) -> None:
    journal, handler = await Journal.take_over(pool, MemoryBus(), writer="a test"), made()
    for number in range(2):
        await step(journal, handler, number)
    for statement in ("UPDATE ledger SET amount = 0", "DELETE FROM ledger"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await pool.execute(statement)


async def test_the_newest_equity_is_shown_and_a_hot_state_that_is_away_stops_nobody() -> None:
    state = MemoryHotState()
    for held in (state, AwayState()):
        handler = made(held)
        said = [answer for event in HISTORY[0] for answer in await handler.handle(event)]
        await handler.show_newest()
        assert [type(event) for event in said] == [EquityMarked]
    shown = await state.get("equity:main")
    assert shown.value == {"ts_ns": HOUR_NS, "equity": "10000.00000000", "cash": "10000.00000000"}

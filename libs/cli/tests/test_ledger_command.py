"""n1v1 ledger rebuild: equal to what the services keep, or it names what is not."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import orjson
import pytest

from n1v1.events import BarClosed, Event, FillsComplete, OrderFilled
from n1v1.execution.orders import Order
from n1v1.ids import FillId, OrderId, SignalId, TradeId
from n1v1.pipeline import bars_complete
from n1v1.portfolio.stage import Portfolio
from n1v1.values import Instrument, Liquidity, OrderType, Side, TimeInForce
from n1v1_cli.main import main
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.instruments import instruments_of
from n1v1_common.servers import Durability, ServerMissing
from n1v1_common.servers.postgres import PostgresServer
from n1v1_common.settings.load import load
from n1v1_common.state.memory import MemoryHotState
from n1v1_common.storage.database import connect, migrate
from n1v1_common.storage.journal import Journal, Step
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.main import MIGRATIONS as EXECUTION_MIGRATIONS
from n1v1_execution.rows import fills_effect, orders_effect
from n1v1_portfolio.handlers import PortfolioHandler
from n1v1_portfolio.main import MIGRATIONS as PORTFOLIO_MIGRATIONS

pytestmark = pytest.mark.servers

HOUR_NS = 3_600_000_000_000
TRADES = ((Side.BUY, 30, 30_000), (Side.SELL, 10, 33_000), (Side.BUY, 10, 31_000))
"""Side, hundredths of the base asset, price. From 10,000 they leave 991, 4,287.70 and 1,184.60."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    # A folder that any user may enter: started by root, PostgreSQL runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="n1v1-ledger-"))
    server = PostgresServer(
        folder / "postgres", secrets=folder, log=folder / "postgres.log", durability=Durability.PROCESS
    )
    with asyncio.Runner() as runner:
        try:
            runner.run(server.start())
        except ServerMissing as missing:
            pytest.skip(str(missing))
        yield server
        runner.run(server.stop())
    shutil.rmtree(folder)


@pytest.fixture
def dsn(server: PostgresServer) -> str:
    """A database of its own with the tables of both services, and nothing in them."""
    asyncio.run(_anew(server.url))
    return server.url


async def _anew(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP SCHEMA IF EXISTS portfolio CASCADE; DROP SCHEMA IF EXISTS execution CASCADE")
    await connection.close()
    await migrate(dsn, "portfolio", [PORTFOLIO_MIGRATIONS])
    await migrate(dsn, "execution", [EXECUTION_MIGRATIONS])


@pytest.fixture
def traded(dsn: str) -> str:
    """The database after three trades, as the services write it."""
    asyncio.run(_trade(dsn))
    return dsn


async def _trade(dsn: str) -> None:
    settings = load([], {}, []).settings
    [instrument, *_] = instruments = instruments_of(settings)
    stage = Portfolio(account="main", instruments=instruments, initial_cash=instrument.quanta("10000"))
    handler = PortfolioHandler(
        account="main", stage=stage, instruments=instruments, state=MemoryHotState(), metrics=Metrics()
    )
    fills = [filled(instrument, number, *trade) for number, trade in enumerate(TRADES, 1)]
    by_symbol = {each.symbol: each for each in instruments}
    for schema in ("execution", "portfolio"):
        pool = await connect(dsn, schema)
        journal = await Journal.take_over(pool, MemoryBus(), writer="a test")
        if schema == "execution":
            orders = [order(fill) for fill in fills]
            effects = (orders_effect(orders, by_symbol), fills_effect(fills, by_symbol))
            await journal.commit(Step((), {}, b"", (), effects[:1]))
            await journal.commit(Step((), {}, b"", (), effects[1:]))
        for number, fill in enumerate(fills if schema == "portfolio" else (), 1):
            said = [answer for event in (fill, *marked(instrument, number)) for answer in await handler.handle(event)]
            effects_of_step = handler.effects(said)
            state = orjson.dumps({"handler": handler.snapshot(), "contexts": {}})
            await journal.commit(Step((), {}, state, (), effects_of_step))
        await pool.close()


def filled(instrument: Instrument, number: int, side: Side, hundredths: int, price: int) -> OrderFilled:
    lots, ticks = instrument.lots(str(hundredths / 100)), instrument.ticks(str(price))
    value = instrument.quanta(str(hundredths * price // 100))
    return OrderFilled(
        id=f"filled:{number}",
        ts_ns=number * HOUR_NS,
        order_id=OrderId(f"o-{number}"),
        account="main",
        symbol=instrument.symbol,
        fill_id=FillId(f"simulator:{instrument.symbol}:{number}"),
        trade_id=TradeId(str(number)),
        instance="toy",
        side=side,
        lots=lots,
        ticks=ticks,
        value=value,
        fee=value // 1_000,
        liquidity=Liquidity.TAKER,
        is_final=True,
    )


def order(fill: OrderFilled) -> Order:
    return Order(
        order_id=fill.order_id,
        signal_id=SignalId(f"toy:{fill.symbol}:{fill.trade_id}"),
        account="main",
        instance="toy",
        symbol=fill.symbol,
        side=fill.side,
        type=OrderType.MARKET,
        lots=fill.lots,
        limit_ticks=None,
        time_in_force=TimeInForce.GTC,
        decided_ns=fill.ts_ns,
        valid_until_ns=fill.ts_ns,
        correlation_id="",
        reduce_only=False,
    )


def marked(instrument: Instrument, hour: int) -> tuple[Event, ...]:
    """What makes the account be marked at that hour."""
    ticks = instrument.ticks("32000")
    bar = BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR_NS,
        symbol=instrument.symbol,
        timeframe="1h",
        open_ns=(hour - 1) * HOUR_NS,
        open=ticks,
        high=ticks,
        low=ticks,
        close=ticks,
        volume=1,
    )
    complete = FillsComplete(id=f"fills:{hour}", ts_ns=hour * HOUR_NS, account="main")
    return bar, bars_complete(hour * HOUR_NS, (bar,), hour), complete


def altered(dsn: str, statement: str) -> None:
    async def alter() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"SET session_replication_role = replica; {statement}")
        await connection.close()

    asyncio.run(alter())


def rebuild(dsn: str) -> int:
    return main(["ledger", "rebuild", "--set", f"postgres.dsn={dsn}"])


def test_what_the_ledger_says_is_what_the_services_keep(traded: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rebuild(traded) == 0
    rebuilt, kept, equal = capsys.readouterr().out.splitlines()
    assert rebuilt.split()[1] == kept.split()[1]
    assert rebuilt.endswith("from 4 transactions")
    assert equal == "equal: 1 positions, 3 fills, 3 marks"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE portfolio.positions SET quantity = 4",
            "BTC-USD: the ledger says 0.30000000 for 9100.00000000, realised 300.00000000, fees 15.40000000, "
            "the table of positions 4 for 9100.00000000, realised 300.00000000, fees 15.40000000",
        ),
        ("DELETE FROM portfolio.positions", "the table of positions nothing"),
        (
            "UPDATE portfolio.ledger SET amount = 3.2 WHERE transaction_id LIKE '%:3' AND account = 'expenses:fees'",
            "the ledger cannot be rebuilt: transaction simulator:BTC-USD:3 does not balance",
        ),
        (
            # both sides of the base asset: the transaction balances, and is another trade
            "UPDATE portfolio.ledger SET amount = amount * 2 WHERE transaction_id LIKE '%:2' AND asset = 'BTC'",
            "transaction simulator:BTC-USD:2 says -0.20000000 for -3300.00000000, fee 3.30000000, "
            "the fill -0.10000000 for -3300.00000000, fee 3.30000000",
        ),
        (
            "DELETE FROM portfolio.ledger WHERE transaction_id LIKE '%:2'",
            "cash: the ledger says -2112.10000000, the portfolio service 1184.60000000",
        ),
        (
            "UPDATE portfolio.equity SET cash = cash + 1 WHERE ts_ns = 7200000000000",
            "the account was marked with cash 4288.70000000 at 7200000000000 ns, which no transaction left",
        ),
        (
            "DELETE FROM execution.fills WHERE trade_id = '1'",
            "transaction simulator:BTC-USD:1 is of a fill that execution does not know",
        ),
    ],
    ids=["position", "no position", "one entry", "a whole transaction", "no transaction", "mark", "no fill"],
)
def test_what_was_altered_is_named(traded: str, capsys: pytest.CaptureFixture[str], statement: str, said: str) -> None:
    altered(traded, statement)
    assert rebuild(traded) == 3
    assert said in capsys.readouterr().out


def test_an_empty_ledger_and_a_database_without_one_are_said(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rebuild(dsn) == 1
    assert "the ledger is empty: nothing was traded yet" in capsys.readouterr().err
    altered(dsn, "DROP SCHEMA portfolio CASCADE")
    assert rebuild(dsn) == 1
    assert "there is no ledger in this database yet; n1v1 up makes it" in capsys.readouterr().err

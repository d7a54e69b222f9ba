"""A quarter of trading, played in process, and a real PostgreSQL to report it from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from n1v1.events import Event
from n1v1.execution.stage import Execution
from n1v1.pipeline import Engine
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.stage import Risk
from n1v1.signals.stage import Instance, Signals
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1_common.servers import Durability, ServerMissing
from n1v1_common.servers.postgres import PostgresServer
from n1v1_common.storage.database import connect, migrate
from n1v1_reporting.main import MIGRATIONS
from n1v1_research.datasets import Dataset, load

ACCOUNT = "main"
START_CASH = 10_000 * 10**8


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return load("coinbase-4h", start="2021-01-01", end="2021-04-01")


@pytest.fixture(scope="session")
def events(dataset: Dataset) -> list[Event]:
    venue = SimulatedVenue(dataset.instruments, VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=500_000))
    venue.open_account(ACCOUNT, START_CASH)
    policy = RiskPolicy(
        position_fraction_ppb=100_000_000,
        max_position_ppb=300_000_000,
        max_drawdown_ppb=500_000_000,
        breaker_drawdown_ppb=None,
        max_positions=5,
        cost_ppb=2_000_000,
        valid_for_ns=2 * 4 * 3_600_000_000_000,
    )
    engine = Engine(
        account=ACCOUNT,
        venue=venue,
        signals=Signals(
            instances=[Instance("ema_cross", "ema_cross")], instruments=dataset.instruments, timeframe="4h"
        ),
        risk=Risk(account=ACCOUNT, instruments=dataset.instruments, policy=policy),
        execution=Execution(account=ACCOUNT, venue="simulator"),
        portfolio=Portfolio(account=ACCOUNT, instruments=dataset.instruments, initial_cash=START_CASH),
    )
    return list(engine.run(dataset.steps()))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def dsn() -> AsyncIterator[str]:
    # A folder that any user may enter: started by root, PostgreSQL runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="n1v1-reporting-"))
    server = PostgresServer(
        folder / "postgres", secrets=folder, log=folder / "postgres.log", durability=Durability.PROCESS
    )
    try:
        await server.start()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    yield server.url
    await server.stop()
    shutil.rmtree(folder)


@pytest_asyncio.fixture(loop_scope="session")
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """An empty schema for each test."""
    await migrate(dsn, "reporting", [MIGRATIONS])
    pool = await connect(dsn, "reporting")
    yield pool
    await pool.execute("DROP SCHEMA reporting CASCADE")
    await pool.close()

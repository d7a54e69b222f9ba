"""A venue over twelve hand-made 4-hour bars of BTC and ETH, served in process on a loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from n1v1.events import BarClosed
from n1v1.ids import correlation_id
from n1v1.simulation.venue import VenueRules
from n1v1.values import Instrument
from n1v1_common.telemetry.metrics import Metrics
from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.application import install_venue
from n1v1_exchange_simulator.binance.streams import Streams
from n1v1_exchange_simulator.exchange import Exchange, history_identity
from n1v1_exchange_simulator.journal import Journal, JournalError
from n1v1_exchange_simulator.replay.bars import BarRecording
from n1v1_exchange_simulator.settings import exchange_over
from n1v1_exchange_simulator.simulation_api import Mode
from n1v1_research.datasets import Dataset

FOUR_HOURS = 4 * 3_600_000_000_000
START_NS = 1_577_836_800_000_000_000  # 2020-01-01
USD = 100_000_000
RULES = VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=0)
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")
MAIN = ApiAccount("main", "key-of-main", "secret-of-main", {"USD": 10_000 * USD})
OTHER = ApiAccount("other", "key-of-other", "secret-of-other", {"USD": 500 * USD})


def hand_made_bar(symbol: str, number: int, price: int) -> BarClosed:
    """Opens at `price` dollars, swings by one and closes one up. number: from 0."""
    close_ns = START_NS + (number + 1) * FOUR_HOURS
    return BarClosed(
        id=f"bar:{correlation_id(symbol, close_ns)}:4h",
        ts_ns=close_ns,
        symbol=symbol,
        timeframe="4h",
        open_ns=close_ns - FOUR_HOURS,
        open=price * 100,
        high=(price + 1) * 100,
        low=(price - 1) * 100,
        close=(price + 1) * 100,
        volume=BTC.lots("12.5"),
    )


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """BTC opens at 100, 101, ..., ETH at 10, 11, ...; ETH has no bar at step 3."""
    btc = tuple(hand_made_bar("BTC-USD", number, 100 + number) for number in range(12))
    eth = tuple(hand_made_bar("ETH-USD", number, 10 + number) for number in range(12) if number != 2)
    return Dataset("hand-made", "4h", (BTC, ETH), {"BTC-USD": btc, "ETH-USD": eth}, ())


MakeExchange = Callable[..., Exchange]


@pytest.fixture
def make_exchange(dataset: Dataset, tmp_path: Path) -> Iterator[MakeExchange]:
    """Opens the exchange on the test's journal; each call is a restart of the one before."""
    journals: list[Journal] = []

    def make(*, loops: bool = False) -> Exchange:
        for journal in journals:
            journal.close()
        journals.clear()
        source = BarRecording(dataset, loops=loops)
        opening = {account.name: account.balances for account in (MAIN, OTHER)}
        identity = history_identity(source, RULES, opening)
        journals.append(Journal(tmp_path / "journal", identity=identity, fsync=False))
        return exchange_over(source, RULES, journals[0], opening)

    yield make
    for journal in journals:
        journal.close()


@dataclass(frozen=True)
class Served:
    exchange: Exchange
    url: str
    broken: asyncio.Future[JournalError]
    streams: Streams


@asynccontextmanager
async def serving(exchange: Exchange, mode: Mode) -> AsyncIterator[Served]:
    broken: asyncio.Future[JournalError] = asyncio.get_running_loop().create_future()
    application = web.Application()
    streams = install_venue(application, exchange, [MAIN, OTHER], mode=mode, metrics=Metrics(), broken=broken)
    async with TestServer(application) as server:
        yield Served(exchange, str(server.make_url("")).rstrip("/"), broken, streams)


@pytest.fixture
async def served(make_exchange: MakeExchange) -> AsyncIterator[Served]:
    async with serving(make_exchange(), "lockstep") as venue:
        yield venue


@pytest.fixture
async def served_by_the_clock(make_exchange: MakeExchange) -> AsyncIterator[Served]:
    """In scaled mode; the test moves the clock."""
    async with serving(make_exchange(loops=True), "scaled") as venue:
        yield venue

"""Both ways to a venue against a simulator of its own process that replays a recorded book."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from n1v1.events import BarClosed, BookChanged, BookSnapshot, MarketDataLost, TickerSeen, TradeSeen
from n1v1.values import Instrument
from n1v1_common.instruments import instruments_of
from n1v1_common.settings.load import load
from n1v1_common.settings.service import SETTINGS_VARIABLE, dump_for_service
from n1v1_common.state.rate_budget import BINANCE, Limit, MemoryLedger, RateBudget, Wait
from n1v1_market_data import archived_day
from n1v1_market_data.adapters import venue_instruments
from n1v1_market_data.adapters.binance_market import BinanceMarket
from n1v1_market_data.adapters.binance_rest import BinanceRest
from n1v1_market_data.adapters.ccxt_exchange import binance_at, budgeted_exchange
from n1v1_market_data.adapters.ccxt_market import CcxtMarket
from n1v1_market_data.archive import Archive, day_of
from n1v1_market_data.flow import Flow
from n1v1_market_data.ports import Venue
from n1v1_market_data.silence import Silence
from n1v1_market_data.venue_parts import VenueParts

RECORDED = Path(__file__).parents[3].parent / "shared" / "data" / "book" / "binance" / "BTC-USDT-20240808.ws.gz"
BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
CHANNELS = ("bars", "trades", "book", "ticker")
DEADLINE_S = 60.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venue_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A venue on which a recorded second takes a tenth of one."""
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} is not there: nothing is tried on a simulator with a book")
    async with venue_over(RECORDED, "depth", tmp_path_factory.mktemp("venue")) as url:
        yield url


@asynccontextmanager
async def venue_over(data: Path, quality: str, state: Path, *more: str) -> AsyncIterator[str]:
    options = ["--data", str(data), "--quality", quality, "--speed", "10", "--state", str(state), *more]
    ports = ["--port", "0", "--tls-port", "0", "--admin-port", "0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "n1v1_cli", "venue", *options, *ports, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield await _where(state / "run" / "exchange_simulator.json", process)
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGINT)
            await process.wait()


async def _where(run_file: Path, process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            assert process.returncode is None, "the venue ended at its start"
            try:
                return str(json.loads(run_file.read_text())["url"])  # noqa: ASYNC240 (a few bytes)
            except FileNotFoundError:
                await asyncio.sleep(0.1)


Opened = Callable[[str, VenueParts], Any]


@asynccontextmanager
async def raw(url: str, parts: VenueParts) -> AsyncIterator[Venue]:
    budget = RateBudget(MemoryLedger(BINANCE), BINANCE, key="simulator")
    async with aiohttp.ClientSession() as session:
        rest = BinanceRest(session, url, budget)
        ws_url = url.replace("http", "ws", 1)
        yield BinanceMarket(session, parts, rest=rest, ws_url=ws_url, serves_open_bar=True)


@asynccontextmanager
async def through_ccxt(url: str, parts: VenueParts) -> AsyncIterator[Venue]:
    budget = RateBudget(MemoryLedger(BINANCE), BINANCE, key="simulator")
    config = binance_at(url, url.replace("http", "ws", 1))
    yield CcxtMarket(lambda: budgeted_exchange("binance", budget, config), parts, book_levels=10)


@pytest.mark.parametrize("opened", [raw, through_ccxt])
async def test_trades_books_and_best_prices_come_without_a_gap(venue_url: str, opened: Opened) -> None:
    flow = Flow(100_000, on_loss=lambda loss: None)
    silence = Silence({"trades": 30.0, "book": 30.0}, on_disconnected=lambda: None, clock=lambda: 0.0)
    parts = VenueParts((BTC,), "1m", CHANNELS, flow, silence, {})
    found = await flowing(venue_url, opened, parts, is_enough=has_some_of_everything)
    assert [event for event in found if isinstance(event, MarketDataLost)] == []
    numbers = [int(event.trade_id) for event in found if isinstance(event, TradeSeen)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    check_books([event for event in found if isinstance(event, BookSnapshot | BookChanged)])


async def flowing(
    url: str, opened: Opened, parts: VenueParts, *, is_enough: Callable[[Sequence[Any]], bool]
) -> list[Any]:
    """What comes until it is enough."""
    found: list[Any] = []
    async with opened(url, parts) as venue:
        running = asyncio.ensure_future(venue.run())
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not is_enough(found):
                    assert not running.done(), running.exception()
                    found += await parts.flow.batch(1000)
        finally:
            running.cancel()
            await asyncio.wait([running])
    return found


LEAKY = """
seed = 7

[[faults]]
kind = "drop_message"
event = "trade"
skip = 20
count = 3

[[faults]]
kind = "drop_message"
event = "depthUpdate"
skip = 5
count = 1
"""


@pytest.mark.parametrize("opened", [raw, through_ccxt])
async def test_what_a_venue_swallows_is_reported_and_asked_for_and_the_book_begins_anew(
    tmp_path: Path, opened: Opened
) -> None:
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} is not there: nothing is tried on a simulator with a book")
    faults = tmp_path / "leaky.toml"
    faults.write_text(LEAKY)
    flow = Flow(100_000, on_loss=lambda loss: None)
    silence = Silence({"book": 3.0}, on_disconnected=lambda: None, clock=asyncio.get_running_loop().time)
    parts = VenueParts((BTC,), "1m", ("bars", "trades", "book"), flow, silence, {})

    def has_both(found: Sequence[Any]) -> bool:
        lost = {event.channel for event in found if isinstance(event, MarketDataLost)}
        book_goes_on = bool(found) and isinstance(found[-1], BookSnapshot | BookChanged | TradeSeen)
        return {"trades", "book"} <= lost and book_goes_on and swallowed(found) <= numbers(found)

    async with venue_over(RECORDED, "depth", tmp_path / "state", "--faults", str(faults)) as url:
        found = await flowing(url, opened, parts, is_enough=has_both)
    losses = [event for event in found if isinstance(event, MarketDataLost)]
    assert len(swallowed(found)) >= 3
    assert {loss.lost for loss in losses if loss.channel == "book"} == {None}


def swallowed(found: Sequence[Any]) -> set[int]:
    """Numbers of trades that were reported as lost."""
    losses = [event for event in found if isinstance(event, MarketDataLost) and event.channel == "trades"]
    return {number for loss in losses for number in range(int(loss.first_id), int(loss.last_id) + 1)}


def numbers(found: Sequence[Any]) -> set[int]:
    return {int(event.trade_id) for event in found if isinstance(event, TradeSeen)}


def has_some_of_everything(found: Sequence[Any]) -> bool:
    counts = {kind: sum(isinstance(event, kind) for event in found) for kind in (TradeSeen, TickerSeen)}
    books = sum(isinstance(event, BookSnapshot | BookChanged) for event in found)
    return counts[TradeSeen] > 50 and counts[TickerSeen] > 20 and books > 30


def check_books(events: Sequence[BookSnapshot | BookChanged]) -> None:
    """Changes follow one another, and the book that they make is never crossed."""
    bids, asks = dict[int, int](), dict[int, int]()
    last_id: int | None = None
    for event in events:
        if isinstance(event, BookSnapshot):
            bids, asks, last_id = dict(event.bids), dict(event.asks), event.update_id
        else:
            assert last_id is not None
            assert event.first_update_id <= last_id + 1
            last_id = event.last_update_id
            bids.update(event.bids)
            asks.update(event.asks)
        best_bid = max(ticks for ticks, lots in bids.items() if lots)
        best_ask = min(ticks for ticks, lots in asks.items() if lots)
        assert best_bid < best_ask


async def test_what_ccxt_asks_is_taken_from_the_budget_that_all_share(venue_url: str) -> None:
    limit = Limit(1000, window_ms=10**15)
    budget = RateBudget(MemoryLedger(limit), limit, key="simulator")
    exchange = budgeted_exchange("binance", budget, binance_at(venue_url, venue_url.replace("http", "ws", 1)))
    try:
        await exchange.load_markets()
        await exchange.fetch_order_book("BTC/USDT", 1000)
    finally:
        await exchange.close()
    left = 800 - 20 - 50  # the exchange's information weighs 20, a book 50
    assert isinstance(await budget.try_take(left + 1), Wait)


async def test_both_ways_close_the_same_bars(venue_url: str) -> None:
    closed = await asyncio.gather(*(bars(venue_url, opened, 2) for opened in (raw, through_ccxt)))
    by_close = [{bar.ts_ns: bar for bar in each} for each in closed]
    common = by_close[0].keys() & by_close[1].keys()
    assert common, "they saw different minutes"
    assert all(by_close[0][close_ns] == by_close[1][close_ns] for close_ns in common)
    assert all(bar.ts_ns % 60_000_000_000 == 0 for each in closed for bar in each)


async def bars(url: str, opened: Opened, count: int) -> list[BarClosed]:
    parts = VenueParts(
        (BTC,),
        "1m",
        ("bars",),
        Flow(10, on_loss=lambda loss: None),
        Silence({}, on_disconnected=lambda: None, clock=lambda: 0.0),
        {},
    )
    found: list[BarClosed] = []
    async with opened(url, parts) as venue:
        running = asyncio.ensure_future(venue.run())
        try:
            async with asyncio.timeout(DEADLINE_S):
                async for bar in venue.closed_bars(0):
                    found.append(bar)
                    if len(found) == count:
                        return found
        finally:
            running.cancel()
            await asyncio.wait([running])
    return found


@pytest.mark.parametrize(("table", "quality"), [("trades", "trades"), ("book", "depth")])
async def test_what_was_archived_of_a_venue_is_the_same_when_it_is_replayed(
    tmp_path: Path, table: str, quality: str
) -> None:
    """Every trade, to the last; and the book where it ends."""
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} is not there: nothing is tried on a simulator with a book")
    flow = Flow(100_000, on_loss=lambda loss: None)
    parts = VenueParts((BTC,), "1m", CHANNELS, flow, Silence({}, on_disconnected=lambda: None, clock=lambda: 0.0), {})
    async with venue_over(RECORDED, "depth", tmp_path / "first") as url:
        found = await flowing(url, raw, parts, is_enough=has_some_of_everything)
    archive = Archive(tmp_path / "archive", [BTC], now_ns=lambda: 0)
    archive.keep(of_one_clock(found))
    await archive.flush()
    day = day_of(next(event.ts_ns for event in found if isinstance(event, TradeSeen)))
    file = tmp_path / f"BTC-USDT-{day}{'.ws.gz' if table == 'book' else '.parquet'}"
    assert archived_day.main([table, str(tmp_path / "archive"), "BTC-USDT", day, "--to", str(file)]) == 0

    async with (
        venue_over(file, quality, tmp_path / "second") as url,
        aiohttp.ClientSession() as session,
    ):
        await until_the_end(session, url)
        trades = await asked(session, f"{url}/api/v3/historicalTrades?symbol=BTCUSDT&limit=1000")
        book = await asked(session, f"{url}/api/v3/depth?symbol=BTCUSDT&limit=5000")
    kept = [content(event) for event in found if isinstance(event, TradeSeen)]
    first_ns = kept[0][0] if table == "trades" else book_begins_ns(found)
    assert [content_of_row(row) for row in trades] == [trade for trade in kept if trade[0] >= first_ns]
    if table == "book":
        assert sides_of(book) == rebuilt(found)


async def until_the_end(session: aiohttp.ClientSession, url: str) -> None:
    """Of the recording."""
    async with asyncio.timeout(DEADLINE_S):
        while (await asked(session, f"{url}/simulation/v1/clock"))["next_ns"] is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def asked(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def content_of_row(row: dict[str, Any]) -> tuple[int, int, int, bool]:
    return (row["time"] * 1_000_000, BTC.ticks(row["price"]), BTC.lots(row["qty"]), row["isBuyerMaker"])


Sides = tuple[dict[int, int], dict[int, int]]


def sides_of(book: dict[str, Any]) -> Sides:
    sides = [{BTC.ticks(price): BTC.lots(lots) for price, lots in book[side]} for side in ("bids", "asks")]
    return sides[0], sides[1]


def rebuilt(found: Sequence[Any]) -> Sides:
    """The book as the archive has it at its end."""
    bids, asks = dict[int, int](), dict[int, int]()
    for event in found:
        if isinstance(event, BookSnapshot):
            bids, asks = dict(event.bids), dict(event.asks)
        elif isinstance(event, BookChanged):
            bids.update(event.bids)
            asks.update(event.asks)
    shown = [{ticks: lots for ticks, lots in side.items() if lots} for side in (bids, asks)]
    return shown[0], shown[1]


def book_begins_ns(found: Sequence[Any]) -> int:
    """When the first change of the book was: a replay of depth begins there."""
    return int(next(event.ts_ns for event in found if isinstance(event, BookChanged)))


def content(trade: TradeSeen) -> tuple[int, int, int, bool]:
    """All but its number: a venue numbers its trades itself."""
    return (trade.ts_ns, trade.ticks, trade.lots, trade.is_buyer_maker)


def of_one_clock(found: Sequence[Any]) -> list[Any]:
    """The snapshot of a replayed book comes with today's time, as the venue says none; its day is the recorded one."""
    recorded_ns = next(event.ts_ns for event in found if isinstance(event, BookChanged))
    return [
        dataclasses.replace(event, ts_ns=recorded_ns) if isinstance(event, BookSnapshot) else event for event in found
    ]


async def test_a_live_venue_is_asked_for_its_grids(
    venue_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load((), {}, (*LIVE, f"paths.state_dir={tmp_path}", f"exchange.rest_url={venue_url}"))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(tmp_path / "settings.json"))
    dump_for_service(settings, tmp_path / "settings.json")
    assert await asyncio.to_thread(venue_instruments.main) == 0
    [found] = instruments_of(settings.settings)
    assert found.symbol == "BTC-USDT"
    assert capsys.readouterr().out.startswith(f"BTC-USDT: tick {found.tick_size:f}, step ")
    async with aiohttp.ClientSession() as session, session.get(f"{venue_url}/api/v3/exchangeInfo") as answer:
        [said] = (await answer.json())["symbols"]
    filters = {each["filterType"]: each for each in said["filters"]}
    assert Decimal(filters["PRICE_FILTER"]["tickSize"]) == found.tick_size
    assert found.quantity(found.step_lots) % Decimal(filters["LOT_SIZE"]["stepSize"]) == 0
    assert Decimal(filters["NOTIONAL"]["minNotional"]) == found.cash(found.min_notional)


async def test_a_venue_that_does_not_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load((), {}, (*LIVE, f"paths.state_dir={tmp_path}", "exchange.rest_url=http://127.0.0.1:9"))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(tmp_path / "settings.json"))
    dump_for_service(settings, tmp_path / "settings.json")
    assert await asyncio.to_thread(venue_instruments.main) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert not (tmp_path / "instruments.json").exists()


LIVE = (
    "environment.mode=live",
    "environment.i_understand_live=true",
    "exchange.name=binance",
    "exchange.testnet=true",
    "exchange.api_key=k1",
    "exchange.api_secret=s1",
    "market.symbols=BTC-USDT",
    "strategies.active_strategies=ema_cross",
    "risk_management.max_position_size=0.02",
    "risk_management.max_drawdown=0.1",
    "risk_management.max_daily_drawdown=0.05",
    "risk_management.position_fraction=0.01",
    "risk_management.require_stop_loss=true",
)

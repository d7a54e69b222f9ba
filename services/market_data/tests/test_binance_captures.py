"""Recorded messages of Binance through the raw path: everything is read exactly, and a real book has no gap."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from n1v1.events import BookChanged, BookSnapshot
from n1v1.values import Instrument
from n1v1_market_data.adapters.binance_messages import BinanceMessages
from n1v1_market_data.continuity import BookRun, Follows, TradeRun

DATA = Path(__file__).parents[3].parent / "shared" / "data"
BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
MESSAGES = BinanceMessages([BTC], "1m")


def here(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there: what Binance sends is not tested")
    return path


def recorded() -> Iterator[dict[str, Any]]:
    """The stream's messages, and a snapshot as REST gave it somewhere among them."""
    with gzip.open(here("book/binance/BTC-USDT-20240808.ws.gz"), "rt") as file:
        for line in file:
            message = json.loads(line.split(" ", 1)[1])
            yield message.get("data", message)


def price_and_size(level: tuple[int, int]) -> tuple[Decimal, Decimal]:
    return level[0] * BTC.tick_size, level[1] * BTC.lot_size


class Book:
    """The levels as they are."""

    def __init__(self) -> None:
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def take(self, event: BookSnapshot | BookChanged) -> None:
        self._bids.update(event.bids)
        self._asks.update(event.asks)

    def best(self) -> tuple[int, int]:
        bids = [ticks for ticks, lots in self._bids.items() if lots]
        asks = [ticks for ticks, lots in self._asks.items() if lots]
        return max(bids), min(asks)


def test_a_recorded_book_is_bridged_has_no_gap_and_has_the_best_prices_that_the_venue_says() -> None:
    run, book = BookRun(), Book()
    said: dict[int, tuple[int | None, int | None]] = {}  # best prices by the number of the book's state
    compared = 0
    for message in recorded():
        if "lastUpdateId" in message:
            snapshot = MESSAGES.book_snapshot("BTCUSDT", message, 0)
            waited = run.begin(snapshot)
            assert waited is not None, "the snapshot does not bridge"
            book.take(snapshot)
            for each in waited:
                book.take(each)
        elif message.get("e") == "depthUpdate":
            change = MESSAGES.book_change(message)
            follows = run.follow(change)
            assert follows is not Follows.BREAKS, f"a gap before {change.first_update_id}"
            if follows is Follows.YES:
                book.take(change)
                if change.last_update_id in said:
                    assert book.best() == said[change.last_update_id]
                    compared += 1
        elif "e" not in message and "u" in message:
            ticker = MESSAGES.ticker(message, 0)
            said[message["u"]] = (ticker.bid_ticks, ticker.ask_ticks)
    assert compared > 50


def test_recorded_trades_are_read_exactly_and_without_a_gap() -> None:
    run = TradeRun()
    count = 0
    for message in recorded():
        if message.get("e") == "trade":
            trade = MESSAGES.trade(message)
            assert run.follow(message["t"]) == range(message["t"], message["t"]) or count == 0
            assert price_and_size((trade.ticks, trade.lots)) == (Decimal(message["p"]), Decimal(message["q"]))
            count += 1
    assert count > 1000


def answer(name: str) -> Any:
    return json.loads(here(f"venue-payloads/binance/spot/http_json/{name}.json").read_text())


def test_recorded_answers_of_rest_are_read() -> None:
    fine = Instrument(
        symbol="BTC-USDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.00000001"),
        step_lots=100_000_000,
        max_price=Decimal(100),
        max_quantity=Decimal("0.01"),
    )
    messages = BinanceMessages([fine], "1w")
    (row,) = answer("klines_response")
    bar = messages.recorded_bar("BTCUSDT", row)
    assert (bar.open, bar.high, bar.low, bar.close) == (1_634_790, 80_000_000, 1_575_800, 1_577_100)
    assert (bar.volume, bar.open_ns // 1_000_000, bar.ts_ns // 1_000_000 - 1) == (14_897_611_427_815, row[0], row[6])

    book = messages.book_snapshot("BTCUSDT", answer("depth_response"), 7)
    assert (book.update_id, book.bids) == (1_027_024, ((400_000_000, 43_100_000_000),))
    (recorded_trade,) = answer("trades_response")
    trade = messages.recorded_trade("BTCUSDT", recorded_trade)
    assert (trade.trade_id, trade.ticks, trade.lots, trade.is_buyer_maker) == (
        "28457",
        400_000_100,
        1_200_000_000,
        True,
    )


def test_an_unfinished_kline_is_no_bar() -> None:
    path = here("ws-captures/binance/BINANCE.ws.1.0.gz")
    nkn = Instrument(
        symbol="NKN-USDT",
        base="NKN",
        quote="USDT",
        tick_size=Decimal("0.0001"),
        step_lots=10_000,
        max_price=Decimal(100),
        max_quantity=Decimal(90_000),
    )
    with gzip.open(path, "rt") as file:
        found = [json.loads(line.split(": ", 1)[1])["data"]["k"] for line in file if 'nknusdt@kline_1m","data' in line]
    assert found
    for kline in found:
        assert not kline["x"]
        assert BinanceMessages([nkn], "1m").closed_bar(kline) is None
        bar = BinanceMessages([nkn], "1m").closed_bar(kline | {"x": True})
        assert bar is not None
        assert bar.close == nkn.ticks(kline["c"])

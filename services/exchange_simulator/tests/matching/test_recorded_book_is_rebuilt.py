"""Six minutes of Binance's BTC-USDT, as captured: the engine's book is the venue's own best bid and ask all the way."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from n1v1.values import Instrument, OrderType, Side, TimeInForce
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, Level, MarketEvent, PublicTrade
from n1v1_exchange_simulator.matching import MatchingRules, MatchingVenue
from n1v1_exchange_simulator.venue import NewOrder, OrderStatus, Refused

CAPTURE = Path(__file__).parents[5] / "shared/data/book/binance/BTC-USDT-20240808.ws.gz"
BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not CAPTURE.exists(), reason=f"needs the recorded book {CAPTURE.name}"),
]


def levels(rows: list[list[str]]) -> tuple[Level, ...]:
    return tuple((BTC.ticks(price), BTC.lots(quantity)) for price, quantity in rows)


@pytest.fixture(scope="module")
def messages() -> list[dict[str, Any]]:
    with gzip.open(CAPTURE, "rt") as lines:
        return [json.loads(line.split(" ", 1)[1]) for line in lines]


def events(messages: list[dict[str, Any]]) -> Iterator[MarketEvent]:
    """The snapshot, then every diff that goes on from it, with the trades between them."""
    snapshot = next(message for message in messages if "lastUpdateId" in message)
    last_id = snapshot["lastUpdateId"]
    bids, asks = levels(snapshot["bids"]), levels(snapshot["asks"])
    yield DepthSnapshot(ts_ns=0, symbol=BTC.symbol, last_id=last_id, bids=bids, asks=asks)
    for message in messages:
        data = message.get("data", {})
        ts_ns = data.get("E", 0) * 1_000_000
        if data.get("e") == "depthUpdate" and data["u"] > last_id:
            bids, asks = levels(data["b"]), levels(data["a"])
            yield DepthChange(
                ts_ns=ts_ns, symbol=BTC.symbol, first_id=data["U"], last_id=data["u"], bids=bids, asks=asks
            )
        elif data.get("e") == "trade":
            ((ticks, lots),) = levels([[data["p"], data["q"]]])
            yield PublicTrade(
                ts_ns=ts_ns, symbol=BTC.symbol, number=data["t"], ticks=ticks, lots=lots, is_buyer_maker=data["m"]
            )


def test_the_best_bid_and_ask_are_the_recorded_ones_after_every_diff(messages: list[dict[str, Any]]) -> None:
    tickers = [message["data"] for message in messages if "bookTicker" in message.get("stream", "")]
    ids = [ticker["u"] for ticker in tickers]
    venue = MatchingVenue([BTC], MatchingRules())
    compared = 0
    for event in events(messages):
        venue.apply(event)
        if isinstance(event, DepthChange):
            place = bisect_right(ids, event.last_id)
            if place:
                ticker = tickers[place - 1]
                book = venue.book(BTC.symbol, 1)
                assert book.bids == levels([[ticker["b"], ticker["B"]]]), event.last_id
                assert book.asks == levels([[ticker["a"], ticker["A"]]]), event.last_id
                compared += 1
    assert compared > 3_000
    trades = [message["data"] for message in messages if message.get("data", {}).get("e") == "trade"]
    assert venue.last_ticks(BTC.symbol) == BTC.ticks(trades[-1]["p"])


def test_clients_trade_in_the_recorded_book_and_nothing_is_lost(messages: list[dict[str, Any]]) -> None:
    """Two accounts quote and take every few hundred events; the venue checks conservation after each."""
    venue = MatchingVenue([BTC], MatchingRules(maker_fee_ppb=1_000_000, taker_fee_ppb=1_000_000))
    for account in ("maker", "taker"):
        venue.open_account(account, {"USDT": BTC.quanta(Decimal(10_000_000)), "BTC": BTC.lots(Decimal(100))})
    for count, event in enumerate(events(messages)):
        venue.apply(event)
        book = venue.book(BTC.symbol, 1)
        if count % 300 == 299:
            quote(venue, f"{count}", Side.BUY, book.bids[0][0])
            quote(venue, f"{count}-", Side.SELL, book.asks[0][0])
        if count % 1_000 == 999:
            sweep = order(f"{count}", Side.BUY, None, BTC.lots("5"))
            assert not isinstance(venue.place("taker", sweep), Refused)
        assert not book.bids or not book.asks or book.bids[0][0] < book.asks[0][0]
    filled = [each for each in venue.orders("maker", BTC.symbol) if each.status is OrderStatus.FILLED]
    assert len(filled) > 10
    assert all(each.status is OrderStatus.FILLED for each in venue.orders("taker", BTC.symbol))


def quote(venue: MatchingVenue, name: str, side: Side, ticks: int) -> None:
    answer = venue.place("maker", order(name, side, ticks, BTC.lots("0.01")))
    assert not isinstance(answer, Refused), answer


def order(name: str, side: Side, ticks: int | None, lots: int) -> NewOrder:
    return NewOrder(
        client_order_id=name,
        symbol=BTC.symbol,
        side=side,
        type=OrderType.MARKET if ticks is None else OrderType.LIMIT,
        lots=lots,
        limit_ticks=ticks,
        time_in_force=TimeInForce.GTC,
    )

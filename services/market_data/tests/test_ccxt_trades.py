"""What is missing of a venue's trades through ccxt is said at once, and then asked for; what can be had follows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import ccxt
import pytest

from n1v1.events import MarketDataLost, TradeSeen
from n1v1.values import Instrument
from n1v1_market_data.adapters.ccxt_events import CcxtEvents
from n1v1_market_data.adapters.ccxt_trades import CcxtTrades, Connected
from n1v1_market_data.flow import Flow

BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
NAME = "BTC/USDT"


def trade(number: int, *, at_ms: int | None = None) -> dict[str, Any]:
    """Trades are a second apart, unless it is said."""
    when = 1000 * number if at_ms is None else at_ms
    return {"id": str(number), "symbol": NAME, "timestamp": when, "price": 100.0, "amount": 0.5, "side": "buy"}


class Venue:
    """An exchange as ccxt makes it, with as many trades over REST as a test says. page: rows of an answer."""

    def __init__(self, venue_id: str, recorded: Sequence[Mapping[str, Any]] = (), *, page: int = 1000) -> None:
        self.id = venue_id
        self.recorded = recorded
        self.asked: list[int | None] = []
        self.refuses = False
        self._page = page

    def milliseconds(self) -> int:
        return 999_000

    def market(self, name: str) -> dict[str, Any]:
        return {"symbol": name, "linear": None, "inverse": None}

    async def fetch_trades(
        self, name: str, since_ms: int | None, limit: int, parameters: Mapping[str, str]
    ) -> list[Mapping[str, Any]]:
        self.asked.append(since_ms)
        if self.refuses:
            raise ccxt.RateLimitExceeded("enough")
        later = [row for row in self.recorded if row["timestamp"] >= (since_ms or 0)]
        return later[: self._page] if since_ms is not None else later[-self._page :]


class Listening:
    def __init__(self, venue: Venue, *, last: int | None = None) -> None:
        self.flow = Flow(10_000, on_loss=lambda loss: None)
        self.venue = venue
        events = CcxtEvents(BTC, "1m")
        last_trades = {} if last is None else {BTC.symbol: events.trade(trade(last))}
        self.trades = CcxtTrades({BTC.symbol: events}, self.flow, last_trades)

    async def connection(self, *batches: Sequence[Mapping[str, Any]]) -> None:
        """One that says these, and lasts until everything has been asked that was to be asked."""
        async with asyncio.TaskGroup() as tasks:
            self.trades.connected(self.venue.id, 1000)
            for batch in batches:
                self.trades.take(Connected(self.venue, {NAME: BTC.symbol}, tasks), batch)

    async def told(self) -> list[str]:
        """Numbers of trades, and of what is lost, in order."""
        return [_told(event) for event in await self.flow.batch(10_000)]


def _told(event: object) -> str:
    if isinstance(event, MarketDataLost):
        return f"lost {event.first_id}-{event.last_id}"
    assert isinstance(event, TradeSeen)
    return event.trade_id


async def test_missing_numbers_are_said_where_they_are_missing_and_follow_late() -> None:
    listening = Listening(Venue("kraken", [trade(number) for number in range(1, 9)]))
    await listening.connection([trade(1), trade(2)], [trade(6)])
    assert await listening.told() == ["1", "2", "lost 3-5", "6", "3", "4", "5"]
    assert listening.venue.asked[0] == 2000, "since the last trade that came"


async def test_a_long_gap_is_asked_for_page_by_page() -> None:
    recorded = [trade(number) for number in range(1, 31)]
    listening = Listening(Venue("kraken", recorded, page=7))
    await listening.connection([trade(1)], [trade(30)])
    assert await listening.told() == ["1", "lost 2-29", "30", *map(str, range(2, 30))]


async def test_trades_of_one_moment_that_fall_on_two_pages_come_once() -> None:
    at = {1: 1000, 2: 2000, 3: 2000, 4: 2000, 5: 3000, 6: 4000}
    recorded = [trade(number, at_ms=at_ms) for number, at_ms in at.items()]
    listening = Listening(Venue("kraken", recorded, page=4))
    await listening.connection([trade(1)], [trade(6, at_ms=4000)])
    assert await listening.told() == ["1", "lost 2-5", "6", "2", "3", "4", "5"]


async def test_what_the_venue_does_not_have_any_more_stays_lost() -> None:
    listening = Listening(Venue("binance", [trade(number) for number in range(1, 101)], page=10))
    await listening.connection([trade(1)], [trade(100)])
    assert await listening.told() == ["1", "lost 2-99", "100", *map(str, range(91, 100))]
    assert listening.venue.asked == [None], "binance gives single trades of the latest only"


async def test_a_venue_that_refuses_to_answer_leaves_the_loss_as_it_was_said() -> None:
    venue = Venue("coinbase", [trade(number) for number in range(1, 9)])
    venue.refuses = True
    listening = Listening(venue)
    await listening.connection([trade(1)], [trade(4)], [trade(5)])
    assert await listening.told() == ["1", "lost 2-3", "4", "5"]


async def test_what_was_missed_since_the_last_life_is_missing_too() -> None:
    listening = Listening(Venue("kraken", [trade(number) for number in range(1, 9)]), last=5)
    await listening.connection([trade(7), trade(8)])
    assert await listening.told() == ["lost 6-6", "7", "8", "6"]
    assert listening.venue.asked[0] == 5000, "since the last trade that was published"


async def test_without_numbers_nobody_knows_how_many_were_missed_since_the_last_life() -> None:
    listening = Listening(Venue("bybit", [trade(number) for number in range(1, 9)]), last=5)
    await listening.connection([trade(8)])
    await listening.connection([trade(9)])
    assert await listening.told() == ["lost -", "8", "6", "7", "9"], "said once"


async def test_a_first_life_has_missed_nothing() -> None:
    listening = Listening(Venue("bybit", [trade(number) for number in range(1, 9)]))
    await listening.connection([trade(8)])
    assert await listening.told() == ["8"]


async def test_without_numbers_a_lost_connection_is_a_loss_of_unknown_size_and_what_came_meanwhile_follows() -> None:
    listening = Listening(Venue("bybit", [trade(number) for number in range(1, 9)]))
    await listening.connection([trade(1), trade(2)])
    listening.trades.disconnected("bybit", "it broke", 5000)
    await listening.connection([trade(7)], [trade(8)])
    assert await listening.told() == ["1", "2", "lost -", "7", "8", "3", "4", "5", "6"]


@pytest.mark.parametrize("venue_id", ["okx", "somebody"])
async def test_a_venue_that_counts_otherwise_over_rest_is_not_asked(venue_id: str) -> None:
    listening = Listening(Venue(venue_id, [trade(number) for number in range(1, 9)]))
    await listening.connection([trade(1)])
    listening.trades.disconnected(venue_id, "it broke", 5000)
    await listening.connection([trade(5)])
    assert await listening.told() == ["1", "lost -", "5"]
    assert listening.venue.asked == []

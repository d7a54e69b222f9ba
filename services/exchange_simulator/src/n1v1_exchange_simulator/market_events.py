"""What happens in a market for everybody to see: recorded, and replayed; or made by the venue's own clients.

Prices are ticks, quantities lots, times nanoseconds UTC. Bars are `n1v1.events.BarClosed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from n1v1.events import BarClosed

Level = tuple[int, int]
"""(ticks, lots): what rests at a price. No lots: the level is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """number: counts per symbol. is_buyer_maker: the seller took."""

    ts_ns: int
    symbol: str
    number: int
    ticks: int
    lots: int
    is_buyer_maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateTrade:
    """What one taker had at one price: its trades' numbers are `first` to `last`. number: counts per symbol."""

    ts_ns: int
    symbol: str
    number: int
    first: int
    last: int
    ticks: int
    lots: int
    is_buyer_maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedBar(BarClosed):
    """A bar that was made of trades, and what only they tell. value, taker_value: in ticks times lots. taker_lots: of
    buyers who took. first_trade, last_trade: None where there was none."""

    trades: int = 0
    first_trade: int | None = None
    last_trade: int | None = None
    value: int = 0
    taker_lots: int = 0
    taker_value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthChange:
    """Levels that are now so. first_id, last_id: ids of the updates that it sums up, without a gap to the last one."""

    ts_ns: int
    symbol: str
    first_id: int
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthSnapshot:
    """The whole book, best first."""

    ts_ns: int
    symbol: str
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


MarketEvent = BarClosed | PublicTrade | AggregateTrade | DepthChange | DepthSnapshot


def same_taker(trade: PublicTrade, next_trade: PublicTrade) -> bool:
    """Whether two trades in a row look like one taker's at one price."""
    return (trade.ts_ns, trade.ticks, trade.is_buyer_maker, trade.symbol) == (
        next_trade.ts_ns,
        next_trade.ticks,
        next_trade.is_buyer_maker,
        next_trade.symbol,
    )


class MarketListener(Protocol):
    """Who is told what everybody may see, as it happens."""

    def on_market(self, events: Sequence[MarketEvent]) -> None:
        """Depth is the venue's book: recorded levels and what its clients have resting, less what they have taken.
        Trades are recorded ones and those of clients, numbered in one row."""


class PublicMarket(Protocol):
    """What anybody may ask of a venue's market."""

    def book(self, symbol: str, levels: int) -> DepthSnapshot:
        """The best levels of each side; none where the venue has only bars and nobody rests."""

    def recent_trades(self, symbol: str) -> Sequence[PublicTrade]:
        """The newest, by number."""

    def recent_aggregates(self, symbol: str) -> Sequence[AggregateTrade]:
        """The newest, by number."""

    def bars(self, symbol: str, timeframe: str) -> Sequence[BarClosed]:
        """Closed ones, oldest first; made from what the venue has seen, or recorded. Raises InvalidValue for a
        timeframe that cannot be made."""

    def open_bar(self, symbol: str, timeframe: str) -> BarClosed | None:
        """The bar that is not closed yet, so far; None where the venue has only bars."""

    def last_ticks(self, symbol: str) -> int | None: ...

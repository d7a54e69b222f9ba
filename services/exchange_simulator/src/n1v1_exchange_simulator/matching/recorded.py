"""What the market is recorded to have done, done to the book: levels change, and our resting orders get their share."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from n1v1.rounding import whole_steps
from n1v1.values import Instrument
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, PublicTrade
from n1v1_exchange_simulator.matching.book import BookSide, Level
from n1v1_exchange_simulator.matching.orders import MatchedOrder


class Engine(Protocol):
    """Where trades are made."""

    def trade(self, taker: MatchedOrder | None, maker: MatchedOrder | None, ticks: int, lots: int) -> None: ...

    def print(self, ticks: int, lots: int, *, is_buyer_maker: bool) -> None:
        """A trade among others."""


class RecordedMarket:
    """tape_trades: as in `MatchingRules`."""

    def __init__(
        self, engine: Engine, instrument: Instrument, bids: BookSide, asks: BookSide, *, tape_trades: int
    ) -> None:
        self._engine = engine
        self._instrument = instrument
        self._bids = bids
        self._asks = asks
        self._tape: deque[int] | None = deque(maxlen=tape_trades) if tape_trades else None
        """Lots of the last recorded trades, while nothing else is known of the market."""
        bids.is_recorded = asks.is_recorded = self._tape is None

    def on_depth(self, event: DepthSnapshot | DepthChange) -> None:
        step = self._instrument.step_lots
        if self._tape is not None:
            self._forget_tape()
        for side, levels in ((self._bids, event.bids), (self._asks, event.asks)):
            whole = [(ticks, lots - lots % step) for ticks, lots in levels]
            if isinstance(event, DepthSnapshot):
                side.say_all(whole)
            else:
                for ticks, lots in whole:
                    side.say(ticks, lots)
        self.uncross()

    def on_trade(self, event: PublicTrade) -> None:
        """A recorded taker would have met our orders: those at better prices whole, those at his price by the queue."""
        left = whole_steps(self._instrument, event.lots)
        for side in (self._bids, self._asks):
            while (own := side.best_own()) is not None and _is_printed_through(
                own.ticks, event.ticks, side is self._bids
            ):
                order = next(iter(own.queue.values()))
                self._engine.trade(None, order, own.ticks, order.shown_lots)
        side = self._bids if event.is_buyer_maker else self._asks
        level = side.level(event.ticks)
        if level is not None:
            left -= self._meet_queue(level, left)
        if left:
            self._engine.print(event.ticks, left, is_buyer_maker=event.is_buyer_maker)
        if self._tape is not None:
            self._lay_tape(self._tape, event)

    def uncross(self) -> None:
        """Recorded orders have come to where ours rest: whoever sent them would have traded with us."""
        self._uncross(self._bids, self._asks)
        self._uncross(self._asks, self._bids)

    def _uncross(self, side: BookSide, other: BookSide) -> None:
        while (own := side.best_own()) is not None and (external := other.best_external()) is not None:
            order = next(iter(own.queue.values()))
            if not other.is_within(external.ticks, own.ticks):
                return
            lots = min(order.shown_lots, external.external)
            other.take_recorded(external.ticks, lots)
            self._engine.trade(None, order, own.ticks, lots)

    def _lay_tape(self, tape: deque[int], event: PublicTrade) -> None:
        """Without a recorded book: what was taken stands there again, and the other side a tick away."""
        tape.append(whole_steps(self._instrument, event.lots))
        bid = event.ticks if event.is_buyer_maker else event.ticks - 1
        for side, ticks in ((self._bids, bid), (self._asks, bid + 1)):
            side.say_all([(ticks, sum(tape))] if ticks > 0 else [])
        self.uncross()

    def _forget_tape(self) -> None:
        self._tape = None
        for side in (self._bids, self._asks):
            side.say_all(())
            side.is_recorded = True

    def _meet_queue(self, level: Level, lots: int) -> int:
        """A recorded taker of `lots` at one price. Answers how many of them he had from our orders."""
        left, filled = lots, 0
        while left and level.queue:
            order = next(iter(level.queue.values()))
            before = min(left, order.ahead_lots)
            left -= before
            level.traded += before
            level.pass_queue(before)
            taken = min(left, order.shown_lots)
            if taken:
                self._engine.trade(None, order, level.ticks, taken)
                left -= taken
                filled += taken
        level.traded += left
        return filled


def _is_printed_through(own_ticks: int, ticks: int, is_bid: bool) -> bool:
    return ticks < own_ticks if is_bid else ticks > own_ticks

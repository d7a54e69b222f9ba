"""What the market is recorded to have done, done to the book: levels change, and our resting orders get their share."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from n1v1.rounding import whole_steps
from n1v1.values import Instrument
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, PublicTrade
from n1v1_exchange_simulator.matching.book import BookSide, Level
from n1v1_exchange_simulator.matching.orders import MatchedOrder
from n1v1_exchange_simulator.matching.participation import Participation, TradedVolume


class Engine(Protocol):
    """Where trades are made, and orders wait that may not trade."""

    def wait(self, order: MatchedOrder) -> None: ...

    def trade(self, taker: MatchedOrder | None, maker: MatchedOrder | None, ticks: int, lots: int) -> None: ...

    def print(self, ticks: int, lots: int, *, is_buyer_maker: bool) -> None:
        """A trade among others."""


class RecordedMarket:
    """volume: is told of what was recorded. tape_trades: as in `MatchingRules`."""

    def __init__(
        self,
        engine: Engine,
        instrument: Instrument,
        bids: BookSide,
        asks: BookSide,
        *,
        volume: TradedVolume,
        participation: Participation,
        tape_trades: int,
    ) -> None:
        self._engine = engine
        self._instrument = instrument
        self._bids = bids
        self._asks = asks
        self._volume = volume
        self._participation = participation
        self._now_ns = 0
        self._tape: deque[int] | None = deque(maxlen=tape_trades) if tape_trades else None
        """Lots of the last recorded trades, while nothing else is known of the market."""
        bids.is_recorded = asks.is_recorded = self._tape is None

    def on_depth(self, event: DepthSnapshot | DepthChange, *, is_open: bool) -> None:
        """is_open: whether orders meet where levels cross."""
        self._now_ns = max(self._now_ns, event.ts_ns)
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
        if is_open:
            self.uncross()

    def on_trade(self, event: PublicTrade) -> None:
        """A recorded taker would have met our orders: those at better prices whole, those at his price by the queue."""
        self._now_ns = max(self._now_ns, event.ts_ns)
        left = whole_steps(self._instrument, event.lots)
        self._volume.add(self._now_ns, left)
        for side in (self._bids, self._asks):
            while (own := side.best_own()) is not None and _is_printed_through(
                own.ticks, event.ticks, side is self._bids
            ):
                order = next(iter(own.queue.values()))
                lots = self._allowed(order.shown_lots)
                if not lots:
                    break
                self._engine.trade(None, order, own.ticks, lots)
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
            lots = self._allowed(min(order.shown_lots, external.external))
            if not lots:
                self._engine.wait(order)
                continue
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
            taken = self._allowed(min(left, order.shown_lots))
            if taken:
                self._engine.trade(None, order, level.ticks, taken)
                left -= taken
                filled += taken
            elif left:
                break  # the rest of his trade was with others
        level.traded += left
        return filled

    def _allowed(self, lots: int) -> int:
        """How many of them our orders may have."""
        return min(lots, self._participation.left(self._now_ns)) if self._participation.is_capped else lots


def _is_printed_through(own_ticks: int, ticks: int, is_bid: bool) -> bool:
    return ticks < own_ticks if is_bid else ticks > own_ticks

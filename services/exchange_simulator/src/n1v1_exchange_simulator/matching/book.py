"""The book of one symbol: recorded levels, and the orders that clients have resting among them.

At a price, recorded lots stand in the queue as one mass. A resting order knows how many of them come before it: all
that were there when it came. Trades that the market recorded at the price, and our own takers, eat that mass from the
front; what disappears without a trade was cancelled, before and behind the order in proportion.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

from n1v1_exchange_simulator.market_events import Level as PublicLevel
from n1v1_exchange_simulator.matching.orders import MatchedOrder


class Level:
    """recorded: as the market said last. taken: by our takers since. traded: by recorded takers since.

    queue: resting orders by number, first come first served. shown: what the book shows of them.
    """

    __slots__ = ("is_listed", "queue", "recorded", "shown", "taken", "ticks", "traded")

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self.recorded = 0
        self.taken = 0
        self.traded = 0
        self.queue: dict[int, MatchedOrder] = {}
        self.shown = 0
        self.is_listed = False

    @property
    def external(self) -> int:
        """Recorded lots that are still there."""
        return self.recorded - self.taken if self.recorded > self.taken else 0

    @property
    def visible(self) -> int:
        external = self.recorded - self.taken
        return external + self.shown if external > 0 else self.shown

    def pass_queue(self, lots: int) -> None:
        """`lots` of the recorded mass have gone from the front."""
        for order in self.queue.values():
            order.ahead_lots = max(0, order.ahead_lots - lots)


class BookSide:
    """changed: what levels showed before they changed, by price, since somebody last cleared it.

    is_recorded: whether its levels are the market's own; nobody queues behind such as were made of its trades.
    """

    def __init__(self, *, is_bid: bool, step_lots: int, queue_shrinks_by_cancels: bool) -> None:
        self._step_lots = step_lots
        self._by_cancels = queue_shrinks_by_cancels
        self._sign = 1 if is_bid else -1
        self._levels: dict[int, Level] = {}
        self._listed: list[int] = []  # prices times the sign, so that the best is the last
        self._own: list[int] = []
        self.changed: dict[int, int] = {}
        self.is_recorded = True

    def best(self) -> Level | None:
        return self._levels[self._sign * self._listed[-1]] if self._listed else None

    def best_first(self) -> Iterator[Level]:
        """Levels that show something. The side must not change meanwhile."""
        for signed in reversed(self._listed):
            yield self._levels[self._sign * signed]

    def best_own(self) -> Level | None:
        """The best level where a client's order rests."""
        return self._levels[self._sign * self._own[-1]] if self._own else None

    def best_external(self) -> Level | None:
        return next((level for level in self.best_first() if level.external), None)

    def has_own(self) -> bool:
        return bool(self._own)

    def level(self, ticks: int) -> Level | None:
        return self._levels.get(ticks)

    def visible(self, ticks: int) -> int:
        level = self._levels.get(ticks)
        return 0 if level is None else level.visible

    def is_within(self, ticks: int, limit_ticks: int | None) -> bool:
        """Whether a taker with that limit would take at `ticks`."""
        return limit_ticks is None or self._sign * ticks >= self._sign * limit_ticks

    def top(self, count: int) -> tuple[PublicLevel, ...]:
        prices = self._listed[: -count - 1 : -1] if count else ()
        return tuple((self._sign * signed, self._levels[self._sign * signed].visible) for signed in prices)

    # --- recorded ------------------------------------------------------------------------------------------

    def say(self, ticks: int, lots: int) -> None:
        """The market says that so much rests at a price; whatever our takers took there is forgotten."""
        level = self._levels.get(ticks)
        if level is None:
            if not lots:
                return
            level = self._levels[ticks] = Level(ticks)
        if lots == level.recorded and not level.taken and not level.traded:
            return
        self._before_change(level)
        if level.queue:
            self._shorten_queue(level, lots)
        level.recorded = lots
        level.taken = level.traded = 0
        self._after_change(level)

    def say_all(self, levels: Sequence[PublicLevel]) -> None:
        """The market says what its whole side is."""
        said = dict(levels)
        for ticks in [ticks for ticks in self._levels if ticks not in said]:
            self.say(ticks, 0)
        for ticks, lots in levels:
            self.say(ticks, lots)

    def take_recorded(self, ticks: int, lots: int) -> None:
        """A taker of ours has had `lots` from the front of the recorded mass."""
        level = self._levels[ticks]
        self._before_change(level)
        level.taken += lots
        level.pass_queue(lots)
        self._after_change(level)

    def _shorten_queue(self, level: Level, lots: int) -> None:
        """The recorded mass has become `lots`; what trades do not explain was cancelled."""
        untraded = level.recorded - level.traded
        cancelled = untraded - lots
        for order in level.queue.values():
            if self._by_cancels and cancelled > 0:
                gone = order.ahead_lots * cancelled // untraded
                order.ahead_lots -= gone - gone % self._step_lots
            order.ahead_lots = min(order.ahead_lots, lots)

    # --- clients' --------------------------------------------------------------------------------------------

    def add(self, order: MatchedOrder, ticks: int) -> None:
        """At the end of the queue, with its first slice."""
        level = self._levels.get(ticks)
        if level is None:
            level = self._levels[ticks] = Level(ticks)
        self._before_change(level)
        if not level.queue:
            insort(self._own, self._sign * ticks)
        order.is_resting = True
        self._append(level, order)
        self._after_change(level)

    def remove(self, order: MatchedOrder, ticks: int) -> None:
        level = self._levels[ticks]
        self._before_change(level)
        self._drop(level, order)
        order.is_resting = False
        if not level.queue:
            del self._own[bisect_left(self._own, self._sign * ticks)]
        self._after_change(level)

    def after_fill(self, order: MatchedOrder, ticks: int, lots: int) -> None:
        """`lots` of what it showed, and of what was open, are gone."""
        if not order.open_lots:
            self.remove(order, ticks)
            return
        level = self._levels[ticks]
        self._before_change(level)
        order.shown_lots -= lots
        level.shown -= lots
        if not order.shown_lots:
            self._drop(level, order)
            self._append(level, order)
        self._after_change(level)

    def trim(self, order: MatchedOrder, ticks: int) -> None:
        """Its open lots have become fewer without a fill: it keeps its place."""
        level = self._levels[ticks]
        self._before_change(level)
        surplus = max(0, order.shown_lots - order.open_lots)
        order.shown_lots -= surplus
        level.shown -= surplus
        self._after_change(level)

    def _append(self, level: Level, order: MatchedOrder) -> None:
        order.shown_lots = order.next_slice()
        order.ahead_lots = level.external if self.is_recorded else 0
        level.queue[order.number] = order
        level.shown += order.shown_lots

    def _drop(self, level: Level, order: MatchedOrder) -> None:
        del level.queue[order.number]
        level.shown -= order.shown_lots
        order.shown_lots = 0

    def _before_change(self, level: Level) -> None:
        if level.ticks not in self.changed:
            self.changed[level.ticks] = level.visible

    def _after_change(self, level: Level) -> None:
        is_shown = level.visible > 0
        if is_shown and not level.is_listed:
            insort(self._listed, self._sign * level.ticks)
            level.is_listed = True
        elif level.is_listed and not is_shown:
            del self._listed[bisect_left(self._listed, self._sign * level.ticks)]
            level.is_listed = False
        if not level.recorded and not level.queue:
            del self._levels[level.ticks]

"""What an incoming order would meet in the book: planned first, so that it can be judged before anything happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from n1v1.rounding import notional
from n1v1.values import Instrument
from n1v1_exchange_simulator.matching.book import BookSide, Level
from n1v1_exchange_simulator.matching.costs import Appetite
from n1v1_exchange_simulator.matching.orders import MatchedOrder
from n1v1_exchange_simulator.venue import SelfTradePrevention


class Incoming(NamedTuple):
    account: str
    limit_ticks: int | None
    prevention: SelfTradePrevention


class Step(NamedTuple):
    """maker: None for recorded lots. ticks: what is paid. is_prevented: instead of a trade, self-trade prevention of
    so many lots. level_ticks: where they stand in the book, which is not what is paid where a taker feels his impact.
    """

    maker: MatchedOrder | None
    ticks: int
    lots: int
    is_prevented: bool
    level_ticks: int


class Terms(NamedTuple):
    """Of trades with recorded lots. most_lots: in all; None: no cap. paid_ticks: what is paid at a level, given its
    price and how much is wanted; None: its price."""

    most_lots: int | None = None
    paid_ticks: Callable[[int, int], int] | None = None


AS_SHOWN = Terms()


@dataclass(slots=True)
class Plan:
    """lots, value: of its trades. is_dry: there is nothing more to be had within the limit. is_capped: there would
    have been more recorded lots than it may have."""

    steps: list[Step] = field(default_factory=list)
    lots: int = 0
    value: int = 0
    is_dry: bool = False
    is_capped: bool = False


def plan(
    side: BookSide, incoming: Incoming, appetite: Appetite, instrument: Instrument, terms: Terms = AS_SHOWN
) -> Plan:
    """What `incoming` would take from `side`: best price first, at a price by time. Only `appetite` is changed."""
    return _Planner(side, incoming, appetite, instrument, terms).plan


class _Planner:
    def __init__(
        self, side: BookSide, incoming: Incoming, appetite: Appetite, instrument: Instrument, terms: Terms
    ) -> None:
        self.plan = Plan()
        self._recorded_left, self._paid_ticks = terms
        self._wanted: int | None = None
        self._incoming = incoming
        self._appetite = appetite
        self._instrument = instrument
        self._is_stopped = False
        """Self-trade prevention has ended the incoming order."""
        self.plan.is_dry = True
        for level in side.best_first():
            if not side.is_within(level.ticks, incoming.limit_ticks) or not self._is_hungry(level.ticks):
                break
            self._meet(level)
            if self._is_stopped or not self._is_hungry(level.ticks):
                break

    def _is_hungry(self, ticks: int) -> bool:
        """Whether it would take more at a price, if there were more."""
        self.plan.is_dry = self._appetite.at(self._price(ticks)) > 0 and not self._is_stopped
        return self.plan.is_dry

    def _meet(self, level: Level) -> None:
        """One level: its queue in order, with the recorded mass before, between and behind."""
        passed = 0
        queue = deque((order, order.ahead_lots, order.shown_lots, order.open_lots) for order in level.queue.values())
        while queue and not self._is_stopped and self._appetite.at(level.ticks):
            order, ahead, shown, rest = queue.popleft()
            passed += self._take_recorded(level.ticks, ahead - passed)
            if self._is_own(order):
                self._prevent(order, level.ticks, rest)
                continue
            taken = self._take(order, level.ticks, shown)
            if taken == shown < rest:
                rest -= taken
                queue.append((order, level.external, min(order.request.iceberg_lots, rest), rest))
        if not self._is_stopped:
            self._take_recorded(level.ticks, level.external - passed)

    def _take_recorded(self, level_ticks: int, available: int) -> int:
        ticks = self._price(level_ticks)
        lots = min(self._appetite.at(ticks), available)
        if self._recorded_left is not None:
            if lots > self._recorded_left:
                self.plan.is_capped = True
                lots = self._recorded_left
            self._recorded_left -= max(0, lots)
        return self._have(None, ticks, lots, level_ticks)

    def _take(self, maker: MatchedOrder, ticks: int, available: int) -> int:
        return self._have(maker, ticks, min(self._appetite.at(ticks), available), ticks)

    def _price(self, level_ticks: int) -> int:
        if self._paid_ticks is None:
            return level_ticks
        if self._wanted is None:
            self._wanted = self._appetite.at(level_ticks)
        return self._paid_ticks(level_ticks, self._wanted)

    def _have(self, maker: MatchedOrder | None, ticks: int, lots: int, level_ticks: int) -> int:
        if lots <= 0:
            return 0
        self._appetite.eat(lots, ticks)
        self.plan.steps.append(Step(maker, ticks, lots, False, level_ticks))
        self.plan.lots += lots
        self.plan.value += notional(self._instrument, ticks, lots)
        return lots

    def _is_own(self, order: MatchedOrder) -> bool:
        return order.account == self._incoming.account and self._incoming.prevention is not SelfTradePrevention.NONE

    def _prevent(self, order: MatchedOrder, ticks: int, rest: int) -> None:
        wanted = self._appetite.at(ticks)
        if not wanted:
            return
        match self._incoming.prevention:
            case SelfTradePrevention.EXPIRE_TAKER | SelfTradePrevention.EXPIRE_BOTH:
                self._is_stopped = True
                lots = wanted
            case SelfTradePrevention.DECREMENT:
                lots = min(wanted, rest)
                self._appetite.eat(lots, ticks)
            case _:
                lots = rest
        self.plan.steps.append(Step(order, ticks, lots, True, ticks))

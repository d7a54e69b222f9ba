"""Trades: executions become round trips, and those become the numbers people compare.

Money is integer quanta of the quote currency and stays so; ratios are floats. A statistic that the trades do not
determine raises UndefinedStatistic.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from n1v1.errors import UndefinedStatistic
from n1v1.run_hash import RunRecords
from n1v1.values import Side


class Execution(Protocol):
    """What a round trip is made of; OrderFilled is one."""

    @property
    def ts_ns(self) -> int: ...
    @property
    def order_id(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def side(self) -> Side: ...
    @property
    def lots(self) -> int: ...
    @property
    def value(self) -> int: ...
    @property
    def fee(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """What one closing order ended: the oldest open lots, first in, first out.

    side: BUY for a long position, SELL for a short one. pnl: after the fees of both ends, all in quanta.
    entry_ns: when the oldest of these lots was opened. exit_order_id: the order that closed them.
    """

    symbol: str
    side: Side
    lots: int
    entry_ns: int
    exit_ns: int
    entry_value: int
    exit_value: int
    fees: int
    exit_order_id: str

    @property
    def pnl(self) -> int:
        return (self.exit_value - self.entry_value) * self.side.sign - self.fees

    @property
    def return_fraction(self) -> float:
        """pnl relative to what the entry cost."""
        return self.pnl / self.entry_value if self.entry_value else 0.0


@dataclass(frozen=True, slots=True)
class RecordedExecution:
    ts_ns: int
    order_id: str
    trade_id: str
    symbol: str
    side: Side
    lots: int
    ticks: int
    value: int
    fee: int


def executions_of(records: RunRecords) -> list[RecordedExecution]:
    """The fills with the symbols of their orders, oldest first; ties by order, then by trade id as a number would
    be sorted.
    """
    symbols = {order_id: symbol for order_id, symbol, *_ in records.orders}
    executions = [
        RecordedExecution(ts_ns, order_id, trade_id, symbols[order_id], Side(side), lots, ticks, value, fee)
        for ts_ns, order_id, trade_id, side, lots, ticks, value, fee in records.fills
    ]
    return sorted(executions, key=lambda e: (e.ts_ns, e.order_id, len(e.trade_id), e.trade_id))


def round_trips(executions: Iterable[Execution]) -> list[RoundTrip]:
    """Match closing executions with the oldest open lots of the symbol; in the order of their last exit.

    Executions come oldest first. Parts of one closing order are one round trip. Values and fees of a partly
    closed execution are divided in proportion, rounded down, and its last part takes the rest: nothing is lost.
    """
    matcher = _Matcher()
    for execution in executions:
        matcher.match(execution)
    return sorted(matcher.trips.values(), key=lambda trip: (trip.exit_ns, trip.symbol, trip.exit_order_id))


def win_rate(pnls: Sequence[float]) -> float:
    """Fraction of trades that gained. Raises UndefinedStatistic without trades."""
    if not pnls:
        raise UndefinedStatistic("the win rate of no trades is undefined")
    return sum(pnl > 0 for pnl in pnls) / len(pnls)


def profit_factor(pnls: Sequence[float]) -> float:
    """What the winners gained by what the losers lost; inf when nothing was lost.

    Raises UndefinedStatistic when nothing was gained or lost.
    """
    gained = sum(pnl for pnl in pnls if pnl > 0)
    lost = -sum(pnl for pnl in pnls if pnl < 0)
    if not gained and not lost:
        raise UndefinedStatistic("the profit factor without a gain or a loss is undefined")
    return gained / lost if lost else math.inf


def expectancy(pnls: Sequence[float]) -> float:
    """Mean gain of a trade. Raises UndefinedStatistic without trades."""
    if not pnls:
        raise UndefinedStatistic("the expectancy of no trades is undefined")
    return sum(pnls) / len(pnls)


def kelly_criterion(pnls: Sequence[float]) -> float:
    """The share of capital that maximises growth (Kelly, 1956) if trades go on as they did: W - (1 - W) / R.

    W: the win rate, R: the average win by the average loss. Negative: do not trade this.
    Raises UndefinedStatistic without both a winner and a loser.
    """
    gains, costs = [pnl for pnl in pnls if pnl > 0], [-pnl for pnl in pnls if pnl < 0]
    if not gains or not costs:
        raise UndefinedStatistic("the Kelly criterion needs a winning and a losing trade")
    payoff = (sum(gains) / len(gains)) / (sum(costs) / len(costs))
    won = win_rate(pnls)
    return won - (1.0 - won) / payoff


def longest_streak(pnls: Sequence[float], *, losing: bool) -> int:
    """Most consecutive trades that lost (or gained); a trade of exactly zero ends either."""
    longest = current = 0
    for pnl in pnls:
        current = current + 1 if (pnl < 0 if losing else pnl > 0) else 0
        longest = max(longest, current)
    return longest


def turnover(executions: Iterable[Execution], mean_equity: float, years: float) -> float:
    """How often a year the account's mean equity was traded: 2 is once in and once out.

    Raises UndefinedStatistic without time or equity.
    """
    if mean_equity <= 0 or years <= 0:
        raise UndefinedStatistic("turnover needs a span of time and positive equity")
    return sum(execution.value for execution in executions) / mean_equity / years


@dataclass(slots=True)
class _Part:
    """What is left of one execution: open lots with their share of value and fee."""

    ts_ns: int
    side: Side
    lots: int
    value: int
    fee: int

    def take(self, lots: int) -> _Part:
        """Split off `lots`; the last part takes what rounding left."""
        whole = lots == self.lots
        value = self.value if whole else self.value * lots // self.lots
        fee = self.fee if whole else self.fee * lots // self.lots
        self.lots, self.value, self.fee = self.lots - lots, self.value - value, self.fee - fee
        return _Part(self.ts_ns, self.side, lots, value, fee)


class _Matcher:
    def __init__(self) -> None:
        self.trips: dict[str, RoundTrip] = {}
        self._open: dict[str, deque[_Part]] = {}

    def match(self, execution: Execution) -> None:
        queue = self._open.setdefault(execution.symbol, deque())
        part = _Part(execution.ts_ns, execution.side, execution.lots, execution.value, execution.fee)
        while part.lots and queue and queue[0].side is not part.side:
            lots = min(part.lots, queue[0].lots)
            self._close(execution, queue[0].take(lots), part.take(lots))
            if not queue[0].lots:
                queue.popleft()
        if part.lots:
            queue.append(part)

    def _close(self, execution: Execution, entry: _Part, exit_: _Part) -> None:
        before = self.trips.get(execution.order_id)
        self.trips[execution.order_id] = RoundTrip(
            symbol=execution.symbol,
            side=entry.side,
            lots=entry.lots + (before.lots if before else 0),
            entry_ns=min(entry.ts_ns, before.entry_ns) if before else entry.ts_ns,
            exit_ns=exit_.ts_ns,
            entry_value=entry.value + (before.entry_value if before else 0),
            exit_value=exit_.value + (before.exit_value if before else 0),
            fees=entry.fee + exit_.fee + (before.fees if before else 0),
            exit_order_id=execution.order_id,
        )

"""Statistics of a run: from the marks of an account and its executions to the numbers people compare.

Money comes in as integers (quanta of the quote currency) and stays so in round trips; ratios are floats.
A market that never closes is annualised with 365 days. A statistic that the data does not determine raises
UndefinedStatistic; `summary` turns that into None.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from n1v1.errors import UndefinedStatistic
from n1v1.run_hash import RunRecords
from n1v1.timeframes import timeframe_ns
from n1v1.values import Side

YEAR_NS = 365 * 86_400 * 1_000_000_000
"""Crypto trades every day of the year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of one run. None: the data does not determine it (no trades, a flat curve).

    Fractions: 0.01 is 1 %. Money in quanta. max_drawdown is positive; profit_factor is inf when nothing was lost.
    max_drawdown_bars: the longest time from a peak until it was passed again, or to the end.
    exposure: fraction of marks with an open position.
    """

    start_equity: int
    end_equity: int
    total_return: float
    annualised_return: float | None
    volatility: float | None
    sharpe_ratio: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float
    max_drawdown_bars: int
    exposure: float
    total_trades: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    total_pnl: int
    total_fees: int
    average_win: float | None
    average_loss: float | None
    largest_win: int
    largest_loss: int


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


def summary(
    *, equity: Sequence[int], exposed: Sequence[bool], executions: Iterable[Execution], timeframe: str
) -> Summary:
    """Everything at once.

    equity: marks in quanta, one a bar, the first before anything was traded; at least one.
    exposed: for every mark whether a position was open.
    executions: oldest first.
    """
    executions = list(executions)
    trips = round_trips(executions)
    pnls = [trip.pnl for trip in trips]
    returns = simple_returns(equity) if min(equity) > 0 else []
    per_year = periods_per_year(timeframe)
    gains, costs = [pnl for pnl in pnls if pnl > 0], [pnl for pnl in pnls if pnl < 0]
    return Summary(
        start_equity=equity[0],
        end_equity=equity[-1],
        total_return=total_return(equity),
        annualised_return=_or_none(lambda: annualised_return(equity, per_year)),
        volatility=_or_none(lambda: annualised_volatility(returns, per_year)),
        sharpe_ratio=_or_none(lambda: sharpe_ratio(returns, per_year)),
        sortino=_or_none(lambda: sortino_ratio(returns, per_year)),
        calmar=_or_none(lambda: calmar_ratio(equity, per_year)),
        max_drawdown=max_drawdown(equity),
        max_drawdown_bars=longest_drawdown(equity),
        exposure=sum(exposed) / len(exposed) if exposed else 0.0,
        total_trades=len(trips),
        wins=len(gains),
        losses=len(costs),
        win_rate=_or_none(lambda: win_rate(pnls)),
        profit_factor=_or_none(lambda: profit_factor(pnls)),
        total_pnl=sum(pnls),
        total_fees=sum(execution.fee for execution in executions),
        average_win=sum(gains) / len(gains) if gains else None,
        average_loss=sum(costs) / len(costs) if costs else None,
        largest_win=max(gains, default=0),
        largest_loss=min(costs, default=0),
    )


def summary_of_records(records: RunRecords, timeframe: str) -> Summary:
    """`summary` of what a run recorded. Raises UndefinedStatistic when it has no mark yet."""
    marks = sorted(records.equity)
    if not marks:
        raise UndefinedStatistic("the run has no mark of the account yet")
    return summary(
        equity=[equity for _, _, equity, _ in marks],
        exposed=[any(lots for _, lots, _ in positions) for *_, positions in marks],
        executions=executions_of(records),
        timeframe=timeframe,
    )


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


# --- of the equity curve -----------------------------------------------------------------------------------------


def periods_per_year(timeframe: str) -> float:
    """Bars in a year of 365 days: 2190 for 4h."""
    return YEAR_NS / timeframe_ns(timeframe)


def simple_returns(equity: Sequence[float]) -> list[float]:
    """Change of each mark relative to the one before; one fewer than marks.

    Raises UndefinedStatistic after a mark that is not positive: an account that lost everything has no return.
    """
    if any(mark <= 0 for mark in equity[:-1]):
        raise UndefinedStatistic("returns are undefined after equity reached zero")
    return [after / before - 1.0 for before, after in pairwise(equity)]


def total_return(equity: Sequence[float]) -> float:
    """Last mark relative to the first, minus 1. Raises UndefinedStatistic without a positive first mark."""
    if not equity or equity[0] <= 0:
        raise UndefinedStatistic("total return needs a positive first mark")
    return equity[-1] / equity[0] - 1.0


def annualised_return(equity: Sequence[float], periods_per_year: float) -> float:
    """The constant yearly return that leads from the first mark to the last.

    Raises UndefinedStatistic with fewer than two marks. Over a few days it is arithmetic, not a forecast.
    """
    if len(equity) < 2:
        raise UndefinedStatistic("annualised return needs at least two marks")
    growth = total_return(equity) + 1.0
    if growth <= 0:
        return -1.0
    return _finite_exp(math.log(growth) * periods_per_year / (len(equity) - 1)) - 1.0


def annualised_volatility(returns: Sequence[float], periods_per_year: float) -> float:
    """Sample deviation (n - 1) of per-period returns, times the root of the periods in a year."""
    return _sample_deviation(returns) * math.sqrt(periods_per_year)


def sharpe_ratio(returns: Sequence[float], periods_per_year: float, risk_free_rate: float = 0.0) -> float:
    """Annualised Sharpe ratio of simple per-period returns.

    returns: fractions (0.01 is 1 %), oldest first, at least two. risk_free_rate: per year, as a fraction.
    Sample deviation (n - 1). Assumes independent returns; Lo (2002) says what to do when they are not.

    Raises:
        UndefinedStatistic: fewer than two returns, or no variation. A flat curve has no Sharpe ratio.
    """
    deviation = _sample_deviation(returns)
    if deviation <= _rounding_noise(returns):
        raise UndefinedStatistic("the Sharpe ratio of returns without variation is undefined")
    excess = math.fsum(returns) / len(returns) - risk_free_rate / periods_per_year
    return excess / deviation * math.sqrt(periods_per_year)


def sortino_ratio(returns: Sequence[float], periods_per_year: float, target: float = 0.0) -> float:
    """Annualised mean excess over `target` (per period) by the downside deviation (Sortino and van der Meer, 1991).

    The downside deviation is taken over all periods, those above the target counting as zero.
    Raises UndefinedStatistic without returns, or when none is below the target.
    """
    if not returns:
        raise UndefinedStatistic("the Sortino ratio needs at least one return")
    downside = math.sqrt(math.fsum(min(r - target, 0.0) ** 2 for r in returns) / len(returns))
    if downside == 0.0:
        raise UndefinedStatistic("the Sortino ratio without a return below the target is undefined")
    return (math.fsum(returns) / len(returns) - target) / downside * math.sqrt(periods_per_year)


def calmar_ratio(equity: Sequence[float], periods_per_year: float) -> float:
    """Annualised return by maximum drawdown, over the whole curve. Raises UndefinedStatistic without a drawdown."""
    deepest = max_drawdown(equity)
    if deepest == 0.0:
        raise UndefinedStatistic("the Calmar ratio without a drawdown is undefined")
    return annualised_return(equity, periods_per_year) / deepest


def drawdowns(equity: Sequence[float]) -> list[float]:
    """For every mark how far it is below the highest so far, as a positive fraction of that."""
    peak, fractions = 0.0, []
    for mark in equity:
        peak = max(peak, mark)
        fractions.append(1.0 - mark / peak if peak > 0 else 0.0)
    return fractions


def max_drawdown(equity: Sequence[float]) -> float:
    """The deepest of `drawdowns`; 0 for a curve that never fell."""
    return max(drawdowns(equity), default=0.0)


def longest_drawdown(equity: Sequence[float]) -> int:
    """Most consecutive marks below an earlier peak."""
    longest = current = 0
    for fraction in drawdowns(equity):
        current = current + 1 if fraction > 0 else 0
        longest = max(longest, current)
    return longest


# --- of the trades -----------------------------------------------------------------------------------------------


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


def _or_none(statistic: Callable[[], float]) -> float | None:
    try:
        return statistic()
    except UndefinedStatistic:
        return None


def _sample_deviation(returns: Sequence[float]) -> float:
    if len(returns) < 2:
        raise UndefinedStatistic(f"a deviation needs at least two returns, got {len(returns)}")
    mean = math.fsum(returns) / len(returns)
    return math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))


def _rounding_noise(returns: Sequence[float]) -> float:
    """Deviations below this come from binary fractions: the returns are meant to be equal."""
    return 1e-14 * max(abs(r) for r in returns)


def _finite_exp(exponent: float) -> float:
    try:
        return math.exp(exponent)
    except OverflowError:
        raise UndefinedStatistic("the annualised return is too large for a number: the run is too short") from None

"""Bar times at which nothing happens, passed over without asking every stage.

Strategies see bars only, and most bars say nothing: no signal, no order that the bar reaches, no limit of the account
that its equity reaches. What a bar time must be like to be passed over stands here, in `loud_times`; that a run with
it is the run without it is tested event by event and stage by stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from n1v1.bars import BarRow
from n1v1.equity_rows import EquityRows
from n1v1.events import SignalRaised

if TYPE_CHECKING:  # as in pipeline.py
    from n1v1.execution.stage import Execution
    from n1v1.portfolio.stage import Portfolio
    from n1v1.risk.stage import Risk
    from n1v1.signals.stage import Signals


class QuietBars(NamedTuple):
    """A bar strictly between low and high, within from_ns and until_ns, changes no order at the venue."""

    low: int
    high: int
    from_ns: int
    until_ns: int


class QuietEquity(NamedTuple):
    """An equity above `above` and at most `most`, marked before until_ns, changes nothing but the equity."""

    above: int
    most: int
    until_ns: int


NO_EQUITY = QuietEquity(0, 0, 0)


class QuietVenue(Protocol):
    def quiet_bars(self, symbol: str) -> QuietBars: ...

    def pass_bar(self, bar: BarRow) -> None: ...


class FastForward:
    """Finds the bar times of a run at which something happens, and keeps the stages in step over the others."""

    def __init__(
        self, *, venue: QuietVenue, signals: Signals, risk: Risk, execution: Execution, portfolio: Portfolio
    ) -> None:
        self._venue = venue
        self._signals = signals
        self._risk = risk
        self._execution = execution
        self._portfolio = portfolio

    def loud_times(
        self, bar_times: Iterable[tuple[BarRow, ...]], marks: EquityRows
    ) -> Iterator[tuple[tuple[BarRow, ...], Sequence[SignalRaised]]]:
        """The bar times that are not quiet, with what strategies say of them. What is passed over goes to `marks`.

        A bar time is quiet when it has one bar, of the only symbol that has a mark; no strategy raises a signal; the
        bar changes no order; no part of an order is due; and the account's equity at its close changes nothing else.
        """
        coming, hear = iter(bar_times), self._signals.hear
        add_time, add_equity, add_mark = marks.appenders()
        bars: tuple[BarRow, ...] | None = ()
        while bars is not None:
            symbol, cash, tick_worth = self._portfolio.only_holding()
            low, high, previous_ns, last_ns = self._venue.quiet_bars(symbol)
            above, most, wake_ns = self._risk.quiet_equity()
            end_ns, passed, equity = min(last_ns, wake_ns, self._execution.wake_ns), None, 0
            for bars in coming:
                bar = bars[0]
                raised = hear(bar) if len(bars) == 1 else [signal for each in bars for signal in hear(each)]
                of, _, opened_ns, ts_ns, _, highest, lowest, close, _ = bar
                if raised or not (low < lowest and highest < high and previous_ns <= opened_ns < ts_ns < end_ns):
                    break
                worth = cash + close * tick_worth
                if not above < worth <= most or of != symbol or len(bars) > 1:
                    break
                add_time(ts_ns)
                add_equity(worth)
                add_mark(close)
                passed, equity, previous_ns = bar, worth, ts_ns
            else:
                bars = None
            if passed is not None:
                self._pass(passed, equity)
            if bars is not None:
                self._signals.complete(bars[0].ts_ns)
                yield bars, raised

    def _pass(self, bar: BarRow, equity: int) -> None:
        """Bring every stage to where all the bars up to this one would have brought it."""
        self._signals.complete(bar.ts_ns)
        self._venue.pass_bar(bar)
        self._execution.move_market(bar.ts_ns)
        self._portfolio.pass_bar(bar, equity)
        self._risk.pass_bar(bar, equity)

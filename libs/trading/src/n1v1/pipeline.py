"""Who hears what: the whole system on one page.

`HEARS` is the definition of the flow. The in-process engine below runs it; the services subscribe by it. Read it
from top to bottom and you have followed a bar from the venue to the account's equity and back to an order. A backtest
plays it without the watermarks, which one process does not need: see `Engine.play`.

    market_data ──> signals ──> risk ──> execution ──> portfolio
                                  ^          │  ^           │
                                  │<──fills──┘  └─> venue   │
                                  └────────── equity <──────┘
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from n1v1.bars import BarRow, ClosedBar
from n1v1.equity_rows import EquityRows
from n1v1.events import (
    BarClosed,
    BarsComplete,
    BreakerChanged,
    BreakerCommand,
    CancelOrder,
    DecisionsComplete,
    EquityMarked,
    Event,
    FillsComplete,
    HaltsChanged,
    OperatorCommand,
    OrderApproved,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    Outcome,
    SignalRaised,
    SignalsComplete,
    SubmitOrder,
    SubmitOrderList,
    VenueCommand,
    VenueReport,
)
from n1v1.fast_forward import FastForward, QuietVenue
from n1v1.styles import StyleRules

if TYPE_CHECKING:  # a service asks only for HEARS, and should not load what the other stages need
    from n1v1.execution.stage import Execution
    from n1v1.portfolio.stage import Portfolio
    from n1v1.risk.stage import Risk
    from n1v1.signals.stage import Signals

HEARS: Mapping[str, tuple[type[Event], ...]] = {
    # runs strategies on every closed bar; the watermark asks for the notes of a bar time
    "signals": (BarClosed, BarsComplete),
    # measures the market; decides the signals of a bar time together, when all are in and its equity is known
    "risk": (
        BarClosed,
        BarsComplete,
        SignalRaised,
        SignalsComplete,
        EquityMarked,
        OrderFilled,
        OrderRejected,
        OrderCancelled,
        OrderExpired,
        OperatorCommand,
        BreakerCommand,
    ),
    # orders what was approved; once the bars of a time are out, says that its fills are complete; takes back entries
    # when the breaker opens, and those that somebody halts
    "execution": (BarsComplete, OrderApproved, BreakerChanged, HaltsChanged, DecisionsComplete),
    # books fills; marks the account when both the bars and the fills of a time are complete
    "portfolio": (BarClosed, BarsComplete, OrderFilled, FillsComplete),
}


def execution_hears(rules: StyleRules, *, compares: bool = False) -> tuple[type[Event], ...]:
    """As HEARS says, and bars as well where styles may look at the market.

    compares: marks of the account too, to hold the ledger against the fills. In lockstep risk alone does that.
    """
    bars = (BarClosed,) if rules.watches_market else ()
    return (*bars, *HEARS["execution"], *((EquityMarked,) if compares else ()))


class Venue(QuietVenue, Protocol):
    """What the engine needs of a simulated venue. One bar time is one step."""

    def submit(self, account: str, order: SubmitOrder) -> VenueReport: ...

    def submit_list(self, account: str, orders: SubmitOrderList) -> Sequence[VenueReport]: ...

    def cancel_list(self, account: str, symbol: str, client_order_id: str) -> Sequence[VenueReport]: ...

    def advance(self, bars: Sequence[ClosedBar]) -> Sequence[tuple[str, VenueReport]]: ...


class Engine:
    """The whole system in one process: the same stages that the services run, joined by a queue instead of a bus."""

    def __init__(
        self,
        *,
        account: str,
        venue: Venue,
        signals: Signals,
        risk: Risk,
        execution: Execution,
        portfolio: Portfolio,
    ) -> None:
        self._account = account
        self._venue = venue
        self._signals = signals
        self._risk = risk
        self._execution = execution
        self._portfolio = portfolio
        self._handlers: dict[str, Callable[[Event], Iterable[Event]]] = {
            "signals": signals.handle,
            "risk": risk.handle,
            "execution": self._execute,
            "portfolio": portfolio.handle,
        }
        hears = {**HEARS, "execution": execution_hears(execution.rules)}
        self._hearers = {
            kind: [stage for stage, kinds in hears.items() if kind in kinds]
            for kind in {kind for kinds in hears.values() for kind in kinds}
        }

    def run(self, steps: Iterable[tuple[int, tuple[BarClosed, ...]]]) -> Iterator[Event]:
        """Play bar times in order and yield every event in the order in which it happened."""
        for sequence, (close_ns, bars) in enumerate(steps, start=1):
            yield from self._step(close_ns, bars, sequence)

    def play(self, bar_times: Iterable[tuple[BarRow, ...]], marks: EquityRows) -> Iterator[Event]:
        """The same run for one who wants no watermarks: what happened, in order, and the account's marks in columns.

        A watermark tells stages that cannot see one another that a bar time is complete. In one process a call that
        has returned says as much, so here bars and equity are handed over by calls, in the order in which HEARS
        passes them on, and only what happens is an event. Bar times at which nothing can happen are passed over.
        """
        venue, signals, risk = self._venue, self._signals, self._risk
        execution, portfolio = self._execution, self._portfolio
        changes = -1
        ahead = FastForward(venue=venue, signals=signals, risk=risk, execution=execution, portfolio=portfolio)
        for bars, raised in ahead.loud_times(bar_times, marks):
            ts_ns = bars[0].ts_ns
            reports = venue.advance(bars)
            if reports:
                yield from self._tell(self._reported(reports))
            if raised:
                yield from raised
            execution.move_market(ts_ns)
            execution.observe(bars)
            equity = portfolio.mark(bars)
            if changes < 0:
                risk.take_over(portfolio.marked(bars_complete(ts_ns, bars, 1)))
            if portfolio.changes != changes:
                changes = portfolio.changes
                marks.hold(cash=portfolio.cash, lots=portfolio.lots)
            marks.add(ts_ns, equity, portfolio.marks.values())
            decided = risk.decide(ts_ns, bars, equity, raised)
            if decided:
                yield from self._tell(decided)
            if execution.wake_ns <= ts_ns:
                yield from self._tell(self._carry_out(execution.work(ts_ns)))
            if reports or decided:
                execution.forget_old_orders()

    def _step(self, close_ns: int, bars: tuple[BarClosed, ...], sequence: int) -> Iterator[Event]:
        reports = self._venue.advance(bars)
        happened = self._reported(reports) if reports else ()
        return self._tell([*happened, *bars, bars_complete(close_ns, bars, sequence)])

    def _tell(self, events: Iterable[Event]) -> Iterator[Event]:
        """Let everybody hear these events, and those that follow from them, one after the other."""
        queue = deque(events)
        while queue:
            event = queue.popleft()
            yield event
            for stage in self._hearers.get(type(event), ()):
                queue.extend(self._handlers[stage](event))

    def _reported(self, reports: Sequence[tuple[str, VenueReport]]) -> Iterator[Event]:
        return self._carry_out(self._execution.report(*(report for _, report in reports)))

    def _execute(self, event: Event) -> list[Event]:
        """Let execution decide, carry out its commands at the venue, and feed the answers back."""
        return list(self._carry_out(self._execution.handle(event)))

    def _carry_out(self, outcome: Outcome) -> Iterator[Event]:
        yield from outcome.events
        for command in outcome.commands:
            yield from self._carry_out(self._execution.report(*self._answers(command)))

    def _answers(self, command: VenueCommand) -> Sequence[VenueReport]:
        match command:
            case CancelOrder():
                return self._venue.cancel_list(self._account, command.symbol, command.client_order_id)
            case SubmitOrderList():
                return self._venue.submit_list(self._account, command)
            case SubmitOrder():
                return [self._venue.submit(self._account, command)]


def bars_complete(close_ns: int, bars: Sequence[ClosedBar], sequence: int) -> BarsComplete:
    """The watermark after the bars of one close time. `sequence` counts bar times from 1."""
    return BarsComplete(
        id=f"bars:{close_ns}",
        ts_ns=close_ns,
        correlation_id=f"@{close_ns // 1_000_000_000}",
        symbols=tuple(bar.symbol for bar in bars),
        sequence=sequence,
    )

"""The risk stage: hears bars, signals, fills, equity and commands; says approved, refused, breaker, halts.

The signals of one bar time are decided as one batch, once its bars are complete, every signals partition has reported
and the equity of that time is known: closings of our own first, then exits, then by instance and symbol. So the
verdicts do not depend on the order in which messages arrive or on how many workers sent them.

Here is the conversation. What has arrived is in `batches`, the account in `account_book`, what holds it back in
`brakes`; `verdicts`, `closings` and `commands` make the answers. The numbers are computed by kernels (limits, breaker,
account, market).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from n1v1.bars import BarRow, ClosedBar
from n1v1.errors import N1v1Error
from n1v1.events import (
    BarClosed,
    BarsComplete,
    BreakerCommand,
    DecisionsComplete,
    EquityMarked,
    Event,
    OperatorCommand,
    OrderApproved,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    OrderRejected,
    SignalRaised,
    SignalsComplete,
)
from n1v1.fast_forward import NO_EQUITY, QuietEquity
from n1v1.ids import OrderId
from n1v1.kernels import Record
from n1v1.risk import breaker, market
from n1v1.risk.account_book import AccountBook
from n1v1.risk.adaptation import Adaptation
from n1v1.risk.batches import Batch, Batches
from n1v1.risk.brackets import Brackets
from n1v1.risk.brakes import Brakes
from n1v1.risk.causes import Moment
from n1v1.risk.closings import Closings
from n1v1.risk.commands import Commands, in_more_words
from n1v1.risk.halts import Halt
from n1v1.risk.plugins import AnomalyWatch, BaseAnomalyDetector, RiskManagerInterface
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import RefusalReason, Refused
from n1v1.risk.verdicts import Verdicts
from n1v1.styles import NO_RULES, StyleRules
from n1v1.values import Instrument

TOO_LATE = Refused(RefusalReason.SIGNAL_EXPIRED, "its bar time, or a later one, was decided before")


class Risk:
    def __init__(
        self,
        *,
        account: str,
        instruments: Sequence[Instrument],
        policy: RiskPolicy,
        signal_partitions: int = 1,
        managers: Mapping[str, RiskManagerInterface] | None = None,
        detectors: Mapping[str, BaseAnomalyDetector] | None = None,
        styles: StyleRules = NO_RULES,
        explains: bool = True,
    ) -> None:
        """managers, detectors: plug-ins by name; see n1v1.risk.plugins. styles: how orders are carried out.

        explains: whether verdicts say in words what was checked. That costs as much as deciding, which is the same
        either way.
        """
        self._account = account
        self._managers = managers or {}
        self._watch = AnomalyWatch(detectors or {})
        self._batches = Batches(signal_partitions)
        self._book = AccountBook(instruments, policy)
        self._limits = self._book.limits
        if self._managers:  # they are told of the daily loss
            self._limits.watches_days = 1
        self._brackets = Brackets()
        self._brakes = Brakes(account, policy, self._book)
        self._adaptation = Adaptation(account, self._book)
        self._verdicts = Verdicts(
            account=account,
            policy=policy,
            book=self._book,
            brackets=self._brackets,
            brakes=self._brakes,
            managers=self._managers,
            watch=self._watch,
            styles=styles,
            explains=explains,
        )
        self._closings = Closings(self._book, self._brakes.halts, self._verdicts)
        self._commands = Commands(self._book, self._brakes, self._closings)
        self._needs_bars = bool(self._limits.watches_bars) or self._watch.is_on
        self._acts_on_any_bar = bool(
            self._limits.closes_positions or self._limits.max_exposure_ppb or self._limits.is_adaptive
        )
        self._may_be_quiet = False
        """Whether the next bar time can be nothing to the account but another equity."""

    @property
    def breaker_reason(self) -> str | None:
        """Why the account takes no new exposure: halted by somebody, or the breaker is open; None while it does."""
        return self._brakes.reason

    @property
    def halts(self) -> tuple[Halt, ...]:
        """What persons, services and stale market data hold back."""
        return self._brakes.halts.in_force

    @property
    def breaker_version(self) -> int:
        """Counts the changes of the breaker and of the halts."""
        return self._brakes.version

    @property
    def breaker_state(self) -> breaker.BreakerState:
        return breaker.BreakerState(self._book.state.breaker_state)

    @property
    def book(self) -> AccountBook:
        """The account, for those that hold it against what others say."""
        return self._book

    @property
    def free_cash(self) -> int:
        """Cash that no order has reserved, in quanta."""
        return self._book.free_cash

    @property
    def open_orders(self) -> Sequence[OrderId]:
        """Approved and not done: what they may still do is reserved."""
        return tuple(self._book.orders)

    def handle(self, event: Event) -> list[Event]:
        match event:
            case BarClosed():
                if self._needs_bars and event.ts_ns > self._batches.decided_ns:
                    self._batches.of(event.ts_ns).bars[event.symbol] = event
            case SignalRaised() if event.ts_ns <= self._batches.decided_ns:
                return [self._verdicts.refuse(event, TOO_LATE)]
            case SignalRaised():
                self._batches.of(event.ts_ns).signals[event.id] = event
            case BarsComplete() | SignalsComplete() | EquityMarked() if event.ts_ns > self._batches.decided_ns:
                return self._hear_watermark(event)
            case OrderFilled() | OrderRejected() | OrderCancelled() | OrderExpired() if event.account == self._account:
                return self._hear_of_order(event)
            case OperatorCommand() if event.account == self._account:
                return self._obey(event)
            case BreakerCommand() if event.account == self._account:
                return self._obey(in_more_words(event))
            case _:
                pass
        return []

    def _hear_of_order(self, event: OrderFilled | OrderRejected | OrderCancelled | OrderExpired) -> list[Event]:
        if isinstance(event, OrderFilled):
            self._book.book(event)
        else:
            self._book.release(event.order_id, event.ts_ns)
        if isinstance(event, OrderRejected):
            self._brackets.rejected(event)
            return []
        return self._closings.after(event, self._batches.decided_ns)

    def _obey(self, command: OperatorCommand) -> list[Event]:
        self._may_be_quiet = False
        return self._commands.obey(command, self._batches.decided_ns)

    def _hear_watermark(self, event: BarsComplete | SignalsComplete | EquityMarked) -> list[Event]:
        if isinstance(event, EquityMarked) and event.account != self._account:
            return []
        batch = self._batches.hear(event)
        return [] if batch is None or batch.equity is None else self._decide(event.ts_ns, batch, batch.equity)

    def waits_for(self, ts_ns: int) -> list[str]:
        """What the batch of a bar time still lacks, in words; empty when it was decided or never began."""
        return self._batches.waits_for(ts_ns)

    def undecided_signal_ids(self) -> set[str]:
        return self._batches.signal_ids()

    def decide_without_waiting(self, ts_ns: int) -> list[Event]:
        """Decide a batch whose time to wait is over with what has arrived. It needs the equity at least."""
        batch = self._batches.waiting(ts_ns)
        return [] if batch is None or batch.equity is None else self._decide(ts_ns, batch, batch.equity)

    def mark_stale(self, symbol: str, last_ns: int) -> list[Event]:
        """The last bar of the symbol, which closed at last_ns, is too old by the clock: no entries on it."""
        return self._brakes.mark_stale(symbol, last_ns)

    def mark_fresh(self, symbol: str, last_ns: int) -> list[Event]:
        """A bar of the symbol came in time again."""
        return self._brakes.mark_fresh(symbol, last_ns)

    def _decide(self, ts_ns: int, batch: Batch, equity: EquityMarked) -> list[Event]:
        said: list[Event] = [self._verdicts.refuse(signal, TOO_LATE) for signal in self._batches.overtaken_by(ts_ns)]
        said += self._observe(batch, equity)
        said += self._brakes.end_halts(equity)
        said += self._adaptation.observe(equity)
        said += self._closings.at(equity)
        said += map(self._verdicts.on, sorted(batch.signals.values(), key=self._verdicts.priority))
        self._batches.close(ts_ns)
        said.append(
            DecisionsComplete(
                id=f"decisions:{self._account}:{ts_ns}",
                ts_ns=ts_ns,
                cause_id=equity.id,
                correlation_id=equity.correlation_id,
                account=self._account,
                approved=sum(isinstance(event, OrderApproved) for event in said),
                refused=sum(isinstance(event, OrderRefused) for event in said),
            )
        )
        return said

    def _observe(self, batch: Batch, equity: EquityMarked) -> list[Event]:
        """Take over what the bar time did to market and account."""
        self._book.mark(equity)
        for name in sorted(batch.bars):
            symbol = self._book.symbols.get(name)
            if symbol is not None:
                self._observe_bar(symbol, batch.bars[name])
        return self._brakes.observe_equity(equity, equity.equity)

    def _observe_bar(self, symbol: Record, bar: ClosedBar) -> None:
        state = self._book.state
        market.observe_bar(self._limits, state, symbol, bar.open, bar.high, bar.low, bar.close, bar.volume)
        if self._watch.is_on:
            event = bar.event() if isinstance(bar, BarRow) else bar
            seen = self._watch.observe(event, self._book.instruments[bar.symbol])
            market.take_severity(self._limits, state, symbol, seen)

    def take_over(self, equity: EquityMarked) -> None:
        """Take over portfolio's word on the account, before the first `decide`."""
        self._book.mark(equity)

    def decide(
        self, ts_ns: int, bars: Sequence[ClosedBar], equity: int, signals: Sequence[SignalRaised]
    ) -> Sequence[Event]:
        """As a batch that is complete is decided, for a driver that knows it without watermarks.

        bars, equity: of this bar time, whose fills have been heard.
        """
        self._batches.decided_ns = ts_ns
        book = self._book
        for bar in bars:
            symbol = book.symbols[bar.symbol]
            symbol.mark_ticks = bar.close
            if self._needs_bars:
                self._observe_bar(symbol, bar)
        said: list[Event] = []
        if self._may_be_quiet and breaker.is_quiet(book.state, equity, ts_ns):
            book.state.equity = equity
        else:
            said = self._look_at_account(Moment(self._account, ts_ns), equity)
        if signals:
            verdicts = self._verdicts
            said += map(verdicts.on, sorted(signals, key=verdicts.priority) if len(signals) > 1 else signals)
        return said

    def _look_at_account(self, moment: Moment, equity: int) -> list[Event]:
        brakes = self._brakes
        said = [*brakes.observe_equity(moment, equity), *brakes.end_halts(moment)]
        said += self._adaptation.observe(moment)
        said += self._closings.at(moment)
        self._may_be_quiet = not (self._acts_on_any_bar or breaker.must_flatten(self._book.state) or brakes.halts)
        return said

    def quiet_equity(self) -> QuietEquity:
        """At which equities `decide` without signals only takes over mark and equity, until the state is another."""
        state = self._book.state
        if self._needs_bars or not self._may_be_quiet or self._brakes.halts:
            return NO_EQUITY
        return QuietEquity(state.watch_below, state.watch_above, state.wake_ns)

    def pass_bar(self, bar: BarRow, equity: int) -> None:
        """As `decide` for a bar without signals at a quiet equity."""
        self._batches.decided_ns = bar.ts_ns
        self._book.symbols[bar.symbol].mark_ticks = bar.close
        self._book.state.equity = equity

    def snapshot(self) -> dict[str, Any]:
        return {
            **self._book.snapshot(),
            "brackets": self._brackets.snapshot(),
            "managers": {name: manager.save() for name, manager in self._managers.items()},
            "watch": self._watch.save(),
            **self._brakes.snapshot(),
            **self._adaptation.snapshot(),
            "flattened_ns": self._closings.snapshot(),
            "decided_ns": self._batches.decided_ns,
            "batches": self._batches.snapshot(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Raises N1v1Error when that is no state of risk."""
        try:
            self._restore(saved)
        except (N1v1Error, KeyError, TypeError, ValueError) as error:
            raise N1v1Error(f"the saved state of risk is not readable: {error}") from error

    def _restore(self, saved: Mapping[str, Any]) -> None:
        self._book.restore(saved)
        self._brackets.restore(saved.get("brackets", {}))
        for name, manager in self._managers.items():
            if name in saved["managers"]:
                manager.load(saved["managers"][name])
        self._watch.load(saved["watch"])
        self._brakes.restore(saved)
        self._adaptation.restore(saved)
        self._closings.restore(saved.get("flattened_ns", {}))
        self._batches.restore(saved["batches"], decided_ns=int(saved["decided_ns"]))

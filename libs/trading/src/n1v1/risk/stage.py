"""The risk stage: hears bars, signals, fills, equity and commands; says approved, refused, breaker, halts.

The signals of one bar time are decided as one batch, once its bars are complete, every signals partition has reported
and the equity of that time is known: closings of our own first, then exits, then by instance and symbol. So the
verdicts do not depend on the order in which messages arrive or on how many workers sent them.

The numbers are computed by kernels (limits, breaker, account, market); here are ids, texts and batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from n1v1 import ids
from n1v1.bars import BarRow, ClosedBar
from n1v1.errors import N1v1Error
from n1v1.events import (
    NO_WISH,
    Action,
    BarClosed,
    BarsComplete,
    Bracket,
    BreakerChanged,
    BreakerCommand,
    CommandCarriedOut,
    DecisionsComplete,
    EquityMarked,
    Event,
    HaltsChanged,
    OperatorCommand,
    OrderApproved,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRefused,
    OrderRejected,
    SignalRaised,
    SignalsComplete,
    Wish,
)
from n1v1.fast_forward import NO_EQUITY, QuietEquity
from n1v1.ids import OrderId, SignalId
from n1v1.kernels import Record, new_record
from n1v1.risk import account as accounts
from n1v1.risk import breaker, limits, market
from n1v1.risk.account import ACCOUNT, PURPOSES, SYMBOL
from n1v1.risk.checks import Shown, checks_made, percent
from n1v1.risk.halts import MARKET, Halt, Halts, Operation, Scope
from n1v1.risk.limits import DECISION
from n1v1.risk.plugins import AnomalyWatch, BaseAnomalyDetector, Judgement, Proposal, RiskManagerInterface, judged
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import REASONS, Check, RefusalReason, Refused
from n1v1.risk.records import symbol_record, wish_record
from n1v1.risk.saved import restored_record, saved_record
from n1v1.styles import NO_RULES, Method, Plan, Style, StyleRules, plan_of
from n1v1.values import PPB, Instrument, OrderType, Purpose, Side, TimeInForce

TOO_LATE = "its bar time, or a later one, was decided before"

ACTIONS = {Action.BUY: limits.BUY, Action.SELL: limits.SELL, Action.CLOSE: limits.CLOSE}

NO_OBJECTIONS = Judgement()

OWN_SIGNALS = {accounts.TIME_EXIT: "time_exit", accounts.FLATTEN: "flatten", accounts.REGIME_EXIT: "regime_exit"}
"""What stands for the instance in the signal id of an order that no strategy asked for."""


@dataclass(slots=True)
class Batch:
    """What has arrived for one bar time."""

    signals: dict[str, SignalRaised] = field(default_factory=dict)
    partitions: set[int] = field(default_factory=set)
    bars: dict[str, BarClosed] = field(default_factory=dict)
    has_bars: bool = False
    equity: EquityMarked | None = None


class Moment(NamedTuple):
    """A bar time whose equity is known: what its `EquityMarked` is called, without the event."""

    account: str
    ts_ns: int

    @property
    def id(self) -> str:
        return f"equity:{self.account}:{self.ts_ns}"

    @property
    def correlation_id(self) -> str:
        return f"@{self.ts_ns // 1_000_000_000}"


class Stale(NamedTuple):
    """That the bars of a symbol stopped coming, or came again; last_ns: the close of the last one."""

    symbol: str
    ts_ns: int

    @property
    def id(self) -> str:
        return f"market:{self.symbol}:{self.ts_ns}"

    @property
    def correlation_id(self) -> str:
        return ids.correlation_id(self.symbol, self.ts_ns)


@dataclass(frozen=True, slots=True)
class Cause:
    """What an order follows from: a signal, or the bar time itself."""

    ts_ns: int
    cause_id: str
    correlation_id: str
    signal_id: SignalId
    instance: str
    symbol: str

    @classmethod
    def of_signal(cls, signal: SignalRaised) -> Cause:
        return cls(signal.ts_ns, signal.id, signal.correlation_id, signal.id, signal.instance, signal.symbol)


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
        self._explains = explains
        self._instruments = {instrument.symbol: instrument for instrument in sorted(instruments, key=_symbol_of)}
        self._policy = policy
        self._limits = policy.record()
        self._partitions = frozenset(range(signal_partitions))
        self._state: Record = new_record(ACCOUNT)
        self._symbols = {
            symbol: symbol_record(instrument, policy, index=index)
            for index, (symbol, instrument) in enumerate(self._instruments.items())
        }
        self._decision: Record = new_record(DECISION)
        self._styles = styles
        self._managers = managers or {}
        if self._managers:  # they are told of the daily loss
            self._limits.watches_days = 1
        self._watch = AnomalyWatch(detectors or {})
        self._needs_bars = bool(self._limits.watches_bars) or self._watch.is_on
        self._acts_on_any_bar = bool(self._limits.closes_positions or self._limits.max_exposure_ppb)
        self._may_be_quiet = False
        """Whether the next bar time can be nothing to the account but another equity."""
        self._orders: dict[OrderId, str] = {}
        self._entered_by: dict[str, str] = {}
        self._trip: str | None = None
        """Why the circuit breaker is open."""
        self._halts = Halts()
        self._breaker_version = 0
        self._flattened_ns: dict[str, int] = {}
        """The bar time at which a position was last closed because of a halt, by symbol."""
        self._batches: dict[int, Batch] = {}
        self._decided_ns = -1

    @property
    def breaker_reason(self) -> str | None:
        """Why the account takes no new exposure: halted by somebody, or the breaker is open; None while it does."""
        halt = self._halts.of_account
        return self._trip if halt is None else halt.reason

    @property
    def halts(self) -> tuple[Halt, ...]:
        """What persons, services and stale market data hold back."""
        return self._halts.in_force

    @property
    def breaker_version(self) -> int:
        """Counts the changes of the breaker and of the halts."""
        return self._breaker_version

    @property
    def breaker_state(self) -> breaker.BreakerState:
        return breaker.BreakerState(self._state.breaker_state)

    @property
    def free_cash(self) -> int:
        """Cash that no order has reserved, in quanta."""
        return accounts.unreserved_cash(self._state)

    @property
    def open_orders(self) -> Sequence[OrderId]:
        """Approved and not done: what they may still do is reserved."""
        return tuple(self._orders)

    def handle(self, event: Event) -> list[Event]:
        match event:
            case BarClosed():
                if self._needs_bars and event.ts_ns > self._decided_ns:
                    self._batch(event.ts_ns).bars[event.symbol] = event
            case SignalRaised() if event.ts_ns <= self._decided_ns:
                return [self._refuse(event, Refused(RefusalReason.SIGNAL_EXPIRED, TOO_LATE))]
            case SignalRaised():
                self._batch(event.ts_ns).signals[event.id] = event
            case BarsComplete() | SignalsComplete() | EquityMarked() if event.ts_ns > self._decided_ns:
                return self._hear_watermark(event)
            case OrderFilled() | OrderRejected() | OrderCancelled() | OrderExpired() if event.account == self._account:
                return self._hear_of_order(event)
            case OperatorCommand() if event.account == self._account:
                return self._obey(event)
            case BreakerCommand() if event.account == self._account:
                return self._obey(_in_more_words(event))
            case _:
                pass
        return []

    def _hear_of_order(self, event: OrderFilled | OrderRejected | OrderCancelled | OrderExpired) -> list[Event]:
        if isinstance(event, OrderFilled):
            self._book(event)
        else:
            self._release(event.order_id, event.ts_ns)
        return [] if isinstance(event, OrderRejected) else self._flatten(event)

    def _hear_watermark(self, event: BarsComplete | SignalsComplete | EquityMarked) -> list[Event]:
        if isinstance(event, EquityMarked) and event.account != self._account:
            return []
        batch = self._batch(event.ts_ns)
        match event:
            case BarsComplete():
                batch.has_bars = True
            case SignalsComplete():
                batch.partitions.add(event.partition)
            case EquityMarked():
                batch.equity = event
        if batch.equity is None or not batch.has_bars or not batch.partitions >= self._partitions:
            return []
        return self._decide(event.ts_ns, batch, batch.equity)

    def waits_for(self, ts_ns: int) -> list[str]:
        """What the batch of a bar time still lacks, in words; empty when it was decided or never began."""
        batch = self._batches.get(ts_ns)
        if batch is None:
            return []
        missing = [f"signals partition {partition}" for partition in sorted(self._partitions - batch.partitions)]
        if not batch.has_bars:
            missing.append("bars")
        return missing if batch.equity else [*missing, "equity"]

    def undecided_signal_ids(self) -> set[str]:
        return {id_ for batch in self._batches.values() for id_ in batch.signals}

    def decide_without_waiting(self, ts_ns: int) -> list[Event]:
        """Decide a batch whose time to wait is over with what has arrived. It needs the equity at least."""
        batch = self._batches.get(ts_ns)
        return [] if batch is None or batch.equity is None else self._decide(ts_ns, batch, batch.equity)

    def _batch(self, ts_ns: int) -> Batch:
        batch = self._batches.get(ts_ns)
        if batch is None:
            batch = self._batches[ts_ns] = Batch()
        return batch

    def _decide(self, ts_ns: int, batch: Batch, equity: EquityMarked) -> list[Event]:
        said: list[Event] = [*self._give_up_before(ts_ns), *self._observe(batch, equity), *self._end_halts(equity)]
        said += self._closings(equity)
        for signal in sorted(batch.signals.values(), key=self._priority):
            said.append(self._verdict(signal))
        approved = sum(isinstance(event, OrderApproved) for event in said)
        refused = sum(isinstance(event, OrderRefused) for event in said)
        self._decided_ns = ts_ns
        self._batches = {time: waiting for time, waiting in self._batches.items() if time > ts_ns}
        said.append(
            DecisionsComplete(
                id=f"decisions:{self._account}:{ts_ns}",
                ts_ns=ts_ns,
                cause_id=equity.id,
                correlation_id=equity.correlation_id,
                account=self._account,
                approved=approved,
                refused=refused,
            )
        )
        return said

    def take_over(self, equity: EquityMarked) -> None:
        """Take over portfolio's word on the account, before the first `decide`."""
        self._mark(equity)

    def decide(
        self, ts_ns: int, bars: Sequence[ClosedBar], equity: int, signals: Sequence[SignalRaised]
    ) -> Sequence[Event]:
        """As a batch that is complete is decided, for a driver that knows it without watermarks.

        bars, equity: of this bar time, whose fills have been heard.
        """
        self._decided_ns = ts_ns
        for bar in bars:
            symbol = self._symbols[bar.symbol]
            symbol.mark_ticks = bar.close
            if self._needs_bars:
                self._observe_bar(symbol, bar)
        said: list[Event] = []
        if self._may_be_quiet and breaker.is_quiet(self._state, equity, ts_ns):
            self._state.equity = equity
        else:
            moment = Moment(self._account, ts_ns)
            said = [*self._observe_equity(moment, equity), *self._end_halts(moment), *self._closings(moment)]
            self._may_be_quiet = not (self._acts_on_any_bar or breaker.must_flatten(self._state) or self._halts)
        if signals:
            said += map(self._verdict, sorted(signals, key=self._priority) if len(signals) > 1 else signals)
        return said

    def quiet_equity(self) -> QuietEquity:
        """At which equities `decide` without signals only takes over mark and equity, until the state is another."""
        state = self._state
        if self._needs_bars or not self._may_be_quiet or self._halts:
            return NO_EQUITY
        return QuietEquity(state.watch_below, state.watch_above, state.wake_ns)

    def pass_bar(self, bar: BarRow, equity: int) -> None:
        """As `decide` for a bar without signals at a quiet equity."""
        self._decided_ns = bar.ts_ns
        self._symbols[bar.symbol].mark_ticks = bar.close
        self._state.equity = equity

    def _give_up_before(self, ts_ns: int) -> list[Event]:
        """A bar time that was overtaken is never decided: whatever was signalled in it is refused."""
        overtaken = sorted(time for time in self._batches if time < ts_ns)
        signals = [signal for time in overtaken for signal in self._batches[time].signals.values()]
        return [self._refuse(signal, Refused(RefusalReason.SIGNAL_EXPIRED, TOO_LATE)) for signal in signals]

    def _observe(self, batch: Batch, equity: EquityMarked) -> list[Event]:
        """Take over what the bar time did to market and account."""
        self._mark(equity)
        for symbol in sorted(batch.bars):
            if symbol in self._symbols:
                self._observe_bar(self._symbols[symbol], batch.bars[symbol])
        return self._observe_equity(equity, equity.equity)

    def _observe_equity(self, moment: EquityMarked | Moment, equity: int) -> list[Event]:
        trips, was_open = self._state.trip_count, breaker.breaker_is_open(self._state)
        breaker.observe_equity(self._limits, self._state, equity, moment.ts_ns)
        is_open = breaker.breaker_is_open(self._state)
        if self._limits.max_exposure_ppb:
            self._state.exposure = sum(
                accounts.symbol_exposure(record, self._instruments[symbol]) for symbol, record in self._symbols.items()
            )
        if self._state.trip_count != trips:
            self._trip = self._trip_reason()
            return [self._say_breaker(moment, self._trip, actor="risk")]
        if was_open and not is_open:
            self._trip = None
            return self._say_free(moment, "the account has recovered", actor="risk")
        return []

    def _observe_bar(self, symbol: Record, bar: ClosedBar) -> None:
        market.observe_bar(self._limits, self._state, symbol, bar.open, bar.high, bar.low, bar.close, bar.volume)
        if self._watch.is_on:
            event = bar.event() if isinstance(bar, BarRow) else bar
            seen = self._watch.observe(event, self._instruments[bar.symbol])
            market.take_severity(self._limits, self._state, symbol, seen)

    def _mark(self, equity: EquityMarked) -> None:
        """Take over portfolio's word on marks.

        Positions and cash come from the first mark and from then on from the fills themselves: a fill may be heard
        before a mark that was made without it.
        """
        is_first = not self._state.is_known
        if is_first:
            accounts.open_account(self._state, equity.cash, equity.equity, equity.peak)
        for symbol, lots, ticks in equity.positions:
            record = self._symbols.get(symbol)
            if record is not None and is_first:
                accounts.take_over(self._state, record, self._instruments[symbol], lots, ticks)
            elif record is not None:
                record.mark_ticks = ticks

    def _book(self, fill: OrderFilled) -> None:
        """Turn a fill into position and cash; those before the first mark are in it."""
        symbol = self._symbols.get(fill.symbol)
        if symbol is None or not self._state.is_known:
            return
        accounts.book_fill(
            self._limits,
            self._state,
            symbol,
            self._instruments[fill.symbol],
            side=fill.side.sign,
            lots=fill.lots,
            value=fill.value,
            fee=fill.fee,
            base_fee_lots=fill.base_fee_lots,
            purpose=PURPOSES.index(fill.purpose),
            ts_ns=fill.ts_ns,
            is_reserved=int(fill.order_id in self._orders),
            is_final=int(fill.is_final),
        )
        if not symbol.has_order:
            self._orders.pop(fill.order_id, None)

    def _release(self, order: OrderId, ts_ns: int) -> None:
        """Give back what a closed order had reserved; nothing happens when it was given back before."""
        symbol = self._orders.pop(order, None)
        if symbol is not None:
            self._give_back(symbol, ts_ns)

    def _give_back(self, symbol: str, ts_ns: int) -> None:
        accounts.release(self._limits, self._state, self._symbols[symbol], self._instruments[symbol], ts_ns)

    def _priority(self, signal: SignalRaised) -> tuple[bool, str, str]:
        symbol = self._symbols.get(signal.symbol)
        is_exit = symbol is not None and limits.reduces(ACTIONS[signal.action], symbol)
        return (not is_exit, signal.instance, signal.symbol)

    def _trip_reason(self) -> str:
        state, policy = self._state, self._policy
        words = {
            breaker.CAUSE_DRAWDOWN: f"equity drawdown {percent(state.breaker_drawdown_ppb)}"
            f" reached {percent(policy.breaker_drawdown_ppb or 0)}",
            breaker.CAUSE_LOSSES: f"{policy.breaker.losses_to_trip} losing trades in a row",
            breaker.CAUSE_VOLATILITY: "volatility spike",
            breaker.CAUSE_ANOMALY: "market anomaly",
            breaker.CAUSE_DAILY_LOSS: f"daily loss {percent(breaker.daily_loss_of(state))}"
            f" reached {percent(policy.emergency_loss_ppb or 0)}",
        }
        reason = ", ".join(text for cause, text in words.items() if state.breaker_cause & cause)
        return f"EMERGENCY: {reason}" if breaker.must_flatten(state) else reason

    # --- what persons and services halt ------------------------------------------------------------------------

    def _obey(self, command: OperatorCommand) -> list[Event]:
        """Carry out a command at once, and answer it in any case: somebody waits."""
        scope = command.scope
        if scope.symbol and scope.symbol not in self._instruments:
            return [self._answer(command, [], f"no such instrument; there are {', '.join(self._instruments)}")]
        if command.operation is Operation.RESUME:
            said = self._resume(command)
            return [*said, self._answer(command, said, "" if said else f"nothing halts {scope} by hand")]
        said = self._halt(command)
        if command.operation is Operation.HALT:
            return [*said, self._answer(command, said, "" if said else f"halted before: {self._halts.of(scope)}")]
        closings = self._flatten(command)
        symbols = ", ".join(order.symbol for order in closings if isinstance(order, OrderApproved))
        detail = f"closing {symbols}" if symbols else "no position to close now"
        return [*said, *closings, self._answer(command, [*said, *closings], detail)]

    def _halt(self, command: OperatorCommand) -> list[Event]:
        now_ns = self._decided_ns if self._decided_ns >= 0 else command.ts_ns
        halt = Halt(
            scope=command.scope,
            reason=command.reason,
            actor=command.actor,
            since_ns=now_ns,
            until_ns=now_ns + command.lasts_ns if command.lasts_ns else 0,
            closes=command.operation is Operation.FLATTEN,
            command_id=command.id,
        )
        if not self._halts.put(halt):
            return []
        self._may_be_quiet = False
        said: list[Event] = [self._say_halts(command)]
        if halt.scope.is_account:
            said.append(self._say_breaker(command, halt.reason, actor=halt.actor))
        return said

    def _resume(self, command: OperatorCommand) -> list[Event]:
        """End the halt of exactly this scope. To resume the account closes the breaker as well, whatever had opened
        it, and measures losses anew."""
        scope = command.scope
        lifted = self._halts.lift(scope)
        was_open = scope.is_account and breaker.breaker_is_open(self._state)
        said: list[Event] = [self._say_halts(command)] if lifted is not None else []
        if scope.is_account and (lifted is not None or was_open):
            accounts.measure_anew(self._limits, self._state)
            self._trip = None
            said += self._say_free(command, command.reason, actor=command.actor)
        return said

    def _end_halts(self, moment: EquityMarked | Moment) -> list[Event]:
        """Those whose time is over. The account is free again unless its breaker is open, which is known by now: a bar
        time says only once whether the account trades.
        """
        over = self._halts.end_due(moment.ts_ns)
        if not over:
            return []
        said: list[Event] = [self._say_halts(moment)]
        of_account = [halt for halt in over if halt.scope.is_account]
        if of_account:
            said += self._say_free(moment, f"the halt by {of_account[0].actor} has run out", actor="risk")
        return said

    def mark_stale(self, symbol: str, last_ns: int) -> list[Event]:
        """The last bar of the symbol, which closed at last_ns, is too old by the clock: no entries on it."""
        reason = "no bar in time" if last_ns < 0 else f"no bar in time since @{last_ns // 1_000_000_000}"
        halt = Halt(scope=Scope(symbol=symbol), reason=reason, actor=MARKET, since_ns=max(0, last_ns))
        return [self._say_halts(Stale(symbol, last_ns))] if self._halts.put_stale(halt) else []

    def mark_fresh(self, symbol: str, last_ns: int) -> list[Event]:
        """A bar of the symbol came in time again."""
        return [self._say_halts(Stale(symbol, last_ns))] if self._halts.lift_stale(symbol) else []

    def _flatten(self, cause: Event) -> list[Event]:
        """Close what a halt wants closed and nothing is done about yet.

        A command does so whenever it comes. What merely happened does so once in a bar time for each symbol: a venue
        that takes back every closing would otherwise be sent one after the other.
        """
        if not self._halts.closes or self._decided_ns < 0:
            return []
        is_command = isinstance(cause, OperatorCommand)
        orders: list[Event] = []
        for symbol, record in self._symbols.items():
            was_tried = not is_command and self._flattened_ns.get(symbol) == self._decided_ns
            if was_tried or not self._is_to_be_flattened(symbol):
                continue
            if self._decide_closing(symbol, record, accounts.FLATTEN):
                self._flattened_ns[symbol] = self._decided_ns
                orders.append(self._approve(self._closing_cause(cause, symbol)))
        return orders

    def _is_to_be_flattened(self, symbol: str) -> bool:
        return self._halts.closes_position(self._entered_by.get(symbol, ""), symbol)

    def _closing_cause(self, cause: Event, symbol: str) -> Cause:
        instance = OWN_SIGNALS[accounts.FLATTEN]
        return Cause(
            ts_ns=self._decided_ns,
            cause_id=cause.id,
            correlation_id=ids.correlation_id(symbol, self._decided_ns),
            signal_id=ids.signal_id(f"{instance}-{ids.digest(cause.id, length=8)}", symbol, self._decided_ns),
            instance=self._entered_by.get(symbol, instance),
            symbol=symbol,
        )

    def _answer(self, command: OperatorCommand, said: Sequence[Event], detail: str) -> CommandCarriedOut:
        halt = self._halts.of(command.scope)
        return CommandCarriedOut(
            id=f"carried_out:{command.id}",
            ts_ns=command.ts_ns,
            cause_id=command.id,
            correlation_id=command.correlation_id,
            account=self._account,
            operation=command.operation,
            scope=command.scope,
            has_changed=bool(said),
            detail=detail,
            reason=command.reason,
            actor=command.actor,
            until_ns=halt.until_ns if halt is not None else 0,
        )

    def _say_halts(self, cause: Event | Moment | Stale) -> HaltsChanged:
        self._breaker_version += 1
        return HaltsChanged(
            id=f"halts:{self._account}:{self._breaker_version}:{cause.id}",
            ts_ns=cause.ts_ns,
            cause_id=cause.id,
            correlation_id=cause.correlation_id,
            account=self._account,
            halts=self._halts.in_force,
        )

    def _say_free(self, cause: Event | Moment, reason: str, *, actor: str) -> list[Event]:
        """That the account takes new exposure again, unless something else holds it back."""
        if self.breaker_reason is not None:
            return []
        return [self._say_breaker(cause, reason, actor=actor)]

    def _say_breaker(self, cause: Event | Moment, reason: str, *, actor: str) -> BreakerChanged:
        self._breaker_version += 1
        return BreakerChanged(
            id=f"breaker:{self._account}:{cause.id}",
            ts_ns=cause.ts_ns,
            cause_id=cause.id,
            correlation_id=cause.correlation_id,
            account=self._account,
            is_open=self.breaker_reason is not None,
            reason=reason,
            actor=actor,
        )

    def _closings(self, moment: EquityMarked | Moment) -> list[Event]:
        """Positions that we close ourselves: in an emergency all, those of a scope that was flattened, and those that
        were held for long enough or whose market has changed.

        What cannot be ordered now, such as less than the venue accepts, is looked at again at the next bar time.
        """
        if not self._limits.closes_positions and not breaker.must_flatten(self._state) and not self._halts.closes:
            return []
        orders: list[Event] = []
        for symbol, record in self._symbols.items():
            purpose = accounts.own_exit(self._limits, self._state, record)
            if self._is_to_be_flattened(symbol):
                purpose = accounts.FLATTEN
            if purpose == accounts.NO_EXIT:
                continue
            if self._decide_closing(symbol, record, purpose):
                self._flattened_ns[symbol] = moment.ts_ns
                orders.append(self._approve(self._own_cause(moment, symbol, purpose)))
        return orders

    def _decide_closing(self, symbol: str, record: Record, purpose: int) -> bool:
        return limits.decide_closing(record, self._instruments[symbol], purpose, self._decision) == 0

    def _own_cause(self, moment: EquityMarked | Moment, symbol: str, purpose: int) -> Cause:
        return Cause(
            ts_ns=moment.ts_ns,
            cause_id=moment.id,
            correlation_id=ids.correlation_id(symbol, moment.ts_ns),
            signal_id=ids.signal_id(OWN_SIGNALS[purpose], symbol, moment.ts_ns),
            instance=self._entered_by.get(symbol, OWN_SIGNALS[purpose]),
            symbol=symbol,
        )

    def _verdict(self, signal: SignalRaised) -> Event:
        instrument = self._instruments.get(signal.symbol)
        if instrument is None:
            return self._refuse(signal, Refused(RefusalReason.UNKNOWN_SYMBOL, "no such instrument"))
        symbol = self._symbols[signal.symbol]
        if self._halts and (halted := self._why_halted(signal, symbol)):
            return self._refuse(signal, halted, (Check("halts", passed=False, detail=halted.detail),))
        judgement = self._judgement(signal, symbol, instrument)
        if judgement.refused is not None:
            return self._refuse(signal, Refused(RefusalReason.VETOED, judgement.refused))
        if impossible := self._why_impossible(signal, symbol):
            return self._refuse(signal, Refused(RefusalReason.ORDER_IMPOSSIBLE, impossible))
        reason = limits.decide(
            self._limits,
            self._state,
            symbol,
            instrument,
            wish_record(signal.wish, scale_ppb=judgement.scale_ppb),
            ACTIONS[signal.action],
            signal.ts_ns,
            self._decision,
        )
        if reason == 0:
            return self._approve(Cause.of_signal(signal), signal.wish)
        checks = self._checks(instrument)
        found = REASONS[reason]
        assert found is not None
        return self._refuse(signal, Refused(found, checks[-1].detail if checks else ""), checks)

    def _why_halted(self, signal: SignalRaised, symbol: Record) -> Refused | None:
        """What somebody, or stale market data, has to say against an entry; nothing against anything else."""
        if signal.action is Action.CLOSE or limits.reduces(ACTIONS[signal.action], symbol):
            return None
        halt = self._halts.holding_back(signal.instance, signal.symbol)
        if halt is None:
            return None
        return Refused(RefusalReason.STALE_MARKET_DATA if halt.actor == MARKET else RefusalReason.HALTED, str(halt))

    def _why_impossible(self, signal: SignalRaised, symbol: Record) -> str:
        """What is wrong with the order that is wished for; empty when nothing is."""
        wish = signal.wish
        if wish.is_plain:
            return ""
        side = 1 if signal.action is Action.BUY else -1
        if wish.trigger_ticks is not None and wish.style is not None:
            return "an order with a trigger is sent whole, without a way of execution"
        if wish.is_post_only and (wish.limit_ticks is None or wish.trigger_ticks is not None):
            return "a post-only order needs a limit, and no trigger"
        is_at_once = wish.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        if is_at_once and (wish.is_post_only or wish.trigger_ticks is not None):
            return f"{wish.time_in_force} is for orders that take at once: not with a trigger, nor post-only"
        if (
            wish.trigger_ticks is not None
            and symbol.mark_ticks
            and (wish.trigger_ticks - symbol.mark_ticks) * side <= 0
        ):
            return "the price has passed the trigger: it has to be above the price to buy, below it to sell"
        return self._styles.why_impossible(wish.style)

    def _judgement(self, signal: SignalRaised, symbol: Record, instrument: Instrument) -> Judgement:
        """What the user's own risk managers say of an entry. They are not asked about exits."""
        if not self._managers or signal.action is Action.CLOSE or accounts.held_lots(symbol) or symbol.mark_ticks <= 0:
            return NO_OBJECTIONS
        state = self._state
        proposal = Proposal(
            signal=signal,
            price=instrument.price_float(symbol.mark_ticks),
            equity=float(instrument.cash(state.equity)),
            free_cash=float(instrument.cash(accounts.unreserved_cash(state))),
            drawdown=accounts.drawdown_of(state) / PPB,
            daily_loss=breaker.daily_loss_of(state) / PPB,
            open_positions=state.held_count,
        )
        return judged(self._managers, proposal)

    def _checks(self, instrument: Instrument) -> tuple[Check, ...]:
        if not self._explains:
            return ()
        said = self._watch.said_of(instrument.symbol)
        return checks_made(Shown(self._decision, instrument, self._policy, self._trip, said))

    def _approve(self, cause: Cause, wish: Wish = NO_WISH) -> OrderApproved:
        """The order that stands in `_decision`, reserved."""
        decision = self._decision
        order_id = ids.order_id(self._account, cause.signal_id)
        purpose = PURPOSES[decision.purpose]
        symbol = self._symbols[cause.symbol]
        if symbol.has_order:
            self._give_up_parts(cause.symbol, cause.ts_ns)
        plan = self._plan(cause, wish, purpose)
        accounts.reserve(self._state, symbol, decision, cause.ts_ns)
        if plan is not None:
            symbol.has_order = accounts.PARTED_ENTRY if purpose is Purpose.ENTRY else accounts.PARTED_EXIT
        self._orders[order_id] = cause.symbol
        if purpose is Purpose.ENTRY:
            self._entered_by[cause.symbol] = cause.instance
        return OrderApproved(
            id=f"approved:{order_id}",
            ts_ns=cause.ts_ns,
            cause_id=cause.cause_id,
            correlation_id=cause.correlation_id,
            order_id=order_id,
            signal_id=cause.signal_id,
            account=self._account,
            instance=cause.instance,
            symbol=cause.symbol,
            side=Side.BUY if decision.side > 0 else Side.SELL,
            type=_order_type(decision),
            lots=decision.lots,
            limit_ticks=decision.limit_ticks or None,
            time_in_force=_time_in_force(decision, wish),
            reduce_only=purpose is not Purpose.ENTRY,
            purpose=purpose,
            bracket=_bracket(decision),
            reference_ticks=decision.reference_ticks,
            valid_until_ns=cause.ts_ns + limits.validity_ns(self._limits, decision) + (plan.duration_ns if plan else 0),
            checks=self._checks(self._instruments[cause.symbol]),
            trigger_ticks=decision.trigger_ticks or None,
            is_post_only=wish.is_post_only and purpose is Purpose.ENTRY,
            plan=plan,
        )

    def _plan(self, cause: Cause, wish: Wish, purpose: Purpose) -> Plan | None:
        """How the order in `_decision` is divided; None: not at all. An order of our own never is."""
        if purpose not in (Purpose.ENTRY, Purpose.EXIT):
            return None
        decision, rules = self._decision, self._styles
        if wish.style is None and (rules.always_whole or decision.trigger_ticks):
            return None
        is_entry = purpose is Purpose.ENTRY
        instrument = self._instruments[cause.symbol]
        style = rules.style(cause.instance, wish.style, value=instrument.cash(decision.value), is_entry=is_entry)
        if style is None:
            return None
        return plan_of(style, rules, instrument, lots=decision.lots, value=decision.value)

    def _give_up_parts(self, symbol: str, ts_ns: int) -> None:
        """Forget an order that is carried out in parts: execution takes back what is left of it for the closing."""
        for order_id in [order_id for order_id, of_symbol in self._orders.items() if of_symbol == symbol]:
            del self._orders[order_id]
        self._give_back(symbol, ts_ns)

    def _refuse(self, signal: SignalRaised, refused: Refused, checks: tuple[Check, ...] = ()) -> OrderRefused:
        return OrderRefused(
            id=f"refused:{self._account}:{signal.id}",
            ts_ns=signal.ts_ns,
            cause_id=signal.id,
            correlation_id=signal.correlation_id,
            signal_id=signal.id,
            account=self._account,
            instance=signal.instance,
            symbol=signal.symbol,
            action=signal.action,
            reason=refused.reason,
            detail=refused.detail,
            checks=checks,
        )

    def snapshot(self) -> dict[str, Any]:
        return {
            "account": saved_record(self._state, ACCOUNT),
            "symbols": {symbol: saved_record(record, SYMBOL) for symbol, record in self._symbols.items()},
            "orders": dict(self._orders),
            "entered_by": dict(self._entered_by),
            "managers": {name: manager.save() for name, manager in self._managers.items()},
            "watch": self._watch.save(),
            "breaker": self._trip,
            "breaker_version": self._breaker_version,
            "halts": self._halts.snapshot(),
            "flattened_ns": dict(self._flattened_ns),
            "decided_ns": self._decided_ns,
            "batches": [[time, _batch_snapshot(batch)] for time, batch in self._batches.items()],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Raises N1v1Error when that is no state of risk."""
        try:
            self._restore(saved)
        except (N1v1Error, KeyError, TypeError, ValueError) as error:
            raise N1v1Error(f"the saved state of risk is not readable: {error}") from error

    def _restore(self, saved: Mapping[str, Any]) -> None:
        self._state = restored_record(saved["account"], ACCOUNT)
        for symbol, record in saved["symbols"].items():
            if symbol in self._symbols:
                self._symbols[symbol] = restored_record(record, SYMBOL)
        self._orders = {OrderId(order): symbol for order, symbol in saved["orders"].items()}
        self._entered_by = dict(saved["entered_by"])
        for name, manager in self._managers.items():
            if name in saved["managers"]:
                manager.load(saved["managers"][name])
        self._watch.load(saved["watch"])
        self._trip, self._breaker_version = saved["breaker"], int(saved["breaker_version"])
        self._halts.restore(saved.get("halts", ()))
        self._flattened_ns = dict(saved.get("flattened_ns", {}))
        self._decided_ns = int(saved["decided_ns"])
        self._batches = {int(time): _batch_restored(batch) for time, batch in saved["batches"]}


def _symbol_of(instrument: Instrument) -> str:
    return instrument.symbol


def _in_more_words(command: BreakerCommand) -> OperatorCommand:
    return OperatorCommand(
        id=command.id,
        ts_ns=command.ts_ns,
        cause_id=command.cause_id,
        correlation_id=command.correlation_id,
        account=command.account,
        operation=Operation.HALT if command.open else Operation.RESUME,
        scope=Scope(),
        reason=command.reason,
        actor=command.actor,
    )


def _order_type(decision: Record) -> OrderType:
    if decision.trigger_ticks > 0:
        return OrderType.STOP_LIMIT if decision.limit_ticks > 0 else OrderType.STOP
    return OrderType.LIMIT if decision.limit_ticks > 0 else OrderType.MARKET


def _time_in_force(decision: Record, wish: Wish) -> TimeInForce:
    """What waits for a price does so until its validity ends, unless the strategy has said otherwise."""
    if decision.limit_ticks <= 0 and decision.trigger_ticks <= 0:
        return TimeInForce.GTC
    return wish.time_in_force or TimeInForce.GTD


def _bracket(decision: Record) -> Bracket | None:
    if not (decision.stop_ticks or decision.target_ticks or decision.trail_ppb):
        return None
    return Bracket(
        stop_ticks=decision.stop_ticks or None,
        target_ticks=decision.target_ticks or None,
        trail_ppb=decision.trail_ppb or None,
        trail_step_ppb=decision.trail_step_ppb,
    )


def _batch_snapshot(batch: Batch) -> dict[str, Any]:
    return {
        "signals": [asdict(signal) for signal in batch.signals.values()],
        "partitions": sorted(batch.partitions),
        "bars": [asdict(bar) for bar in batch.bars.values()],
        "has_bars": batch.has_bars,
        "equity": asdict(batch.equity) if batch.equity else None,
    }


def _wish_restored(saved: Mapping[str, Any]) -> Wish:
    style, time_in_force = saved.get("style"), saved.get("time_in_force")
    if style is not None:
        style = Style(**{**style, "method": Method(style["method"])})
    return Wish(**{**saved, "style": style, "time_in_force": time_in_force and TimeInForce(time_in_force)})


def _batch_restored(saved: Mapping[str, Any]) -> Batch:
    signals = [
        SignalRaised(**{**entry, "action": Action(entry["action"]), "wish": _wish_restored(entry["wish"])})
        for entry in saved["signals"]
    ]
    bars = [BarClosed(**entry) for entry in saved["bars"]]
    equity = saved["equity"]
    if equity is not None:
        equity = EquityMarked(**{**equity, "positions": tuple(tuple(row) for row in equity["positions"])})
    return Batch(
        signals={signal.id: signal for signal in signals},
        partitions=set(saved["partitions"]),
        bars={bar.symbol: bar for bar in bars},
        has_bars=bool(saved["has_bars"]),
        equity=equity,
    )

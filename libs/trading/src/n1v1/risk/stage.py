"""The risk stage: hears signals, fills, equity and breaker commands; says approved, refused, breaker.

The signals of one bar time are decided as one batch, once every signals partition has reported and the equity of
that time is known: exits first, then by instance and symbol. So the verdicts do not depend on the order in which
messages arrive or on how many workers sent them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from n1v1 import ids
from n1v1.events import (
    Action,
    BreakerChanged,
    BreakerCommand,
    DecisionsComplete,
    EquityMarked,
    Event,
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
from n1v1.risk.account import AccountView
from n1v1.risk.limits import Approved, Request, decide, reduces
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import Check, RefusalReason, Refused
from n1v1.values import Instrument, OrderType, Purpose, TimeInForce

TOO_LATE = "its bar time, or a later one, was decided before"


@dataclass(slots=True)
class Batch:
    """What has arrived for one bar time."""

    signals: dict[str, SignalRaised] = field(default_factory=dict)
    partitions: set[int] = field(default_factory=set)
    equity: EquityMarked | None = None


class Risk:
    def __init__(
        self,
        *,
        account: str,
        instruments: Sequence[Instrument],
        policy: RiskPolicy,
        signal_partitions: int = 1,
    ) -> None:
        self._account = account
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._policy = policy
        self._partitions = frozenset(range(signal_partitions))
        self._view = AccountView()
        self._breaker: str | None = None
        self._breaker_version = 0
        self._batches: dict[int, Batch] = {}
        self._decided_ns = -1

    @property
    def breaker_reason(self) -> str | None:
        """Why the breaker is open; None while it is closed."""
        return self._breaker

    @property
    def breaker_version(self) -> int:
        """Counts the changes of the breaker."""
        return self._breaker_version

    def handle(self, event: Event) -> list[Event]:
        match event:
            case SignalRaised() if event.ts_ns <= self._decided_ns:
                return [self._refuse(event, Refused(RefusalReason.SIGNAL_EXPIRED, TOO_LATE))]
            case SignalRaised():
                self._batch(event.ts_ns).signals[event.id] = event
            case SignalsComplete() if event.ts_ns > self._decided_ns:
                self._batch(event.ts_ns).partitions.add(event.partition)
                return self._decide_if_ready(event)
            case EquityMarked() if event.account == self._account and event.ts_ns > self._decided_ns:
                self._batch(event.ts_ns).equity = event
                return self._decide_if_ready(event)
            case OrderFilled() if event.account == self._account:
                self._view.fill(event)
            case OrderRejected() | OrderCancelled() | OrderExpired() if event.account == self._account:
                self._view.release(event.order_id)
            case BreakerCommand() if event.account == self._account:
                return self._command(event)
            case _:
                pass
        return []

    def waits_for(self, ts_ns: int) -> list[str]:
        """What the batch of a bar time still lacks, in words; empty when it was decided or never began."""
        batch = self._batches.get(ts_ns)
        if batch is None:
            return []
        missing = [f"signals partition {partition}" for partition in sorted(self._partitions - batch.partitions)]
        return missing if batch.equity else [*missing, "equity"]

    def undecided_signal_ids(self) -> set[str]:
        return {id_ for batch in self._batches.values() for id_ in batch.signals}

    def decide_without_waiting(self, ts_ns: int) -> list[Event]:
        """Decide a batch whose time to wait is over with what has arrived. It needs the equity at least."""
        batch = self._batches.get(ts_ns)
        return [] if batch is None or batch.equity is None else self._decide(ts_ns, batch, batch.equity)

    def _batch(self, ts_ns: int) -> Batch:
        return self._batches.setdefault(ts_ns, Batch())

    def _decide_if_ready(self, event: Event) -> list[Event]:
        batch = self._batches[event.ts_ns]
        if batch.equity is None or not batch.partitions >= self._partitions:
            return []
        return self._decide(event.ts_ns, batch, batch.equity)

    def _decide(self, ts_ns: int, batch: Batch, equity: EquityMarked) -> list[Event]:
        self._view.mark(equity)
        said: list[Event] = [*self._give_up_before(ts_ns), *self._trip(equity)]
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

    def _give_up_before(self, ts_ns: int) -> list[Event]:
        """A bar time that was overtaken is never decided: whatever was signalled in it is refused."""
        overtaken = sorted(time for time in self._batches if time < ts_ns)
        signals = [signal for time in overtaken for signal in self._batches[time].signals.values()]
        return [self._refuse(signal, Refused(RefusalReason.SIGNAL_EXPIRED, TOO_LATE)) for signal in signals]

    def _priority(self, signal: SignalRaised) -> tuple[bool, str, str]:
        is_exit = reduces(signal, held=self._view.lots.get(signal.symbol, 0))
        return (not is_exit, signal.instance, signal.symbol)

    def _trip(self, equity: EquityMarked) -> list[Event]:
        limit = self._policy.breaker_drawdown_ppb
        if limit is None or self._breaker is not None or self._view.drawdown_ppb < limit:
            return []
        reason = f"equity drawdown {self._view.drawdown_ppb / 1e7:.2f} % reached {limit / 1e7:.2f} %"
        return [self._set_breaker(equity, reason, open_=True, actor="risk")]

    def _command(self, command: BreakerCommand) -> list[Event]:
        if command.open == (self._breaker is not None):
            return []
        if not command.open:
            self._view.forgive()
        return [self._set_breaker(command, command.reason, open_=command.open, actor=command.actor)]

    def _set_breaker(self, cause: Event, reason: str, *, open_: bool, actor: str) -> BreakerChanged:
        self._breaker = reason if open_ else None
        self._breaker_version += 1
        return BreakerChanged(
            id=f"breaker:{self._account}:{cause.id}",
            ts_ns=cause.ts_ns,
            cause_id=cause.id,
            correlation_id=cause.correlation_id,
            account=self._account,
            is_open=open_,
            reason=reason,
            actor=actor,
        )

    def _verdict(self, signal: SignalRaised) -> Event:
        instrument = self._instruments.get(signal.symbol)
        if instrument is None:
            return self._refuse(signal, Refused(RefusalReason.UNKNOWN_SYMBOL, "no such instrument"))
        request = Request(signal=signal, instrument=instrument, breaker=self._breaker)
        decision = decide(request, self._view, self._policy)
        if not isinstance(decision, Approved):
            return self._refuse(signal, decision.refused, decision.checks)
        order = self._approve(signal, decision)
        self._view.reserve(order, cash=decision.request.cash)
        return order

    def _approve(self, signal: SignalRaised, decision: Approved) -> OrderApproved:
        request = decision.request
        order_id = ids.order_id(self._account, signal.id)
        return OrderApproved(
            id=f"approved:{order_id}",
            ts_ns=signal.ts_ns,
            cause_id=signal.id,
            correlation_id=signal.correlation_id,
            order_id=order_id,
            signal_id=signal.id,
            account=self._account,
            instance=signal.instance,
            symbol=signal.symbol,
            side=request.side,
            type=OrderType.MARKET,
            lots=request.lots,
            limit_ticks=None,
            time_in_force=TimeInForce.GTC,
            reduce_only=request.reduces,
            purpose=Purpose.EXIT if request.reduces else Purpose.ENTRY,
            reference_ticks=request.reference_ticks,
            valid_until_ns=signal.ts_ns + self._policy.valid_for_ns,
            checks=decision.checks,
        )

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
            "view": self._view.snapshot(),
            "breaker": self._breaker,
            "breaker_version": self._breaker_version,
            "decided_ns": self._decided_ns,
            "batches": [[time, _batch_snapshot(batch)] for time, batch in self._batches.items()],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._view = AccountView.restored(saved["view"])
        self._breaker, self._breaker_version = saved["breaker"], int(saved["breaker_version"])
        self._decided_ns = int(saved["decided_ns"])
        self._batches = {int(time): _batch_restored(batch) for time, batch in saved["batches"]}


def _batch_snapshot(batch: Batch) -> dict[str, Any]:
    return {
        "signals": [asdict(signal) for signal in batch.signals.values()],
        "partitions": sorted(batch.partitions),
        "equity": asdict(batch.equity) if batch.equity else None,
    }


def _batch_restored(saved: Mapping[str, Any]) -> Batch:
    signals = [
        SignalRaised(**{**entry, "action": Action(entry["action"]), "wish": Wish(**entry["wish"])})
        for entry in saved["signals"]
    ]
    equity = saved["equity"]
    if equity is not None:
        equity = EquityMarked(**{**equity, "positions": tuple(tuple(row) for row in equity["positions"])})
    return Batch({signal.id: signal for signal in signals}, set(saved["partitions"]), equity)

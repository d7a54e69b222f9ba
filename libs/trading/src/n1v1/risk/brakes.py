"""What holds the account back, the circuit breaker and the halts together, and what is said when that changes.

When the breaker opens and closes is `breaker`'s matter, what a halt covers is `halts`'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n1v1.events import BreakerChanged, EquityMarked, Event, HaltsChanged, OperatorCommand
from n1v1.risk import account as accounts
from n1v1.risk import breaker
from n1v1.risk.account_book import AccountBook
from n1v1.risk.causes import Moment, Stale
from n1v1.risk.checks import percent
from n1v1.risk.halts import MARKET, Halt, Halts, Operation, Scope
from n1v1.risk.policy import RiskPolicy


class Brakes:
    def __init__(self, account: str, policy: RiskPolicy, book: AccountBook) -> None:
        self._account = account
        self._policy = policy
        self._book = book
        self.trip: str | None = None
        """Why the circuit breaker is open."""
        self.halts = Halts()
        self.version = 0
        """Counts the changes of the breaker and of the halts."""

    @property
    def reason(self) -> str | None:
        """Why the account takes no new exposure: halted by somebody, or the breaker is open; None while it does."""
        halt = self.halts.of_account
        return self.trip if halt is None else halt.reason

    def observe_equity(self, moment: EquityMarked | Moment, equity: int) -> list[Event]:
        book = self._book
        state = book.state
        trips, was_open = state.trip_count, breaker.breaker_is_open(state)
        breaker.observe_equity(book.limits, state, equity, moment.ts_ns)
        is_open = breaker.breaker_is_open(state)
        if book.limits.max_exposure_ppb:
            book.measure_exposure()
        if state.trip_count != trips:
            self.trip = self._trip_reason()
            return [self._say_breaker(moment, self.trip, actor="risk")]
        if was_open and not is_open:
            self.trip = None
            return self._say_free(moment, "the account has recovered", actor="risk")
        return []

    def _trip_reason(self) -> str:
        state, policy = self._book.state, self._policy
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

    def halt(self, command: OperatorCommand, now_ns: int) -> list[Event]:
        """Halt the scope of the command; nothing is said when it was halted for as long already."""
        halt = Halt(
            scope=command.scope,
            reason=command.reason,
            actor=command.actor,
            since_ns=now_ns,
            until_ns=now_ns + command.lasts_ns if command.lasts_ns else 0,
            closes=command.operation is Operation.FLATTEN,
            command_id=command.id,
        )
        if not self.halts.put(halt):
            return []
        said: list[Event] = [self._say_halts(command)]
        if halt.scope.is_account:
            said.append(self._say_breaker(command, halt.reason, actor=halt.actor))
        return said

    def resume(self, command: OperatorCommand) -> list[Event]:
        """End the halt of exactly this scope. To resume the account closes the breaker as well, whatever had opened
        it, and measures losses anew."""
        scope = command.scope
        lifted = self.halts.lift(scope)
        was_open = scope.is_account and breaker.breaker_is_open(self._book.state)
        said: list[Event] = [self._say_halts(command)] if lifted is not None else []
        if scope.is_account and (lifted is not None or was_open):
            accounts.measure_anew(self._book.limits, self._book.state)
            self.trip = None
            said += self._say_free(command, command.reason, actor=command.actor)
        return said

    def end_halts(self, moment: EquityMarked | Moment) -> list[Event]:
        """Those whose time is over. The account is free again unless its breaker is open, which is known by now: a bar
        time says only once whether the account trades.
        """
        over = self.halts.end_due(moment.ts_ns)
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
        return [self._say_halts(Stale(symbol, last_ns))] if self.halts.put_stale(halt) else []

    def mark_fresh(self, symbol: str, last_ns: int) -> list[Event]:
        """A bar of the symbol came in time again."""
        return [self._say_halts(Stale(symbol, last_ns))] if self.halts.lift_stale(symbol) else []

    def _say_halts(self, cause: Event | Moment | Stale) -> HaltsChanged:
        self.version += 1
        return HaltsChanged(
            id=f"halts:{self._account}:{self.version}:{cause.id}",
            ts_ns=cause.ts_ns,
            cause_id=cause.id,
            correlation_id=cause.correlation_id,
            account=self._account,
            halts=self.halts.in_force,
        )

    def _say_free(self, cause: Event | Moment, reason: str, *, actor: str) -> list[Event]:
        """That the account takes new exposure again, unless something else holds it back."""
        if self.reason is not None:
            return []
        return [self._say_breaker(cause, reason, actor=actor)]

    def _say_breaker(self, cause: Event | Moment, reason: str, *, actor: str) -> BreakerChanged:
        self.version += 1
        return BreakerChanged(
            id=f"breaker:{self._account}:{cause.id}",
            ts_ns=cause.ts_ns,
            cause_id=cause.id,
            correlation_id=cause.correlation_id,
            account=self._account,
            is_open=self.reason is not None,
            reason=reason,
            actor=actor,
        )

    def snapshot(self) -> dict[str, Any]:
        return {"breaker": self.trip, "breaker_version": self.version, "halts": self.halts.snapshot()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.trip, self.version = saved["breaker"], int(saved["breaker_version"])
        self.halts.restore(saved.get("halts", ()))

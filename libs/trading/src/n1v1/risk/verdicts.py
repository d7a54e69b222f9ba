"""A verdict on each signal: an order, or a refusal with its reason and the checks that were made.

Asked in this order: what is halted, the user's own risk managers, whether such an order can be, and the limits.
"""

from __future__ import annotations

from collections.abc import Mapping

from n1v1 import ids
from n1v1.events import NO_WISH, Action, Event, OrderApproved, OrderRefused, SignalRaised, Wish
from n1v1.kernels import Record, new_record
from n1v1.risk import account as accounts
from n1v1.risk import breaker, limits
from n1v1.risk.account import PURPOSES, STOP_LOSS
from n1v1.risk.account_book import AccountBook
from n1v1.risk.approvals import approved_order
from n1v1.risk.brackets import Brackets
from n1v1.risk.brakes import Brakes
from n1v1.risk.causes import Cause
from n1v1.risk.checks import Shown, checks_made
from n1v1.risk.halts import MARKET
from n1v1.risk.limits import DECISION
from n1v1.risk.plugins import AnomalyWatch, Judgement, Proposal, RiskManagerInterface, judged
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import REASONS, Check, RefusalReason, Refused
from n1v1.risk.records import wish_record
from n1v1.risk.wishes import why_impossible
from n1v1.styles import Plan, StyleRules, plan_of
from n1v1.values import PPB, Instrument, Purpose

ACTIONS = {Action.BUY: limits.BUY, Action.SELL: limits.SELL, Action.CLOSE: limits.CLOSE}

NO_OBJECTIONS = Judgement()


class Verdicts:
    def __init__(
        self,
        *,
        account: str,
        policy: RiskPolicy,
        book: AccountBook,
        brackets: Brackets,
        brakes: Brakes,
        managers: Mapping[str, RiskManagerInterface],
        watch: AnomalyWatch,
        styles: StyleRules,
        explains: bool,
    ) -> None:
        self._account = account
        self._policy = policy
        self._book = book
        self._brackets = brackets
        self._brakes = brakes
        self._managers = managers
        self._watch = watch
        self._styles = styles
        self._explains = explains
        self._decision: Record = new_record(DECISION)

    def priority(self, signal: SignalRaised) -> tuple[bool, str, str]:
        """The order in which the signals of one bar time are decided: exits first, then by instance and symbol."""
        symbol = self._book.symbols.get(signal.symbol)
        action = ACTIONS.get(signal.action)
        is_exit = symbol is not None and action is not None and limits.reduces(action, symbol)
        return (not is_exit, signal.instance, signal.symbol)

    def on(self, signal: SignalRaised) -> Event:
        book = self._book
        instrument = book.instruments.get(signal.symbol)
        if instrument is None:
            return self.refuse(signal, Refused(RefusalReason.UNKNOWN_SYMBOL, "no such instrument"))
        symbol = book.symbols[signal.symbol]
        if signal.action is Action.MOVE_STOP:
            return self._on_move(signal, symbol, instrument)
        if self._brakes.halts and (halted := self._why_halted(signal, symbol)):
            return self.refuse(signal, halted, (Check("halts", passed=False, detail=halted.detail),))
        judgement = self._judgement(signal, symbol, instrument)
        if judgement.refused is not None:
            return self.refuse(signal, Refused(RefusalReason.VETOED, judgement.refused))
        if impossible := why_impossible(signal.wish, signal.action, symbol.mark_ticks, self._styles):
            return self.refuse(signal, Refused(RefusalReason.ORDER_IMPOSSIBLE, impossible))
        reason = limits.decide(
            book.limits,
            book.state,
            symbol,
            instrument,
            wish_record(signal.wish, scale_ppb=judgement.scale_ppb),
            ACTIONS[signal.action],
            signal.ts_ns,
            self._decision,
        )
        if reason == 0:
            return self._approve(Cause.of_signal(signal), signal.wish)
        return self._refuse_for(signal, reason, instrument)

    def _on_move(self, signal: SignalRaised, symbol: Record, instrument: Instrument) -> Event:
        """A stop that is moved is an order that waits until what protects the position now is gone from the venue.

        It reserves nothing, as the legs of an entry do not.
        """
        decision, stop_ticks = self._decision, signal.wish.trigger_ticks or 0
        reason = limits.decide_closing(symbol, instrument, STOP_LOSS, decision)
        if reason != 0:
            return self._refuse_for(signal, reason, instrument)
        if symbol.has_order:
            return self.refuse(signal, Refused(RefusalReason.ORDER_IN_FLIGHT, "the position is still being changed"))
        if wrong := self._brackets.why_not_moved(decision, stop_ticks, instrument):
            return self.refuse(signal, Refused(RefusalReason.ORDER_IMPOSSIBLE, wrong))
        decision.trigger_ticks = stop_ticks
        decision.target_ticks = self._brackets.target_ticks(signal.symbol)
        approved = self._approved(Cause.of_signal(signal), NO_WISH, None)
        self._brackets.move(signal.symbol, approved.order_id, stop_ticks)
        return approved

    def _refuse_for(self, signal: SignalRaised, reason: int, instrument: Instrument) -> OrderRefused:
        """reason: a place in REASONS, why there is no order in `_decision`."""
        checks = self._checks(instrument)
        found = REASONS[reason]
        assert found is not None
        return self.refuse(signal, Refused(found, checks[-1].detail if checks else ""), checks)

    def closes(self, symbol: str, purpose: int) -> bool:
        """Whether a position can be closed now; `closing` makes the order of it."""
        book = self._book
        return limits.decide_closing(book.symbols[symbol], book.instruments[symbol], purpose, self._decision) == 0

    def closing(self, cause: Cause) -> OrderApproved:
        """The order that `closes` has just decided on."""
        return self._approve(cause, NO_WISH)

    def _why_halted(self, signal: SignalRaised, symbol: Record) -> Refused | None:
        """What somebody, or stale market data, has to say against an entry; nothing against anything else."""
        if signal.action is Action.CLOSE or limits.reduces(ACTIONS[signal.action], symbol):
            return None
        halt = self._brakes.halts.holding_back(signal.instance, signal.symbol)
        if halt is None:
            return None
        return Refused(RefusalReason.STALE_MARKET_DATA if halt.actor == MARKET else RefusalReason.HALTED, str(halt))

    def _judgement(self, signal: SignalRaised, symbol: Record, instrument: Instrument) -> Judgement:
        """What the user's own risk managers say of an entry. They are not asked about exits."""
        if not self._managers or signal.action is Action.CLOSE or accounts.held_lots(symbol) or symbol.mark_ticks <= 0:
            return NO_OBJECTIONS
        state = self._book.state
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
        return checks_made(Shown(self._decision, instrument, self._policy, self._brakes.trip, said))

    def _approve(self, cause: Cause, wish: Wish) -> OrderApproved:
        """The order that stands in `_decision`, reserved."""
        decision, book = self._decision, self._book
        purpose = PURPOSES[decision.purpose]
        if book.symbols[cause.symbol].has_order:
            book.give_up_parts(cause.symbol, cause.ts_ns)
        plan = self._plan(cause, wish, purpose)
        order_id = ids.order_id(self._account, cause.signal_id)
        book.reserve(order_id, cause.symbol, decision, cause.ts_ns, is_parted=plan is not None)
        approved = self._approved(cause, wish, plan)
        if purpose is Purpose.ENTRY:
            book.entered_by[cause.symbol] = cause.instance
            self._brackets.entered(cause.symbol, approved.bracket)
        return approved

    def _approved(self, cause: Cause, wish: Wish, plan: Plan | None) -> OrderApproved:
        return approved_order(
            self._account,
            self._decision,
            cause,
            wish,
            plan=plan,
            validity_ns=self._validity_ns(),
            checks=self._checks(self._book.instruments[cause.symbol]),
        )

    def _validity_ns(self) -> int:
        """Of the order in `_decision`. A stop that is moved rests until it is taken back, but is moved now or never."""
        if self._decision.purpose == STOP_LOSS:
            return int(self._book.limits.valid_for_ns)
        return limits.validity_ns(self._book.limits, self._decision)

    def _plan(self, cause: Cause, wish: Wish, purpose: Purpose) -> Plan | None:
        """How the order in `_decision` is divided; None: not at all. An order of our own never is."""
        if purpose not in (Purpose.ENTRY, Purpose.EXIT):
            return None
        decision, rules = self._decision, self._styles
        if wish.style is None and (rules.always_whole or decision.trigger_ticks):
            return None
        is_entry = purpose is Purpose.ENTRY
        instrument = self._book.instruments[cause.symbol]
        style = rules.style(cause.instance, wish.style, value=instrument.cash(decision.value), is_entry=is_entry)
        if style is None:
            return None
        return plan_of(style, rules, instrument, lots=decision.lots, value=decision.value)

    def refuse(self, signal: SignalRaised, refused: Refused, checks: tuple[Check, ...] = ()) -> OrderRefused:
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

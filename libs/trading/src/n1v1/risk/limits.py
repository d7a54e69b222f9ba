"""The checks between a signal and an order, in the order in which they are made.

Each check is a function of (request, account, policy) that answers a `Check` and, when it fails, a reason. The first
failure decides; every check made is recorded, so that a refusal and an approval explain themselves alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from n1v1.events import Action, SignalRaised
from n1v1.risk.account import AccountView
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import Check, RefusalReason, Refused
from n1v1.risk.sizing import fixed_fraction
from n1v1.rounding import divide_up, notional, share, whole_steps
from n1v1.values import PPB, Instrument, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A signal on its way to becoming an order. lots and cash (to reserve, in quanta) are known once it is sized."""

    signal: SignalRaised
    instrument: Instrument
    breaker: str | None
    side: Side = Side.BUY
    reduces: bool = False
    reference_ticks: int = 0
    lots: int = 0
    cash: int = 0


@dataclass(frozen=True, slots=True)
class Approved:
    request: Request
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Denied:
    refused: Refused
    checks: tuple[Check, ...]


Answer = tuple[Request, str] | Refused
"""What a check says: the request (perhaps completed) with a remark, or a refusal."""

Step = Callable[[Request, AccountView, RiskPolicy], Answer]


def decide(request: Request, account: AccountView, policy: RiskPolicy) -> Approved | Denied:
    """Run the checks. Entries and exits have different ones: an exit is never held back by a limit."""
    checks: list[Check] = []
    answer = _run(COMMON_CHECKS, request, account, policy, checks)
    if isinstance(answer, Request):
        answer = _run(EXIT_CHECKS if answer.reduces else ENTRY_CHECKS, answer, account, policy, checks)
    if isinstance(answer, Refused):
        return Denied(answer, tuple(checks))
    return Approved(answer, tuple(checks))


def _run(
    steps: tuple[tuple[str, Step], ...],
    request: Request,
    account: AccountView,
    policy: RiskPolicy,
    checks: list[Check],
) -> Request | Refused:
    for name, step in steps:
        answer = step(request, account, policy)
        if isinstance(answer, Refused):
            checks.append(Check(name, False, answer.detail))
            return answer
        request, remark = answer
        checks.append(Check(name, True, remark))
    return request


def reduces(signal: SignalRaised, *, held: int) -> bool:
    """Whether a signal makes a position of `held` lots smaller: an exit."""
    return held != 0 and (signal.action is Action.CLOSE or (signal.action is Action.SELL) == (held > 0))


def _direction(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    held = account.lots.get(request.signal.symbol, 0)
    action = request.signal.action
    if reduces(request.signal, held=held):
        side = Side.SELL if held > 0 else Side.BUY
        return replace(request, side=side, reduces=True), f"closes {abs(held)} lots"
    if action is Action.CLOSE:
        return Refused(RefusalReason.NOTHING_TO_CLOSE, "no position")
    if held:
        return Refused(RefusalReason.ALREADY_IN_POSITION, f"{held} lots are held")
    if action is Action.SELL and not request.instrument.can_short:
        return Refused(RefusalReason.SHORT_DISABLED, "nothing is held and the instrument cannot be shorted")
    return replace(request, side=Side[action.value]), "opens a position"


def _price(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    ticks = account.marks.get(request.signal.symbol, 0)
    if ticks <= 0:
        return Refused(RefusalReason.NO_PRICE, "the symbol has no mark yet")
    return replace(request, reference_ticks=ticks), f"{request.instrument.price(ticks)}"


def _in_flight(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    if account.has_order(request.signal.symbol):
        return Refused(RefusalReason.ORDER_IN_FLIGHT, "an earlier order on the symbol is not done")
    return request, "none"


def _breaker(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    if request.breaker is not None:
        return Refused(RefusalReason.BREAKER_OPEN, request.breaker)
    return request, "closed"


def _drawdown(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    remark = f"{_percent(account.drawdown_ppb)} of at most {_percent(policy.max_drawdown_ppb)}"
    if account.drawdown_ppb >= policy.max_drawdown_ppb:
        return Refused(RefusalReason.DRAWDOWN_LIMIT, remark)
    return request, remark


def _position_count(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    held = len(account.held_symbols() - {request.signal.symbol})
    if held >= policy.max_positions:
        return Refused(RefusalReason.TOO_MANY_POSITIONS, f"{held} of at most {policy.max_positions}")
    return request, f"{held} of at most {policy.max_positions}"


def _size(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    wished = request.signal.wish.fraction_ppb
    if wished is None:
        wished = policy.position_fraction_ppb
    fraction = min(wished, policy.max_position_ppb)
    lots = fixed_fraction(
        request.instrument,
        equity=account.equity,
        fraction_ppb=fraction,
        reference_ticks=request.reference_ticks,
    )
    value = notional(request.instrument, ticks=request.reference_ticks, lots=lots)
    capped = f", capped from {_percent(wished)}" if wished > fraction else ""
    remark = f"{_percent(fraction)} of equity{capped}: {request.instrument.quantity(lots)}"
    if lots == 0 or value < request.instrument.min_notional:
        return Refused(RefusalReason.BELOW_MIN_NOTIONAL, remark)
    cost = value + divide_up(value * policy.cost_ppb, PPB) if request.side is Side.BUY else 0
    return replace(request, lots=lots, cash=cost), remark


def _position_limit(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    value = notional(request.instrument, ticks=request.reference_ticks, lots=request.lots)
    limit = share(account.equity, fraction_ppb=policy.max_position_ppb)
    remark = f"{request.instrument.cash(value)} of at most {request.instrument.cash(limit)}"
    if value > limit:
        return Refused(RefusalReason.POSITION_LIMIT, remark)
    return request, remark


def _cash(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    cash = request.instrument.cash
    remark = f"needs {cash(request.cash)}, free {cash(account.free_cash)}"
    if request.side is Side.BUY and request.cash > account.free_cash:
        return Refused(RefusalReason.INSUFFICIENT_CASH, remark)
    return request, remark


def _closing_size(request: Request, account: AccountView, policy: RiskPolicy) -> Answer:
    lots = whole_steps(request.instrument, abs(account.lots[request.signal.symbol]))
    remark = f"all of it: {request.instrument.quantity(lots)}"
    if notional(request.instrument, ticks=request.reference_ticks, lots=lots) < request.instrument.min_notional:
        return Refused(RefusalReason.BELOW_MIN_NOTIONAL, remark)
    return replace(request, lots=lots), remark


def _percent(fraction_ppb: int) -> str:
    return f"{fraction_ppb / 10_000_000:.2f} %"


COMMON_CHECKS: tuple[tuple[str, Step], ...] = (
    ("direction", _direction),
    ("price", _price),
)

ENTRY_CHECKS: tuple[tuple[str, Step], ...] = (
    ("order in flight", _in_flight),
    ("breaker", _breaker),
    ("drawdown", _drawdown),
    ("positions", _position_count),
    ("size", _size),
    ("position limit", _position_limit),
    ("cash", _cash),
)

EXIT_CHECKS: tuple[tuple[str, Step], ...] = (
    ("order in flight", _in_flight),
    ("size", _closing_size),
)

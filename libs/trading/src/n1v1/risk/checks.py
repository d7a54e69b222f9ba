"""A decision in words: every check that was made, with the numbers that it looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from n1v1.kernels import Record
from n1v1.risk import limits
from n1v1.risk.adaptive import Mode
from n1v1.risk.anomalies import SEVERITIES
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.reasons import REASONS, Check, RefusalReason
from n1v1.values import Instrument


@dataclass(frozen=True, slots=True)
class Shown:
    """What the words are made of. breaker: why it is open. anomaly: what plug-ins say of the last bar."""

    decision: Record
    instrument: Instrument
    policy: RiskPolicy
    breaker: str | None
    anomaly: str = ""

    @property
    def reason(self) -> RefusalReason | None:
        return REASONS[int(self.decision.reason)]

    def percent_of(self, found_ppb: int, limit_ppb: int) -> str:
        return f"{percent(found_ppb)} of at most {percent(limit_ppb)}"


def checks_made(shown: Shown) -> tuple[Check, ...]:
    """In the order in which they were made. What the policy does not limit is not shown."""
    decision = shown.decision
    order = EXIT_ORDER if decision.check == limits.CLOSING_SIZE or decision.held_lots else ENTRY_ORDER
    made = order[: order.index(decision.check) + 1]
    return tuple(_check(number, shown) for number in made if _is_used(number, shown) or number == decision.check)


def _check(number: int, shown: Shown) -> Check:
    name, words = CHECKS[number]
    passed = shown.reason is None or number != shown.decision.check
    return Check(name, passed, words(shown))


def percent(fraction_ppb: int) -> str:
    return f"{fraction_ppb / 10_000_000:.2f} %"


def _direction(shown: Shown) -> str:
    held = shown.decision.held_lots
    if shown.reason is RefusalReason.NOTHING_TO_CLOSE:
        return "no position"
    if shown.reason is RefusalReason.SHORT_DISABLED:
        return "nothing is held and the instrument cannot be shorted"
    if shown.reason is RefusalReason.ALREADY_IN_POSITION:
        return f"{held} lots are held"
    return f"closes {abs(held)} lots" if held else "opens a position"


def _price(shown: Shown) -> str:
    if shown.reason is RefusalReason.NO_PRICE:
        return "the symbol has no mark yet"
    return f"{shown.instrument.price(shown.decision.reference_ticks)}"


def _in_flight(shown: Shown) -> str:
    if shown.reason is RefusalReason.ORDER_IN_FLIGHT:
        return "an earlier order on the symbol is not done"
    return "none"


def _breaker(shown: Shown) -> str:
    return shown.breaker if shown.breaker is not None else "closed"


def _lock(shown: Shown) -> str:
    if shown.decision.check != limits.LOCK:
        return "none"
    until = datetime.fromtimestamp(shown.decision.locked_until_ns // 1_000_000_000, UTC)
    return f"until {until:%Y-%m-%d %H:%M:%S} UTC"


def _anomaly(shown: Shown) -> str:
    severity = SEVERITIES[shown.decision.severity]
    return f"{severity} ({shown.anomaly})" if shown.anomaly else severity


def _adaptive(shown: Shown) -> str:
    mode = Mode(shown.decision.mode)
    return mode.name if mode is Mode.KILL_SWITCH else f"{mode.name}, {percent(shown.decision.scale_ppb)} of the size"


def _daily_loss(shown: Shown) -> str:
    return shown.percent_of(shown.decision.daily_loss_ppb, shown.policy.max_daily_loss_ppb or 0)


def _drawdown(shown: Shown) -> str:
    return shown.percent_of(shown.decision.drawdown_ppb, shown.policy.max_drawdown_ppb)


def _order_rate(shown: Shown) -> str:
    seconds = shown.policy.order_window_ns // 1_000_000_000
    return f"{shown.decision.recent_orders} of at most {shown.policy.max_orders} in {seconds} s"


def _same_orders(shown: Shown) -> str:
    seconds = shown.policy.order_window_ns // 1_000_000_000
    return f"{shown.decision.same_orders} of at most {shown.policy.max_same_orders} in {seconds} s"


def _positions(shown: Shown) -> str:
    return f"{shown.decision.held_count} of at most {shown.policy.max_positions}"


def _stop(shown: Shown) -> str:
    decision, price = shown.decision, shown.instrument.price
    if shown.reason is RefusalReason.WARMING_UP and decision.check == limits.STOP:
        return "the ATR is not known yet"
    parts = [
        f"{word} {price(ticks)}"
        for word, ticks in (("stop", decision.stop_ticks), ("target", decision.target_ticks))
        if ticks
    ]
    if decision.trail_ppb:
        parts.append(f"trailing {percent(decision.trail_ppb)}")
    return ", ".join(parts) if parts else "none"


def _exposure(shown: Shown) -> str:
    cash = shown.instrument.cash
    return f"{cash(shown.decision.exposure)} of at most {cash(shown.decision.exposure_limit)}"


def _size(shown: Shown) -> str:
    match shown.reason if shown.decision.check == limits.SIZE else None:
        case RefusalReason.STOP_REQUIRED:
            return "the size follows from the distance of a stop, and there is none"
        case RefusalReason.WARMING_UP:
            return "the size follows from the ATR, which is not known yet"
        case RefusalReason.NO_EDGE:
            return "Kelly's formula says to stake nothing"
    decision = shown.decision
    capped = f", capped from {percent(decision.wished_ppb)}" if decision.wished_ppb > decision.fraction_ppb else ""
    return f"{percent(decision.fraction_ppb)} of equity{capped}: {shown.instrument.quantity(decision.lots)}"


def _position_limit(shown: Shown) -> str:
    cash = shown.instrument.cash
    return f"{cash(shown.decision.value)} of at most {cash(shown.decision.value_limit)}"


def _open_risk(shown: Shown) -> str:
    cash, decision = shown.instrument.cash, shown.decision
    risk = cash(decision.open_risk + decision.risked)
    return f"{risk} of at most {cash(decision.open_risk_limit)}, {cash(decision.risked)} of it this entry's"


def _cash(shown: Shown) -> str:
    cash = shown.instrument.cash
    return f"needs {cash(shown.decision.cash)}, free {cash(shown.decision.free_cash)}"


def _closing_size(shown: Shown) -> str:
    return f"all of it: {shown.instrument.quantity(shown.decision.lots)}"


CHECKS: dict[int, tuple[str, Callable[[Shown], str]]] = {
    limits.DIRECTION: ("direction", _direction),
    limits.PRICE: ("price", _price),
    limits.IN_FLIGHT: ("order in flight", _in_flight),
    limits.BREAKER: ("breaker", _breaker),
    limits.LOCK: ("locks", _lock),
    limits.ANOMALY: ("anomaly", _anomaly),
    limits.KILL_SWITCH: ("adaptive policy", _adaptive),
    limits.DAILY_LOSS: ("daily loss", _daily_loss),
    limits.DRAWDOWN: ("drawdown", _drawdown),
    limits.ORDER_RATE: ("order rate", _order_rate),
    limits.SAME_ORDERS: ("same orders", _same_orders),
    limits.POSITIONS: ("positions", _positions),
    limits.STOP: ("protection", _stop),
    limits.EXPOSURE: ("exposure", _exposure),
    limits.SIZE: ("size", _size),
    limits.POSITION_LIMIT: ("position limit", _position_limit),
    limits.OPEN_RISK: ("open risk", _open_risk),
    limits.CASH: ("cash", _cash),
    limits.CLOSING_SIZE: ("size", _closing_size),
}

ENTRY_ORDER = tuple(number for number in CHECKS if number != limits.CLOSING_SIZE)
EXIT_ORDER = (limits.DIRECTION, limits.PRICE, limits.IN_FLIGHT, limits.CLOSING_SIZE)


def _is_used(number: int, shown: Shown) -> bool:
    policy = shown.policy
    match number:
        case limits.LOCK:
            return policy.protects
        case limits.ANOMALY:
            return policy.anomalies.is_on or shown.decision.severity > 0
        case limits.KILL_SWITCH:
            return policy.adaptive.is_adaptive
        case limits.DAILY_LOSS:
            return policy.max_daily_loss_ppb is not None
        case limits.ORDER_RATE:
            return policy.max_orders > 0
        case limits.SAME_ORDERS:
            return policy.max_same_orders > 0
        case limits.STOP:
            return _stop(shown) != "none"
        case limits.EXPOSURE:
            return policy.max_exposure_ppb is not None
        case limits.OPEN_RISK:
            return policy.max_open_risk_ppb is not None
    return True

"""The checks between a signal and an order, in the order in which they are made.

`decide` writes a DECISION: the verdict, the order if there is one, and the numbers that the checks looked at. The first
check that fails decides. An exit has its own, shorter list: no limit ever holds it back.
"""

from __future__ import annotations

import numpy as np

from n1v1.exact import mul_div, mul_div_up
from n1v1.kernels import Record, kernel
from n1v1.risk.account import (
    ENTRY,
    EXIT,
    FLATTEN,
    PARTED_ENTRY,
    PARTED_EXIT,
    drawdown_of,
    held_lots,
    kind_of,
    unreserved_cash,
)
from n1v1.risk.adaptive import KILL_SWITCH as ADAPTIVE_KILL_SWITCH
from n1v1.risk.adaptive import adaptive_mode, adaptive_multiplier
from n1v1.risk.anomalies import CRITICAL, MEDIUM
from n1v1.risk.breaker import breaker_is_open, daily_loss_of
from n1v1.risk.policy import RING
from n1v1.risk.protections import locked_until
from n1v1.risk.reasons import RefusalReason, code_of
from n1v1.risk.sizing import NO_RANGE, NO_STOP, wanted_fraction
from n1v1.risk.stops import needs_range, set_bracket
from n1v1.rounding import affordable_lots, notional, share, whole_steps
from n1v1.values import PPB

BUY = 1
SELL = -1
CLOSE = 2
"""Actions as kernels know them, the same as the answers of a strategy (n1v1.strategies.base)."""

WISH = np.dtype(
    [
        ("fraction_ppb", "i8"),
        ("value", "i8"),
        ("lots", "i8"),
        ("stop_ppb", "i8"),
        ("target_ppb", "i8"),
        ("trail_ppb", "i8"),
        ("limit_ticks", "i8"),
        ("trigger_ticks", "i8"),
        ("scale_ppb", "i8"),
    ]
)
"""`n1v1.events.Wish`; OPEN where nothing is wished. A wish of 0 for a protective order is a wish for none.
scale_ppb: what risk managers of the user's own leave of the entry, usually all (PPB). See records.wish_record."""
OPEN = -1

DECISION = np.dtype(
    [
        (name, "i8")
        for name in (
            "reason",
            "check",
            "purpose",
            "side",
            "lots",
            "cash",
            "value",
            "reference_ticks",
            "limit_ticks",
            "trigger_ticks",
            "stop_ticks",
            "target_ticks",
            "trail_ppb",
            "trail_step_ppb",
            # what the checks looked at
            "held_lots",
            "locked_until_ns",
            "severity",
            "mode",
            "drawdown_ppb",
            "daily_loss_ppb",
            "held_count",
            "recent_orders",
            "same_orders",
            "wished_ppb",
            "fraction_ppb",
            "scale_ppb",
            "value_limit",
            "exposure",
            "exposure_limit",
            "risked",
            "open_risk",
            "open_risk_limit",
            "free_cash",
        )
    ]
)
"""reason: 0 approved, else a place in reasons.REASONS. check: the last check that was made, the one that failed.
purpose: a place in account.PURPOSES. side: +1 buys, -1 sells. cash: to reserve. value: of the lots at the price that
they are sized by. limit_ticks, trigger_ticks, stop_ticks, target_ticks, trail_ppb: 0 for none."""

DIRECTION, PRICE, IN_FLIGHT, BREAKER, LOCK, ANOMALY, KILL_SWITCH, DAILY_LOSS, DRAWDOWN = range(1, 10)
ORDER_RATE, POSITIONS, STOP, EXPOSURE, SIZE, POSITION_LIMIT, CASH = range(10, 17)
CLOSING_SIZE = 17
SAME_ORDERS = 18
OPEN_RISK = 19
"""The checks of an entry, in the order of checks.CHECKS; CLOSING_SIZE is what an exit has instead of those after
IN_FLIGHT."""

_SHORT_DISABLED = code_of(RefusalReason.SHORT_DISABLED)
_NOTHING_TO_CLOSE = code_of(RefusalReason.NOTHING_TO_CLOSE)
_ALREADY_IN_POSITION = code_of(RefusalReason.ALREADY_IN_POSITION)
_NO_PRICE = code_of(RefusalReason.NO_PRICE)
_ORDER_IN_FLIGHT = code_of(RefusalReason.ORDER_IN_FLIGHT)
_ACCOUNT_LOCKED = code_of(RefusalReason.ACCOUNT_LOCKED)
_SYMBOL_LOCKED = code_of(RefusalReason.SYMBOL_LOCKED)
_MARKET_ANOMALY = code_of(RefusalReason.MARKET_ANOMALY)
_KILL_SWITCH = code_of(RefusalReason.KILL_SWITCH)
_BREAKER_OPEN = code_of(RefusalReason.BREAKER_OPEN)
_DAILY_LOSS_LIMIT = code_of(RefusalReason.DAILY_LOSS_LIMIT)
_DRAWDOWN_LIMIT = code_of(RefusalReason.DRAWDOWN_LIMIT)
_ORDER_RATE_LIMIT = code_of(RefusalReason.ORDER_RATE_LIMIT)
_DUPLICATE_ORDER = code_of(RefusalReason.DUPLICATE_ORDER)
_TOO_MANY_POSITIONS = code_of(RefusalReason.TOO_MANY_POSITIONS)
_STOP_REQUIRED = code_of(RefusalReason.STOP_REQUIRED)
_WARMING_UP = code_of(RefusalReason.WARMING_UP)
_NO_EDGE_REASON = code_of(RefusalReason.NO_EDGE)
_BELOW_MIN_NOTIONAL = code_of(RefusalReason.BELOW_MIN_NOTIONAL)
_POSITION_LIMIT = code_of(RefusalReason.POSITION_LIMIT)
_EXPOSURE_LIMIT = code_of(RefusalReason.EXPOSURE_LIMIT)
_OPEN_RISK_LIMIT = code_of(RefusalReason.OPEN_RISK_LIMIT)
_INSUFFICIENT_CASH = code_of(RefusalReason.INSUFFICIENT_CASH)
_PPB = PPB


@kernel
def decide(
    policy: Record,
    account: Record,
    symbol: Record,
    instrument: Record,
    wish: Record,
    action: int,
    ts_ns: int,
    decision: Record,
) -> int:
    """Decide one signal: the reason of the refusal, 0 for an approval; everything else is in `decision`.

    action: BUY, SELL or CLOSE. ts_ns: the bar time. Changes nothing but `decision`; an approval is then reserved.
    """
    _clear(decision)
    decision.held_lots = held_lots(symbol)
    decision.scale_ppb = wish.scale_ppb
    if reduces(action, symbol):
        decision.reason = _closing(symbol, instrument, EXIT, decision)
    else:
        decision.reason = _entry(policy, account, symbol, instrument, wish, action, ts_ns, decision)
    return int(decision.reason)


@kernel
def decide_closing(symbol: Record, instrument: Record, purpose: int, decision: Record) -> int:
    """Close the position for a purpose of our own (TIME_EXIT, FLATTEN). Answers as `decide` does."""
    _clear(decision)
    decision.held_lots = 0
    decision.check = DIRECTION
    decision.reason = _NOTHING_TO_CLOSE
    if symbol.position.lots != 0:
        decision.reason = _closing(symbol, instrument, purpose, decision)
    return int(decision.reason)


@kernel
def validity_ns(policy: Record, decision: Record) -> int:
    """How long an approved order may be executed, in market time. One at a limit is taken back after that."""
    if (decision.limit_ticks > 0 or decision.trigger_ticks > 0) and policy.limit_valid_for_ns > 0:
        return int(policy.limit_valid_for_ns)
    return int(policy.valid_for_ns)


@kernel
def reduces(action: int, symbol: Record) -> bool:
    """Whether an action makes the symbol's position smaller: an exit. Dust is a position to CLOSE alone."""
    held = symbol.position.lots if action == CLOSE else held_lots(symbol)
    return bool(held != 0 and (action == CLOSE or (action == SELL) == (held > 0)))


@kernel
def _clear(decision: Record) -> None:
    decision.reason = 0
    decision.check = 0
    decision.purpose = ENTRY
    decision.side = 0
    decision.lots = 0
    decision.cash = 0
    decision.value = 0
    decision.reference_ticks = 0
    decision.limit_ticks = 0
    decision.trigger_ticks = 0
    decision.stop_ticks = 0
    decision.target_ticks = 0
    decision.trail_ppb = 0
    decision.trail_step_ppb = 0
    decision.risked = 0
    decision.wished_ppb = 0
    decision.fraction_ppb = 0
    decision.scale_ppb = _PPB
    decision.severity = 0
    decision.mode = 0
    decision.locked_until_ns = 0


@kernel
def _closing(symbol: Record, instrument: Record, purpose: int, decision: Record) -> int:
    decision.purpose = purpose
    decision.held_lots = symbol.position.lots
    decision.side = SELL if symbol.position.lots > 0 else BUY
    reason = _price(symbol, decision)
    if reason == 0 and not ends_parts(symbol, purpose):
        reason = _in_flight(symbol, decision)
    if reason != 0:
        return reason
    decision.check = CLOSING_SIZE
    decision.lots = whole_steps(instrument, abs(symbol.position.lots))
    decision.value = notional(instrument, decision.reference_ticks, decision.lots)
    if decision.value < instrument.min_notional:
        return _BELOW_MIN_NOTIONAL
    return 0


@kernel
def _entry(
    policy: Record,
    account: Record,
    symbol: Record,
    instrument: Record,
    wish: Record,
    action: int,
    ts_ns: int,
    decision: Record,
) -> int:
    reason = _direction(symbol, instrument, action, decision)
    if reason == 0:
        reason = _price(symbol, decision)
    if reason == 0:
        reason = _in_flight(symbol, decision)
    if reason == 0:
        reason = _suspension(policy, account, symbol, ts_ns, decision)
    if reason == 0:
        reason = _account_limits(policy, account, symbol, ts_ns, decision)
    if reason == 0:
        reason = _stop(policy, symbol, wish, decision)
    if reason == 0:
        reason = _exposure(policy, account, instrument, decision)
    if reason == 0:
        reason = _size(policy, account, symbol, instrument, wish, decision)
    if reason == 0:
        reason = _limits_of_size(policy, account, instrument, decision)
    return reason


@kernel
def _direction(symbol: Record, instrument: Record, action: int, decision: Record) -> int:
    decision.check = DIRECTION
    if action == CLOSE:
        return _NOTHING_TO_CLOSE
    if held_lots(symbol) != 0:
        return _ALREADY_IN_POSITION
    if action == SELL and not instrument.can_short:
        return _SHORT_DISABLED
    decision.side = action
    return 0


@kernel
def _price(symbol: Record, decision: Record) -> int:
    decision.check = PRICE
    if symbol.mark_ticks <= 0:
        return _NO_PRICE
    decision.reference_ticks = symbol.mark_ticks
    return 0


@kernel
def _in_flight(symbol: Record, decision: Record) -> int:
    decision.check = IN_FLIGHT
    return _ORDER_IN_FLIGHT if symbol.has_order else 0


@kernel
def ends_parts(symbol: Record, purpose: int) -> bool:
    """Whether a closing takes back the order in flight, because that is carried out in parts and takes its time."""
    return bool(symbol.has_order == PARTED_ENTRY or (symbol.has_order == PARTED_EXIT and purpose == FLATTEN))


@kernel
def _suspension(policy: Record, account: Record, symbol: Record, ts_ns: int, decision: Record) -> int:
    """Whether entries are halted for a while: by the breaker, a protection, the market, or a series of losses."""
    decision.check = BREAKER
    if breaker_is_open(account):
        return _BREAKER_OPEN
    decision.check = LOCK
    decision.locked_until_ns = max(locked_until(account, decision.side), locked_until(symbol, decision.side))
    if ts_ns < locked_until(account, decision.side):
        return _ACCOUNT_LOCKED
    if ts_ns < locked_until(symbol, decision.side):
        return _SYMBOL_LOCKED
    decision.check = ANOMALY
    decision.severity = symbol.market.anomaly.severity
    if decision.severity >= CRITICAL:
        return _MARKET_ANOMALY
    if decision.severity >= MEDIUM:
        decision.scale_ppb = share(decision.scale_ppb, policy.scale_down_ppb)
    return _adapt(policy, account, symbol, ts_ns, decision)


@kernel
def _adapt(policy: Record, account: Record, symbol: Record, ts_ns: int, decision: Record) -> int:
    decision.check = KILL_SWITCH
    if policy.is_adaptive:
        decision.mode = adaptive_mode(policy, account, ts_ns)
        if decision.mode == ADAPTIVE_KILL_SWITCH:
            return _KILL_SWITCH
        multiplier = adaptive_multiplier(policy, account, symbol, ts_ns)
        decision.scale_ppb = share(decision.scale_ppb, int(multiplier * 1e9))
    return 0


@kernel
def _account_limits(policy: Record, account: Record, symbol: Record, ts_ns: int, decision: Record) -> int:
    decision.check = DAILY_LOSS
    decision.daily_loss_ppb = daily_loss_of(account)
    if policy.max_daily_loss_ppb > 0 and decision.daily_loss_ppb >= policy.max_daily_loss_ppb:
        return _DAILY_LOSS_LIMIT
    decision.check = DRAWDOWN
    decision.drawdown_ppb = drawdown_of(account)
    if decision.drawdown_ppb >= policy.max_drawdown_ppb:
        return _DRAWDOWN_LIMIT
    decision.check = ORDER_RATE
    decision.recent_orders = count_recent_orders(policy, account, ts_ns)
    if policy.max_orders > 0 and decision.recent_orders >= policy.max_orders:
        return _ORDER_RATE_LIMIT
    decision.check = SAME_ORDERS
    if policy.max_same_orders > 0:
        decision.same_orders = count_same_orders(policy, account, kind_of(symbol, decision), ts_ns)
        if decision.same_orders >= policy.max_same_orders:
            return _DUPLICATE_ORDER
    decision.check = POSITIONS
    decision.held_count = account.held_count
    return _TOO_MANY_POSITIONS if account.held_count >= policy.max_positions else 0


@kernel
def count_recent_orders(policy: Record, account: Record, ts_ns: int) -> int:
    """Orders approved within the policy's window before ts_ns, counted up to its limit."""
    count = 0
    while count < min(policy.max_orders, account.order_count):
        if account.order_ns[(account.order_count - 1 - count) % RING] <= ts_ns - policy.order_window_ns:
            break
        count += 1
    return count


@kernel
def count_same_orders(policy: Record, account: Record, kind: int, ts_ns: int) -> int:
    """As `count_recent_orders`, of one kind; of the last RING orders."""
    count = 0
    for back in range(1, min(RING, account.order_count) + 1):
        at = (account.order_count - back) % RING
        if count >= policy.max_same_orders or account.order_ns[at] <= ts_ns - policy.order_window_ns:
            break
        if account.order_kind[at] == kind:
            count += 1
    return count


@kernel
def _stop(policy: Record, symbol: Record, wish: Record, decision: Record) -> int:
    """Find the bracket first: how large an entry is may depend on how far away its stop is."""
    decision.check = STOP
    if needs_range(policy, wish) and symbol.market.atr_ticks <= 0.0:
        return _WARMING_UP
    decision.limit_ticks = max(0, wish.limit_ticks)
    decision.trigger_ticks = max(0, wish.trigger_ticks)
    set_bracket(policy, symbol, wish, _anchor(decision), decision.side, decision)
    has_stop = decision.stop_ticks > 0 or decision.trail_ppb > 0
    return _STOP_REQUIRED if policy.requires_stop and not has_stop else 0


@kernel
def _anchor(decision: Record) -> int:
    """The price at which the entry is expected: its trigger, else the reference, or the limit where that is better for
    us."""
    if decision.trigger_ticks > 0:
        return int(decision.trigger_ticks)
    if decision.limit_ticks == 0:
        return int(decision.reference_ticks)
    if decision.side > 0:
        return int(min(decision.limit_ticks, decision.reference_ticks))
    return int(max(decision.limit_ticks, decision.reference_ticks))


@kernel
def _exposure(policy: Record, account: Record, instrument: Record, decision: Record) -> int:
    """Whether there is room for any position at all; how much of it there is limits the size."""
    decision.check = EXPOSURE
    decision.exposure = account.exposure
    decision.exposure_limit = share(account.equity, policy.max_exposure_ppb)
    if policy.max_exposure_ppb == 0:
        return 0
    room = decision.exposure_limit - decision.exposure
    return _EXPOSURE_LIMIT if room < max(1, instrument.min_notional) else 0


@kernel
def _size(policy: Record, account: Record, symbol: Record, instrument: Record, wish: Record, decision: Record) -> int:
    decision.check = SIZE
    price = priced_at(decision)
    largest = _largest_value(policy, account, decision)
    lots = _wanted_lots(policy, account, symbol, instrument, wish, price, decision)
    if lots < 0:
        return _reason_without_size(lots)
    decision.fraction_ppb = min(decision.fraction_ppb, policy.max_position_ppb)
    decision.lots = min(lots, affordable_lots(instrument, largest, price))
    decision.value = notional(instrument, price, decision.lots)
    if decision.lots == 0 or decision.value < instrument.min_notional:
        return _BELOW_MIN_NOTIONAL
    decision.cash = decision.value + mul_div_up(decision.value, policy.cost_ppb, _PPB) if decision.side > 0 else 0
    return 0


@kernel
def priced_at(decision: Record) -> int:
    """What an entry is sized by: its limit, else its trigger, else the price that was decided on."""
    if decision.limit_ticks > 0:
        return int(decision.limit_ticks)
    return int(decision.trigger_ticks if decision.trigger_ticks > 0 else decision.reference_ticks)


@kernel
def _largest_value(policy: Record, account: Record, decision: Record) -> int:
    """What the limits that cut an entry leave of it, in quanta."""
    largest = share(account.equity, policy.max_position_ppb)
    if policy.max_exposure_ppb > 0:
        largest = min(largest, decision.exposure_limit - decision.exposure)
    if policy.cuts_to_cash and decision.side > 0:
        largest = min(largest, mul_div(unreserved_cash(account), _PPB, _PPB + policy.cost_ppb))
    return int(largest)


@kernel
def _reason_without_size(answer: int) -> int:
    if answer == NO_STOP:
        return _STOP_REQUIRED
    if answer == NO_RANGE:
        return _WARMING_UP
    return _NO_EDGE_REASON


@kernel
def _wanted_lots(
    policy: Record, account: Record, symbol: Record, instrument: Record, wish: Record, price: int, decision: Record
) -> int:
    """What strategy or policy ask for, scaled, before any limit; negative when the policy's method has no answer.

    The fraction of equity that it is worth is written into the decision.
    """
    if wish.lots >= 0:
        lots = whole_steps(instrument, share(wish.lots, decision.scale_ppb))
        _note_fraction(account, notional(instrument, price, lots), decision)
        return lots
    if wish.value >= 0:
        value = share(wish.value, decision.scale_ppb)
        _note_fraction(account, value, decision)
        return affordable_lots(instrument, value, price)
    fraction = wish.fraction_ppb
    if fraction < 0:
        fraction = wanted_fraction(policy, account, symbol, price, _risked_distance(decision))
    if fraction < 0:
        return int(fraction)
    decision.wished_ppb = fraction
    decision.fraction_ppb = share(fraction, decision.scale_ppb)
    allowed = min(decision.fraction_ppb, policy.max_position_ppb)
    return affordable_lots(instrument, share(account.equity, allowed), price)


@kernel
def _risked_distance(decision: Record) -> int:
    """How far the price may go against the entry, in ticks, before it is stopped; 0: as far as it likes."""
    anchor = _anchor(decision)
    if decision.stop_ticks > 0:
        return int(abs(anchor - decision.stop_ticks))
    return mul_div(anchor, decision.trail_ppb, _PPB)


@kernel
def _note_fraction(account: Record, value: int, decision: Record) -> None:
    fraction = mul_div(value, _PPB, account.equity) if account.equity > 0 else 0
    decision.wished_ppb = fraction
    decision.fraction_ppb = fraction


@kernel
def _limits_of_size(policy: Record, account: Record, instrument: Record, decision: Record) -> int:
    reason = exceeds_position_limit(policy, account, decision)
    if reason == 0 and policy.max_open_risk_ppb > 0:
        reason = _open_risk(policy, account, instrument, decision)
    if reason == 0:
        reason = _cash(account, decision)
    return int(reason)


@kernel
def exceeds_position_limit(policy: Record, account: Record, decision: Record) -> int:
    """Whatever sized the order: its value is within max_position_ppb of equity."""
    decision.check = POSITION_LIMIT
    decision.value_limit = share(account.equity, policy.max_position_ppb)
    return _POSITION_LIMIT if decision.value > decision.value_limit else 0


@kernel
def _open_risk(policy: Record, account: Record, instrument: Record, decision: Record) -> int:
    """Whether all positions together may still lose what this one would. Without a stop it may lose its whole value."""
    decision.check = OPEN_RISK
    distance = _risked_distance(decision)
    decision.risked = notional(instrument, distance, decision.lots) if distance > 0 else decision.value
    decision.open_risk = account.open_risk
    decision.open_risk_limit = share(account.equity, policy.max_open_risk_ppb)
    return _OPEN_RISK_LIMIT if decision.open_risk + decision.risked > decision.open_risk_limit else 0


@kernel
def _cash(account: Record, decision: Record) -> int:
    decision.check = CASH
    decision.free_cash = unreserved_cash(account)
    return _INSUFFICIENT_CASH if decision.side > 0 and decision.cash > decision.free_cash else 0

"""Whether an order or a list can be accepted, and what is set aside for it. All functions are kernels.

An instrument's largest price and quantity are checked before: they bound the arithmetic, so nothing that reaches a
kernel exceeds them.
"""

from __future__ import annotations

from typing import Any

from n1v1.exact import mul_div_up
from n1v1.kernels import kernel
from n1v1.rounding import PPB, notional
from n1v1.simulation.book import needed_lock
from n1v1.simulation.costs import cost, taker_ticks
from n1v1.simulation.latency import latency_of
from n1v1.simulation.records import (
    ACCEPTED,
    GTD,
    INSUFFICIENT_BALANCE,
    LIMIT,
    LOT_SIZE,
    MARKET,
    NOTIONAL,
    OPEN,
    PENDING,
    PRICE_FILTER,
    REDUCES_NOTHING,
    STOP_LIMIT,
    TAKE_PROFIT,
    TAKE_PROFIT_LIMIT,
    TRAILING_STOP,
    WOULD_EXPIRE_AT_ONCE,
    WOULD_TAKE_AT_ONCE,
    WOULD_TRIGGER_AT_ONCE,
)


@kernel
def accept(
    instrument: Any, orders: Any, first: int, count: int, last_ticks: int, now_ns: int, rules: Any, wallet: Any
) -> int:
    """ACCEPTED, or why not. orders[first:count] are one new order, or one list with its working order first.

    last_ticks: the last close. When accepted, the orders are open (legs of a working order: pending) and what they
    need has moved from the wallet into their locks; otherwise neither orders nor wallet may be used any more.
    """
    has_working = orders[first].is_working
    latency_ns = latency_of(rules, orders[first], now_ns)
    for index in range(first, count):
        order = orders[index]
        waits_for_entry = has_working != 0 and index > first
        _prepare(order, waits_for_entry, last_ticks, now_ns, latency_ns, rules)
        verdict = _filtered(instrument, order, last_ticks)
        if verdict == ACCEPTED and not waits_for_entry:
            verdict = _refused_at_once(order, last_ticks)
        if verdict != ACCEPTED:
            return verdict
    alive = first + 1 if has_working else count
    return _set_aside(instrument, orders, first, alive, rules, wallet)


@kernel
def _prepare(order: Any, waits_for_entry: bool, last_ticks: int, now_ns: int, latency_ns: int, rules: Any) -> None:
    order.accepted_ns = now_ns
    order.updated_ns = now_ns
    order.effective_ns = now_ns + latency_ns
    order.state = PENDING if waits_for_entry else OPEN
    order.open_lots = 0 if waits_for_entry else order.lots
    order.lock_ticks = _lock_ticks(order, last_ticks, rules)


@kernel
def _filtered(instrument: Any, order: Any, last_ticks: int) -> int:
    """The first filter that the order fails. An order without a price is valued at its stop or at the last close."""
    if has_limit(order) != (order.limit_ticks > 0) or order.stop_ticks < 0:
        return PRICE_FILTER
    if needs_stop(order) and order.stop_ticks <= 0:
        return PRICE_FILTER
    if order.kind == TRAILING_STOP and not 0 < order.trail_ppb < PPB:
        return PRICE_FILTER
    if order.lots <= 0 or order.lots % instrument.step_lots != 0:
        return LOT_SIZE
    ticks = order.limit_ticks if order.limit_ticks > 0 else order.stop_ticks
    if ticks == 0:
        ticks = last_ticks
    return NOTIONAL if notional(instrument, ticks, order.lots) < instrument.min_notional else ACCEPTED


@kernel
def _refused_at_once(order: Any, last_ticks: int) -> int:
    """A stop that the last close has already reached, and a post-only order that it would fill."""
    if order.stop_ticks > 0 and (last_ticks - order.stop_ticks) * trigger_direction(order) >= 0:
        return WOULD_TRIGGER_AT_ONCE
    if order.is_post_only and (order.kind != LIMIT or (order.limit_ticks - last_ticks) * order.sign >= 0):
        return WOULD_TAKE_AT_ONCE
    if order.time_in_force == GTD and order.expires_ns <= order.effective_ns:
        return WOULD_EXPIRE_AT_ONCE
    return ACCEPTED


@kernel
def _set_aside(instrument: Any, orders: Any, first: int, alive: int, rules: Any, wallet: Any) -> int:
    """Lock for orders[first:alive] together what the dearest of them needs; the first of them holds the lock."""
    head = orders[first]
    if head.reduces_only:
        held = wallet.held if head.sign < 0 else -wallet.held
        if held < instrument.step_lots:
            return REDUCES_NOTHING
        for index in range(first, alive):
            orders[index].lots = min(orders[index].lots, held - held % instrument.step_lots)
            orders[index].open_lots = orders[index].lots
    needed = 0
    for index in range(first, alive):
        needed = max(needed, needed_lock(instrument, rules, orders[index]))
    if head.sign > 0:
        if wallet.cash < needed:
            return INSUFFICIENT_BALANCE
        wallet.cash -= needed
    else:
        if wallet.held < needed and not _may_sell_short(instrument, orders, first, alive, rules, wallet):
            return INSUFFICIENT_BALANCE
        needed = max(0, min(needed, wallet.held))
        wallet.held -= needed
    head.locked = needed
    return ACCEPTED


@kernel
def _may_sell_short(instrument: Any, orders: Any, first: int, alive: int, rules: Any, wallet: Any) -> bool:
    """Whether there is cash to back what is not held. It is set aside when the sale fills."""
    if wallet.may_short == 0:
        return False
    for index in range(first, alive):
        order = orders[index]
        short = order.lots - max(0, wallet.held)
        if cost(instrument, rules, order.lock_ticks, short, 0) > wallet.cash:
            return False
    return True


@kernel
def _lock_ticks(order: Any, last_ticks: int, rules: Any) -> int:
    """The price at which an order is reckoned: its limit, or where a taker would be filled."""
    if order.limit_ticks > 0:
        return int(order.limit_ticks)
    ticks = order.stop_ticks if order.stop_ticks > 0 else last_ticks
    if order.kind == TRAILING_STOP:
        ticks = max(ticks, trailed_ticks(order, last_ticks))
    return taker_ticks(rules, ticks, order.sign, 0, 1)


# --- what an order is ------------------------------------------------------------------------------------------------


@kernel
def has_limit(order: Any) -> bool:
    return bool(order.kind == LIMIT or order.kind == STOP_LIMIT or order.kind == TAKE_PROFIT_LIMIT)


@kernel
def needs_stop(order: Any) -> bool:
    return bool(order.kind != MARKET and order.kind != LIMIT and order.kind != TRAILING_STOP)


@kernel
def waits_for_its_stop(order: Any) -> bool:
    return bool(order.kind != MARKET and order.kind != LIMIT and order.is_triggered == 0)


@kernel
def trigger_direction(order: Any) -> int:
    """+1 when a rising price reaches the stop, -1 when a falling one does."""
    takes_profit = order.kind == TAKE_PROFIT or order.kind == TAKE_PROFIT_LIMIT
    return int(-order.sign if takes_profit else order.sign)


@kernel
def trailed_ticks(order: Any, best_ticks: int) -> int:
    """Where a trailing stop stands when `best_ticks` is the best price: rounded away from it, against its owner."""
    distance = mul_div_up(best_ticks, order.trail_ppb, PPB)
    return int(max(1, best_ticks + order.sign * distance))

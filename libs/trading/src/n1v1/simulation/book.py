"""What happens to an order once it is decided: it fills, ends, sets amounts aside. All functions are kernels.

`Matching` is what they work on. Orders stand in order of arrival; those of one list share a list number and stand
together, its working order first. A list's legs share one lock, held by the first of them, and what one of them fills
the others give up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from n1v1.exact import mul_div
from n1v1.kernels import kernel
from n1v1.rounding import notional, whole_steps
from n1v1.simulation.costs import cost, dearest_cost, fee_of, payable_lots
from n1v1.simulation.records import (
    CANCELLED,
    ENDED,
    ENTRY_CUT_SHORT,
    ENTRY_UNFILLED,
    EXECUTED,
    EXPIRED,
    FILLED,
    LIST_DONE,
    OPEN,
    PENDING,
    TOUCH,
    TOUCHED,
    TRIGGERED,
)


class Matching(NamedTuple):
    """One account's orders of one symbol, and everything that decides about them."""

    instrument: Any
    orders: Any
    size: int
    bar: Any
    rules: Any
    wallet: Any
    budget: Any
    happenings: Any


@kernel
def fill(at: Matching, index: int, lots: int, ticks: int, ts_ns: int, is_maker: int, decided_by: int) -> None:
    """Execute `lots` of an open order. What this means for the other orders of its list follows at once."""
    order = at.orders[index]
    if is_leg(order):
        _cut_entry_short(at, order.list_number, ts_ns)
    value = notional(at.instrument, ticks, lots)
    paid = fee_of(at.rules, value, is_maker)
    unlock(at, index)
    settle(at.wallet, order.sign, lots, value, paid)
    order.filled_lots += lots
    order.value += value
    order.fee += paid
    order.updated_ns = ts_ns
    _reduce_what_is_open(at, index, lots)
    at.budget.lots -= lots
    if order.open_lots == 0:
        order.state = FILLED
    slot = _note(at, index, EXECUTED, ts_ns, ticks, value, decided_by)
    at.happenings[slot].lots = lots
    at.happenings[slot].fee = paid
    at.happenings[slot].is_maker = is_maker
    at.happenings[slot].remaining = order.open_lots
    lock(at, index)
    if order.is_working:
        _bring_legs_alive(at, order, lots)
    elif is_leg(order) and order.state == FILLED:
        _end_legs(at, order.list_number, CANCELLED, ts_ns, LIST_DONE)


@kernel
def end(at: Matching, index: int, state: int, ts_ns: int, reason: int) -> None:
    """Take an order with a remainder off the book, and with it the legs that have nothing left to wait for."""
    order = at.orders[index]
    _end_one(at, index, state, ts_ns, reason)
    if is_leg(order):
        _cut_entry_short(at, order.list_number, ts_ns)
        _end_legs(at, order.list_number, CANCELLED, ts_ns, LIST_DONE)
    elif order.is_working and order.filled_lots == 0:
        _end_legs(at, order.list_number, EXPIRED, ts_ns, ENTRY_UNFILLED)


@kernel
def end_list(at: Matching, index: int, ts_ns: int, reason: int) -> None:
    """Cancel an order, and every other of its list if it is a leg."""
    order = at.orders[index]
    if is_leg(order):
        for other in range(at.size):
            if at.orders[other].list_number == order.list_number and is_alive(at.orders[other]):
                _end_one(at, other, CANCELLED, ts_ns, reason)
    else:
        end(at, index, CANCELLED, ts_ns, reason)


@kernel
def trigger(at: Matching, index: int, ts_ns: int, decided_by: int) -> None:
    """The price has reached the order's stop: from here on it is a market or a limit order."""
    order = at.orders[index]
    if is_leg(order):
        _cut_entry_short(at, order.list_number, ts_ns)
    order.is_triggered = 1
    order.updated_ns = ts_ns
    _note(at, index, TRIGGERED, ts_ns, order.stop_ticks, 0, decided_by)


@kernel
def note_touch(at: Matching, index: int, ts_ns: int) -> None:
    """Write down that a bar touched the order's limit and did not fill it."""
    order = at.orders[index]
    value = notional(at.instrument, order.limit_ticks, order.open_lots)
    _note(at, index, TOUCHED, ts_ns, order.limit_ticks, value, TOUCH)


@kernel
def is_alive(order: Any) -> bool:
    """Whether something may still become of it."""
    return bool(order.state == OPEN or order.state == PENDING)


@kernel
def is_leg(order: Any) -> bool:
    """Whether it shares its quantity with other orders of a list."""
    return bool(order.list_number != 0 and order.is_working == 0)


# --- money -----------------------------------------------------------------------------------------------------------


@kernel
def settle(wallet: Any, sign: int, lots: int, value: int, paid: int) -> None:
    """Exchange lots for quanta and pay the fee.

    What is sold short is backed by cash: its proceeds and as much again are set aside until it is bought back.
    """
    before = wallet.held
    wallet.held += sign * lots
    wallet.cash -= sign * value + paid
    if sign < 0 and wallet.held < 0:
        opened = min(lots, -wallet.held)
        _set_collateral(wallet, wallet.collateral + 2 * mul_div(value, opened, lots))
    elif sign > 0 and before < 0:
        left = max(0, -wallet.held)
        _set_collateral(wallet, mul_div(wallet.collateral, left, -before))


@kernel
def _set_collateral(wallet: Any, amount: int) -> None:
    wallet.cash -= amount - wallet.collateral
    wallet.collateral = amount


@kernel
def lock(at: Matching, index: int) -> None:
    """Set aside what the order still needs, as far as it is there."""
    holder = at.orders[_lock_holder(at, index)]
    needed = _needed(at, index)
    if holder.sign > 0:
        holder.locked = max(0, min(needed, at.wallet.cash))
        at.wallet.cash -= holder.locked
    else:
        holder.locked = max(0, min(needed, at.wallet.held))
        at.wallet.held -= holder.locked


@kernel
def unlock(at: Matching, index: int) -> None:
    holder = at.orders[_lock_holder(at, index)]
    if holder.sign > 0:
        at.wallet.cash += holder.locked
    else:
        at.wallet.held += holder.locked
    holder.locked = 0


@kernel
def payable(at: Matching, index: int, ticks: int, lots: int, is_maker: int) -> int:
    """The most whole steps of `lots` that the account can pay for, or has to sell."""
    order = at.orders[index]
    held = at.orders[_lock_holder(at, index)].locked
    if order.sign > 0:
        return _purchasable(at, order, held + at.wallet.cash, ticks, lots, is_maker)
    covered = min(lots, max(0, held + at.wallet.held))
    if order.reduces_only or at.wallet.may_short == 0:
        return whole_steps(at.instrument, covered)
    return int(covered + payable_lots(at.instrument, at.rules, at.wallet.cash, ticks, lots - covered, is_maker))


@kernel
def _purchasable(at: Matching, order: Any, cash: int, ticks: int, lots: int, is_maker: int) -> int:
    """What is bought to end a short is paid out of its collateral first."""
    short = max(0, -at.wallet.held)
    wanted = min(lots, short) if order.reduces_only else lots
    if short > 0:
        released = mul_div(at.wallet.collateral, min(wanted, short), short)
        if cost(at.instrument, at.rules, ticks, wanted, is_maker) <= cash + released:
            return wanted
    return payable_lots(at.instrument, at.rules, cash, ticks, wanted, is_maker)


@kernel
def needed_lock(instrument: Any, rules: Any, order: Any) -> int:
    """What one order sets aside: lots, or quanta at its lock price. What buys a short back is backed already."""
    if order.state != OPEN or (order.sign > 0 and order.reduces_only):
        return 0
    if order.sign < 0:
        return int(order.open_lots)
    return dearest_cost(instrument, rules, order.lock_ticks, order.open_lots)


@kernel
def _needed(at: Matching, index: int) -> int:
    """For all legs of a list: the most that one of them needs."""
    order = at.orders[index]
    needed = needed_lock(at.instrument, at.rules, order)
    if is_leg(order):
        for other in range(at.size):
            if at.orders[other].list_number == order.list_number and is_leg(at.orders[other]):
                needed = max(needed, needed_lock(at.instrument, at.rules, at.orders[other]))
    return needed


@kernel
def _lock_holder(at: Matching, index: int) -> int:
    order = at.orders[index]
    first = index
    if is_leg(order):
        while first > 0 and at.orders[first - 1].list_number == order.list_number and is_leg(at.orders[first - 1]):
            first -= 1
    return first


# --- lists -----------------------------------------------------------------------------------------------------------


@kernel
def _bring_legs_alive(at: Matching, entry: Any, lots: int) -> None:
    for index in range(at.size):
        leg = at.orders[index]
        if leg.list_number == entry.list_number and is_leg(leg) and is_alive(leg):
            unlock(at, index)
            leg.state = OPEN
            leg.open_lots += lots
            lock(at, index)


@kernel
def _reduce_what_is_open(at: Matching, index: int, lots: int) -> None:
    """What one leg fills, the others give up."""
    order = at.orders[index]
    order.open_lots -= lots
    if is_leg(order):
        for other in range(at.size):
            if other != index and at.orders[other].list_number == order.list_number and is_leg(at.orders[other]):
                at.orders[other].open_lots = max(0, at.orders[other].open_lots - lots)


@kernel
def _cut_entry_short(at: Matching, list_number: int, ts_ns: int) -> None:
    """A position that is being closed is not built up any further."""
    for index in range(at.size):
        order = at.orders[index]
        if order.list_number == list_number and order.is_working and is_alive(order):
            _end_one(at, index, EXPIRED, ts_ns, ENTRY_CUT_SHORT)


@kernel
def _end_legs(at: Matching, list_number: int, state: int, ts_ns: int, reason: int) -> None:
    for index in range(at.size):
        order = at.orders[index]
        if order.list_number == list_number and is_leg(order) and is_alive(order):
            _end_one(at, index, state, ts_ns, reason)


@kernel
def _end_one(at: Matching, index: int, state: int, ts_ns: int, reason: int) -> None:
    order = at.orders[index]
    unlock(at, index)
    order.state = state
    order.open_lots = 0
    order.updated_ns = ts_ns
    slot = _note(at, index, ENDED, ts_ns, 0, 0, 0)
    at.happenings[slot].reason = reason


@kernel
def _note(at: Matching, index: int, kind: int, ts_ns: int, ticks: int, value: int, decided_by: int) -> int:
    """Write down that something happened, and answer where, for what else is to be said of it."""
    slot = int(at.budget.happened)
    at.budget.happened = slot + 1
    order = at.orders[index]
    happening = at.happenings[slot]
    happening.order = index
    happening.kind = kind
    happening.lots = 0
    happening.ticks = ticks
    happening.value = value
    happening.fee = 0
    happening.is_maker = 0
    happening.ts_ns = ts_ns
    happening.remaining = order.lots - order.filled_lots
    happening.decided_by = decided_by
    happening.reason = 0
    return slot

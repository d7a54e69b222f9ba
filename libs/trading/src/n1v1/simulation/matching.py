"""Matching one account's orders of one symbol against one bar: the kernel that every driver shares.

`match_bar` is the order of events: first what has ended, then everything at the open, by arrival; then the bar's path
from its open over both extremes to its close, by price. `quiet_range` says which bars need no matching at all.
"""

from __future__ import annotations

from typing import Any

from n1v1.exact import mul_div, mul_div_up
from n1v1.kernels import kernel
from n1v1.rounding import PPB, whole_steps
from n1v1.simulation.accepting import has_limit, trailed_ticks, trigger_direction, waits_for_its_stop
from n1v1.simulation.book import Matching, end, end_list, fill, is_leg, note_touch, payable, trigger
from n1v1.simulation.costs import taker_ticks
from n1v1.simulation.path import first_extreme_is_low
from n1v1.simulation.records import (
    ADVERSE,
    AFFORDABILITY,
    BY_THE_CLIENT,
    EXPIRED,
    FOK,
    GAP,
    GTC,
    GTD,
    IOC,
    ITS_TIME_IS_OVER,
    NOT_FILLABLE,
    NOT_WHOLE,
    NOTHING,
    NOTHING_TO_REDUCE,
    OPEN,
    PARTICIPATION,
    PATH,
    PENDING,
    QUEUE,
    TOUCH,
    TRAILING_STOP,
    UNAFFORDABLE,
    UNLIMITED,
    WOULD_TAKE,
)

NOWHERE = -1

FOR_CERTAIN = 1
BY_ASSUMPTION = 2
"""How a stop was struck whose entry filled within the same bar; 0: it was not."""

NO_BAR = 0
"""A cancellation looks at no bar."""


@kernel
def open_budget(bar: Any, rules: Any, budget: Any) -> None:
    """What all orders of a bar may fill together: called once for each bar, before the first account is matched."""
    budget.lots = UNLIMITED
    if rules.participation_ppb < UNLIMITED:
        budget.lots = mul_div(bar.volume, rules.participation_ppb, PPB)
    budget.queue_lots = mul_div(bar.volume, PPB - rules.queue_ppb, PPB) if rules.touch == QUEUE else 0


@kernel
def match_bar(
    instrument: Any,
    orders: Any,
    count: int,
    bar: Any,
    rules: Any,
    wallet: Any,
    budget: Any,
    happenings: Any,
) -> int:
    """Match orders[:count], which stand in order of arrival, and answer how many `happenings` were written.

    Orders that have ended may stand among them and are passed over. `happenings` has room for HAPPENINGS_PER_ORDER
    times `count`. The wallet holds what is free now; locks are in the orders. See `open_budget` for the budget.
    """
    budget.happened = 0
    at = Matching(instrument, orders, count, bar, rules, wallet, budget, happenings)
    _expire(at, bar.open_ns)
    for index in range(count):
        if _is_matched(at, index):
            _at_open(at, index)
    low_first = first_extreme_is_low(bar, rules, wallet)
    here = bar.open
    for stretch in range(3):
        there = bar.close
        if stretch < 2:
            there = bar.low if low_first == (stretch == 0) else bar.high
        _walk(at, here, there, stretch == 2)
        here = there
    _note_touches(at)
    _expire(at, bar.close_ns)
    return int(budget.happened)


@kernel
def cancel(
    instrument: Any,
    orders: Any,
    count: int,
    index: int,
    now_ns: int,
    rules: Any,
    wallet: Any,
    budget: Any,
    happenings: Any,
) -> int:
    """Cancel orders[index], which is alive, and answer how many `happenings` were written.

    With a leg its whole list is cancelled. With a working order that has filled nothing its legs expire; the legs of
    one that has filled something go on protecting it.
    """
    budget.happened = 0
    at = Matching(instrument, orders, count, NO_BAR, rules, wallet, budget, happenings)
    end_list(at, index, now_ns, BY_THE_CLIENT)
    return int(budget.happened)


@kernel
def quiet_range(orders: Any, count: int, rules: Any, quiet: Any) -> None:
    """Narrow `quiet` so that no bar strictly inside it changes any of orders[:count]; see `records.RANGE`.

    Start from low = 0 (no price), high = until_ns = UNLIMITED; several calls narrow the same range.
    """
    for index in range(count):
        order = orders[index]
        if order.state == OPEN:
            _narrow(order, quiet)


# --- the open --------------------------------------------------------------------------------------------------------


@kernel
def _is_matched(at: Matching, index: int) -> bool:
    """Whether the order is alive and was there when the bar opened."""
    order = at.orders[index]
    return bool(order.state == OPEN and order.effective_ns <= at.bar.open_ns)


@kernel
def _at_open(at: Matching, index: int) -> None:
    order = at.orders[index]
    bar = at.bar
    decided_by = NOTHING
    if waits_for_its_stop(order):
        _start_trailing(order, bar.open)
        if (bar.open - order.stop_ticks) * trigger_direction(order) < 0:
            _follow(order, bar.open)
            return
        decided_by = NOTHING if bar.open == order.stop_ticks else GAP
        trigger(at, index, bar.open_ns, decided_by)
    lots = _available(at, order)
    ticks = taker_ticks(at.rules, bar.open, order.sign, lots, bar.volume)
    if has_limit(order):
        if order.is_post_only and order.is_resting == 0 and _improves(order, bar.open) >= 0:
            end(at, index, EXPIRED, bar.open_ns, WOULD_TAKE)
            return
        # An order that rests must be beaten by the slipped open, one that may not is content when it is met.
        least = 0 if _is_immediate(order) else 1
        if order.is_post_only or _improves(order, ticks) < least:
            lots = 0
        order.is_resting = 1
    _execute(at, index, lots, ticks, bar.open_ns, 0, decided_by)


@kernel
def _improves(order: Any, ticks: int) -> int:
    """By how many ticks a price is better for the order than its limit."""
    return int((order.limit_ticks - ticks) * order.sign)


@kernel
def _execute(at: Matching, index: int, lots: int, ticks: int, ts_ns: int, is_maker: int, decided_by: int) -> None:
    """Fill what can be paid of `lots`, and end the order where it may not wait for the rest."""
    order = at.orders[index]
    paid_for = payable(at, index, ticks, lots, is_maker)
    reason = _why_not_wait(order, lots, paid_for)
    if paid_for > 0 and reason != NOT_WHOLE:
        what = _what_decided(paid_for, lots, order.open_lots, decided_by)
        fill(at, index, paid_for, ticks, ts_ns, is_maker, what)
    if reason != 0 and order.state == OPEN:
        end(at, index, EXPIRED, ts_ns, reason)


@kernel
def _why_not_wait(order: Any, lots: int, paid_for: int) -> int:
    """Why the order ends with what remains after this execution, or 0 if it goes on."""
    if order.time_in_force == FOK and paid_for < order.open_lots:
        return NOT_WHOLE
    if paid_for < lots:
        return NOTHING_TO_REDUCE if order.reduces_only else UNAFFORDABLE
    return NOT_FILLABLE if order.time_in_force == IOC else 0


@kernel
def _what_decided(paid_for: int, available: int, wanted: int, otherwise: int) -> int:
    if paid_for < available:
        return AFFORDABILITY
    return PARTICIPATION if available < wanted and otherwise != TOUCH else otherwise


@kernel
def _available(at: Matching, order: Any) -> int:
    """What the bar's volume lets the order fill."""
    return whole_steps(at.instrument, min(order.open_lots, max(0, at.budget.lots)))


@kernel
def _is_immediate(order: Any) -> bool:
    return bool(order.time_in_force == IOC or order.time_in_force == FOK)


# --- the path --------------------------------------------------------------------------------------------------------


@kernel
def _walk(at: Matching, start: int, stop: int, is_last: bool) -> None:
    """One stretch of the path. Orders are dealt with in the order in which the price reaches them."""
    alive = 0
    for index in range(at.size):
        at.orders[index].is_passed = 0
        alive += at.orders[index].state == OPEN
    price = start
    while alive > 0:
        index = _next_reached(at, price, stop, is_last)
        if index == NOWHERE:
            break
        where = _where_reached(at, at.orders[index], price, stop)
        if at.orders[index].is_struck == 0:
            price = where
        at.orders[index].is_passed = 1
        _reach(at, index, where)
        at.orders[index].is_struck = 0
    for index in range(at.size):
        if _walks(at, index, is_last):
            _start_trailing(at.orders[index], stop)
            _follow(at.orders[index], stop)


@kernel
def _walks(at: Matching, index: int, is_last: bool) -> bool:
    """Whether the order sees this stretch. One that ends within the bar is good for its open only."""
    order = at.orders[index]
    if not _is_matched(at, index) or (order.waits and not is_last):
        return False
    return bool(order.time_in_force != GTD or order.expires_ns >= at.bar.close_ns)


@kernel
def _next_reached(at: Matching, price: int, stop: int, is_last: bool) -> int:
    """The order that is reached first between two prices; of several at one price, the one that came first."""
    nearest = NOWHERE
    least = UNLIMITED
    for index in range(at.size):
        order = at.orders[index]
        if order.is_passed == 0 and _walks(at, index, is_last):
            where = _where_reached(at, order, price, stop)
            distance = NOWHERE if order.is_struck else abs(where - price)
            if where != NOWHERE and distance < least:
                nearest = index
                least = distance
    return nearest


@kernel
def _where_reached(at: Matching, order: Any, price: int, stop: int) -> int:
    """The price between `price` and `stop` at which something happens to the order, or NOWHERE."""
    seen = stop if order.waits else price
    if waits_for_its_stop(order):
        direction = trigger_direction(order)
        reached = (max(seen, stop) if direction > 0 else min(seen, stop)) - order.stop_ticks
        if order.stop_ticks == 0 or (reached * direction < 0 and order.is_struck == 0):
            return NOWHERE
        return int(max(seen, order.stop_ticks) if direction > 0 else min(seen, order.stop_ticks))
    if not has_limit(order):
        return NOWHERE
    if order.sign > 0:
        beyond = order.limit_ticks - min(seen, stop)
        where = min(seen, order.limit_ticks)
    else:
        beyond = max(seen, stop) - order.limit_ticks
        where = max(seen, order.limit_ticks)
    touches = beyond == 0 and at.budget.queue_lots >= at.instrument.step_lots
    return int(where) if beyond > 0 or touches else NOWHERE


@kernel
def _reach(at: Matching, index: int, price: int) -> None:
    """The price has come to an order within the bar. Nobody knows when, so it is booked at the bar's close."""
    order = at.orders[index]
    close_ns = at.bar.close_ns
    filled = order.filled_lots
    decided_by = PATH if order.is_struck == BY_ASSUMPTION or _is_tied(at, index) else NOTHING
    lots = _available(at, order)
    ticks = order.limit_ticks
    is_maker = 1
    if waits_for_its_stop(order):
        trigger(at, index, close_ns, decided_by)
        ticks = taker_ticks(at.rules, price, order.sign, lots, at.bar.volume)
        is_maker = 0
        if has_limit(order):
            ticks = min(ticks, order.limit_ticks) if order.sign > 0 else max(ticks, order.limit_ticks)
            order.is_resting = 1
            if _improves(order, price) < 0:
                lots = 0
                order.is_passed = 0  # the price may come back to its limit
    elif order.limit_ticks == (at.bar.low if order.sign > 0 else at.bar.high):
        lots = min(lots, whole_steps(at.instrument, at.budget.queue_lots))
        at.budget.queue_lots -= lots
        decided_by = TOUCH
    _execute(at, index, lots, ticks, close_ns, is_maker, decided_by)
    if order.is_working and order.filled_lots > filled:
        _start_legs(at, order.list_number, price)
        if at.rules.path == ADVERSE:
            _suffer(at, index)


@kernel
def _start_legs(at: Matching, list_number: int, price: int) -> None:
    for index in range(at.size):
        leg = at.orders[index]
        if leg.list_number == list_number and is_leg(leg) and leg.state == OPEN:
            _start_trailing(leg, price)


@kernel
def _suffer(at: Matching, entry: int) -> None:
    """After an entry within the bar the worst is assumed: its stop is hit if the bar reached it at any time.

    What is left of its legs sees only the close, unless the entry was a stop: then the far extreme came after it.
    """
    bar = at.bar
    was_stop = at.orders[entry].is_triggered
    for index in range(at.size):
        leg = at.orders[index]
        if leg.list_number != at.orders[entry].list_number or not is_leg(leg) or leg.state != OPEN:
            continue
        worst = bar.high if leg.sign > 0 else bar.low
        hurts = waits_for_its_stop(leg) and trigger_direction(leg) == leg.sign
        if hurts and (worst - leg.stop_ticks) * leg.sign >= 0:
            leg.is_struck = BY_ASSUMPTION if was_stop else FOR_CERTAIN
        elif was_stop == 0:
            leg.waits = 1


@kernel
def _is_tied(at: Matching, index: int) -> bool:
    """Whether the bar reached another leg of the same list as well."""
    order = at.orders[index]
    if not is_leg(order):
        return False
    for other in range(at.size):
        leg = at.orders[other]
        if other != index and leg.list_number == order.list_number and is_leg(leg) and leg.state == OPEN:
            low = _where_reached(at, leg, at.bar.high, at.bar.low)
            if low != NOWHERE and leg.is_triggered == 0:
                return True
    return False


# --- trailing stops --------------------------------------------------------------------------------------------------


@kernel
def _start_trailing(order: Any, ticks: int) -> None:
    """The best price begins with the first that the living order sees. A first stop of its own may be nearer."""
    if order.kind == TRAILING_STOP and order.best_ticks == 0:
        order.best_ticks = ticks
        _set_stop(order)


@kernel
def _follow(order: Any, ticks: int) -> None:
    """Move a trailing stop for a new best price, if it is better by at least the step."""
    if order.kind != TRAILING_STOP or order.is_triggered:
        return
    if (order.best_ticks - ticks) * order.sign >= _step_ticks(order):
        order.best_ticks = ticks
        _set_stop(order)


@kernel
def _set_stop(order: Any) -> None:
    trailed = trailed_ticks(order, order.best_ticks)
    if order.stop_ticks == 0:
        order.stop_ticks = trailed
    elif order.sign > 0:
        order.stop_ticks = min(order.stop_ticks, trailed)
    else:
        order.stop_ticks = max(order.stop_ticks, trailed)


@kernel
def _step_ticks(order: Any) -> int:
    return max(1, mul_div_up(order.best_ticks, order.trail_step_ppb, PPB))


# --- the end of a bar ------------------------------------------------------------------------------------------------


@kernel
def _expire(at: Matching, until_ns: int) -> None:
    for index in range(at.size):
        order = at.orders[index]
        is_over = order.time_in_force == GTD and order.expires_ns <= until_ns
        if is_over and (order.state == OPEN or order.state == PENDING):
            end(at, index, EXPIRED, order.expires_ns, ITS_TIME_IS_OVER)


@kernel
def _note_touches(at: Matching) -> None:
    """The resting orders that the bar touched and left, and the end of what only matching needs."""
    for index in range(at.size):
        order = at.orders[index]
        extreme = at.bar.low if order.sign > 0 else at.bar.high
        rests = _walks(at, index, True) and has_limit(order) and not waits_for_its_stop(order)
        if rests and extreme == order.limit_ticks and order.waits == 0:
            note_touch(at, index, at.bar.close_ns)
        order.waits = 0
        order.is_struck = 0
        order.is_passed = 0


# --- bars that change nothing ----------------------------------------------------------------------------------------


@kernel
def _narrow(order: Any, quiet: Any) -> None:
    if order.time_in_force == GTD:
        quiet.until_ns = min(quiet.until_ns, order.expires_ns)
    if waits_for_its_stop(order):
        _narrow_to_stop(order, quiet)
    elif has_limit(order):
        if order.is_resting == 0 and (order.time_in_force != GTC or order.is_post_only):
            quiet.high = 0
        _narrow_side(quiet, order.limit_ticks, -order.sign)
    else:
        quiet.high = 0


@kernel
def _narrow_to_stop(order: Any, quiet: Any) -> None:
    if order.kind == TRAILING_STOP:
        if order.best_ticks == 0:
            quiet.high = 0
        _narrow_side(quiet, order.best_ticks - order.sign * _step_ticks(order), -order.sign)
    _narrow_side(quiet, order.stop_ticks, trigger_direction(order))


@kernel
def _narrow_side(quiet: Any, ticks: int, direction: int) -> None:
    """Something happens to an order when the price comes to `ticks` from below (+1) or from above (-1)."""
    if direction > 0:
        quiet.high = min(quiet.high, ticks)
    else:
        quiet.low = max(quiet.low, ticks)

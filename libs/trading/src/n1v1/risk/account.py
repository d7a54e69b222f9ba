"""What risk knows of an account and of its symbols: equity, what is held, what is promised to orders, what was closed.

Amounts are in quanta, positions in lots, prices in ticks, times in ns UTC of market time.
"""

from __future__ import annotations

import numpy as np

from n1v1.exact import mul_div
from n1v1.kernels import Record, kernel
from n1v1.portfolio.positions import POSITION, book_base_fee, book_trade
from n1v1.risk.breaker import BREAKER_FIELDS, forgive, must_flatten, note_trade_result
from n1v1.risk.market import MARKET, regime_exit_due, time_exit_due
from n1v1.risk.policy import RING
from n1v1.risk.protections import LOCK_FIELDS, lock_after_trade
from n1v1.rounding import notional, share, whole_steps
from n1v1.values import PPB, Purpose

PURPOSES = (*Purpose,)
"""Kernels know a purpose by its place here."""
ENTRY = PURPOSES.index(Purpose.ENTRY)
EXIT = PURPOSES.index(Purpose.EXIT)
STOP_LOSS = PURPOSES.index(Purpose.STOP_LOSS)
TIME_EXIT = PURPOSES.index(Purpose.TIME_EXIT)
FLATTEN = PURPOSES.index(Purpose.FLATTEN)
REGIME_EXIT = PURPOSES.index(Purpose.REGIME_EXIT)
NO_EXIT = -1

ORDER = 1
PARTED_ENTRY = 2
PARTED_EXIT = 3

ACCOUNT = np.dtype(
    [
        ("is_known", "i8"),
        ("cash", "i8"),
        ("reserved_cash", "i8"),
        ("held_count", "i8"),
        ("exposure", "i8"),
        ("open_risk", "i8"),
        ("losses_in_a_row", "i8"),
        ("win_count", "i8"),
        ("loss_count", "i8"),
        ("won_ppb", "i8"),
        ("lost_ppb", "i8"),
        *LOCK_FIELDS,
        *BREAKER_FIELDS,
        ("order_count", "i8"),
        ("trade_count", "i8"),
        ("order_ns", "i8", (RING,)),
        ("trade_symbol", "i8", (RING,)),
        ("trade_closed_ns", "i8", (RING,)),
        ("trade_side", "i8", (RING,)),
        ("trade_profit_ppb", "i8", (RING,)),
        ("trade_purpose", "i8", (RING,)),
        ("order_kind", "i8", (RING,)),
    ]
)
"""is_known: the account has been opened or marked once. held_count: symbols with a position or an order in flight.
exposure: value of what is held and ordered, kept only for policies that limit it. open_risk: the sum of `risked`.
won_ppb, lost_ppb: sums of what trades won and lost, each as a fraction of its entry. order_count, trade_count: so far;
the last RING of them are kept, number n at n % RING. order_kind: see `kind_of`."""

SYMBOL = np.dtype(
    [
        ("index", "i8"),
        ("mark_ticks", "i8"),
        ("position", POSITION),
        ("has_order", "i8"),
        ("reserved_lots", "i8"),
        ("reserved_cash", "i8"),
        ("bars_held", "i8"),
        ("entry_value", "i8"),
        ("realised_before", "i8"),
        ("fees_before", "i8"),
        ("stop_distance_ticks", "i8"),
        ("risked", "i8"),
        ("entered_regime", "i8"),
        ("is_dust", "i8"),
        *LOCK_FIELDS,
        ("market", MARKET),
    ]
)
"""index: the symbol's place in the order of symbol names. has_order: one that we decided and that is not done (ORDER,
or PARTED_ENTRY and PARTED_EXIT when it is carried out in parts); its reserved lots may still be filled. entry_value:
what the open trade's entries were worth; realised_before, fees_before: the position's when the trade began.
stop_distance_ticks: the policy's fixed stop on this symbol's grid. risked: what the open trade loses if it is stopped,
as it was approved, kept only for policies that limit it. entered_regime: the market's when the trade began. is_dust:
what an exit, or an order that ended early, has left is less than the venue takes in an order. It stays on the books,
and for decisions the symbol is flat."""


@kernel
def open_account(account: Record, cash: int, equity: int, peak: int) -> None:
    """Begin with that cash and equity. Positions taken over are set by `take_over`."""
    account.is_known = 1
    account.cash = cash
    account.equity = equity
    account.peak = max(peak, equity)
    account.breaker_peak = account.peak


@kernel
def take_over(account: Record, symbol: Record, instrument: Record, lots: int, mark_ticks: int) -> None:
    """A position that was there before risk was: its cost is what it is worth now."""
    symbol.mark_ticks = mark_ticks
    symbol.position.lots = lots
    symbol.position.cost = notional(instrument, mark_ticks, lots)
    symbol.entry_value = abs(symbol.position.cost)
    symbol.is_dust = int(is_unsellable(instrument, lots, abs(symbol.position.cost)))
    if held_lots(symbol) != 0:
        symbol.risked = symbol.entry_value
        account.open_risk += symbol.risked
        account.held_count += 1


def take_over_again(account: Record, symbol: Record, instrument: Record, lots: int, mark_ticks: int) -> None:
    """The same for one that risk has had another idea of, with whatever order is open on it."""
    was_held = held_lots(symbol) != 0 or symbol.has_order != 0
    _forget_risk(account, symbol)
    take_over(account, symbol, instrument, lots, mark_ticks)
    if was_held:
        account.held_count -= 1
    if symbol.has_order != 0 and held_lots(symbol) == 0:
        account.held_count += 1


@kernel
def held_lots(symbol: Record) -> int:
    """The position as decisions see it, without dust."""
    return 0 if symbol.is_dust else int(symbol.position.lots)


@kernel
def is_unsellable(instrument: Record, lots: int, worth: int) -> bool:
    """Whether a position, worth so much, is less than the venue takes in an order: of quantity or of value."""
    if lots == 0:
        return False
    whole = whole_steps(instrument, abs(lots))
    return bool(whole == 0 or mul_div(worth, whole, abs(lots)) < instrument.min_notional)


@kernel
def reserve(account: Record, symbol: Record, decision: Record, ts_ns: int) -> None:
    """An order on the symbol was approved: what it may still do is promised to it."""
    if held_lots(symbol) == 0:
        account.held_count += 1
    symbol.has_order = 1
    symbol.reserved_lots = decision.lots
    symbol.reserved_cash = decision.cash
    account.reserved_cash += decision.cash
    if decision.purpose == ENTRY:
        account.exposure += decision.value
        account.open_risk += decision.risked
        symbol.risked += decision.risked
    account.order_ns[account.order_count % RING] = ts_ns
    account.order_kind[account.order_count % RING] = kind_of(symbol, decision)
    account.order_count += 1


@kernel
def kind_of(symbol: Record, decision: Record) -> int:
    """Orders of one kind are on the same symbol and side. An order that reduces a position is of no kind (0)."""
    return int(decision.side * (symbol.index + 1)) if decision.purpose == ENTRY else 0


@kernel
def release(policy: Record, account: Record, symbol: Record, instrument: Record, ts_ns: int) -> None:
    """The order has ended unfilled: give back what is still reserved. Nothing happens when there is no order.

    ts_ns: when; the trade ends with it if an exit has left dust alone.
    """
    if symbol.has_order == 0:
        return
    account.reserved_cash -= symbol.reserved_cash
    symbol.has_order = 0
    symbol.reserved_lots = 0
    symbol.reserved_cash = 0
    held_before = held_lots(symbol)
    worth = notional(instrument, symbol.mark_ticks, abs(symbol.position.lots))
    symbol.is_dust = int(is_unsellable(instrument, symbol.position.lots, worth))
    if held_lots(symbol) == 0:
        account.held_count -= 1
        _forget_risk(account, symbol)
        if 2 * abs(symbol.position.cost) < symbol.entry_value and held_before != 0:  # else an entry filled that little
            _end_trade(policy, account, symbol, held_before, EXIT, ts_ns)


@kernel
def _forget_risk(account: Record, symbol: Record) -> None:
    account.open_risk -= symbol.risked
    symbol.risked = 0


@kernel
def book_fill(
    policy: Record,
    account: Record,
    symbol: Record,
    instrument: Record,
    side: int,
    lots: int,
    value: int,
    fee: int,
    base_fee_lots: int,
    purpose: int,
    ts_ns: int,
    is_reserved: int,
    is_final: int,
) -> None:
    """Turn a fill into position and cash. side: +1 bought, -1 sold.

    side: +1 bought, -1 sold. base_fee_lots: commission taken in the base asset, beside `fee`.
    is_reserved: the order is the one that `reserve` was told of; the legs of its bracket and an order that was given
    up before are not.
    """
    held_before = held_lots(symbol)
    was_held = held_before != 0 or symbol.has_order != 0
    account.cash -= side * value + fee
    if held_before == 0:
        _begin_trade(symbol)
    if held_before == 0 or (held_before > 0) == (side > 0):
        symbol.entry_value += value
    book_trade(symbol.position, side * lots, side * value, fee)
    if base_fee_lots != 0:
        book_base_fee(symbol.position, base_fee_lots, mul_div(value, base_fee_lots, lots))
    if is_reserved:
        _use_reservation(account, symbol, lots, is_final)
    held = symbol.position.lots
    is_rest = is_final != 0 and held_before != 0 and abs(held) < abs(held_before)
    symbol.is_dust = int(is_rest and is_unsellable(instrument, held, mul_div(value, abs(held), lots)))
    is_held = held_lots(symbol) != 0 or symbol.has_order != 0
    account.held_count += int(is_held) - int(was_held)
    if not is_held:
        _forget_risk(account, symbol)
    if held_before != 0 and (held_lots(symbol) == 0 or (held > 0) != (held_before > 0)):
        _end_trade(policy, account, symbol, held_before, purpose, ts_ns)


@kernel
def _begin_trade(symbol: Record) -> None:
    symbol.bars_held = 0
    symbol.entered_regime = symbol.market.regime
    symbol.entry_value = 0
    symbol.realised_before = symbol.position.realised
    symbol.fees_before = symbol.position.fees


@kernel
def _use_reservation(account: Record, symbol: Record, lots: int, is_final: int) -> None:
    used = share(symbol.reserved_cash, min(PPB, mul_div(lots, PPB, symbol.reserved_lots)))
    symbol.reserved_cash -= used
    account.reserved_cash -= used
    symbol.reserved_lots -= lots
    if is_final or symbol.reserved_lots <= 0:
        account.reserved_cash -= symbol.reserved_cash
        symbol.has_order = 0
        symbol.reserved_lots = 0
        symbol.reserved_cash = 0


@kernel
def _end_trade(policy: Record, account: Record, symbol: Record, held_before: int, purpose: int, ts_ns: int) -> None:
    """Record what a trade brought, fees included. A fill that reverses begins the next trade at what is left of it."""
    position = symbol.position
    profit = position.realised - symbol.realised_before - (position.fees - symbol.fees_before)
    profit_ppb = mul_div(profit, PPB, max(1, symbol.entry_value))
    at = account.trade_count % RING
    account.trade_symbol[at] = symbol.index
    account.trade_closed_ns[at] = ts_ns
    side = 1 if held_before > 0 else -1
    account.trade_side[at] = side
    account.trade_profit_ppb[at] = profit_ppb
    account.trade_purpose[at] = purpose
    account.trade_count += 1
    if profit < 0:
        account.loss_count += 1
        account.lost_ppb -= profit_ppb
        account.losses_in_a_row += 1
    else:
        account.win_count += 1
        account.won_ppb += profit_ppb
        account.losses_in_a_row = 0
    note_trade_result(policy, account, profit < 0)
    if policy.protects:
        lock_after_trade(policy, account, symbol, side, ts_ns)
    _begin_trade(symbol)
    symbol.entry_value = abs(position.cost)


@kernel
def unreserved_cash(account: Record) -> int:
    """Cash that no order has reserved. What a short brought is in it: no margin is kept for buying it back."""
    return int(account.cash - account.reserved_cash)


@kernel
def drawdown_of(account: Record) -> int:
    """Loss from the highest equity, in parts per billion."""
    if account.peak <= 0:
        return 0
    return mul_div(account.peak - account.equity, PPB, account.peak)


@kernel
def symbol_exposure(symbol: Record, instrument: Record) -> int:
    """What the position and the entry in flight are worth, whatever their direction."""
    held = abs(notional(instrument, symbol.mark_ticks, symbol.position.lots))
    if symbol.has_order and held_lots(symbol) == 0:
        return held + notional(instrument, symbol.mark_ticks, symbol.reserved_lots)
    return held


@kernel
def own_exit(policy: Record, account: Record, symbol: Record) -> int:
    """For which purpose we close the symbol's position ourselves: FLATTEN, TIME_EXIT, REGIME_EXIT, else NO_EXIT."""
    if must_flatten(account):
        return FLATTEN
    if time_exit_due(policy, symbol):
        return TIME_EXIT
    return REGIME_EXIT if regime_exit_due(policy, symbol) else NO_EXIT


@kernel
def measure_anew(policy: Record, account: Record) -> None:
    """Measure every loss from the present equity on: somebody has decided to trade again."""
    account.peak = account.equity
    account.day_start_equity = account.equity
    forgive(policy, account)

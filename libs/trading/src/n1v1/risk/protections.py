"""Protections: after what the last trades brought, a symbol or the whole account takes no entries for a while.

The four of freqtrade, with its parameters. They are evaluated when a trade closes; a lock is a time until which entries
of a side are refused, so nothing has to be looked at on a bar. Exits are never locked.

    StoplossGuard     trade_limit stops (stop-loss, trailing) within lookback, each below required_profit
    DrawdownGuard     the sum of the profits within lookback has fallen max_allowed below its highest
    LowProfitGuard    the profits of a symbol within lookback sum to less than required_profit
    Cooldown          every trade: its symbol rests
"""

from __future__ import annotations

from typing import Any

from n1v1.kernels import Record, kernel
from n1v1.risk.policy import DAY_NS, RING
from n1v1.values import Purpose

_DAY = DAY_NS
_RING = RING
_STOP_LOSS = (*Purpose,).index(Purpose.STOP_LOSS)
_TRAILING_STOP = (*Purpose,).index(Purpose.TRAILING_STOP)

LOCK_FIELDS: list[tuple[Any, ...]] = [("locked_long_ns", "i8"), ("locked_short_ns", "i8")]
"""Until when entries of a side are refused; a part of ACCOUNT and of SYMBOL."""


@kernel
def locked_until(locks: Record, side: int) -> int:
    """locks: an account or a symbol."""
    return int(locks.locked_long_ns if side > 0 else locks.locked_short_ns)


def unlock(locks: Record, now_ns: int) -> bool:
    """Lift whatever holds an account or a symbol back; whether anything did."""
    was_locked = max(locks.locked_long_ns, locks.locked_short_ns) > max(0, now_ns)
    locks.locked_long_ns = locks.locked_short_ns = 0
    return bool(was_locked)


@kernel
def lock_after_trade(policy: Record, account: Record, symbol: Record, side: int, ts_ns: int) -> None:
    """A trade of that side was closed and is the last in the account's ring."""
    if policy.cooldown_is_on:
        _lock(symbol, 0, _end(policy.cooldown_lock_ns, policy.cooldown_unlock_at_ns, ts_ns))
    if policy.guard_trade_limit > 0:
        _guard_stops(policy, account, symbol, side, ts_ns)
    if policy.low_trade_limit > 0:
        _guard_profit(policy, account, symbol, side, ts_ns)
    if policy.drop_trade_limit > 0:
        _guard_drawdown(policy, account, ts_ns)


@kernel
def _lock(locks: Record, side: int, until_ns: int) -> None:
    """side 0: both."""
    if side >= 0:
        locks.locked_long_ns = max(locks.locked_long_ns, until_ns)
    if side <= 0:
        locks.locked_short_ns = max(locks.locked_short_ns, until_ns)


@kernel
def _end(lock_ns: int, unlock_at_ns: int, ts_ns: int) -> int:
    """A time of the day (negative: none) counts before a duration; today's, or tomorrow's when it has passed."""
    if unlock_at_ns < 0:
        return ts_ns + lock_ns
    until = ts_ns // _DAY * _DAY + unlock_at_ns
    return until if until > ts_ns else until + _DAY


@kernel
def _guard_stops(policy: Record, account: Record, symbol: Record, side: int, ts_ns: int) -> None:
    wanted_symbol = symbol.index if policy.guard_only_per_symbol else -1
    wanted_side = side if policy.guard_only_per_side else 0
    stops = 0
    for back in range(1, min(account.trade_count, _RING) + 1):
        at = (account.trade_count - back) % _RING
        if account.trade_closed_ns[at] < ts_ns - policy.guard_lookback_ns:
            break
        purpose = account.trade_purpose[at]
        is_stop = purpose in (_STOP_LOSS, _TRAILING_STOP)
        is_low = account.trade_profit_ppb[at] < policy.guard_required_profit_ppb
        if is_stop and is_low and _is_of(account, at, wanted_symbol, wanted_side):
            stops += 1
    if stops >= policy.guard_trade_limit:
        until = _end(policy.guard_lock_ns, policy.guard_unlock_at_ns, ts_ns)
        if policy.guard_only_per_symbol:
            _lock(symbol, wanted_side, until)
        else:
            _lock(account, wanted_side, until)


@kernel
def _guard_profit(policy: Record, account: Record, symbol: Record, side: int, ts_ns: int) -> None:
    wanted_side = side if policy.low_only_per_side else 0
    trades = 0
    profit = 0
    for back in range(1, min(account.trade_count, _RING) + 1):
        at = (account.trade_count - back) % _RING
        if account.trade_closed_ns[at] < ts_ns - policy.low_lookback_ns:
            break
        if _is_of(account, at, symbol.index, wanted_side):
            trades += 1
            profit += account.trade_profit_ppb[at]
    if trades >= policy.low_trade_limit and profit < policy.low_required_profit_ppb:
        _lock(symbol, wanted_side, _end(policy.low_lock_ns, policy.low_unlock_at_ns, ts_ns))


@kernel
def _guard_drawdown(policy: Record, account: Record, ts_ns: int) -> None:
    first = _oldest_since(account, ts_ns - policy.drop_lookback_ns)
    if account.trade_count - first < policy.drop_trade_limit:
        return
    total = 0
    highest = 0
    deepest = 0
    for number in range(first, account.trade_count):
        total += account.trade_profit_ppb[number % _RING]
        highest = max(highest, total)
        deepest = max(deepest, highest - total)
    if deepest > policy.drop_max_allowed_ppb:
        _lock(account, 0, _end(policy.drop_lock_ns, policy.drop_unlock_at_ns, ts_ns))


@kernel
def _oldest_since(account: Record, since_ns: int) -> int:
    """Number of the oldest remembered trade that was closed at or after a time."""
    first = int(account.trade_count)
    while first > max(0, account.trade_count - _RING) and account.trade_closed_ns[(first - 1) % _RING] >= since_ns:
        first -= 1
    return first


@kernel
def _is_of(account: Record, at: int, wanted_symbol: int, wanted_side: int) -> bool:
    """wanted_symbol -1, wanted_side 0: any."""
    return bool(
        (wanted_symbol < 0 or account.trade_symbol[at] == wanted_symbol)
        and (wanted_side == 0 or account.trade_side[at] == wanted_side)
    )

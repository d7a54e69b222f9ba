"""The adaptive policy: how much of its size an entry keeps, by the market and by how the account has been doing.

The multiplier is that of the market x that of the performance x that of the mode, within the policy's bounds:

    market        1.2, 1.1, 1.0, 0.7, 0.4 for a risk score of 0, 1, 2, 4, 6 and more, x 0.9 or 0.8 in a volatile market,
                  x 1.1 in a strong trend (ADX above 40), x 0.9 without one (below 20)
    risk score    volatility (ATR as a share of the price) above t / 2, t, 2 t: 1, 2, 3; ADX below 25: 1, below 20: 2
    performance   Sharpe ratio of the daily equity below the minimum: down to 0.3; above 1: up to 1.3;
                  3 losses in a row x 0.7, the allowed number x 0.5; win rate below 0.4: x 0.8, above 0.6: x 1.1
    mode          CAUTION from 3 losses in a row x 0.8, DEFENSIVE from the allowed number x 0.6;
                  KILL_SWITCH refuses entries while too many trades within its window have lost

As in the original a losing streak is punished twice, by its own factor and by the mode. `counts_losses_once` leaves the
mode's factor out. The original also looks at liquidity and at a named regime, which bars do not tell.
"""

from __future__ import annotations

import math
from enum import IntEnum

from n1v1.kernels import Record, kernel
from n1v1.risk.policy import DAY_NS, DAYS_KEPT, RING

_RING = RING
_DAYS = DAYS_KEPT
_DAY = DAY_NS
CAUTION_LOSSES = 3
LEAST_TRADES = 10
"""A win rate of fewer trades says nothing. Ours: the original takes any number."""
DAYS_PER_YEAR = 365.0


class Mode(IntEnum):
    NORMAL = 0
    CAUTION = 1
    DEFENSIVE = 2
    KILL_SWITCH = 3


_NORMAL, _CAUTION, _DEFENSIVE = int(Mode.NORMAL), int(Mode.CAUTION), int(Mode.DEFENSIVE)
KILL_SWITCH = int(Mode.KILL_SWITCH)


@kernel
def adaptive_mode(policy: Record, account: Record, ts_ns: int) -> int:
    if losses_since(account, ts_ns - policy.kill_window_ns) >= policy.kill_losses:
        return KILL_SWITCH
    if account.losses_in_a_row >= policy.allowed_losses:
        return _DEFENSIVE
    return _CAUTION if account.losses_in_a_row >= CAUTION_LOSSES else _NORMAL


@kernel
def adaptive_multiplier(policy: Record, account: Record, symbol: Record, ts_ns: int) -> float:
    """What an entry's size is multiplied by; not asked in the mode KILL_SWITCH."""
    multiplier = _market_multiplier(policy, symbol) * _performance_multiplier(policy, account, ts_ns)
    mode = adaptive_mode(policy, account, ts_ns)
    if not policy.counts_losses_once:
        multiplier *= 0.6 if mode == _DEFENSIVE else (0.8 if mode == _CAUTION else 1.0)
    return float(max(policy.min_multiplier, min(policy.max_multiplier, multiplier)))


@kernel
def _market_multiplier(policy: Record, symbol: Record) -> float:
    level = _volatility_level(policy, symbol)
    strength = symbol.market.adx
    multiplier = _by_risk(level + _trendless(policy, strength))
    if level >= 2:
        multiplier *= 0.8 if level == 3 else 0.9
    if strength > 40.0:
        multiplier *= 1.1
    elif 0.0 < strength < 20.0:
        multiplier *= 0.9
    return multiplier


@kernel
def _volatility_level(policy: Record, symbol: Record) -> int:
    """0 low, 1 moderate, 2 high, 3 very high; 0 while it is not known."""
    if symbol.mark_ticks <= 0:
        return 0
    volatility = symbol.market.atr_ticks / symbol.mark_ticks
    if volatility > 2.0 * policy.volatility_threshold:
        return 3
    if volatility > policy.volatility_threshold:
        return 2
    return 1 if volatility > 0.5 * policy.volatility_threshold else 0


@kernel
def _trendless(policy: Record, strength: float) -> int:
    if strength <= 0.0 or strength >= policy.trend_threshold:
        return 0
    return 2 if strength < 20.0 else 1


@kernel
def _by_risk(risk: int) -> float:
    if risk >= 6:
        return 0.4
    if risk >= 4:
        return 0.7
    if risk >= 2:
        return 1.0
    return 1.1 if risk >= 1 else 1.2


@kernel
def _performance_multiplier(policy: Record, account: Record, ts_ns: int) -> float:
    multiplier = _by_sharpe(policy, daily_sharpe(policy, account))
    if account.losses_in_a_row >= policy.allowed_losses:
        multiplier *= 0.5
    elif account.losses_in_a_row >= CAUTION_LOSSES:
        multiplier *= 0.7
    win_rate = _win_rate(account, ts_ns - policy.performance_days * _DAY)
    if 0.0 <= win_rate < 0.4:
        multiplier *= 0.8
    elif win_rate > 0.6:
        multiplier *= 1.1
    return multiplier


@kernel
def _by_sharpe(policy: Record, sharpe: float) -> float:
    """Half a point of size per point of Sharpe below the minimum, a tenth per point above 1: ours, as the original's
    slope is not written down."""
    if sharpe != sharpe:
        return 1.0
    if sharpe < policy.min_sharpe:
        return float(max(0.3, 1.0 + 0.5 * (sharpe - policy.min_sharpe)))
    return min(1.3, 1.0 + 0.1 * (sharpe - 1.0)) if sharpe > 1.0 else 1.0


@kernel
def daily_sharpe(policy: Record, account: Record) -> float:
    """Annualised Sharpe ratio of the equity at the last days' starts; NaN for fewer than five days or no change."""
    days = min(policy.performance_days, account.day_count - 1)
    if days < 5:
        return math.nan
    total = 0.0
    squares = 0.0
    for back in range(days):
        newest = account.day_equity[(account.day_count - 1 - back) % _DAYS]
        before = account.day_equity[(account.day_count - 2 - back) % _DAYS]
        change = float(newest) / float(before) - 1.0 if before > 0 else 0.0
        total += change
        squares += change * change
    mean = total / days
    variance = (squares - total * mean) / (days - 1)
    if variance <= 0.0:
        return math.nan
    return float(mean / math.sqrt(variance) * math.sqrt(DAYS_PER_YEAR))


@kernel
def _win_rate(account: Record, since_ns: int) -> float:
    """Of the trades closed since then; -1 for too few."""
    wins = 0
    trades = 0
    for back in range(1, min(account.trade_count, _RING) + 1):
        at = (account.trade_count - back) % _RING
        if account.trade_closed_ns[at] < since_ns:
            break
        trades += 1
        wins += int(account.trade_profit_ppb[at] >= 0)
    return wins / trades if trades >= LEAST_TRADES else -1.0


@kernel
def losses_since(account: Record, since_ns: int) -> int:
    """How many of the remembered trades that closed since then have lost."""
    losses = 0
    for back in range(1, min(account.trade_count, _RING) + 1):
        at = (account.trade_count - back) % _RING
        if account.trade_closed_ns[at] < since_ns:
            break
        losses += int(account.trade_profit_ppb[at] < 0)
    return losses

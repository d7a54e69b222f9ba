"""What risk measures of a symbol's bars: only what the policy uses. Prices are in ticks, so no unit is converted."""

from __future__ import annotations

import numpy as np

from n1v1.indicators.adx import ADX, adx
from n1v1.indicators.atr import ATR, atr
from n1v1.kernels import Record, kernel

ATR_PERIOD = 14
ADX_PERIOD = 14

MARKET = np.dtype([("atr_ticks", "f8"), ("adx", "f8"), ("atr_state", ATR), ("adx_state", ADX)])
"""atr_ticks: 0 until there are enough bars. adx: 0 to 100, 0 until there are enough bars."""


@kernel
def observe_bar(policy: Record, symbol: Record, high: int, low: int, close: int) -> None:
    """A bar has closed: after the fills of its time, before its equity. Needed only when policy.watches_bars."""
    if symbol.position.lots != 0:
        symbol.bars_held += 1
    market = symbol.market
    if policy.watches_range:
        measured = atr(market.atr_state, float(high), float(low), float(close), ATR_PERIOD)
        market.atr_ticks = measured if measured == measured else 0.0
    if policy.watches_trend:
        strength, _, _ = adx(market.adx_state, float(high), float(low), float(close), ADX_PERIOD)
        market.adx = strength if strength == strength else 0.0


@kernel
def time_exit_due(policy: Record, symbol: Record) -> bool:
    """Whether the position has been held for as many bars as the policy allows, and nothing is being done about it."""
    return bool(
        policy.max_bars_held > 0
        and symbol.position.lots != 0
        and symbol.has_order == 0
        and symbol.bars_held >= policy.max_bars_held
    )

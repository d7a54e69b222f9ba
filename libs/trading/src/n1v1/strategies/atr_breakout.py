"""ATR breakout: with a close that moved by a multiple of the usual range since the close before."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.atr import ATR, atr, atr_warmup
from n1v1.indicators.relative_volume import RELATIVE_VOLUME
from n1v1.indicators.roc import ROC, roc, roc_warmup
from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy
from n1v1.strategies.volume_filter import BOUNDS as VOLUME_BOUNDS
from n1v1.strategies.volume_filter import filtered_volume, too_little_volume, volume_passes, volume_warmup


class ATRBreakoutParams(NamedTuple):
    """min_atr: the least ATR that is worth trading, as a share of the price (0.005 is 0.5 %).

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    atr_period: int = 14
    breakout_multiplier: float = 2.0
    volume_filter: bool = True
    volume_period: int = 20
    volume_threshold: float = 1.5
    min_atr: float = 0.005
    trend_filter: bool = True
    trend_period: int = 20
    position_size: float = 0.12
    stop_loss_pct: float = 0.03
    take_profit_pct: float = 0.12


@kernel
def atr_breakout_on_bar(params: Any, state: Record, bar: Record) -> int:
    state.previous_close, state.previous_atr = state.close, state.atr.value
    atr(state.atr, bar.high, bar.low, bar.close, params.atr_period)
    state.count += 1
    state.close = bar.close
    if params.trend_filter:  # the mean of the last closes rises exactly when this close is above the one that leaves it
        state.trend = roc(state.closes, bar.close, params.trend_period)
    state.relative_volume = filtered_volume(params, state.volumes, bar.volume)
    if state.count <= atr_warmup(params.atr_period):
        return NO_SIGNAL
    reach = params.breakout_multiplier * state.previous_atr
    state.side = NO_SIGNAL
    if bar.close > state.previous_close + reach:
        state.side = LONG
    elif bar.close < state.previous_close - reach:
        state.side = SHORT
    return int(state.side) if _is_confirmed(params, state) else NO_SIGNAL


@kernel
def _is_confirmed(params: Any, state: Record) -> bool:
    if state.previous_atr < params.min_atr * state.previous_close:
        return False
    if params.trend_filter and not state.trend * state.side > 0.0:
        return False
    return volume_passes(params, state.relative_volume)


class ATRBreakoutStrategy(Strategy):
    """Compares a close with the close and the ATR of the bar before, so a large bar does not raise its own hurdle."""

    key = "atr_breakout"
    Params = ATRBreakoutParams
    State = np.dtype(
        [
            ("atr", ATR),
            ("closes", ROC),
            ("volumes", RELATIVE_VOLUME),
            ("close", "f8"),
            ("previous_close", "f8"),
            ("previous_atr", "f8"),
            ("trend", "f8"),
            ("relative_volume", "f8"),
            ("side", "i8"),
            ("count", "i8"),
        ]
    )
    bounds: ClassVar = {
        "atr_period": Bound(1, 10_000),
        "breakout_multiplier": Bound(0.1, 20.0),
        **VOLUME_BOUNDS,
        "min_atr": Bound(0.0, 1.0),
        "trend_period": Bound(1, CAPACITY),
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(atr_breakout_on_bar)

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        where = "above" if signal == LONG else "below"
        return f"closed more than {params.breakout_multiplier:g} ATR {where} the close before"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        warmup = ATRBreakoutStrategy.warmup_bars(params)
        if state.count < warmup:
            return f"warming up: {state.count} of {warmup} bars", ()
        reach = params.breakout_multiplier * state.previous_atr
        values = [
            ("upper", state.previous_close + reach),
            ("lower", state.previous_close - reach),
            ("atr", state.previous_atr),
        ]
        if params.trend_filter:
            values.append(("trend_pct", state.trend))
        if params.volume_filter:
            values.append(("relative_volume", state.relative_volume))
        return _reason(params, state, signal), tuple((name, float(value)) for name, value in values)

    @staticmethod
    def warmup_bars(params: Any) -> int:
        trend_bars = roc_warmup(params.trend_period) if params.trend_filter else 0
        return max(atr_warmup(params.atr_period) + 1, trend_bars, volume_warmup(params))


def _reason(params: Any, state: Record, signal: int) -> str:
    if signal != NO_SIGNAL:
        return ATRBreakoutStrategy.reason(params, signal)
    if state.side == 0:
        return f"no breakout: closed within {params.breakout_multiplier:g} ATR of the close before"
    if state.previous_atr < params.min_atr * state.previous_close:
        return "no breakout: the market hardly moves"
    if params.trend_filter and not state.trend * state.side > 0.0:
        return "no breakout: against the trend"
    return f"no breakout: {too_little_volume(params, state.relative_volume)}"

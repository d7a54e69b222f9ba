"""VWAP pullback: with the trend, when the price has come back to the volume-weighted average."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.comparison import compare
from n1v1.indicators.relative_volume import RELATIVE_VOLUME, relative_volume, relative_volume_warmup
from n1v1.indicators.roc import ROC, roc, roc_warmup
from n1v1.indicators.vwap import SESSION_VWAP, VWAP, session_vwap, vwap, vwap_warmup
from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import LONG, NO_SIGNAL, Bound, Explanation, Strategy


class VWAPPullbackParams(NamedTuple):
    """daily_anchor: the VWAP starts anew at 00:00 UTC; without it, it is that of the last `vwap_period` bars.

    pullback_threshold: how near is near, as a share of the VWAP. confirmation_bars: how many bars in a row.

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    vwap_period: int = 20
    daily_anchor: bool = False
    pullback_threshold: float = 0.01
    volume_multiplier: float = 1.3
    min_volume_period: int = 10
    confirmation_bars: int = 2
    trend_filter: bool = True
    trend_period: int = 10
    position_size: float = 0.08
    stop_loss_pct: float = 0.025
    take_profit_pct: float = 0.06


@kernel
def vwap_pullback_on_bar(params: Any, state: Record, bar: Record) -> int:
    _measure(params, state, bar)
    state.side = compare(bar.close, state.vwap)  # 1 is LONG, -1 SHORT
    distance = abs(bar.close - state.vwap)
    if not distance <= params.pullback_threshold * state.vwap:  # so written, a VWAP that is not known is not near
        state.bars_near = 0
        state.answered = 0
        return NO_SIGNAL
    state.bars_near += 1
    if state.side == state.answered or state.bars_near < params.confirmation_bars:
        return NO_SIGNAL
    if params.trend_filter and not (state.trend * state.side > 0.0 and state.vwap_change * state.side > 0.0):
        return NO_SIGNAL
    if not state.relative_volume >= params.volume_multiplier:
        return NO_SIGNAL
    state.answered = state.side
    return int(state.side)


@kernel
def _measure(params: Any, state: Record, bar: Record) -> None:
    previous = state.vwap
    state.count += 1
    if params.daily_anchor:
        day = state.daily.day
        state.vwap = session_vwap(state.daily, bar.high, bar.low, bar.close, bar.volume, bar.close_ns)
        is_comparable = state.count > 1 and state.daily.day == day
    else:
        state.vwap = vwap(state.rolling, bar.high, bar.low, bar.close, bar.volume, params.vwap_period)
        is_comparable = state.count > params.vwap_period
    state.vwap_change = state.vwap - previous if is_comparable else 0.0
    state.relative_volume = relative_volume(state.volumes, bar.volume, params.min_volume_period)
    if params.trend_filter:  # the mean of the last closes rises exactly when this close is above the one that leaves it
        state.trend = roc(state.closes, bar.close, params.trend_period)


class VWAPPullbackStrategy(Strategy):
    """Enters at most once per side while the price stays near the VWAP.

    With the daily anchor the first bar of a day has no slope of the VWAP, so under the trend filter no signal.
    """

    key = "vwap_pullback"
    Params = VWAPPullbackParams
    State = np.dtype(
        [
            ("rolling", VWAP),
            ("daily", SESSION_VWAP),
            ("closes", ROC),
            ("volumes", RELATIVE_VOLUME),
            ("vwap", "f8"),
            ("vwap_change", "f8"),
            ("trend", "f8"),
            ("relative_volume", "f8"),
            ("side", "i8"),
            ("bars_near", "i8"),
            ("answered", "i8"),
            ("count", "i8"),
        ]
    )
    bounds: ClassVar = {
        "vwap_period": Bound(1, CAPACITY),
        "pullback_threshold": Bound(0.0, 1.0),
        "volume_multiplier": Bound(0.0, 100.0),
        "min_volume_period": Bound(1, CAPACITY),
        "confirmation_bars": Bound(1, 1_000),
        "trend_period": Bound(1, CAPACITY),
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(vwap_pullback_on_bar)

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        if signal == LONG:
            return "came back to the VWAP from above in a rising market"
        return "came back to the VWAP from below in a falling market"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        warmup = VWAPPullbackStrategy.warmup_bars(params)
        if state.count < warmup:
            return f"warming up: {state.count} of {warmup} bars", ()
        values = [("vwap", state.vwap), ("relative_volume", state.relative_volume)]
        if params.trend_filter:
            values += [("vwap_change", state.vwap_change), ("trend_pct", state.trend)]
        return _reason(params, state, signal), tuple((name, float(value)) for name, value in values)

    @staticmethod
    def warmup_bars(params: Any) -> int:
        first = 1 if params.daily_anchor else vwap_warmup(params.vwap_period)
        near = first + params.confirmation_bars - 1
        slopes = max(first + 1, roc_warmup(params.trend_period)) if params.trend_filter else 0
        return int(max(near, slopes, relative_volume_warmup(params.min_volume_period)))


def _reason(params: Any, state: Record, signal: int) -> str:
    if signal != NO_SIGNAL:
        return VWAPPullbackStrategy.reason(params, signal)
    if state.bars_near == 0:
        return "no pullback: too far from the VWAP"
    if state.side == state.answered:
        return "no pullback: closed on the VWAP" if state.side == 0 else "no pullback: answered already"
    if state.bars_near < params.confirmation_bars:
        return f"no pullback: near the VWAP for {state.bars_near} of {params.confirmation_bars} bars"
    if params.trend_filter and not (state.trend * state.side > 0.0 and state.vwap_change * state.side > 0.0):
        return "no pullback: price and VWAP do not both move that way"
    return "no pullback: the volume does not confirm"

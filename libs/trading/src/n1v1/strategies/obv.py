"""OBV: with a crossing of on-balance volume and its average that has lasted, in the direction of the trend."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.comparison import compare
from n1v1.indicators.obv import OBV, obv
from n1v1.indicators.relative_volume import RELATIVE_VOLUME, relative_volume, relative_volume_warmup
from n1v1.indicators.roc import ROC, roc, roc_warmup
from n1v1.indicators.sma import SMA, sma
from n1v1.indicators.window import CAPACITY, WINDOW, window_ago, window_push
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy


class OBVParams(NamedTuple):
    """confirmation_period: bars in a row beyond the average, the crossing included.

    divergence_threshold: how far the price must have gone the other way for OBV to contradict it, as a share.

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    obv_signal_period: int = 10
    volume_filter: bool = True
    volume_sma_period: int = 20
    volume_threshold: float = 1.0
    divergence_threshold: float = 0.02
    confirmation_period: int = 3
    trend_filter: bool = True
    trend_period: int = 20
    position_size: float = 0.09
    stop_loss_pct: float = 0.03
    take_profit_pct: float = 0.07


@kernel
def obv_on_bar(params: Any, state: Record, bar: Record) -> int:
    state.count += 1
    value = obv(state.obv, bar.close, bar.volume)
    state.average = sma(state.averaged, value, params.obv_signal_period)
    if params.trend_filter:
        _measure_trend(params, state, bar.close)
    if params.volume_filter:
        state.relative_volume = relative_volume(state.volumes, bar.volume, params.volume_sma_period)
    if state.count < params.obv_signal_period:
        return NO_SIGNAL
    _count_bars_beyond(params, state)
    if state.side == 0 or state.bars_beyond != params.confirmation_period:
        return NO_SIGNAL
    if params.volume_filter and not state.relative_volume >= params.volume_threshold:
        return NO_SIGNAL
    if params.trend_filter and state.side != _favoured(state):
        return NO_SIGNAL
    return int(state.side)


@kernel
def _count_bars_beyond(params: Any, state: Record) -> None:
    """side: where OBV is; bars_beyond: for how many bars. Where it is at first it did not get to by crossing."""
    side = compare(state.obv.value, state.average)  # 1 is LONG, -1 SHORT
    if state.count == params.obv_signal_period:
        state.bars_beyond = params.confirmation_period + 1
    elif side == state.side:
        state.bars_beyond += 1
    else:
        state.bars_beyond = 1
    state.side = side


@kernel
def _measure_trend(params: Any, state: Record, close: float) -> None:
    """The mean of the last closes rises exactly when the price is above that of `trend_period` bars ago."""
    state.trend = roc(state.closes, close, params.trend_period)
    state.divergence = NO_SIGNAL
    if state.obvs.count >= params.trend_period:
        flow = state.obv.value - window_ago(state.obvs, params.trend_period - 1)
        if flow > 0.0 and state.trend < -100.0 * params.divergence_threshold:
            state.divergence = LONG
        elif flow < 0.0 and state.trend > 100.0 * params.divergence_threshold:
            state.divergence = SHORT
    window_push(state.obvs, state.obv.value)


@kernel
def _favoured(state: Record) -> int:
    """The side that the trend is on, or OBV where it contradicts the price."""
    if state.divergence != 0:
        return int(state.divergence)
    return compare(state.trend, 0.0)


class OBVStrategy(Strategy):
    """Enters once per crossing, on the bar that confirms it, or not at all.

    Under the trend filter a crossing must go with the price of the last `trend_period` bars, or, where the two
    diverge, with OBV: over these bars the price went one way by more than the threshold, and OBV the other.
    """

    key = "obv"
    Params = OBVParams
    State = np.dtype(
        [
            ("obv", OBV),
            ("averaged", SMA),
            ("obvs", WINDOW),
            ("closes", ROC),
            ("volumes", RELATIVE_VOLUME),
            ("average", "f8"),
            ("trend", "f8"),
            ("relative_volume", "f8"),
            ("divergence", "i8"),
            ("side", "i8"),
            ("bars_beyond", "i8"),
            ("count", "i8"),
        ]
    )
    bounds: ClassVar = {
        "obv_signal_period": Bound(2, CAPACITY),
        "volume_sma_period": Bound(1, CAPACITY),
        "volume_threshold": Bound(0.0, 100.0),
        "divergence_threshold": Bound(0.0, 1.0),
        "confirmation_period": Bound(1, 1_000),
        "trend_period": Bound(1, CAPACITY),
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(obv_on_bar)

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        where = "above" if signal == LONG else "below"
        return f"OBV stayed {where} its average for {params.confirmation_period} bars"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        warmup = OBVStrategy.warmup_bars(params)
        if state.count < warmup:
            return f"warming up: {state.count} of {warmup} bars", ()
        values = [("obv", state.obv.value), ("average", state.average), ("bars_beyond", state.bars_beyond)]
        if params.trend_filter:
            values += [("trend_pct", state.trend), ("divergence", state.divergence)]
        if params.volume_filter:
            values.append(("relative_volume", state.relative_volume))
        return _reason(params, state, signal), tuple((name, float(value)) for name, value in values)

    @staticmethod
    def warmup_bars(params: Any) -> int:
        volume_bars = relative_volume_warmup(params.volume_sma_period) if params.volume_filter else 0
        trend_bars = roc_warmup(params.trend_period) if params.trend_filter else 0
        return int(max(params.obv_signal_period + params.confirmation_period, trend_bars, volume_bars))


def _reason(params: Any, state: Record, signal: int) -> str:
    where = "above" if state.side > 0 else "below"
    if signal != NO_SIGNAL:
        return OBVStrategy.reason(params, signal)
    if state.side == 0:
        return "no crossing: OBV is on its average"
    if state.bars_beyond < params.confirmation_period:
        return f"not confirmed: OBV {where} its average for {state.bars_beyond} of {params.confirmation_period} bars"
    if state.bars_beyond > params.confirmation_period:
        return f"no crossing: OBV stays {where} its average"
    if params.volume_filter and not state.relative_volume >= params.volume_threshold:
        return "no entry: the volume does not confirm"
    return "no entry: against the divergence" if state.divergence else "no entry: against the trend"

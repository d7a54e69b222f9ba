"""Bollinger reversion: against a close outside the bands, and out again after some bars."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.bollinger import BOLLINGER, bollinger, bollinger_warmup
from n1v1.indicators.relative_volume import RELATIVE_VOLUME
from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import EXIT, LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy
from n1v1.strategies.volume_filter import BOUNDS as VOLUME_BOUNDS
from n1v1.strategies.volume_filter import filtered_volume, too_little_volume, volume_passes, volume_warmup


class BollingerReversionParams(NamedTuple):
    """reversion_threshold: how far outside, in widths of the bands. min_width: of the bands, as a share of the mean.

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    period: int = 20
    std_dev: float = 2.0
    ddof: int = 0
    reversion_threshold: float = 0.01
    min_width: float = 0.005
    volume_filter: bool = True
    volume_period: int = 20
    volume_threshold: float = 1.1
    max_holding_period: int = 10
    position_size: float = 0.08
    stop_loss_pct: float = 0.02
    take_profit_pct: float = 0.04


@kernel
def bollinger_reversion_on_bar(params: Any, state: Record, bar: Record) -> int:
    upper, middle, lower = bollinger(state.bands, bar.close, params.period, params.std_dev, params.ddof)
    state.count += 1
    state.upper, state.middle, state.lower = upper, middle, lower
    state.width = (upper - lower) / middle
    state.position = (bar.close - lower) / (upper - lower) if upper > lower else 0.5
    state.relative_volume = filtered_volume(params, state.volumes, bar.volume)
    if state.side != 0:
        state.bars_held += 1
    wanted = _reversion(params, state)
    if wanted != NO_SIGNAL and wanted != state.side:
        state.side = wanted
        state.bars_held = 0
        return wanted
    if state.side != 0 and state.bars_held >= params.max_holding_period:
        state.side = 0
        return EXIT
    return NO_SIGNAL


@kernel
def _reversion(params: Any, state: Record) -> int:
    if not state.width > params.min_width:  # so written, a width that is not known yet is not wide enough
        return NO_SIGNAL
    if not volume_passes(params, state.relative_volume):
        return NO_SIGNAL
    if state.position < -params.reversion_threshold:
        return LONG
    if state.position > 1.0 + params.reversion_threshold:
        return SHORT
    return NO_SIGNAL


class BollingerReversionStrategy(Strategy):
    """Enters against a close outside the bands and answers EXIT `max_holding_period` bars after its signal.

    Until then it does not repeat a signal, and takes its wish for granted: it does not hear of a refusal or a stop.
    """

    key = "bollinger_reversion"
    Params = BollingerReversionParams
    State = np.dtype(
        [
            ("bands", BOLLINGER),
            ("volumes", RELATIVE_VOLUME),
            ("upper", "f8"),
            ("middle", "f8"),
            ("lower", "f8"),
            ("width", "f8"),
            ("position", "f8"),
            ("relative_volume", "f8"),
            ("side", "i8"),
            ("bars_held", "i8"),
            ("count", "i8"),
        ]
    )
    bounds: ClassVar = {
        "period": Bound(2, CAPACITY),
        "std_dev": Bound(0.1, 10.0),
        "ddof": Bound(0, 1),
        "reversion_threshold": Bound(0.0, 1.0),
        "min_width": Bound(0.0, 1.0),
        **VOLUME_BOUNDS,
        "max_holding_period": Bound(1, 100_000),
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(bollinger_reversion_on_bar)

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        if signal == EXIT:
            return f"held for {params.max_holding_period} bars"
        return "closed below the lower band" if signal == LONG else "closed above the upper band"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        warmup = BollingerReversionStrategy.warmup_bars(params)
        if state.count < warmup:
            return f"warming up: {state.count} of {warmup} bars", ()
        values = [
            ("upper", state.upper),
            ("middle", state.middle),
            ("lower", state.lower),
            ("position", state.position),
        ]
        if params.volume_filter:
            values.append(("relative_volume", state.relative_volume))
        return _reason(params, state, signal), tuple((name, float(value)) for name, value in values)

    @staticmethod
    def warmup_bars(params: Any) -> int:
        return max(bollinger_warmup(params.period), volume_warmup(params))


def _reason(params: Any, state: Record, signal: int) -> str:
    if signal != NO_SIGNAL:
        return BollingerReversionStrategy.reason(params, signal)
    outside = state.position < -params.reversion_threshold or state.position > 1.0 + params.reversion_threshold
    if not outside:
        return "no entry: closed inside the bands"
    if not state.width > params.min_width:
        return "no entry: the bands are too narrow"
    if not volume_passes(params, state.relative_volume):
        return f"no entry: {too_little_volume(params, state.relative_volume)}"
    return f"no entry: answered the same {state.bars_held} bars ago"

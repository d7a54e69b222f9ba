"""Keltner channel: with a close outside the channel of the bar before, after a squeeze."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.bollinger import BOLLINGER, bollinger
from n1v1.indicators.comparison import compare
from n1v1.indicators.keltner import KELTNER, keltner, keltner_warmup
from n1v1.indicators.relative_volume import RELATIVE_VOLUME
from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy
from n1v1.strategies.volume_filter import BOUNDS as VOLUME_BOUNDS
from n1v1.strategies.volume_filter import filtered_volume, too_little_volume, volume_passes, volume_warmup


class KeltnerChannelParams(NamedTuple):
    """squeeze_threshold: share of the channel's width that the Bollinger bands must be narrower than; 1 is inside.

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    sma_period: int = 20
    atr_period: int = 14
    atr_multiplier: float = 2.0
    volume_filter: bool = True
    volume_period: int = 20
    volume_threshold: float = 1.3
    squeeze_filter: bool = True
    squeeze_threshold: float = 0.8
    squeeze_std_dev: float = 2.0
    position_size: float = 0.1
    stop_loss_pct: float = 0.025
    take_profit_pct: float = 0.08


@kernel
def keltner_channel_on_bar(params: Any, state: Record, bar: Record) -> int:
    state.previous_upper, state.previous_lower = state.upper, state.lower
    state.was_squeezed = state.is_squeezed
    state.previous_side = state.side
    _measure(params, state, bar)
    if state.count <= keltner_warmup(params.sma_period, params.atr_period):
        return NO_SIGNAL
    state.side = NO_SIGNAL
    if compare(bar.close, state.previous_upper) > 0:
        state.side = LONG
    elif compare(bar.close, state.previous_lower) < 0:
        state.side = SHORT
    if state.side == state.previous_side:
        return NO_SIGNAL
    if params.squeeze_filter and state.was_squeezed == 0:
        return NO_SIGNAL
    if not volume_passes(params, state.relative_volume):
        return NO_SIGNAL
    return int(state.side)


@kernel
def _measure(params: Any, state: Record, bar: Record) -> None:
    """The channel and the bands share their middle, so bands that are narrower than the channel are inside it."""
    upper, _, lower = keltner(
        state.channel, bar.high, bar.low, bar.close, params.sma_period, params.atr_period, params.atr_multiplier
    )
    band_upper, _, band_lower = bollinger(state.bands, bar.close, params.sma_period, params.squeeze_std_dev, 0)
    state.count += 1
    state.upper, state.lower = upper, lower
    state.is_squeezed = 1 if band_upper - band_lower < params.squeeze_threshold * (upper - lower) else 0
    state.relative_volume = filtered_volume(params, state.volumes, bar.volume)


class KeltnerChannelStrategy(Strategy):
    """Enters once per breakout: on the first close outside, when the bar before was squeezed.

    The original also traded towards the middle from the outer fifths of the channel, with 0.8 of the size. That is
    another strategy with other risks (`bollinger_reversion` is one), and it is left out.
    """

    key = "keltner_channel"
    Params = KeltnerChannelParams
    State = np.dtype(
        [
            ("channel", KELTNER),
            ("bands", BOLLINGER),
            ("volumes", RELATIVE_VOLUME),
            ("upper", "f8"),
            ("lower", "f8"),
            ("previous_upper", "f8"),
            ("previous_lower", "f8"),
            ("relative_volume", "f8"),
            ("is_squeezed", "i8"),
            ("was_squeezed", "i8"),
            ("side", "i8"),
            ("previous_side", "i8"),
            ("count", "i8"),
        ]
    )
    bounds: ClassVar = {
        "sma_period": Bound(2, CAPACITY),
        "atr_period": Bound(1, 10_000),
        "atr_multiplier": Bound(0.1, 20.0),
        **VOLUME_BOUNDS,
        "squeeze_threshold": Bound(0.01, 10.0),
        "squeeze_std_dev": Bound(0.1, 10.0),
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(keltner_channel_on_bar)

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        return f"closed {'above' if signal == LONG else 'below'} the channel of the bar before"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        warmup = KeltnerChannelStrategy.warmup_bars(params)
        if state.count < warmup:
            return f"warming up: {state.count} of {warmup} bars", ()
        values = [("upper", state.previous_upper), ("lower", state.previous_lower), ("squeezed", state.was_squeezed)]
        if params.volume_filter:
            values.append(("relative_volume", state.relative_volume))
        return _reason(params, state, signal), tuple((name, float(value)) for name, value in values)

    @staticmethod
    def warmup_bars(params: Any) -> int:
        return max(keltner_warmup(params.sma_period, params.atr_period) + 1, volume_warmup(params))


def _reason(params: Any, state: Record, signal: int) -> str:
    if signal != NO_SIGNAL:
        return KeltnerChannelStrategy.reason(params, signal)
    if state.side == 0:
        return "no breakout: closed inside the channel of the bar before"
    if state.side == state.previous_side:
        return "no breakout: outside the channel already"
    if params.squeeze_filter and state.was_squeezed == 0:
        return "no breakout: there was no squeeze before it"
    return f"no breakout: {too_little_volume(params, state.relative_volume)}"

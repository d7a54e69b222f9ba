"""Donchian breakout: with a close beyond every high or low of the bars before."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.donchian import DONCHIAN, donchian, donchian_warmup
from n1v1.indicators.relative_volume import RELATIVE_VOLUME, relative_volume, relative_volume_warmup
from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy


class DonchianBreakoutParams(NamedTuple):
    """breakout_threshold: how far beyond the channel, as a share of its edge.

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    channel_period: int = 20
    breakout_threshold: float = 0.001
    volume_filter: bool = True
    volume_period: int = 20
    volume_multiplier: float = 1.2
    position_size: float = 0.1
    stop_loss_pct: float = 0.04
    take_profit_pct: float = 0.1


@kernel
def donchian_breakout_on_bar(params: Any, state: Record, bar: Record) -> int:
    state.previous_upper, state.previous_lower = state.upper, state.lower
    upper, _, lower = donchian(state.channel, bar.high, bar.low, params.channel_period)
    state.count += 1
    state.upper, state.lower = upper, lower
    if params.volume_filter:
        state.relative_volume = relative_volume(state.volumes, bar.volume, params.volume_period)
    if state.count <= donchian_warmup(params.channel_period):
        return NO_SIGNAL
    if bar.close > state.previous_upper * (1.0 + params.breakout_threshold):
        state.side = LONG
    elif bar.close < state.previous_lower * (1.0 - params.breakout_threshold):
        state.side = SHORT
    else:
        state.side = NO_SIGNAL
    if params.volume_filter and not state.relative_volume >= params.volume_multiplier:
        return NO_SIGNAL
    return int(state.side)


class DonchianBreakoutStrategy(Strategy):
    """Answers every breakout, also one above the last: a trend that goes on says so again."""

    key = "donchian_breakout"
    Params = DonchianBreakoutParams
    State = np.dtype(
        [
            ("channel", DONCHIAN),
            ("volumes", RELATIVE_VOLUME),
            ("upper", "f8"),
            ("lower", "f8"),
            ("previous_upper", "f8"),
            ("previous_lower", "f8"),
            ("relative_volume", "f8"),
            ("side", "i8"),
            ("count", "i8"),
        ]
    )
    bounds: ClassVar = {
        "channel_period": Bound(1, CAPACITY),
        "breakout_threshold": Bound(0.0, 0.5),
        "volume_period": Bound(1, CAPACITY),
        "volume_multiplier": Bound(0.0, 100.0),
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(donchian_breakout_on_bar)

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        where = "above every high" if signal == LONG else "below every low"
        return f"closed {where} of the {params.channel_period} bars before"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        warmup = DonchianBreakoutStrategy.warmup_bars(params)
        if state.count < warmup:
            return f"warming up: {state.count} of {warmup} bars", ()
        values = [("upper", state.previous_upper), ("lower", state.previous_lower)]
        if params.volume_filter:
            values.append(("relative_volume", state.relative_volume))
        return _reason(params, state, signal), tuple((name, float(value)) for name, value in values)

    @staticmethod
    def warmup_bars(params: Any) -> int:
        volume_bars = relative_volume_warmup(params.volume_period) if params.volume_filter else 0
        return max(donchian_warmup(params.channel_period) + 1, volume_bars)


def _reason(params: Any, state: Record, signal: int) -> str:
    if signal != NO_SIGNAL:
        return DonchianBreakoutStrategy.reason(params, signal)
    if state.side == 0:
        return f"no breakout: closed inside the channel of the {params.channel_period} bars before"
    return "no breakout: the volume does not confirm"

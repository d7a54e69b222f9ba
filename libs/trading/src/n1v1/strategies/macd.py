"""MACD: long when the line crosses above its signal, short when it crosses below."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.macd import MACD, macd, macd_warmup
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy


class MACDParams(NamedTuple):
    """histogram_threshold in units of price, histogram_threshold_pct as a fraction of it; both must be exceeded.

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    fast_period: int = 12
    slow_period: int = 26
    signal_period: int = 9
    histogram_threshold: float = 0.0
    histogram_threshold_pct: float = 0.0
    position_size: float = 0.1
    stop_loss_pct: float = 0.03
    take_profit_pct: float = 0.08


@kernel
def macd_on_bar(params: Any, state: Record, bar: Record) -> int:
    previous = state.histogram
    state.line, state.signal, state.histogram = macd(
        state.macd, bar.close, params.fast_period, params.slow_period, params.signal_period
    )
    state.threshold = max(params.histogram_threshold, params.histogram_threshold_pct * bar.close)
    state.candidate = histogram_crossing(previous, state.histogram)
    if abs(state.histogram) > state.threshold:
        return int(state.candidate)
    return NO_SIGNAL


@kernel
def histogram_crossing(previous: float, now: float) -> int:
    """Comparisons with NaN are false: no crossing in the warm-up."""
    if previous <= 0.0 and now > 0.0:
        return LONG
    if previous >= 0.0 and now < 0.0:
        return SHORT
    return NO_SIGNAL


class MACDStrategy(Strategy):
    """Enters once per crossing, if the histogram is large enough on the very bar that crosses."""

    key = "macd"
    Params = MACDParams
    State = np.dtype(
        [
            ("macd", MACD),
            ("line", "f8"),
            ("signal", "f8"),
            ("histogram", "f8"),
            ("threshold", "f8"),
            ("candidate", "i8"),
        ]
    )
    bounds: ClassVar = {
        "fast_period": Bound(1, 10_000),
        "slow_period": Bound(2, 10_000),
        "signal_period": Bound(2, 10_000),  # with 1 the signal is the line itself and never crosses it
        "histogram_threshold": Bound(0.0, 1e9),
        "histogram_threshold_pct": Bound(0.0, 1.0),
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(macd_on_bar)

    @staticmethod
    def contradiction(params: Any) -> str | None:
        if params.fast_period < params.slow_period:
            return None
        return f"expected fast_period below slow_period, got {params.fast_period} and {params.slow_period}"

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        return f"MACD crossed {'above' if signal == LONG else 'below'} its signal"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        seen, needed = int(state.macd.slow.count), MACDStrategy.warmup_bars(params)
        if seen < needed:
            return f"warming up: {seen} of {needed} bars", ()
        values = tuple((name, float(getattr(state, name))) for name in ("line", "signal", "histogram"))
        return _reason(params, state, signal), values

    @staticmethod
    def warmup_bars(params: Any) -> int:
        return macd_warmup(int(params.slow_period), int(params.signal_period)) + 1


def _reason(params: Any, state: Record, signal: int) -> str:
    if state.candidate == NO_SIGNAL:
        if state.histogram == 0.0:
            return "no crossing: MACD equals its signal"
        return f"no crossing: MACD stays {'above' if state.histogram > 0.0 else 'below'} its signal"
    crossing = MACDStrategy.reason(params, int(state.candidate))
    if signal == NO_SIGNAL:
        return f"{crossing}, but by no more than {state.threshold:g}"
    return crossing

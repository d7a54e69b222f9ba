"""Stochastic: long when %K turns up through %D at the bottom of the range, short when it turns down at the top."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.relative_volume import RELATIVE_VOLUME
from n1v1.indicators.stochastic import STOCHASTIC, stochastic, stochastic_warmup
from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, kernel
from n1v1.strategies import volume_filter
from n1v1.strategies.base import LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy
from n1v1.strategies.volume_filter import filtered_volume, volume_passes

_ROUNDING = 1e-9  # of 0 to 100: %K and the mean of equal %K differ by less


class StochasticParams(NamedTuple):
    """k_smoothing 1 is the fast stochastic, which the original strategy used.

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    k_period: int = 14
    k_smoothing: int = 1
    d_period: int = 3
    overbought: float = 80.0
    oversold: float = 20.0
    volume_filter: bool = True
    volume_period: int = 10
    volume_threshold: float = 1.2
    position_size: float = 0.08
    stop_loss_pct: float = 0.025
    take_profit_pct: float = 0.05


@kernel
def stochastic_on_bar(params: Any, state: Record, bar: Record) -> int:
    previous_lead = state.lead
    state.k, state.d = stochastic(
        state.stochastic, bar.high, bar.low, bar.close, params.k_period, params.k_smoothing, params.d_period
    )
    state.lead = state.k - state.d
    if abs(state.lead) <= _ROUNDING:
        state.lead = 0.0
    count_bars_with_range(params, state)
    state.relative_volume = filtered_volume(params, state.volume, bar.volume)
    state.candidate = NO_SIGNAL
    # %K and %D of this bar and of the one before must all come from ranges that have a height
    if state.bars_with_range >= params.k_smoothing + params.d_period:
        state.candidate = stochastic_turn(params, state, previous_lead)
    if volume_passes(params, state.relative_volume):
        return int(state.candidate)
    return NO_SIGNAL


@kernel
def count_bars_with_range(params: Any, state: Record) -> None:
    """How many bars in a row had a whole `k_period` behind them in which the price moved."""
    if state.stochastic.highest.window.count < params.k_period:
        return
    if state.stochastic.highest.value > state.stochastic.lowest.value:
        state.bars_with_range += 1
    else:
        state.bars_with_range = 0


@kernel
def stochastic_turn(params: Any, state: Record, previous_lead: float) -> int:
    """previous_lead: %K less %D on the bar before."""
    if previous_lead <= 0.0 and state.lead > 0.0 and state.k < params.oversold and state.d < params.oversold:
        return LONG
    if previous_lead >= 0.0 and state.lead < 0.0 and state.k > params.overbought and state.d > params.overbought:
        return SHORT
    return NO_SIGNAL


class StochasticStrategy(Strategy):
    """Enters once per crossing of %K and %D, if both are in the zone on the bar that crosses."""

    key = "stochastic"
    Params = StochasticParams
    State = np.dtype(
        [
            ("stochastic", STOCHASTIC),
            ("volume", RELATIVE_VOLUME),
            ("k", "f8"),
            ("d", "f8"),
            ("lead", "f8"),
            ("bars_with_range", "i8"),
            ("relative_volume", "f8"),
            ("candidate", "i8"),
        ]
    )
    bounds: ClassVar = {
        "k_period": Bound(2, CAPACITY),
        "k_smoothing": Bound(1, CAPACITY),
        "d_period": Bound(2, CAPACITY),  # with 1 %D is %K itself and never crossed
        "overbought": Bound(0.0, 100.0),
        "oversold": Bound(0.0, 100.0),
        **volume_filter.BOUNDS,
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(stochastic_on_bar)

    @staticmethod
    def contradiction(params: Any) -> str | None:
        if params.oversold < params.overbought:
            return None
        return f"expected oversold below overbought, got {params.oversold} and {params.overbought}"

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        if signal == LONG:
            return f"%K crossed above %D, both below {params.oversold:g}"
        return f"%K crossed below %D, both above {params.overbought:g}"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        seen, needed = int(state.stochastic.highest.window.count), StochasticStrategy.warmup_bars(params)
        if seen < needed:
            return f"warming up: {seen} of {needed} bars", ()
        values: tuple[tuple[str, float], ...] = (("k", float(state.k)), ("d", float(state.d)))
        if params.volume_filter:
            values = (*values, ("relative_volume", float(state.relative_volume)))
        return _reason(params, state, signal), values

    @staticmethod
    def warmup_bars(params: Any) -> int:
        crossing = stochastic_warmup(int(params.k_period), int(params.k_smoothing), int(params.d_period)) + 1
        return max(crossing, volume_filter.volume_warmup(params))


def _reason(params: Any, state: Record, signal: int) -> str:
    if state.candidate != NO_SIGNAL:
        turn = StochasticStrategy.reason(params, int(state.candidate))
    elif state.bars_with_range < params.k_smoothing + params.d_period:
        return f"the price stood still for {params.k_period} bars a moment ago: %K says nothing"
    else:
        return f"no crossing of %K and %D below {params.oversold:g} or above {params.overbought:g}"
    if signal == NO_SIGNAL:
        return f"{turn}, but {volume_filter.too_little_volume(params, float(state.relative_volume))}"
    return turn

"""EMA cross: long when the fast average crosses above the slow one, short when it crosses below."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.ema import EMA, ema
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy


class EMACrossParams(NamedTuple):
    fast_ema: int = 9
    slow_ema: int = 21
    position_size: float = 0.1
    stop_loss_pct: float = 0.03
    take_profit_pct: float = 0.06


@kernel
def ema_cross_on_bar(params: Any, state: Record, bar: Record) -> int:
    state.fast_previous = state.fast.value
    state.slow_previous = state.slow.value
    ema(state.fast, bar.close, params.fast_ema)
    ema(state.slow, bar.close, params.slow_ema)
    if state.slow.count <= params.slow_ema:
        return NO_SIGNAL
    if state.fast_previous <= state.slow_previous and state.fast.value > state.slow.value:
        return LONG
    if state.fast_previous >= state.slow_previous and state.fast.value < state.slow.value:
        return SHORT
    return NO_SIGNAL


class EMACrossStrategy(Strategy):
    """Enters once per crossing. The first crossing that counts is the one after `slow_ema` + 1 bars."""

    key = "ema_cross"
    Params = EMACrossParams
    State = np.dtype([("fast", EMA), ("slow", EMA), ("fast_previous", "f8"), ("slow_previous", "f8")])
    bounds: ClassVar = {
        "fast_ema": Bound(1, 10_000),
        "slow_ema": Bound(2, 10_000),
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    on_bar = staticmethod(ema_cross_on_bar)

    @staticmethod
    def contradiction(params: Any) -> str | None:
        if params.fast_ema < params.slow_ema:
            return None
        return f"expected fast_ema below slow_ema, got {params.fast_ema} and {params.slow_ema}"

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        return f"fast average crossed {'above' if signal == LONG else 'below'} slow"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        if state.slow.count <= params.slow_ema:
            return f"warming up: {state.slow.count} of {params.slow_ema + 1} bars", ()
        values = (("fast", float(state.fast.value)), ("slow", float(state.slow.value)))
        if signal != NO_SIGNAL:
            return EMACrossStrategy.reason(params, signal), values
        relation = "above" if state.fast.value > state.slow.value else "below"
        return f"no crossing: fast average stays {relation} slow", values

    @staticmethod
    def warmup_bars(params: Any) -> int:
        return int(params.slow_ema) + 1

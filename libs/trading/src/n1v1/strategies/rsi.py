"""RSI: long when prices have fallen too far too fast, short when they have risen so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from n1v1.indicators.relative_volume import RELATIVE_VOLUME
from n1v1.indicators.rsi import EWM, RSI, WILDER, rsi, rsi_warmup
from n1v1.kernels import Record, kernel
from n1v1.strategies import volume_filter
from n1v1.strategies.base import LONG, NO_SIGNAL, SHORT, Bound, Explanation, Strategy
from n1v1.strategies.choices import Choices, with_codes
from n1v1.strategies.volume_filter import filtered_volume, volume_passes

CROSS = 0
LEVEL = 1


class RSIParams(NamedTuple):
    """smoothing: WILDER or EWM. trigger: CROSS, the bar that enters a zone, or LEVEL, every bar in it.

    stop_loss_pct, take_profit_pct: distances from the price of the decision, as shares of it; 0: none wished.
    """

    rsi_period: int = 14
    overbought: float = 70.0
    oversold: float = 30.0
    smoothing: int = WILDER
    trigger: int = CROSS
    volume_filter: bool = False
    volume_period: int = 10
    volume_threshold: float = 1.5
    position_size: float = 0.1
    stop_loss_pct: float = 0.05
    take_profit_pct: float = 0.1


@kernel
def rsi_on_bar(params: Any, state: Record, bar: Record) -> int:
    previous = state.value
    state.value = rsi(state.rsi, bar.close, params.rsi_period, params.smoothing)
    if state.rsi.gain.value + state.rsi.loss.value == 0.0:
        state.value = np.nan  # nothing has moved yet: neither weak nor strong, whatever the formula's convention
    state.relative_volume = filtered_volume(params, state.volume, bar.volume)
    state.candidate = rsi_entry(params, previous, state.value)
    if volume_passes(params, state.relative_volume):
        return int(state.candidate)
    return NO_SIGNAL


@kernel
def rsi_entry(params: Any, previous: float, now: float) -> int:
    """Comparisons with NaN are false: no entry without an RSI, and no crossing without one before it."""
    if now <= params.oversold and (params.trigger == LEVEL or previous > params.oversold):
        return LONG
    if now >= params.overbought and (params.trigger == LEVEL or previous < params.overbought):
        return SHORT
    return NO_SIGNAL


class RSIStrategy(Strategy):
    """Enters where the RSI reaches the oversold or the overbought level."""

    key = "rsi"
    Params = RSIParams
    State = np.dtype(
        [
            ("rsi", RSI),
            ("volume", RELATIVE_VOLUME),
            ("value", "f8"),
            ("relative_volume", "f8"),
            ("candidate", "i8"),
        ]
    )
    bounds: ClassVar = {
        "rsi_period": Bound(2, 10_000),
        "overbought": Bound(0.0, 100.0),
        "oversold": Bound(0.0, 100.0),
        "smoothing": Bound(WILDER, EWM),
        "trigger": Bound(CROSS, LEVEL),
        **volume_filter.BOUNDS,
        "position_size": Bound(0.0001, 1.0),
        "stop_loss_pct": Bound(0.0, 0.99),
        "take_profit_pct": Bound(0.0, 10.0),
    }
    choices: ClassVar[Choices] = {
        "smoothing": {"wilder": WILDER, "ewm": EWM},
        "trigger": {"cross": CROSS, "level": LEVEL},
    }
    on_bar = staticmethod(rsi_on_bar)

    @classmethod
    def parameters(cls, given: Mapping[str, Any]) -> Any:
        return super().parameters(with_codes(cls.key, given, cls.choices))

    @staticmethod
    def contradiction(params: Any) -> str | None:
        if params.oversold < params.overbought:
            return None
        return f"expected oversold below overbought, got {params.oversold} and {params.overbought}"

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        is_crossing = params.trigger == CROSS
        if signal == LONG:
            return f"RSI {'fell to' if is_crossing else 'is'} {params.oversold:g} or below"
        return f"RSI {'rose to' if is_crossing else 'is'} {params.overbought:g} or above"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        seen, needed = int(state.rsi.count), RSIStrategy.warmup_bars(params)
        if seen < needed:
            return f"warming up: {seen} of {needed} bars", ()
        if np.isnan(state.value):
            return "no RSI: the price has not moved yet", ()
        values: tuple[tuple[str, float], ...] = (("rsi", float(state.value)),)
        if params.volume_filter:
            values = (*values, ("relative_volume", float(state.relative_volume)))
        return _reason(params, state, signal), values

    @staticmethod
    def warmup_bars(params: Any) -> int:
        bars_before = 1 if params.trigger == CROSS else 0
        return max(rsi_warmup(int(params.rsi_period)) + bars_before, volume_filter.volume_warmup(params))


def _reason(params: Any, state: Record, signal: int) -> str:
    if state.candidate != NO_SIGNAL:
        entry = RSIStrategy.reason(params, int(state.candidate))
        if signal == NO_SIGNAL:
            return f"{entry}, but {volume_filter.too_little_volume(params, float(state.relative_volume))}"
        return entry
    if state.value <= params.oversold:
        return f"RSI stays at or below {params.oversold:g}"
    if state.value >= params.overbought:
        return f"RSI stays at or above {params.overbought:g}"
    return f"RSI is between {params.oversold:g} and {params.overbought:g}"

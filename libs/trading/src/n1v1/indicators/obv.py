"""On-balance volume (Granville, 1963)."""

from __future__ import annotations

import numpy as np

from n1v1.kernels import Record, kernel

OBV = np.dtype([("value", "f8"), ("previous_close", "f8"), ("count", "i8")])


def obv_warmup() -> int:
    return 1


@kernel
def obv(state: Record, close: float, volume: float) -> float:
    """One step of the volume of rising bars less that of falling bars, from the first bar on.

    Starts with the first bar's volume, as TA-Lib does, so only its changes mean anything. An unchanged close adds
    nothing.
    """
    state.count += 1
    if state.count == 1:
        state.value = volume
    elif close > state.previous_close:
        state.value += volume
    elif close < state.previous_close:
        state.value -= volume
    state.previous_close = close
    return float(state.value)

"""The volume filter that strategies share: a signal counts only on a bar with more volume than the bars before it had.

Parameters: volume_filter (on or off), volume_period (bars before this one that say what is usual) and
volume_threshold (how many times that the bar must have).
"""

from __future__ import annotations

import math
from typing import Any

from n1v1.indicators.relative_volume import relative_volume, relative_volume_warmup
from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, kernel
from n1v1.strategies.base import Bound

BOUNDS = {"volume_period": Bound(1, CAPACITY), "volume_threshold": Bound(0.0, 1_000.0)}


@kernel
def filtered_volume(params: Any, state: Record, volume: float) -> float:
    """One step of the relative volume, or NaN when the filter is off. `state` is a RELATIVE_VOLUME."""
    if params.volume_filter:
        return relative_volume(state, volume, params.volume_period)
    return math.nan


@kernel
def volume_passes(params: Any, relative: float) -> bool:
    return not params.volume_filter or relative >= params.volume_threshold


def volume_warmup(params: Any) -> int:
    return relative_volume_warmup(int(params.volume_period)) if params.volume_filter else 0


def too_little_volume(params: Any, relative: float) -> str:
    return f"volume is {relative:.2f} of usual, less than {params.volume_threshold:g}"

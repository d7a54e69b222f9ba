"""Whether something grows: a straight line through what was measured after a warm-up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n1v1.errors import InvalidValue

SURE = 1.96
"""Standard errors on each side: 95 % of a normal distribution."""
POINTS_MIN = 5


@dataclass(frozen=True, slots=True)
class Slope:
    """Per hour. error: half of the interval of 95 %, as if what is left beside the line were independent, which it is
    not quite: memory moves in steps. growth: what the line gains over the time measured."""

    per_hour: float
    error: float
    growth: float

    @property
    def at_least(self) -> float:
        """Per hour, with 95 % on both sides."""
        return self.per_hour - self.error


@dataclass(frozen=True, slots=True)
class Limit:
    """Something grows that is surely steeper than `per_hour`, and by more than `growth` in all: one cache that fills,
    or one table that doubles, is no leak. why: the reason for the numbers."""

    per_hour: float
    growth: float
    why: str

    def is_exceeded_by(self, slope: Slope) -> bool:
        return slope.at_least > self.per_hour and slope.growth > self.growth


def slope_of(at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares. Raises InvalidValue for less than five points or for points at one time."""
    count = len(at_s)
    if count != len(values) or count < POINTS_MIN or len(set(at_s)) == 1:
        raise InvalidValue(f"a slope needs {POINTS_MIN} points at different times, got {count}")
    hours = np.array(at_s) / 3600
    measured = np.array(values, dtype=np.float64)
    apart = hours - hours.mean()
    squares = float(apart @ apart)
    per_hour = float(apart @ measured) / squares
    left = measured - measured.mean() - per_hour * apart
    error = SURE * math.sqrt(float(left @ left) / (count - 2) / squares)
    return Slope(per_hour, error, per_hour * float(hours[-1] - hours[0]))

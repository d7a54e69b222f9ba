"""How unusual a bar is. Four detectors, each off unless the policy gives it a window; the worst one counts.

    price       |z| of the bar's log return against the returns before it      2, 3, 4, 5 (low, medium, high, critical)
    volume      |z| of the bar's volume against the volumes before it          2, 3, 4, 15
    gap         |open / previous close - 1|, in percent                        3, 5, 10, 15
    filter      how far the log price is from what a Kalman filter expected    1.5, 2, 3

Each counts from its own threshold on. The bar itself is not in the mean and deviation that it is measured by: within a
window of 20, no value can be more than 4.3 deviations from a mean that includes it. The original looks at the price
itself, where every trend is an anomaly, and filters the raw price, where the noise depends on the price's digits.
A medium anomaly scales entries down, a critical one refuses them (limits.py).
"""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.standard_deviation import STANDARD_DEVIATION, standard_deviation
from n1v1.kernels import Record, kernel

LOW = 1
MEDIUM = 2
HIGH = 3
CRITICAL = 4

SEVERITIES = ("none", "low", "medium", "high", "critical")

_SPREAD_WEIGHT, _VOLATILITY_WEIGHT, _DISTANCE_WEIGHT = 0.6, 0.3, 0.1

SERIES = np.dtype([("state", STANDARD_DEVIATION), ("mean", "f8"), ("deviation", "f8"), ("is_known", "i8")])
"""Mean and deviation of the last values, the newest not among them."""

ANOMALIES = np.dtype(
    [
        ("severity", "i8"),
        ("previous_close", "f8"),
        ("level", "f8"),
        ("uncertainty", "f8"),
        ("returns", SERIES),
        ("volumes", SERIES),
        ("surprises", SERIES),
        ("moves", SERIES),
        ("levels", SERIES),
    ]
)
"""severity: of the last bar. level, uncertainty: the filter's log price and its variance in units of that of a move."""


@kernel
def observe_anomalies(policy: Record, state: Record, opened: float, close: float, volume: float) -> int:
    """One bar; answers its severity, 0 for a usual one."""
    severity = 0
    if state.previous_close > 0.0:
        move = math.log(close / state.previous_close)
        if policy.price_window > 0:
            z = abs(score(state.returns, move, policy.price_window))
            severity = max(severity, severity_of(z, policy.price_threshold, 2.0, 3.0, 4.0, 5.0))
        if policy.gap_threshold_pct > 0.0:
            gap = abs(opened - state.previous_close) * 100.0 / state.previous_close
            severity = max(severity, severity_of(gap, policy.gap_threshold_pct, 3.0, 5.0, 10.0, 15.0))
        if policy.filter_window > 0:
            severity = max(severity, _filtered(policy, state, math.log(close), move))
    if policy.volume_window > 0:
        z = abs(score(state.volumes, volume, policy.volume_window))
        severity = max(severity, severity_of(z, policy.volume_threshold, 2.0, 3.0, 4.0, 15.0))
    state.previous_close = close
    state.severity = severity
    return severity


@kernel
def score(series: Record, value: float, window: int) -> float:
    """Standard deviations between a value and the mean of the `window` values before it; 0 while it is not known.

    A value that differs where all before it were equal has no score: it counts as usual.
    """
    found = 0.0
    if series.is_known and series.deviation > 0.0:
        found = (value - series.mean) / series.deviation
    mean, deviation = standard_deviation(series.state, value, window, 1)
    if mean == mean:
        series.mean = mean
        series.deviation = deviation
        series.is_known = 1
    return found


@kernel
def severity_of(found: float, threshold: float, low: float, medium: float, high: float, critical: float) -> int:
    if found < threshold or found < low:
        return 0
    if found >= critical:
        return CRITICAL
    if found >= high:
        return HIGH
    return MEDIUM if found >= medium else LOW


@kernel
def _filtered(policy: Record, state: Record, log_price: float, move: float) -> int:
    """A local-level Kalman filter whose noises are multiples of the variance of a move, so that no scale matters.

    The score weighs the surprise against the usual surprises, the move against volatility_multiplier usual moves, and
    the price against its usual range.
    """
    if state.level == 0.0:
        state.level = log_price
        state.uncertainty = 1.0
    expected = state.uncertainty + policy.filter_process_noise
    gain = expected / (expected + policy.filter_measurement_noise)
    surprise = log_price - state.level
    state.level += gain * surprise
    state.uncertainty = (1.0 - gain) * expected
    found = _SPREAD_WEIGHT * abs(score(state.surprises, surprise, policy.filter_window))
    found += (
        _VOLATILITY_WEIGHT * abs(score(state.moves, move, policy.filter_window)) / policy.filter_volatility_multiplier
    )
    found += _DISTANCE_WEIGHT * abs(score(state.levels, log_price, policy.filter_window))
    return severity_of(found, policy.filter_threshold, 1.5, 2.0, 3.0, math.inf)

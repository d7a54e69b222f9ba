"""Where an entry's protective orders stand: what its strategy wishes, else what the policy says.

Everything is computed from an anchor, the price at which the entry is expected: the close that was decided on, or its
limit where that is better. Distances are rounded down to whole ticks and are at least one.
"""

from __future__ import annotations

from n1v1.exact import mul_div
from n1v1.kernels import Record, kernel
from n1v1.risk.policy import StopMethod, TargetMethod, TrailMethod
from n1v1.values import PPB

_PPB = PPB
BASIS_POINT_PPB = 100_000
"""A trailing distance is a whole number of basis points, because venues take no other."""
TRAIL_LIMIT_PPB = 999_900_000

_STOP_PERCENTAGE = int(StopMethod.PERCENTAGE)
_STOP_ATR = int(StopMethod.ATR)
_STOP_FIXED = int(StopMethod.FIXED)
_TARGET_FIXED = int(TargetMethod.FIXED)
_TARGET_TREND = int(TargetMethod.TREND)
_TRAIL_PERCENTAGE = int(TrailMethod.PERCENTAGE)
_TRAIL_ATR = int(TrailMethod.ATR)

STRONG_TREND_ADX = 40.0
TREND_ADX = 25.0


@kernel
def needs_range(policy: Record, wish: Record) -> bool:
    """Whether the bracket of this wish is computed from the ATR."""
    stop = wish.stop_ppb < 0 and policy.stop_method == _STOP_ATR
    trail = wish.trail_ppb < 0 and policy.trail_method == _TRAIL_ATR
    return bool(stop or trail)


@kernel
def set_bracket(policy: Record, symbol: Record, wish: Record, anchor: int, side: int, decision: Record) -> None:
    """Write stop, target and trail of an entry into the decision; 0 where there is none."""
    distance = stop_distance_of(policy, symbol, wish, anchor)
    decision.stop_ticks = _moved(anchor, -side, distance)
    reward = target_distance_of(policy, symbol, wish, anchor, distance)
    decision.target_ticks = _moved(anchor, side, reward)
    decision.trail_ppb = trailing_distance(policy, symbol, wish, anchor)
    decision.trail_step_ppb = policy.trail_step_ppb if decision.trail_ppb > 0 else 0


@kernel
def stop_distance_of(policy: Record, symbol: Record, wish: Record, anchor: int) -> int:
    """In ticks; 0: no stop."""
    if wish.stop_ppb >= 0:
        return _fraction_of(anchor, wish.stop_ppb)
    if policy.stop_method == _STOP_PERCENTAGE:
        return _fraction_of(anchor, policy.stop_ppb)
    if policy.stop_method == _STOP_ATR:
        return max(1, int(policy.stop_atr_multiplier * symbol.market.atr_ticks))
    if policy.stop_method == _STOP_FIXED:
        return int(symbol.stop_distance_ticks)
    return 0


@kernel
def target_distance_of(policy: Record, symbol: Record, wish: Record, anchor: int, stop: int) -> int:
    """In ticks; 0: no target. stop: the distance of the stop, without which the policy has no measure of risk."""
    if wish.target_ppb >= 0:
        return _fraction_of(anchor, wish.target_ppb)
    if stop == 0:
        return 0
    if policy.target_method == _TARGET_FIXED:
        return max(1, int(float(stop) * policy.reward))
    if policy.target_method == _TARGET_TREND:
        return max(1, int(float(stop) * policy.target_base * trend_multiplier(symbol.market.adx)))
    return 0


@kernel
def trend_multiplier(strength: float) -> float:
    """How far a target is moved by the strength of the trend (ADX); 1 while it is not known. The original's steps."""
    if strength == 0.0:
        return 1.0
    if strength >= STRONG_TREND_ADX:
        return 1.5
    if strength >= TREND_ADX:
        return 1.2
    return 0.8


@kernel
def trailing_distance(policy: Record, symbol: Record, wish: Record, anchor: int) -> int:
    """The trailing distance as a fraction of the price, in whole basis points, rounded up; 0: no trailing stop.

    An ATR is a price, so it is divided by the price: the original used it as a fraction.
    """
    if wish.trail_ppb >= 0:
        return _basis_points(wish.trail_ppb)
    if policy.trail_method == _TRAIL_PERCENTAGE:
        return _basis_points(policy.trail_ppb)
    if policy.trail_method == _TRAIL_ATR:
        return _basis_points(max(1, int(policy.trail_atr_multiplier * symbol.market.atr_ticks / anchor * 1e9)))
    return 0


@kernel
def _basis_points(fraction_ppb: int) -> int:
    return min(TRAIL_LIMIT_PPB, -(-fraction_ppb // BASIS_POINT_PPB) * BASIS_POINT_PPB)


@kernel
def _fraction_of(anchor: int, fraction_ppb: int) -> int:
    if fraction_ppb == 0:
        return 0
    return max(1, mul_div(anchor, fraction_ppb, _PPB))


@kernel
def _moved(anchor: int, direction: int, distance: int) -> int:
    """The price at a distance, at least one tick; 0 for no distance."""
    if distance == 0:
        return 0
    return max(1, anchor + direction * distance)

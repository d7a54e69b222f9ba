"""In which order a bar reached its extremes: the bar does not say, so a rule has to (S6). All functions are kernels."""

from __future__ import annotations

from typing import Any

from n1v1.kernels import kernel
from n1v1.simulation.records import ADAPTIVE, ADVERSE, RANDOM

PRIME = 2_147_483_647  # 2**31 - 1: a product of two residues fits in 64 bits


@kernel
def first_extreme_is_low(bar: Any, rules: Any, wallet: Any) -> bool:
    """ADVERSE: what hurts the position comes first. ADAPTIVE: the extreme that is nearer to the open.

    wallet: after the open; a position below zero is a short.
    """
    hurts_low = bool(wallet.held >= 0)
    if rules.path == ADVERSE:
        return hurts_low
    if rules.path == ADAPTIVE:
        up, down = bar.high - bar.open, bar.open - bar.low
        return bool(down < up or (down == up and hurts_low))
    if rules.path == RANDOM:
        return _coin(rules.seed, bar) == 0
    return False


@kernel
def _coin(seed: int, bar: Any) -> int:
    """0 or 1, from the seed and the bar alone: the same in every driver and whatever was matched before."""
    state = (seed + bar.open_ns // 1_000_000_000) % PRIME
    state = (state * state + bar.open % PRIME + 1) % PRIME
    state = (state * state + bar.close % PRIME + 1) % PRIME
    state = (state * state + bar.volume % PRIME + 1) % PRIME
    return int(state // 65_536 % 2)

"""How long an order is on its way (S10): always as long, or as long as it happens to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from n1v1.errors import InvalidValue
from n1v1.kernels import kernel
from n1v1.simulation.path import PRIME
from n1v1.simulation.records import LATENCIES

MICROSECOND_NS = 1_000


@kernel
def latency_of(rules: Any, order: Any, now_ns: int) -> int:
    """Of an order, or of a list by its first; drawn from the seed and the order itself: the same in every driver."""
    if rules.is_latency_drawn == 0:
        return int(rules.latency_ns)
    state = (rules.seed + now_ns // 1_000_000_000) % PRIME
    state = (state * state + order.lots % PRIME + 1) % PRIME
    state = (state * state + order.kind * 2 + order.sign + 2) % PRIME
    state = (state * state + order.limit_ticks % PRIME + 1) % PRIME
    return int(rules.latencies[state // 65_536 % LATENCIES])


def lognormal_latencies(median_ns: int, sigma: float) -> tuple[int, ...]:
    """Quantiles of a lognormal distribution, to the microsecond. sigma: of the logarithm.

    A third of all orders takes longer than median x e^(0.43 sigma), one in 64 longer than median x e^(2.2 sigma).
    """
    normal = NormalDist()
    exact = (median_ns * math.exp(sigma * normal.inv_cdf((place + 0.5) / LATENCIES)) for place in range(LATENCIES))
    return tuple(round(latency / MICROSECOND_NS) * MICROSECOND_NS for latency in exact)


def measured_latencies(measured_ns: Sequence[int]) -> tuple[int, ...]:
    """Quantiles of latencies that somebody measured. Raises InvalidValue when there are none, or negative ones."""
    if not measured_ns or min(measured_ns) < 0:
        raise InvalidValue(f"measured latencies: expected one or more of at least 0 ns, got {measured_ns!r:.80}")
    ordered = sorted(measured_ns)
    return tuple(ordered[(2 * place + 1) * len(ordered) // (2 * LATENCIES)] for place in range(LATENCIES))

"""What a result is held against: the same run at other costs, with slower orders, and along another path of a bar.

A result that turns with costs twice as high, or with orders that come a bar later, was never there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from n1v1.simulation.rules import MAX_LATENCY_NS, IntrabarPath, VenueRules
from n1v1_research.backtest.configuration import Configuration

COST_FACTORS = ("0.5", "2")
LATENCY_FACTOR = 5
AS_IT_IS = "as it is"


def variations(configuration: Configuration) -> Iterator[tuple[str, Configuration]]:
    """What is different, in words, and the configuration; the first is the configuration itself."""
    yield AS_IT_IS, configuration
    for factor in COST_FACTORS:
        yield f"costs × {factor}", configuration.with_costs_times(Decimal(factor))
    rules = configuration.rules
    words, slower = _slower(rules)
    yield words, replace(configuration, rules=slower)
    path = IntrabarPath.ADAPTIVE if rules.path is IntrabarPath.ADVERSE else IntrabarPath.ADVERSE
    yield f"path {path}", replace(configuration, rules=replace(rules, path=path))


def _slower(rules: VenueRules) -> tuple[str, VenueRules]:
    """Five times the latency; where there is none, the next open is just missed."""
    if not rules.latency_ns and not any(rules.latencies_ns):
        return "orders a bar later", replace(rules, latency_ns=1, latencies_ns=())
    latencies_ns = tuple(min(MAX_LATENCY_NS, LATENCY_FACTOR * latency) for latency in rules.latencies_ns)
    latency_ns = min(MAX_LATENCY_NS, LATENCY_FACTOR * rules.latency_ns)
    return f"latency × {LATENCY_FACTOR}", replace(rules, latency_ns=latency_ns, latencies_ns=latencies_ns)

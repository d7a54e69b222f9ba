"""The signals that docs/strategies shows are those that the strategies give."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from n1v1.events import Action
from n1v1.strategies import registry
from n1v1_research.datasets import load

NANOSECONDS = 1_000_000_000


@pytest.fixture(scope="module")
def documented_bars() -> Any:
    return load("coinbase-4h", symbols=("BTC-USD",), start="2019-01-01", end="2019-07-01")


@pytest.mark.parametrize(
    ("key", "closed_at", "action", "before", "then"),
    [
        (
            *("ema_cross", "2019-06-11T00:00", Action.BUY),
            {"close": 7983.94, "fast": 7861.78, "slow": 7867.14},
            {"close": 8015.69, "fast": 7892.56, "slow": 7880.64},
        ),
        (
            *("rsi", "2019-06-21T04:00", Action.SELL),
            {"close": 9531.21, "rsi": 69.38},
            {"close": 9749.99, "rsi": 75.06},
        ),
        (
            *("macd", "2019-06-24T04:00", Action.SELL),
            {"close": 10833.02, "line": 390.73, "signal": 388.60, "histogram": 2.13},
            {"close": 10652.23, "line": 364.47, "signal": 383.77, "histogram": -19.30},
        ),
        (
            *("stochastic", "2019-06-22T16:00", Action.SELL),
            {"close": 10877.92, "k": 95.26, "d": 86.10, "relative_volume": 0.49},
            {"close": 10816.84, "k": 80.10, "d": 86.37, "relative_volume": 2.12},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_documented_signal_comes_on_its_bar_with_its_numbers(
    key: str,
    closed_at: str,
    action: Action,
    before: dict[str, float],
    then: dict[str, float],
    documented_bars: Any,
) -> None:
    instrument, bars = documented_bars.instrument("BTC-USD"), documented_bars.bars["BTC-USD"]
    runner = registry.runner(key, {}, instrument)
    closed_ns = int(datetime.fromisoformat(closed_at).replace(tzinfo=UTC).timestamp()) * NANOSECONDS
    seen = [(bar, runner.on_bar(bar)) for bar in bars]
    previous, now = next(pair for pair in pairwise(seen) if pair[1][0].ts_ns == closed_ns)
    assert (previous[1].action, now[1].action) == (None, action)
    for (bar, verdict), expected in ((previous, before), (now, then)):
        shown = {"close": instrument.price_float(bar.close), **dict(verdict.values)}
        assert {name: round(value, 2) for name, value in shown.items()} == expected

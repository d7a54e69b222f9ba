"""How much history the numbers of a strategy need: what they are on the last bar after starts at different times.

An exponential average never forgets its first price, it only cares less and less. A strategy that starts with fewer
bars than it was backtested with sees other numbers, and sooner or later gives other signals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from n1v1.errors import InvalidData, InvalidValue
from n1v1.events import BarClosed
from n1v1.strategies import registry
from n1v1.testing.strategies import said, warm_up_bars
from n1v1.values import Instrument

STARTUPS = (1, 2, 4, 8, 16)
"""Start-up lengths, as multiples of the warm-up that the strategy states."""

_LEAST_STARTUP = 25  # bars; for a strategy that states no warm-up


@dataclass(frozen=True)
class RecursionReport:
    """bars: of the reference run, which has them all. startups: bars that the shorter runs had, the last one included.

    values: of the reference run on the last bar, by name. found: the same of the shorter runs, in their order; None
    where there is no value yet.
    """

    symbol: str
    bars: int
    startups: tuple[int, ...]
    values: Mapping[str, float]
    found: Mapping[str, tuple[float | None, ...]]

    def differences_pct(self, name: str) -> tuple[float | None, ...]:
        """By start-up, in per cent of the reference. None without a value; infinite where the reference is 0."""
        reference = self.values[name]
        return tuple(None if value is None else _difference_pct(reference, value) for value in self.found[name])


def recursive_analysis(
    strategy: type[Any],
    parameters: Mapping[str, Any],
    bars: Sequence[BarClosed],
    instrument: Instrument,
    *,
    startups: Sequence[int] = (),
) -> RecursionReport:
    """Run over all bars, and over the last `startups` of them, and compare the numbers behind the last verdict.

    startups: without any, multiples of the warm-up that the strategy states.
    Raises InvalidValue for a start-up of less than a bar, InvalidData when none is shorter than the data.
    """
    if any(startup < 1 for startup in startups):
        raise InvalidValue(f"a start-up has at least 1 bar, got {min(startups)}")
    wanted = startups or [max(warm_up_bars(strategy, parameters), _LEAST_STARTUP) * times for times in STARTUPS]
    shorter = tuple(sorted({startup for startup in wanted if startup < len(bars)}))
    if not shorter:
        raise InvalidData(f"{len(bars)} bars are too few: a start-up of {min(wanted)} bars has to be shorter")
    reference = _last_values(strategy, parameters, bars, instrument)
    found = [_last_values(strategy, parameters, bars[-startup:], instrument) for startup in shorter]
    return RecursionReport(
        symbol=instrument.symbol,
        bars=len(bars),
        startups=shorter,
        values=reference,
        found={name: tuple(values.get(name) for values in found) for name in reference},
    )


def _last_values(
    strategy: type[Any], parameters: Mapping[str, Any], bars: Sequence[BarClosed], instrument: Instrument
) -> dict[str, float]:
    runner = registry.runner_of(strategy, parameters, instrument, bars[0].timeframe)
    last = said(runner, bars, "recursive analysis")[-1]
    return {name: value for name, value in last.values if not math.isnan(value)}


def _difference_pct(reference: float, value: float) -> float:
    if value == reference:
        return 0.0
    return 100.0 * (value - reference) / abs(reference) if reference else math.copysign(math.inf, value)

"""Whether a strategy knows what comes: what it says at the end of the data against what it says of that bar in between.

The runners are those that trade. They are shown one bar after the other, so a strategy can only know the future by
keeping it: in a class attribute, a file, a download. A classic strategy can besides compute an indicator from rows that
come later (`shift(-1)`, a centred mean, a scale taken over the whole frame); that shows when its frame is cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from n1v1.errors import InvalidData
from n1v1.events import BarClosed
from n1v1.strategies import registry
from n1v1.strategies.base import Runner, Verdict
from n1v1.testing.strategies import difference, said
from n1v1.values import Instrument

SIGNALS_MAX = 20
"""Signals that are looked at, spread over the run; as many bars without a signal besides."""

_ROUNDING = 1e-9
"""Of a value: how far a column that is computed over more rows may lie from the same one over fewer."""


@dataclass(frozen=True)
class Biased:
    """A bar of which a run that ends there says something else. number: of the bar, from 0."""

    number: int
    close_ns: int
    whole: Verdict
    cut: Verdict

    @property
    def text(self) -> str:
        return difference(self.whole, self.cut)


@dataclass(frozen=True)
class LookaheadReport:
    """signals: in the whole run. analysed: bars at which a run was cut.

    entries, exits: bars whose signal is another one, or is one only in one of the two runs. indicators: names of values
    that differ.
    """

    symbol: str
    bars: int
    signals: int
    analysed: int
    entries: tuple[Biased, ...]
    exits: tuple[Biased, ...]
    indicators: tuple[str, ...]

    @property
    def has_bias(self) -> bool:
        return bool(self.entries or self.exits or self.indicators)


def lookahead_analysis(
    strategy: type[Any],
    parameters: Mapping[str, Any],
    bars: Sequence[BarClosed],
    instrument: Instrument,
    *,
    signals_max: int = SIGNALS_MAX,
) -> LookaheadReport:
    """Run over all bars, then anew up to each of some bars, and compare what is said of these.

    Raises InvalidData without bars, and CheckFailed when the strategy raises.
    """
    if not bars:
        raise InvalidData("there are no bars to analyse")
    timeframe = bars[0].timeframe
    first = registry.runner_of(strategy, parameters, instrument, timeframe)
    whole = said(first, bars, "look-ahead analysis")
    columns = _columns(first, bars)
    biased: list[Biased] = []
    indicators: set[str] = set()
    chosen = _chosen(whole, signals_max)
    for number in chosen:
        upto = bars[: number + 1]
        runner = registry.runner_of(strategy, parameters, instrument, timeframe)
        cut = said(runner, upto, f"look-ahead analysis, cut after bar {number}")[-1]
        if _signal(whole[number]) != _signal(cut):
            biased.append(Biased(number, bars[number].ts_ns, whole[number], cut))
        indicators |= _differing(dict(whole[number].values), dict(cut.values))
        indicators |= _differing(_row(columns, number), _row(_columns(runner, upto), number))
    return LookaheadReport(
        symbol=instrument.symbol,
        bars=len(bars),
        signals=sum(verdict.action is not None for verdict in whole),
        analysed=len(chosen),
        entries=tuple(one for one in biased if not _is_exit(one)),
        exits=tuple(one for one in biased if _is_exit(one)),
        indicators=tuple(sorted(indicators)),
    )


def _chosen(whole: Sequence[Verdict], signals_max: int) -> list[int]:
    loud = [number for number, verdict in enumerate(whole) if verdict.action is not None]
    quiet = [number for number, verdict in enumerate(whole) if verdict.action is None]
    return sorted([*_spread(loud, signals_max), *_spread(quiet, signals_max)])


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """At most `count` of them, evenly, the last one among them."""
    step = max(1.0, len(numbers) / count) if count else math.inf
    return sorted({numbers[len(numbers) - 1 - int(i * step)] for i in range(min(count, len(numbers)))})


def _signal(verdict: Verdict) -> tuple[Any, ...]:
    return (verdict.action, verdict.strength, verdict.wish)


def _is_exit(one: Biased) -> bool:
    action = one.whole.action or one.cut.action
    return action is not None and action.value == "CLOSE"


def _columns(runner: Runner, bars: Sequence[BarClosed]) -> Mapping[str, Sequence[float]]:
    """The indicator columns of a strategy that computes them over frames, each a value per bar."""
    table = getattr(runner, "indicator_columns", None)
    columns: Mapping[str, Sequence[float]] = table(bars) if table is not None else {}
    return columns


def _row(columns: Mapping[str, Sequence[float]], number: int) -> dict[str, float]:
    return {name: column[number] for name, column in columns.items()}


def _differing(before: Mapping[str, float], now: Mapping[str, float]) -> set[str]:
    return {name for name in {*before, *now} if not _is_close(before.get(name), now.get(name))}


def _is_close(one: float | None, other: float | None) -> bool:
    if one is None or other is None or math.isnan(one) or math.isnan(other):
        return repr(one) == repr(other)
    return math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)

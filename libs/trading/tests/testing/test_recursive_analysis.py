"""Recursive analysis: what the numbers of a strategy are after starts at different times."""

from __future__ import annotations

import math
from typing import Any

import pytest

from n1v1.errors import InvalidData, InvalidValue
from n1v1.strategies.plain import Bar, PythonStrategy, Signal
from n1v1.strategies.registry import find
from n1v1.strategies.streaming import Ema, Sma
from n1v1.testing import TESTED, bars_of, random_bars
from n1v1.testing.recursion import RecursionReport, recursive_analysis


class Averages(PythonStrategy):
    def __init__(self) -> None:
        self.plain = Sma(3)
        self.exponential = Ema(3)
        self.steps = 0

    def on_bar(self, bar: Bar) -> Signal | None:
        self.plain.update(bar.close)
        self.exponential.update(bar.close)
        self.steps += 1
        return None


def analysed(strategy: type[Any], closes: list[float], startups: list[int]) -> RecursionReport:
    return recursive_analysis(strategy, {}, bars_of(closes), TESTED, startups=startups)


# EMA of 3, halfway to every close, from the mean of the first three:
#   close                 8    2    2    4   10    6
#   over all of them                4    4    7   6.5
#   over the last four              .    .  5.33 5.67
#   over the last three                            6.67
CLOSES = [8.0, 2.0, 2.0, 4.0, 10.0, 6.0]


def test_differences_by_hand() -> None:
    report = analysed(Averages, CLOSES, [2, 3, 4])
    assert report.startups == (2, 3, 4)
    assert report.values == pytest.approx({"plain": 20 / 3, "exponential": 6.5, "steps": 6.0})
    assert report.differences_pct("plain") == (None, 0.0, 0.0)
    none, three, four = report.differences_pct("exponential")
    assert none is None
    assert three == pytest.approx(100 * (20 / 3 - 6.5) / 6.5)
    assert four == pytest.approx(100 * ((16 / 3 + 6) / 2 - 6.5) / 6.5)
    assert report.differences_pct("steps") == pytest.approx((-200 / 3, -50.0, -100 / 3))


def test_an_average_that_never_forgets_cares_less_and_less() -> None:
    report = recursive_analysis(find("ema_cross"), {}, random_bars(1_000), TESTED)
    assert report.startups == (25, 50, 100, 200, 400)
    for name in ("fast", "slow"):
        off = [abs(difference or 0.0) for difference in report.differences_pct(name)]
        assert off[0] > off[2] > off[3]
        assert off[-1] < 1e-9


def test_where_the_reference_is_zero_there_is_no_percentage() -> None:
    class Net(PythonStrategy):
        """The sum of all moves."""

        def __init__(self) -> None:
            self.moved = 0.0
            self.last: float | None = None

        def on_bar(self, bar: Bar) -> Signal | None:
            self.moved += bar.close - (bar.close if self.last is None else self.last)
            self.last = bar.close
            return None

    assert analysed(Net, [1.0, 2.0, 1.0], [2, 1]).differences_pct("moved") == (0.0, -math.inf)


def test_start_ups_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidValue, match="a start-up has at least 1 bar, got 0"):
        analysed(Averages, CLOSES, [0, 3])
    with pytest.raises(InvalidData, match="6 bars are too few: a start-up of 6 bars has to be shorter"):
        analysed(Averages, CLOSES, [6, 7])

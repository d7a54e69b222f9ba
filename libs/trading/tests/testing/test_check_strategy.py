"""check_strategy: each of its checks is passed by what ships and failed by a strategy made to fail it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pandas as pd
import pytest

from n1v1.strategies.base import Bound
from n1v1.strategies.ema_cross import EMACrossStrategy
from n1v1.strategies.plain import Bar, PythonStrategy, Signal, buy, sell
from n1v1.strategies.streaming import Ema
from n1v1.testing import CheckFailed, StrategyConformance, bars_of, check_strategy, random_bars
from n1v1.testing.strategies import CHECKS, trial_of
from strategies import BaseStrategy

SHIPPED = (
    *("ema_cross", "rsi", "macd", "stochastic", "bollinger_reversion", "keltner_channel", "donchian_breakout"),
    *("atr_breakout", "vwap_pullback", "obv"),
)


@pytest.mark.parametrize("key", SHIPPED)
def test_a_shipped_strategy_passes(key: str) -> None:
    report = check_strategy(key, seed=7)
    assert (report.checks, report.bars) == (tuple(CHECKS), 1_200)
    assert report.signals > 0


class Cross(PythonStrategy):
    """The model that the strategies below spoil."""

    bounds: ClassVar = {"period": Bound(2, 200)}

    def __init__(self, period: int = 5) -> None:
        self.average = Ema(period)
        self.period = period
        self.above = False

    def warmup_bars(self) -> int:
        return self.period

    def on_bar(self, bar: Bar) -> Signal | None:
        self.average.update(bar.close)
        was, self.above = self.above, bar.close > self.average.value
        if self.above == was:
            return None
        return buy("above its average", stop=0.05) if self.above else sell("below its average")


class TestCross(StrategyConformance):
    strategy = Cross
    parameters: ClassVar = {"period": 8}


class TestEMACross(StrategyConformance):
    strategy = "ema_cross"
    seed = 3


class ClassicCross(BaseStrategy):
    async def generate_signals(self, market_data: Any) -> list[dict[str, Any]]:
        close = market_data["BTC-USD"]["close"]
        mean = close.rolling(5).mean()
        if len(close) < 6 or not (close.iloc[-1] > mean.iloc[-1] and close.iloc[-2] <= mean.iloc[-2]):
            return []
        return [{"symbol": "BTC-USD", "action": "BUY", "reason": "above"}]


def test_a_classic_strategy_passes() -> None:
    assert check_strategy(ClassicCross, {"required_history": 10}, bars=random_bars(200)).signals > 0


def failure(strategy: type[Any], **options: Any) -> str:
    with pytest.raises(CheckFailed) as failed:
        check_strategy(strategy, seed=5, **options)
    return str(failed.value)


class TestParameters:
    def test_a_number_without_bounds(self) -> None:
        class Unbounded(Cross):
            bounds: ClassVar = {}

        assert failure(Unbounded) == "parameters: period has no bounds; say bounds = {'period': Bound(low, high)}"

    def test_a_default_outside(self) -> None:
        class Outside(EMACrossStrategy):
            bounds: ClassVar = {**EMACrossStrategy.bounds, "fast_ema": Bound(10, 20)}

        assert failure(Outside) == "parameters: the default of fast_ema is 9, outside 10 to 20"

    def test_bounds_of_nothing(self) -> None:
        class Misspelt(Cross):
            bounds: ClassVar = {"period": Bound(2, 200), "perod": Bound(1, 2)}

        assert failure(Misspelt) == "parameters: there are bounds for 'perod', which is no parameter of Misspelt"

    def test_bounds_that_nobody_looks_at(self) -> None:
        class Lenient(Cross):
            @classmethod
            def parameters(cls, given: Any) -> dict[str, Any]:
                return {"period": 5, **given}

        assert failure(Lenient) == "parameters: period=1 is outside its bounds and was accepted"


class Drawn(Cross):
    """Decides by how often it was built."""

    built = 0

    def __init__(self, period: int = 5) -> None:
        super().__init__(period)
        type(self).built += 1
        self._turn = type(self).built

    def on_bar(self, bar: Bar) -> Signal | None:
        return buy(f"turn {self._turn}") if super().on_bar(bar) else None


def test_chance_is_found_with_the_bar_and_both_answers() -> None:
    found = failure(Drawn)
    assert found.startswith("same in, same out: bar ")
    assert "expected ('BUY', 1.0, 'turn " in found


class Peeks(Cross):
    """Remembers what the market did in an earlier run, and buys where it knows that the price goes up."""

    known: ClassVar[dict[int, float]] = {}

    def on_bar(self, bar: Bar) -> Signal | None:
        self.known[bar.close_ns] = bar.close
        tomorrow = self.known.get(bar.close_ns + 3_600_000_000_000, bar.close)
        return buy("it will rise") if tomorrow > bar.close * 1.02 else super().on_bar(bar)


def test_knowing_what_comes_is_found() -> None:
    # the first run does not know yet: the second differs from it
    Peeks.known.clear()
    assert failure(Peeks).startswith("same in, same out: bar ")
    # and so does a run that is cut: it knows what came after the cut
    Peeks.known.clear()
    with pytest.raises(CheckFailed, match=r"no look-ahead \(cut after bar \d+, seed 5\): bar \d+ \(closed at \d+ ns\)"):
        CHECKS["no look-ahead"](trial_of(Peeks, seed=5))


class TestState:
    def test_a_forgotten_attribute(self) -> None:
        class Forgets(Cross):
            state = ("average",)

        assert failure(Forgets).startswith("state survives (saved after bar ")

    def test_what_is_not_for_json(self) -> None:
        class Unsaveable(Cross):
            def __init__(self, period: int = 5) -> None:
                super().__init__(period)
                self.helper: Callable[[], None] = lambda: None

        found = failure(Unsaveable)
        assert "what it saves is not for JSON: Unsaveable.self.helper cannot be saved: it is of type function" in found


class TestWarmUp:
    def test_a_signal_before_it_is_over(self) -> None:
        class Hasty(Cross):
            def warmup_bars(self) -> int:
                return 1_000

        found = failure(Hasty)
        assert found.startswith("warm-up: bar ")
        assert found.endswith("but the warm-up is said to take 1000 bars")

    def test_it_has_to_be_stated(self) -> None:
        class Silent(EMACrossStrategy):
            @staticmethod
            def warmup_bars(params: Any) -> int:
                raise NotImplementedError

        assert failure(Silent) == "warm-up: Silent does not define warmup_bars"


def test_what_it_raises_is_told_with_the_bar() -> None:
    class Raises(Cross):
        def on_bar(self, bar: Bar) -> Signal | None:
            raise ZeroDivisionError("by nothing")

    assert failure(Raises).endswith("ns) raised ZeroDivisionError: by nothing")
    assert failure(Raises).startswith("run: bar 0 (closed at ")


def test_one_that_says_nothing_proves_nothing() -> None:
    flat = bars_of([100.0] * 50)
    assert failure(Cross, bars=flat).startswith("signals: 0 on 50 bars, expected at least 1")
    assert check_strategy(Cross, bars=flat, signals_min=0).signals == 0


def test_a_seed_repeats_a_failure_and_without_one_it_is_told() -> None:
    assert check_strategy(Cross, seed=11).cut_points == check_strategy(Cross, seed=11).cut_points
    report = check_strategy(Cross)
    assert check_strategy(Cross, seed=report.seed) == report


def test_the_random_market_is_the_same_everywhere_and_has_what_real_ones_have() -> None:
    bars = random_bars(1_200)
    assert bars == random_bars(1_200)
    assert bars != random_bars(1_200, seed=2)
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    steps = pd.Series([bar.ts_ns for bar in bars]).diff().dropna()
    assert (steps > 3_600_000_000_000).any()
    assert (steps >= 3_600_000_000_000).all()
    assert any(bar.volume == 0 and bar.high == bar.low for bar in bars)

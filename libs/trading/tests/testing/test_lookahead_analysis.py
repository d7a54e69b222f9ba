"""Look-ahead analysis finds the strategies that know what comes, names bars and values, and clears the others."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
import pytest

from n1v1.errors import InvalidData
from n1v1.strategies.plain import Bar, PythonStrategy, Signal, buy, close
from n1v1.strategies.registry import find
from n1v1.testing import TESTED, random_bars
from n1v1.testing.lookahead import LookaheadReport, lookahead_analysis
from strategies import BaseStrategy

HOUR = 3_600_000_000_000


def analysed(strategy: type[Any], bars: int = 120, **parameters: Any) -> LookaheadReport:
    return lookahead_analysis(strategy, parameters, random_bars(bars), TESTED, signals_max=10)


class Careful(BaseStrategy):
    """Its indicators look back, its signals look at them."""

    async def calculate_indicators(self, data: pd.DataFrame) -> pd.DataFrame:
        frame = data.copy()
        frame["mean"] = frame["close"].rolling(5).mean()
        return frame

    async def generate_signals(self, market_data: Any) -> list[dict[str, Any]]:
        frame = await self.calculate_indicators(market_data["BTC-USD"])
        above = (frame["close"] > frame["mean"]).tolist()
        if len(above) < 6 or above[-1] == above[-2]:
            return []
        action = "BUY" if above[-1] else "CLOSE"
        return [{"symbol": "BTC-USD", "action": action, "reason": "crossed its mean"}]


class LooksAhead(Careful):
    """The same, with a column that is the close of the next bar, and one scaled by the highest close of all."""

    async def calculate_indicators(self, data: pd.DataFrame) -> pd.DataFrame:
        frame = await super().calculate_indicators(data)
        frame["tomorrow"] = frame["close"].shift(-1)
        frame["scaled"] = frame["close"] / frame["close"].max()
        return frame


class Remembers(Careful):
    """Keeps what it has seen where the next run finds it, and buys what is going to rise."""

    seen: ClassVar[dict[pd.Timestamp, float]] = {}

    async def generate_signals(self, market_data: Any) -> list[dict[str, Any]]:
        close = market_data["BTC-USD"]["close"]
        self.seen[close.index[-1]] = close.iloc[-1]
        tomorrow = self.seen.get(close.index[-1] + pd.Timedelta(hours=1))
        if tomorrow is not None and tomorrow > close.iloc[-1]:
            return [{"symbol": "BTC-USD", "action": "BUY", "reason": "it will rise"}]
        return await super().generate_signals(market_data)


class LeavesInTime(PythonStrategy):
    """Knows from an earlier run when the price will fall, and is out before."""

    seen: ClassVar[dict[int, float]] = {}

    def on_bar(self, bar: Bar) -> Signal | None:
        self.seen[bar.close_ns] = bar.close
        return close("it will fall") if self.seen.get(bar.close_ns + HOUR, bar.close) < bar.close * 0.99 else None


class Ordinary(PythonStrategy):
    def __init__(self) -> None:
        self.last = 0.0

    def on_bar(self, bar: Bar) -> Signal | None:
        rose, self.last = bar.close > self.last * 1.01 > 0, bar.close
        return buy("rose") if rose else None


def test_a_strategy_that_looks_back_has_no_bias() -> None:
    for strategy in (Careful, Ordinary, find("ema_cross")):
        report = analysed(strategy)
        assert (report.has_bias, report.bars, report.analysed >= 10) == (False, 120, True)
        assert report.signals > 0


def test_a_column_that_knows_the_next_bar_is_named() -> None:
    report = analysed(LooksAhead)
    assert report.has_bias
    assert report.indicators == ("scaled", "tomorrow")  # and not the mean, which is honest
    assert (report.entries, report.exits) == ((), ())  # the last row has no tomorrow, so no signal came of it


def test_signals_that_know_the_next_bar_are_counted_and_told_with_their_bars() -> None:
    Remembers.seen.clear()
    report = analysed(Remembers)
    assert report.has_bias
    assert report.entries
    bars = random_bars(120)
    for biased in report.entries:
        assert biased.close_ns == bars[biased.number].ts_ns
        assert bars[biased.number + 1].close > bars[biased.number].close
        assert "'it will rise'" in biased.text


def test_exits_that_know_the_next_bar_are_counted_as_exits() -> None:
    LeavesInTime.seen.clear()
    report = analysed(LeavesInTime, 300)
    assert report.exits
    assert report.entries == ()


def test_it_needs_bars() -> None:
    with pytest.raises(InvalidData, match="no bars to analyse"):
        lookahead_analysis(Careful, {}, [], TESTED)

"""Orders in parts, with triggers or times in force of their own: the pipeline plays them, and the result says so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from n1v1.run_hash import first_difference, from_events
from n1v1.styles import Method, Style, StyleRules
from n1v1_research.backtest import pipeline
from n1v1_research.backtest.backtester import Backtester
from n1v1_research.datasets import Dataset, load

WISHES = {
    "parts": 'execution=style_of("{}", parts=5, minutes=240)',
    "trigger": "trigger=bar.close * 1.01",
    "time in force": 'limit=bar.close * 1.01, time_in_force="IOC"',
    "post-only": "limit=bar.close * 0.99, post_only=True",
}
STRATEGY = """
from n1v1.strategies.plain import PythonStrategy, buy, close, style_of


class Wishful(PythonStrategy):
    def __init__(self):
        self.seen = 0

    def on_bar(self, bar):
        self.seen += 1
        if self.seen % 12 == 3:
            return buy("an entry", stop=0.04, target=0.06, {wish})
        return close("an exit") if self.seen % 24 in (6, 22) else None
"""


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("coinbase-4h", start="2020-01-01", end="2020-07-01")


def written(folder: Path, wish: str) -> str:
    file = folder / "wishful.py"
    file.write_text(STRATEGY.format(wish=wish))
    return str(file)


@pytest.mark.parametrize("wish", WISHES)
def test_the_compiled_engine_hands_over_what_it_cannot_play_and_says_so(
    tmp_path: Path, dataset: Dataset, wish: str
) -> None:
    backtester = Backtester.of(written(tmp_path, WISHES[wish].format("twap")), dataset)
    result = backtester.run()
    assert "so the pipeline engine has run" in result.rules["Engine"]
    asked = Backtester(backtester.configuration, dataset, engine="pipeline").run()
    assert asked.hash == result.hash
    assert "Engine" not in asked.rules
    assert len(result.executions) > 10


@pytest.mark.parametrize("method", [method.value for method in Method])
def test_orders_in_parts_are_the_same_with_watermarks_and_without(
    tmp_path: Path, dataset: Dataset, method: str
) -> None:
    styles = StyleRules(watches_market=method in ("VWAP", "ADAPTIVE"), split_value=Decimal(300))
    strategy = written(tmp_path, WISHES["parts"].format(method.lower()))
    configuration = replace(Backtester.of(strategy, dataset).configuration, styles=styles)
    quick = Backtester(configuration, dataset, engine="pipeline").run()
    told = from_events(pipeline.events(configuration, dataset))
    assert first_difference(told, quick.records) is None
    fills = [row[1] for row in told.fills]
    assert method == "ADAPTIVE" or max(fills.count(order_id) for order_id in fills) >= 3


def test_settings_that_divide_orders_are_handed_over_before_anything_is_compiled(dataset: Dataset) -> None:
    usual = Backtester.of("ema_cross", dataset)
    rules = StyleRules(default=Style(Method.TWAP, 3, 1), large_value=Decimal(0))
    divided = Backtester(replace(usual.configuration, styles=rules), dataset).run()
    assert divided.rules["Engine"].startswith("the settings of execution divide orders into parts")
    assert "execution" in divided.configuration
    assert "execution" not in usual.run().configuration


MOVES = """
from n1v1.strategies.plain import PythonStrategy, buy, move_stop


class Follows(PythonStrategy):
    def __init__(self):
        self.seen = 0

    def on_bar(self, bar):
        self.seen += 1
        if self.seen % 12 == 3:
            return buy("an entry", stop=0.04, target=0.06)
        return move_stop(bar.close * 0.98, "after the price")
"""


def test_stops_that_are_moved_are_handed_over_and_the_same_with_watermarks_and_without(
    tmp_path: Path, dataset: Dataset
) -> None:
    file = tmp_path / "follows.py"
    file.write_text(MOVES)
    backtester = Backtester.of(str(file), dataset)
    quick = backtester.run()
    assert quick.rules["Engine"].startswith("a strategy moves a stop")
    told = from_events(pipeline.events(backtester.configuration, dataset))
    assert first_difference(told, quick.records) is None
    stops = {row[0] for row in told.orders if row[3] == "STOP" and not row[0].endswith("stop")}
    assert len(stops & {row[1] for row in told.fills}) >= 3, "moved stops have closed positions"

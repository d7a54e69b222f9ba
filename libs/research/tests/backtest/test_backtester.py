"""A backtest is the same run however it is started, and says what decided it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from n1v1.errors import InvalidValue, StrategyError, UnknownName
from n1v1.performance import compute_backtest_metrics
from n1v1.simulation.rules import IntrabarPath
from n1v1.timeframes import timeframe_ns
from n1v1.values import to_ppb
from n1v1_research.backtest import Backtester, Configuration
from n1v1_research.backtest.engines import engine
from n1v1_research.backtest.variations import variations
from n1v1_research.datasets import Dataset, load

QUICK = {"fast_ema": 3, "slow_ema": 8}


@pytest.fixture(scope="module")
def bars() -> Dataset:
    return load("coinbase-4h", symbols=["BTC-USD"], start="2021-01-01", end="2021-04-01")


@pytest.fixture(scope="module")
def configuration(bars: Dataset) -> Configuration:
    return Backtester.of("ema_cross", bars, parameters=QUICK).configuration


def test_a_run_trades_and_knows_what_it_came_to(bars: Dataset) -> None:
    result = Backtester.of("ema_cross", bars, parameters=QUICK).run()
    assert result.summary.total_trades > 10
    assert result.metrics["end_equity"] == f"{result.cash(result.marks[-1][2]):f}"
    assert result.metrics["total_return"] == pytest.approx(float(result.metrics["end_equity"]) / 10_000 - 1)
    assert result.title == "ema_cross on BTC-USD"


def test_two_equal_runs_have_one_hash(bars: Dataset) -> None:
    first, second = (Backtester.of("ema_cross", bars, parameters=QUICK).run() for _ in range(2))
    assert first.hash == second.hash
    assert first.hash != Backtester.of("ema_cross", bars, parameters={"fast_ema": 4, "slow_ema": 8}).run().hash


async def test_a_run_beside_an_event_loop_is_the_same_run(bars: Dataset) -> None:
    backtester = Backtester.of("ema_cross", bars, parameters=QUICK)
    assert (await backtester.run_async()).hash == backtester.run().hash


def test_progress_is_told_and_ends_near_the_end(bars: Dataset) -> None:
    told: list[int] = []
    Backtester.of("ema_cross", bars, parameters=QUICK).run(told.append)
    assert told == sorted(told)
    assert bars.total_steps - 50 < told[-1] <= bars.total_steps


def test_parameters_that_say_the_default_are_the_same_configuration(bars: Dataset) -> None:
    by_default = Backtester.of("ema_cross", bars).configuration
    defaults = by_default.as_json()["strategies"][0]["parameters"]
    spelled_out = Backtester.of("EMACrossStrategy", bars, parameters=defaults).configuration
    assert defaults["slow_ema"] > defaults["fast_ema"] > 0
    assert by_default.hash == spelled_out.hash


def test_whatever_decides_the_run_changes_the_hash_of_its_configuration(bars: Dataset) -> None:
    usual = Backtester.of("ema_cross", bars)
    others = [
        Backtester.of("ema_cross", bars, parameters={"fast_ema": 5}),
        Backtester.of("rsi", bars),
        Backtester.of("ema_cross", bars, cash=20_000),
        Backtester.of("ema_cross", bars, fee="0.002"),
        Backtester.of("ema_cross", bars, slippage="0"),
    ]
    assert len({each.configuration.hash for each in [usual, *others]}) == 6


def test_a_strategy_file_is_known_by_its_content_and_not_by_where_it_lies(bars: Dataset, tmp_path: Path) -> None:
    source = "class Mine:\n    def __init__(self, config):\n        pass\n"
    source += "    def generate_signals(self, data):\n        return []\n"
    hashes = set()
    for folder, text in (("a", source), ("b", source), ("c", source + "# changed\n")):
        path = tmp_path / folder / "mine.py"
        path.parent.mkdir()
        path.write_text(text)
        hashes.add(Backtester.of(str(path), bars).configuration.hash)
    assert len(hashes) == 2


def test_costs_are_multiplied_everywhere_and_rounded_against_us(configuration: Configuration) -> None:
    dearer = configuration.with_costs_times(Decimal("1.5"))
    assert dearer.rules.fee_rate_ppb == to_ppb("0.0015")
    assert dearer.rules.slippage_ppb == to_ppb("0.00075")
    assert dearer.policy.cost_ppb == to_ppb("0.00225")
    assert configuration.with_costs_times(Decimal("0.0000001")).rules.slippage_ppb == 1


def test_the_sensitivity_runs_show_that_costs_cost(bars: Dataset) -> None:
    result = Backtester.of("ema_cross", bars, parameters=QUICK).run(sensitivity=True)
    same, half, twice, *_ = result.sensitivity
    assert same.total_return == result.summary.total_return
    assert half.total_return > same.total_return > twice.total_return


def test_every_assumption_that_may_flatter_a_result_is_varied(bars: Dataset) -> None:
    usual = Backtester.of("ema_cross", bars, parameters=QUICK).configuration
    found = dict(variations(usual))
    assert list(found) == ["as it is", "costs × 0.5", "costs × 2", "orders a bar later", "path adaptive"]
    assert found["as it is"] is usual
    assert found["orders a bar later"].rules == replace(usual.rules, latency_ns=1)
    slow = replace(usual, rules=replace(usual.rules, latency_ns=3, path=IntrabarPath.OHLC))
    assert dict(variations(slow))["latency × 5"].rules.latency_ns == 15
    assert dict(variations(slow))["path adverse"].rules.path is IntrabarPath.ADVERSE


def test_orders_that_come_a_bar_later_fill_a_bar_later(bars: Dataset) -> None:
    usual = Backtester.of("ema_cross", bars, parameters=QUICK).configuration
    later = dict(variations(usual))["orders a bar later"]
    first, second = (Backtester(each, bars, engine="pipeline").run().records.fills[0][0] for each in (usual, later))
    assert second - first == timeframe_ns(bars.timeframe)


def test_names_that_do_not_exist_are_answered_with_the_nearest(bars: Dataset) -> None:
    with pytest.raises(UnknownName, match="did you mean 'ema_cross'"):
        Backtester.of("ema_crss", bars)
    with pytest.raises(UnknownName, match="did you mean 'pipeline'"):
        engine("pipelin")


def test_a_strategy_that_raises_is_no_result(bars: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(
        "class Broken:\n    def __init__(self, config):\n        pass\n"
        "    def generate_signals(self, data):\n        raise ZeroDivisionError('as written')\n"
    )
    with pytest.raises(StrategyError, match="ZeroDivisionError: as written"):
        Backtester.of(str(path), bars).run()


def test_cash_that_is_no_number_is_refused(bars: Dataset) -> None:
    with pytest.raises(InvalidValue):
        Backtester.of("ema_cross", bars, cash=Decimal("0.000000001"))


def test_the_original_imports_work() -> None:
    from backtest.backtester import Backtester as TheirBacktester
    from backtest.backtester import compute_backtest_metrics as theirs

    assert TheirBacktester is Backtester
    assert theirs is compute_backtest_metrics

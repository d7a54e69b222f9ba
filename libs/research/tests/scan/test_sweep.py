"""A sweep is many runs: each row says what a run of its own would."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.errors import InvalidValue
from n1v1.performance import summary_of_records
from n1v1.strategies.ema_cross import EMACrossStrategy
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.backtest.defaults import configuration_of
from n1v1_research.datasets import Dataset, load
from n1v1_research.scan import engine
from n1v1_research.scan.market import Market
from n1v1_research.scan.sweep import SweepRow, sweep

SETS = tuple({"fast_ema": fast, "slow_ema": slow} for fast in (3, 8, 20) for slow in (21, 55))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("coinbase-4h", start="2021-01-01", end="2021-07-01")


def swept(dataset: Dataset, sets: Any, **options: Any) -> list[SweepRow]:
    usual = of(dataset, {})
    return sweep(
        EMACrossStrategy,
        sets,
        Market.of(dataset),
        policy=usual.policy,
        rules=usual.rules,
        cash=usual.initial_cash,
        **options,
    )


def of(dataset: Dataset, parameters: Any) -> Configuration:
    return configuration_of("ema_cross", dataset, parameters=parameters, cash=10_000, fee="0.001", slippage="0.0005")


def test_a_row_says_what_a_run_of_its_own_says(dataset: Dataset) -> None:
    rows = swept(dataset, SETS)
    assert [row.parameters["fast_ema"] for row in rows] == [given["fast_ema"] for given in SETS]
    for given, row in zip(SETS, rows, strict=True):
        records = engine.play(of(dataset, given), dataset, lambda _: None).records
        alone = summary_of_records(records, dataset.timeframe)
        assert row.fills == len(records.fills) > 0
        assert row.total_return == pytest.approx(alone.total_return, abs=1e-12)
        assert row.max_drawdown == pytest.approx(alone.max_drawdown, abs=1e-9)
        assert row.equity == pytest.approx(max(records.equity)[2] / 1e8)


def test_the_number_of_threads_does_not_matter(dataset: Dataset) -> None:
    assert swept(dataset, SETS, workers=1) == swept(dataset, SETS, workers=3)


def test_progress_is_told_and_a_wrong_set_runs_nothing(dataset: Dataset) -> None:
    told: list[int] = []
    swept(dataset, SETS, progress=told.append)
    assert told == [1, 2, 3, 4, 5, 6]
    with pytest.raises(InvalidValue, match="expected fast_ema below slow_ema, got 30 and 20"):
        swept(dataset, [*SETS, {"fast_ema": 30, "slow_ema": 20}], progress=told.append)
    assert len(told) == 6


def test_a_set_that_has_no_three_others_beside_it_is_played_as_well(dataset: Dataset) -> None:
    assert swept(dataset, SETS[:1]) == swept(dataset, SETS)[:1]
    assert swept(dataset, SETS[4:]) == swept(dataset, SETS)[4:]
    assert swept(dataset, ()) == []

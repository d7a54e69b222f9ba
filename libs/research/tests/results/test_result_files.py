"""The files of a result: exact, complete, and equal for equal runs."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it comes without types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from n1v1.errors import UnknownName
from n1v1_research.backtest import Backtester
from n1v1_research.datasets import Dataset, load
from n1v1_research.results import RunResult
from n1v1_research.results.benchmark import buy_and_hold
from n1v1_research.results.costs import costs_of
from n1v1_research.results.progressions import export_equity_progression, export_metrics
from n1v1_research.results.purposes import purposes_of
from n1v1_research.results.rows import fixed, fixed_column

NAMES = ("trades", "orders", "fills", "equity", "decisions")


@pytest.fixture(scope="module")
def bars() -> Dataset:
    return load("coinbase-4h", start="2021-01-01", end="2021-03-01")


@pytest.fixture(scope="module")
def result(bars: Dataset) -> RunResult:
    return _run(bars)


def _run(bars: Dataset) -> RunResult:
    return Backtester.of("ema_cross", bars, parameters={"fast_ema": 3, "slow_ema": 8}, engine="pipeline").run()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_equal_runs_write_equal_bytes_apart_from_the_object_run(bars: Dataset, result: RunResult) -> None:
    first, second = json.loads(result.to_json()), json.loads(_run(bars).to_json())
    assert first.pop("run").keys() == second.pop("run").keys() == {"engine", "started_at", "seconds", "bars_per_s"}
    assert json.dumps(first) == json.dumps(second)


def test_results_json_says_where_the_result_comes_from(bars: Dataset, result: RunResult) -> None:
    document = json.loads(result.to_json())
    assert document["dataset"]["id"] == bars.id
    assert document["hash"] == result.hash
    assert document["config_hash"] == Backtester.of("ema_cross", bars, parameters={"fast_ema": 3, "slow_ema": 8}
    ).configuration.hash  # fmt: skip
    assert document["code"]["package"]
    assert document["metrics"]["total_trades"] == document["counts"]["trades"] == len(result.trips) > 0


def test_every_row_is_written_and_amounts_are_exact(result: RunResult, tmp_path: Path) -> None:
    written = result.save(tmp_path, ["csv"])
    assert [path.name for path in written] == [f"{name}.csv" for name in NAMES]
    fills, trades, equity = (rows_of(tmp_path / f"{name}.csv") for name in ("fills", "trades", "equity"))
    assert sum(Decimal(row["fee"]) for row in fills) == Decimal(result.metrics["total_fees"])
    assert sum(Decimal(row["pnl"]) for row in trades) == Decimal(result.metrics["total_pnl"])
    assert Decimal(equity[-1]["equity"]) == Decimal(result.metrics["end_equity"])
    assert len(equity) == len(result.marks)


def test_every_trade_says_what_ended_it(result: RunResult, tmp_path: Path) -> None:
    result.save(tmp_path, ["csv"])
    reasons = {row["exit_reason"] for row in rows_of(tmp_path / "trades.csv")}
    assert reasons
    assert reasons <= {"EXIT", "STOP_LOSS", "TAKE_PROFIT", "TRAILING_STOP"}


def test_purposes_can_be_read_from_the_records_alone(result: RunResult) -> None:
    # of a run through the services only the records are known; here the engine has said it as well
    closing = {trip.exit_order_id for trip in result.trips}
    said = {order: purpose for order, purpose in result.purposes.items() if order in closing}
    read = purposes_of(result.records, closing)
    assert {order: read[order] for order in said} == said


def test_parquet_has_the_same_rows_with_types(result: RunResult, tmp_path: Path) -> None:
    result.save(tmp_path, ["csv", "parquet"])
    for name in NAMES:
        table = parquet.read_table(tmp_path / f"{name}.parquet")
        assert table.num_rows == len(rows_of(tmp_path / f"{name}.csv"))
    equity = parquet.read_table(tmp_path / "equity.parquet")
    assert equity.schema.field("time").type == pa.timestamp("ns", tz="UTC")
    assert equity.column("equity")[-1].as_py() == Decimal(result.metrics["end_equity"])
    assert equity.column("time").cast(pa.int64()).to_pylist() == result.times_ns.tolist()


def test_frames_are_ready_for_a_notebook(result: RunResult) -> None:
    equity, trades = result.equity_frame(), result.trades_frame()
    assert equity["equity"].iloc[-1] == pytest.approx(float(result.metrics["end_equity"]))
    assert equity.index[-1] == pd.Timestamp("2021-03-01T00:00Z")
    assert trades["pnl"].sum() == pytest.approx(float(result.metrics["total_pnl"]))


def test_a_format_that_does_not_exist_is_refused_before_anything_is_written(result: RunResult, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'parquet'"):
        result.save(tmp_path / "new", ["csv", "parkett"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("units", "places", "text"), [(1234, 2, "12.34"), (-5, 2, "-0.05"), (0, 8, "0.00000000"), (7, 0, "7")]
)
def test_units_as_decimal_text(units: int, places: int, text: str) -> None:
    assert fixed(units, places) == text


@given(st.lists(st.integers(-(2**62), 2**62)), st.integers(0, 9))
def test_a_column_is_formatted_like_each_of_its_values(units: list[int], places: int) -> None:
    alone = [fixed(unit, places) for unit in units]
    assert fixed_column(np.array(units, dtype=np.int64), places) == alone
    assert [Decimal(text) for text in alone] == [Decimal(unit).scaleb(-places) for unit in units]


def test_slippage_is_how_far_market_orders_were_from_the_open(result: RunResult) -> None:
    costs = costs_of(result.records, result.executions, result.dataset)
    stops_and_targets = [trip for trip in result.trips if result.purpose_of(trip.exit_order_id) != "EXIT"]
    assert costs.fees == result.summary.total_fees
    assert costs.market_fills == len(result.executions) - len(stops_and_targets) > 20
    # 5 bps of what they traded, rounded to a tick against us
    at_market = costs.traded - sum(trip.exit_value for trip in stops_and_targets)
    assert 1.0 <= costs.slippage / (0.0005 * at_market) < 1.01


def test_holding_starts_when_every_symbol_has_a_price(bars: Dataset) -> None:
    closes = {symbol: bars.columns(symbol).close for symbol in bars.symbols}
    times = bars.columns("BTC-USD").close_ns
    before = np.concatenate(([times[0] - 1], times))
    worth = buy_and_hold(bars, before)
    assert np.isnan(worth[0])
    assert worth[1] == 1.0
    assert worth[-1] == pytest.approx(np.mean([series[-1] / series[0] for series in closes.values()]))


def test_exports_of_the_original(tmp_path: Path) -> None:
    records = [{"trade_id": 1, "timestamp": "2023-01-01", "equity": 10.0, "pnl": 0.0, "regime_name": "x"}]
    csv_path = export_equity_progression(records, tmp_path / "deep" / "equity.csv")
    assert csv_path.read_text() == "trade_id,timestamp,equity,pnl,cumulative_return\n1,2023-01-01,10.0,0.0,\n"
    json_path = export_metrics({"profit_factor": float("inf"), "wins": 1}, tmp_path / "metrics.json")
    assert json.loads(json_path.read_text()) == {"profit_factor": "Infinity", "wins": 1}

"""The report is one file with everything in it, and what it shows was counted right."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from n1v1.equity_rows import EquityRow
from n1v1.ids import OrderId
from n1v1.run_hash import RunRecords
from n1v1.simulation.assumptions import AssumptionCount
from n1v1.values import Purpose
from n1v1_research.datasets import load
from n1v1_research.report import render, write
from n1v1_research.report.curves import chart_data
from n1v1_research.report.monthly import monthly_returns
from n1v1_research.results import RunResult, Timing
from n1v1_research.results.sensitivity import OtherRun

USD = 10**8


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def mark(text: str, dollars: int, *positions: tuple[str, int, int]) -> EquityRow:
    return (at(text), 0, dollars * USD, positions)


RECORDS = RunRecords(
    decisions=(
        (at("2020-01-01T04:00"), "ema", "BTC-USD", "BUY", "1.0", "up", "APPROVED", "", "o-1"),
        (at("2020-01-01T08:00"), "ema", "BTC-USD", "SELL", "1.0", "down", "APPROVED", "", "o-2"),
        (at("2020-01-01T12:00"), "ema", "BTC-USD", "SELL", "1.0", "</script>", "REFUSED", "SHORT_DISABLED", ""),
    ),
    orders=(
        ("o-1", "BTC-USD", "BUY", "MARKET", 10**8, "FILLED", 10**8),
        ("o-2", "BTC-USD", "SELL", "MARKET", 10**8, "FILLED", 10**8),
    ),
    fills=(
        (at("2020-01-01T04:00"), "o-1", "1", "BUY", 10**8, 700_000, 7_000 * USD, 7 * USD),
        (at("2020-01-01T08:00"), "o-2", "2", "SELL", 10**8, 720_000, 7_200 * USD, 8 * USD),
    ),
    equity=(
        mark("2020-01-01T04:00", 10_000, ("BTC-USD", 0, 700_000)),
        mark("2020-01-01T08:00", 10_150, ("BTC-USD", 10**8, 715_000)),
        mark("2020-01-01T12:00", 10_185, ("BTC-USD", 0, 721_000)),
    ),
)


@pytest.fixture(scope="module")
def result() -> RunResult:
    dataset = load("coinbase-4h", symbols=["BTC-USD"], start="2020-01-01", end="2020-01-02")
    return RunResult(
        dataset=dataset,
        records=RECORDS,
        timing=Timing(engine="pipeline", started_at="2026-01-01T00:00:00+00:00", seconds=0.5),
        title="<script>alert(1)</script>",
        facts={"Mode": "paper"},
        rules={"Fee": "0.1 % & more"},
        purposes={OrderId("o-1"): Purpose.ENTRY, OrderId("o-2"): Purpose.TAKE_PROFIT},
        decided={"gap": AssumptionCount(1, 7_200 * USD)},
        sensitivity=(
            OtherRun(
                what="costs × 2",
                total_return=0.017,
                sharpe_ratio=None,
                max_drawdown=0.0,
                total_trades=1,
                total_fees="30.00",
            ),
        ),
    )


@pytest.fixture(scope="module")
def page(result: RunResult) -> str:
    return render(result)


def test_the_page_needs_no_network(page: str) -> None:
    head_and_body = page[: page.index("<script>")]
    assert not re.search(r"(src|href)=[\"'](?!data:)", head_and_body)
    assert "@import" not in head_and_body
    assert "url(" not in head_and_body
    assert page.count("<script>") == 2
    assert len(page) > 3_000_000


def test_the_numbers_of_the_run_are_on_the_page(page: str) -> None:
    assert "<strong class='gain'>+1.85%</strong>" in page
    assert "<td class='n gain'>+185.00</td>" in page
    assert "SHORT_DISABLED" in page
    assert "10,185.00" in page


def test_names_from_outside_cannot_become_markup(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "0.1 % &amp; more" in page


def test_the_embedded_data_is_valid_json_with_every_mark_and_fill(page: str) -> None:
    match = re.search(r"^const DATA = (.*);$", page, re.MULTILINE)
    assert match is not None
    data = json.loads(match[1])
    assert data["equity"]["equity"] == [10_000, 10_150, 10_185]
    assert data["prices"][0]["buys"]["prices"] == [7_000]
    assert data["prices"][0]["sells"]["texts"] == ["1 take profit"]


def test_a_trade_says_why_it_ended(page: str) -> None:
    assert "<td>take profit</td>" in page


def test_the_page_says_what_the_result_rests_on(page: str) -> None:
    # one of two fills; 7,200 of 14,200 traded
    row = "<td>a bar that opened beyond the stop</td><td class='n'>1</td><td class='n'>50.00%</td>"
    assert row + "<td class='n'>7,200.00</td><td class='n'>50.70%</td>" in page
    assert "<td>costs × 2</td><td class='n'>+1.70%</td>" in page
    assert "15.00 USD; 0.11% of what was traded, 0.15% of the start" in page


def test_a_long_run_is_drawn_with_few_points_and_keeps_its_peaks() -> None:
    dataset = load("coinbase-4h", symbols=["BTC-USD"])
    closes = dataset.columns("BTC-USD").close.tolist()
    closing = dataset.columns("BTC-USD").close_ns.tolist()
    rows = tuple((ts, 0, close * 10**6, (("BTC-USD", 1, close),)) for ts, close in zip(closing, closes, strict=True))
    run = RunResult(
        dataset=dataset,
        records=RunRecords(equity=rows),
        timing=Timing(engine="pipeline", started_at="", seconds=1.0),
        title="hold",
    )
    data = chart_data(run)
    assert len(data["equity"]["times"]) < 5_000 < len(rows)
    assert max(data["equity"]["equity"]) == max(closes) / 100
    assert max(data["prices"][0]["close"]) == max(closes) / 100
    assert min(data["drawdown"]["percent"]) == pytest.approx(-100 * run.summary.max_drawdown, abs=1e-3)


def test_writing_makes_the_folders_on_the_way(result: RunResult, tmp_path: Path) -> None:
    written = write(result, tmp_path / "reports" / "run.html")
    assert written.read_text("utf-8").startswith("<!doctype html>")


def test_a_mark_at_midnight_of_the_first_closes_the_month_before() -> None:
    marks = [
        mark("2020-11-15T00:00", 100),
        mark("2020-12-01T00:00", 110),
        mark("2021-01-01T00:00", 99),
        mark("2021-01-01T04:00", 108),
        mark("2021-03-01T00:00", 54),
    ]
    years = monthly_returns([row[0] for row in marks], [row[2] for row in marks])
    assert [year.year for year in years] == [2020, 2021]
    assert years[0].months[10:] == pytest.approx((0.10, -0.10))
    assert years[0].total == pytest.approx(-0.01)
    assert years[1].months[:2] == pytest.approx((108 / 99 - 1, -0.5))
    assert years[1].months[2] is None
    assert years[1].total == pytest.approx(54 / 99 - 1)

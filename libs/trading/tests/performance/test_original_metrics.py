"""compute_backtest_metrics: the nine keys of the original framework, with a Sharpe ratio that knows what time it is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from n1v1.errors import InvalidValue
from n1v1.performance import compute_backtest_metrics, sharpe_ratio

KEYS = {
    "equity_curve",
    "max_drawdown",
    "sharpe_ratio",
    "profit_factor",
    "total_return",
    "total_trades",
    "wins",
    "losses",
    "win_rate",
}


def records(*equity_and_pnl: tuple[float, float], hours: int = 24) -> list[dict[str, Any]]:
    """One record every `hours`."""
    return [
        {"trade_id": number, "timestamp": number * hours * 3600, "equity": equity, "pnl": pnl}
        for number, (equity, pnl) in enumerate(equity_and_pnl)
    ]


RUN = ((10_000.0, 0.0), (10_300.0, 300.0), (10_200.0, -100.0), (10_400.0, 200.0))


def test_the_nine_keys_by_hand() -> None:
    metrics = compute_backtest_metrics(records(*RUN))
    assert metrics.keys() == KEYS
    assert metrics["equity_curve"] == [10_000.0, 10_300.0, 10_200.0, 10_400.0]
    assert metrics["total_return"] == pytest.approx(0.04)
    assert metrics["max_drawdown"] == pytest.approx(100 / 10_300)
    assert metrics["profit_factor"] == pytest.approx(5.0)
    assert (metrics["total_trades"], metrics["wins"], metrics["losses"]) == (3, 2, 1)
    assert metrics["win_rate"] == pytest.approx(2 / 3)


def test_the_sharpe_ratio_is_annualised_by_how_far_apart_the_records_are() -> None:
    returns = [0.03, -100 / 10_300, 200 / 10_200]
    for hours in (1, 24, 168):
        expected = sharpe_ratio(returns, 365.25 * 24 / hours, risk_free_rate=0.02)
        assert compute_backtest_metrics(records(*RUN, hours=hours))["sharpe_ratio"] == pytest.approx(expected)


def test_times_may_be_written_as_text() -> None:
    texts = ["2023-01-01T00:00:00Z", "2023-01-02", "2023-01-03T00:00:00+00:00", "2023-01-04"]
    written = [{**record, "timestamp": text} for record, text in zip(records(*RUN), texts, strict=True)]
    assert compute_backtest_metrics(written) == compute_backtest_metrics(records(*RUN))


def test_a_profit_factor_without_a_loss_is_endless() -> None:
    assert compute_backtest_metrics(records((1.0, 0.0), (2.0, 1.0)))["profit_factor"] == math.inf


def test_what_is_undefined_is_zero_as_it_was_in_the_original() -> None:
    assert compute_backtest_metrics([]) == {key: [] if key == "equity_curve" else 0 for key in KEYS}
    flat = compute_backtest_metrics(records((1.0, 0.0), (1.0, 0.0), (1.0, 0.0)))
    assert (flat["sharpe_ratio"], flat["win_rate"], flat["profit_factor"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({"timestamp": 0}, "record 3: expected a finite number as 'equity', got None"),
        ({"timestamp": 0, "equity": float("nan")}, "record 3: expected a finite number as 'equity', got nan"),
        ({"timestamp": 0, "equity": 5.0}, "record 3 is earlier"),
        ({"timestamp": "yesterday", "equity": 5.0}, "record 3: 'yesterday' is not a time"),
    ],
)
def test_a_record_that_cannot_be_read_is_named(broken: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidValue, match=complaint):
        compute_backtest_metrics([*records(*RUN[:3]), broken])

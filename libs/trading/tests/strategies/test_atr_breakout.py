"""ATR breakout by hand: a close against the close and the range before it, and the three filters."""

from __future__ import annotations

from typing import Any

from n1v1.events import Action

SMALL = {"atr_period": 2, "breakout_multiplier": 1.0, "trend_period": 2, "volume_filter": False}


def around(closes: list[float]) -> list[tuple[float, float, float]]:
    """High, low and close: every bar reaches 1 above and 1 below its close."""
    return [(close + 1, close - 1, close) for close in closes]


def test_a_close_more_than_the_range_above_the_close_before_is_bought(asked: Any, bars_of: Any) -> None:
    # bar 3: ranges 2 and 2, so ATR 2. Bar 4 must close above 10 + 2
    for close, action in ((12.00, None), (12.01, Action.BUY), (8.00, None), (7.99, Action.SELL)):
        found = asked("atr_breakout", SMALL, bars_of(around([10, 10, 10, close])))
        assert [verdict.action for verdict in found] == [None, None, None, action]
        assert found[3].values[:3] == (("upper", 12.0), ("lower", 8.0), ("atr", 2.0))
    assert found[2].reason == "warming up: 3 of 4 bars"
    assert found[3].reason == "closed more than 1 ATR below the close before"
    assert found[3].wish.fraction_ppb == 120_000_000


def test_a_wick_is_no_breakout(asked: Any, bars_of: Any) -> None:
    found = asked("atr_breakout", SMALL, bars_of([*around([10, 10, 10]), (1_000, 9, 11)]))[3]
    assert (found.action, found.reason) == (None, "no breakout: closed within 1 ATR of the close before")


def test_a_breakout_against_the_trend_does_not_count(asked: Any, bars_of: Any) -> None:
    # ranges 5 (a gap from 14 down to 9) and 2: ATR 3.5. Bar 4 closes above 10 + 3.5, but below the 14 of 3 bars ago
    bars = bars_of(around([14, 10, 10, 13.6]))
    found = asked("atr_breakout", SMALL | {"trend_period": 3}, bars)[3]
    assert (found.action, found.reason) == (None, "no breakout: against the trend")
    assert dict(found.values)["trend_pct"] < 0.0
    assert asked("atr_breakout", SMALL | {"trend_filter": False}, bars)[3].action is Action.BUY


def test_the_least_range_is_a_share_of_the_price(asked: Any, bars_of: Any) -> None:
    # ATR 2 at a price of 10 and at 1,000: 20 % and 0.2 %
    for price, action in ((10, Action.BUY), (1_000, None)):
        found = asked("atr_breakout", SMALL, bars_of(around([price, price, price, price + 2.5])))[3]
        assert found.action is action
    assert found.reason == "no breakout: the market hardly moves"


def test_the_volume_has_to_confirm(asked: Any, bars_of: Any) -> None:
    parameters = SMALL | {"volume_filter": True, "volume_period": 3}
    found = [
        asked("atr_breakout", parameters, bars_of(around([10, 10, 10, 13]), [2, 3, 4, volume]))[3]
        for volume in (4.4, 4.5)  # 1.5 times the mean of the three before
    ]
    assert [verdict.action for verdict in found] == [None, Action.BUY]
    assert found[0].reason == "no breakout: volume is 1.47 of usual, less than 1.5"

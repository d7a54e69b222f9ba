"""VWAP pullback by hand: near for some bars, with both slopes, once per visit; and the anchor of the day."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.events import Action

SMALL = {
    "vwap_period": 2,
    "pullback_threshold": 0.05,
    "volume_multiplier": 1.0,
    "min_volume_period": 2,
    "confirmation_bars": 2,
    "trend_period": 2,
}


def test_a_close_above_a_rising_vwap_and_near_it_is_bought_once(asked: Any, bars_of: Any) -> None:
    #   close        100   100   102   103   130   130   131
    #   VWAP           -   100   101  102.5 116.5  130  130.5     equal volumes
    #   near           -     1     2     3    far    1     2
    found = asked("vwap_pullback", SMALL, bars_of([100, 100, 102, 103, 130, 130, 131]))
    buy = Action.BUY
    assert [verdict.action for verdict in found] == [None, None, buy, None, None, None, buy]
    assert dict(found[2].values) == pytest.approx(
        {"vwap": 101.0, "relative_volume": 1.0, "vwap_change": 1.0, "trend_pct": 2.0}
    )
    assert [verdict.reason for verdict in found[1:6]] == [
        "warming up: 2 of 3 bars",
        "came back to the VWAP from above in a rising market",
        "no pullback: answered already",
        "no pullback: too far from the VWAP",
        "no pullback: closed on the VWAP",
    ]
    assert found[2].wish.fraction_ppb == 80_000_000


def test_a_close_below_a_falling_vwap_is_sold(asked: Any, bars_of: Any) -> None:
    assert asked("vwap_pullback", SMALL, bars_of([100, 100, 98]))[2].action is Action.SELL


def test_both_slopes_have_to_agree_with_the_side(asked: Any, bars_of: Any) -> None:
    # bar 4 closes at 99, above a VWAP of 98.75, but that of bar 3 was 99.0: it falls. Volumes 1, 1, 1, 3
    bars = bars_of([100, 100, 98, 99], [1, 1, 1, 3])
    found = asked("vwap_pullback", SMALL | {"confirmation_bars": 3}, bars)[3]
    assert found.values[0] == ("vwap", 98.75)
    assert (found.action, found.reason) == (None, "no pullback: price and VWAP do not both move that way")
    without = asked("vwap_pullback", SMALL | {"confirmation_bars": 3, "trend_filter": False}, bars)[3]
    assert without.action is Action.BUY


def test_one_bar_near_the_vwap_is_not_enough_and_little_volume_neither(asked: Any, bars_of: Any) -> None:
    #   close 100 100 110 110 111; VWAP 100, 105, 110, 110.5; bars 2 to 5 are near: 1, 2, 3 and 4 in a row
    found = asked("vwap_pullback", SMALL | {"confirmation_bars": 4}, bars_of([100, 100, 110, 110, 111]))
    assert found[3].reason == "warming up: 4 of 5 bars"
    assert found[4].action is Action.BUY
    found = asked("vwap_pullback", SMALL, bars_of([100, 100, 120, 120, 121]))  # bar 3 is far: 120 from 110
    assert found[3].reason == "no pullback: closed on the VWAP"
    far = asked("vwap_pullback", SMALL, bars_of([100, 100, 120, 121, 122]))[3]
    assert (far.action, far.reason) == (None, "no pullback: near the VWAP for 1 of 2 bars")
    quiet = asked("vwap_pullback", SMALL, bars_of([100, 100, 102], [1, 1, 0.9]))[2]
    assert (quiet.action, quiet.reason) == (None, "no pullback: the volume does not confirm")


def test_the_daily_anchor_forgets_yesterday_and_needs_two_bars_of_its_day(asked: Any, bars_of: Any) -> None:
    # six bars a day; bar 7 opens a day at 90: its VWAP is its price, and has no slope yet
    #   close        100  100  100  100  100  100 |  90   91    92
    #   VWAP         100  ...                100  |  90  90.5   91
    parameters = SMALL | {"daily_anchor": True, "min_volume_period": 1, "trend_period": 1}
    found = asked("vwap_pullback", parameters, bars_of([100, 100, 100, 100, 100, 100, 90, 91, 92]))
    assert [verdict.action for verdict in found[:7]] == [None] * 7
    assert found[6].reason == "no pullback: closed on the VWAP"
    assert (dict(found[6].values)["vwap"], dict(found[6].values)["vwap_change"]) == (90.0, 0.0)
    assert (found[7].action, dict(found[7].values)["vwap"]) == (Action.BUY, 90.5)
    assert dict(found[8].values)["vwap"] == 91.0

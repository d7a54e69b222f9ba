"""OBV by hand: a crossing that lasts, the trend, and the divergence that overrides it."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.events import Action

SMALL = {"obv_signal_period": 2, "confirmation_period": 2, "volume_filter": False, "trend_filter": False}


def test_a_crossing_counts_on_the_bar_that_confirms_it_and_on_no_other(asked: Any, bars_of: Any) -> None:
    #   close     10     9     8     9    10    11    10     9     8
    #   OBV        1     0    -1     0     1     2     1     0    -1     one unit a bar
    #   average    -   0.5  -0.5  -0.5   0.5   1.5   1.5   0.5  -0.5
    #                below below above above above below below below
    found = asked("obv", SMALL, bars_of([10, 9, 8, 9, 10, 11, 10, 9, 8]))
    actions = [verdict.action for verdict in found]
    assert actions == [None, None, None, None, Action.BUY, None, None, Action.SELL, None]
    assert found[4].values == (("obv", 1.0), ("average", 0.5), ("bars_beyond", 2.0))
    assert [verdict.reason for verdict in found[2:7]] == [
        "warming up: 3 of 4 bars",
        "not confirmed: OBV above its average for 1 of 2 bars",
        "OBV stayed above its average for 2 bars",
        "no crossing: OBV stays above its average",
        "not confirmed: OBV below its average for 1 of 2 bars",
    ]
    assert found[4].wish.fraction_ppb == 90_000_000


def test_the_first_crossing_that_counts_comes_as_soon_as_the_warm_up_allows(asked: Any, bars_of: Any) -> None:
    assert [verdict.action for verdict in asked("obv", SMALL, bars_of([10, 9, 10, 11]))] == [None] * 3 + [Action.BUY]


def test_where_obv_was_at_first_it_did_not_get_to_by_crossing(asked: Any, bars_of: Any) -> None:
    assert {verdict.action for verdict in asked("obv", SMALL, bars_of([10, 11, 12, 13, 14, 15]))} == {None}


def test_a_crossing_that_does_not_last_is_none(asked: Any, bars_of: Any) -> None:
    assert {verdict.action for verdict in asked("obv", SMALL, bars_of([10, 9, 10, 9, 10, 9, 10]))} == {None}


def test_a_crossing_against_the_trend_needs_a_divergence(asked: Any, bars_of: Any) -> None:
    #   close    100    90    91    92     8 % below that of 3 bars ago
    #   volume     1     1     5     5
    #   OBV        1     0     5    10     9 above that of 3 bars ago: a divergence
    bars = bars_of([100, 90, 91, 92], [1, 1, 5, 5])
    filtered = SMALL | {"trend_filter": True, "trend_period": 3}
    found = asked("obv", filtered, bars)[3]
    assert found.action is Action.BUY
    assert found.reason == "OBV stayed above its average for 2 bars"
    assert dict(found.values)["divergence"] == 1.0
    too_little = asked("obv", filtered | {"divergence_threshold": 0.09}, bars)[3]
    assert (too_little.action, too_little.reason) == (None, "no entry: against the trend")


def test_a_crossing_against_a_divergence_does_not_count_even_with_the_trend(asked: Any, bars_of: Any) -> None:
    #   close    100    97    98   104     4 % above that of 3 bars ago
    #   volume     1    20     1     1
    #   OBV        1   -19   -18   -17     18 below that of 3 bars ago: a divergence
    bars = bars_of([100, 97, 98, 104], [1, 20, 1, 1])
    found = asked("obv", SMALL | {"trend_filter": True, "trend_period": 3}, bars)[3]
    assert (found.action, found.reason) == (None, "no entry: against the divergence")
    assert dict(found.values)["trend_pct"] == pytest.approx(4.0)


def test_a_crossing_with_the_trend_needs_none(asked: Any, bars_of: Any) -> None:
    found = asked("obv", SMALL | {"trend_filter": True, "trend_period": 3}, bars_of([10, 9, 10, 11]))[3]
    assert (found.action, found.reason) == (Action.BUY, "OBV stayed above its average for 2 bars")


def test_the_volume_has_to_confirm(asked: Any, bars_of: Any) -> None:
    parameters = SMALL | {"volume_filter": True, "volume_sma_period": 3}
    found = [asked("obv", parameters, bars_of([10, 9, 10, 11], [2, 3, 4, volume]))[3] for volume in (2.9, 3.0)]
    assert [verdict.action for verdict in found] == [None, Action.BUY]
    assert found[0].reason == "no entry: the volume does not confirm"


def test_an_obv_that_rests_is_on_its_average_whatever_rounding_says(asked: Any, bars_of: Any) -> None:
    closes, volumes = [10.0, 11.0, 10.5] + [10.5] * 30, [0.1, 0.30000001, 0.7] + [0.1] * 30
    found = asked("obv", SMALL | {"obv_signal_period": 10}, bars_of(closes, volumes))
    assert found[-1].reason == "no crossing: OBV is on its average"

"""Bollinger reversion by hand: where a close is between the bands, and when a position is over."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.events import Action

QUIET = {"volume_filter": False}


def test_a_close_below_the_lower_band_is_bought(asked: Any, bars_of: Any) -> None:
    # closes 100, 100, 94: mean 98, deviation sqrt((4 + 4 + 16) / 3) = 2.828; bands at one deviation: 95.17 and 100.83
    # position (94 - 95.17) / 5.66 = -0.207
    found = asked("bollinger_reversion", {"period": 3, "std_dev": 1.0} | QUIET, bars_of([100, 100, 94]))
    assert [verdict.action for verdict in found] == [None, None, Action.BUY]
    assert found[2].reason == "closed below the lower band"
    assert dict(found[2].values) == pytest.approx(
        {"upper": 100.8284, "middle": 98.0, "lower": 95.1716, "position": -0.2071}, abs=1e-4
    )
    assert found[2].wish.fraction_ppb == 80_000_000


def test_the_threshold_is_the_same_on_both_sides(asked: Any, bars_of: Any) -> None:
    # two closes at distance d: bands at half a deviation are d / 4 from the middle, the newest close d / 2: position
    # -0.5 or 1.5, so half a width outside
    parameters = {"period": 2, "std_dev": 0.5} | QUIET
    for closes in ([100, 90], [90, 100]):
        assert asked("bollinger_reversion", parameters | {"reversion_threshold": 0.49}, bars_of(closes))[1].action
        beyond = asked("bollinger_reversion", parameters | {"reversion_threshold": 0.51}, bars_of(closes))[1]
        assert (beyond.action, beyond.reason) == (None, "no entry: closed inside the bands")


def test_a_position_ends_after_as_many_bars_as_was_said(asked: Any, bars_of: Any) -> None:
    # bought on bar 2; filled at the open of bar 3, it is held for bars 3, 4 and 5
    parameters = {"period": 2, "std_dev": 0.5, "max_holding_period": 3} | QUIET
    found = asked("bollinger_reversion", parameters, bars_of([100, 90, 90, 90, 90, 90, 90]))
    assert [verdict.action for verdict in found] == [None, Action.BUY, None, None, Action.CLOSE, None, None]
    assert (found[4].reason, found[4].wish.fraction_ppb) == ("held for 3 bars", None)


def test_while_a_position_lasts_the_same_signal_is_not_repeated_and_the_opposite_is(asked: Any, bars_of: Any) -> None:
    parameters = {"period": 2, "std_dev": 0.5, "max_holding_period": 3} | QUIET
    found = asked("bollinger_reversion", parameters, bars_of([100, 90, 80, 90, 90, 90, 90]))
    actions = [verdict.action for verdict in found]
    assert actions == [None, Action.BUY, None, Action.SELL, None, None, Action.CLOSE]
    assert found[2].reason == "no entry: answered the same 1 bars ago"


def test_an_exit_comes_before_a_new_entry(asked: Any, bars_of: Any) -> None:
    parameters = {"period": 2, "std_dev": 0.5, "max_holding_period": 2} | QUIET
    found = asked("bollinger_reversion", parameters, bars_of([100, 90, 80, 70, 60]))
    assert [verdict.action for verdict in found] == [None, Action.BUY, None, Action.CLOSE, Action.BUY]


def test_narrow_bands_and_little_volume_are_no_entry(asked: Any, bars_of: Any) -> None:
    # bands at half a deviation of 100 and 90: 92.5 and 97.5 around 95, so 0.0526 of the price
    parameters = {"period": 2, "std_dev": 0.5}
    narrow = asked("bollinger_reversion", parameters | QUIET | {"min_width": 0.0527}, bars_of([100, 90]))[1]
    assert (narrow.action, narrow.reason) == (None, "no entry: the bands are too narrow")
    confirmed = parameters | {"volume_period": 2, "volume_threshold": 1.5}
    quiet = asked("bollinger_reversion", confirmed, bars_of([95, 100, 90], [2, 4, 4.4]))[2]
    assert (quiet.action, quiet.reason) == (None, "no entry: volume is 1.47 of usual, less than 1.5")
    loud = asked("bollinger_reversion", confirmed, bars_of([95, 100, 90], [2, 4, 4.5]))[2]
    assert (loud.action, dict(loud.values)["relative_volume"]) == (Action.BUY, 1.5)

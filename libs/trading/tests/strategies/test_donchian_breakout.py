"""Donchian breakout by hand: the channel of the bars before, never of the bar itself."""

from __future__ import annotations

from typing import Any

from n1v1.events import Action

THREE = {"channel_period": 3, "breakout_threshold": 0.01, "volume_filter": False}
ROWS = [
    (10.00, 8.00, 9.00),
    (11.00, 9.00, 10.00),
    (10.00, 9.00, 9.50),
    (12.00, 10.00, 11.10),  # above 11, the highest of bars 1 to 3, but not by 1 %
    (13.00, 11.00, 12.13),  # above 12 (bars 2 to 4) by more than 1 %
    (12.00, 8.00, 8.90),  # below 9 (bars 3 to 5) by more than 1 %
]


def test_a_close_beyond_the_channel_of_the_bars_before_is_a_signal(asked: Any, bars_of: Any) -> None:
    found = asked("donchian_breakout", THREE, bars_of(ROWS))
    assert [verdict.action for verdict in found] == [None, None, None, None, Action.BUY, Action.SELL]
    assert found[2].reason == "warming up: 3 of 4 bars"
    assert found[3].reason == "no breakout: closed inside the channel of the 3 bars before"
    assert found[3].values == (("upper", 11.0), ("lower", 8.0))
    assert found[4].reason == "closed above every high of the 3 bars before"
    assert found[4].values == (("upper", 12.0), ("lower", 9.0))
    assert found[5].reason == "closed below every low of the 3 bars before"
    assert found[5].wish.fraction_ppb == 100_000_000


def test_the_first_bar_after_a_full_channel_may_break_out(asked: Any, bars_of: Any) -> None:
    found = asked("donchian_breakout", THREE | {"breakout_threshold": 0.0}, bars_of(ROWS))
    assert found[3].action is Action.BUY


def test_the_volume_has_to_confirm(asked: Any, bars_of: Any) -> None:
    parameters = THREE | {"volume_filter": True, "volume_period": 2, "volume_multiplier": 1.2}
    found = asked("donchian_breakout", parameters, bars_of(ROWS, [1, 1, 4, 6, 5.9, 7.14]))
    assert (found[4].action, found[4].reason) == (None, "no breakout: the volume does not confirm")
    assert found[5].action is Action.SELL  # 7.14 is 1.2 times the mean of 6 and 5.9

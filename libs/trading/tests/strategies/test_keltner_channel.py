"""Keltner channel by hand: the channel of the bar before, the squeeze, and one signal per breakout."""

from __future__ import annotations

from typing import Any

from n1v1.events import Action

SMALL = {
    "sma_period": 2,
    "atr_period": 2,
    "atr_multiplier": 1.0,
    "squeeze_threshold": 1.0,
    "squeeze_std_dev": 1.0,
    "volume_filter": False,
}


def around(closes: list[float]) -> list[tuple[float, float, float]]:
    """High, low and close: every bar reaches 1 above and 1 below its close."""
    return [(close + 1, close - 1, close) for close in closes]


def test_a_close_above_the_channel_of_the_bar_before_is_bought_once(asked: Any, bars_of: Any) -> None:
    # bar 3: mean 10, ranges 2 and 2, so the channel is 8 to 12; the Bollinger bands have no width: a squeeze
    # bar 4: closes at 13, above 12 (and below 14.5, the channel with its own bar in it)
    # bar 5: closes at 20, above 14.5: outside already
    found = asked("keltner_channel", SMALL, bars_of(around([10, 10, 10, 13, 20])))
    assert [verdict.action for verdict in found] == [None, None, None, Action.BUY, None]
    assert found[3].values == (("upper", 12.0), ("lower", 8.0), ("squeezed", 1.0))
    assert found[4].values == (("upper", 14.5), ("lower", 8.5), ("squeezed", 1.0))
    assert [verdict.reason for verdict in found[2:]] == [
        "warming up: 3 of 4 bars",
        "closed above the channel of the bar before",
        "no breakout: outside the channel already",
    ]


def test_a_close_below_is_sold(asked: Any, bars_of: Any) -> None:
    found = asked("keltner_channel", SMALL, bars_of(around([10, 10, 10, 7])))
    assert (found[3].action, found[3].wish.fraction_ppb) == (Action.SELL, 100_000_000)


def test_without_a_squeeze_before_it_a_breakout_does_not_count(asked: Any, bars_of: Any) -> None:
    # bar 3: closes 11 and 10, deviation 0.5; at 4 deviations the bands are 4 wide, as wide as the channel: not inside
    bars = bars_of(around([10, 11, 10, 13]))
    found = asked("keltner_channel", SMALL | {"squeeze_std_dev": 4.0}, bars)[3]
    assert (found.action, found.reason) == (None, "no breakout: there was no squeeze before it")
    assert asked("keltner_channel", SMALL | {"squeeze_std_dev": 3.9}, bars)[3].action is Action.BUY
    assert asked("keltner_channel", SMALL | {"squeeze_std_dev": 3.9, "squeeze_threshold": 0.9}, bars)[3].action is None
    assert asked("keltner_channel", SMALL | {"squeeze_std_dev": 4.0, "squeeze_filter": False}, bars)[3].action


def test_the_volume_has_to_confirm(asked: Any, bars_of: Any) -> None:
    parameters = SMALL | {"volume_filter": True, "volume_period": 3, "volume_threshold": 2.0}
    for volume, action in ((5.9, None), (6.0, Action.BUY)):
        bars = bars_of(around([10, 10, 10, 13]), [2, 3, 4, volume])
        found = asked("keltner_channel", parameters, bars)[3]
        assert found.action is action
    assert found.values[-1] == ("relative_volume", 2.0)

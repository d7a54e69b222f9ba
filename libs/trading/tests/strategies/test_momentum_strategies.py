"""RSI, MACD and stochastic by hand: which bar fires, which does not, and what every bar says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from n1v1.errors import InvalidValue
from n1v1.events import Action, BarClosed
from n1v1.strategies.base import Verdict
from n1v1.strategies.registry import find
from n1v1.strategies.rsi import CROSS, LEVEL, RSIStrategy
from n1v1.strategies.stochastic import StochasticStrategy

BUY, SELL = Action.BUY, Action.SELL

BarsOf = Callable[..., list[BarClosed]]
Asked = Callable[..., list[Verdict]]


def actions(verdicts: list[Verdict]) -> list[Action | None]:
    return [verdict.action for verdict in verdicts]


# RSI of 2 bars; gain and loss start as means of +2 and -1, then go halfway to every new change:
#   close   10   12   11     14     15      6     6     5
#   change       +2   -1     +3     +1     -9     0    -1
#   gain               1      2    1.5   0.75  0.38  0.19
#   loss             0.5   0.25   0.13   4.56  2.28  1.64
#   RSI             66.7   88.9   92.3   14.1  14.1  10.3
RSI_CLOSES = [10, 12, 11, 14, 15, 6, 6, 5]


def test_rsi_crossing_fires_on_the_bar_that_enters_a_zone_and_then_is_silent(asked: Asked, bars_of: BarsOf) -> None:
    found = asked("rsi", {"rsi_period": 2}, bars_of(RSI_CLOSES))
    assert actions(found) == [None, None, None, SELL, None, BUY, None, None]
    assert [verdict.reason for verdict in found] == [
        "warming up: 1 of 4 bars",
        "warming up: 2 of 4 bars",
        "warming up: 3 of 4 bars",
        "RSI rose to 70 or above",
        "RSI stays at or above 70",
        "RSI fell to 30 or below",
        "RSI stays at or below 30",
        "RSI stays at or below 30",
    ]
    assert dict(found[3].values) == pytest.approx({"rsi": 100 * 2 / 2.25})
    assert dict(found[5].values) == pytest.approx({"rsi": 100 * 0.75 / (0.75 + 4.5625)})


def test_rsi_level_fires_on_every_bar_in_a_zone(asked: Asked, bars_of: BarsOf) -> None:
    found = asked("rsi", {"rsi_period": 2, "trigger": "level"}, bars_of(RSI_CLOSES))
    assert actions(found) == [None, None, None, SELL, SELL, BUY, BUY, BUY]
    assert found[2].reason == "RSI is between 30 and 70"
    assert found[4].reason == "RSI is 70 or above"


def test_rsi_smoothed_as_the_original_did_moves_faster(asked: Asked, bars_of: BarsOf) -> None:
    # two thirds of the way: the change of -9 leaves gain 0.26 and loss 6.02
    wilder, ewm = (
        asked("rsi", {"rsi_period": 2, "smoothing": smoothing}, bars_of(RSI_CLOSES))[5].values[0][1]
        for smoothing in ("wilder", "ewm")
    )
    gain = ((1 / 3 + 2) / 3 + 2 / 3) / 3
    loss = 0.5 / 27 + 6
    assert ewm == pytest.approx(100 * gain / (gain + loss))
    assert ewm < wilder


def test_rsi_in_a_zone_from_its_first_value_has_not_crossed_into_it(asked: Asked, bars_of: BarsOf) -> None:
    falling = bars_of([10, 9, 8, 7, 6])
    assert actions(asked("rsi", {"rsi_period": 2}, falling)) == [None] * 5
    assert actions(asked("rsi", {"rsi_period": 2, "trigger": "level"}, falling)) == [None, None, BUY, BUY, BUY]


def test_rsi_of_a_price_that_has_never_moved_is_neither_weak_nor_strong(asked: Asked, bars_of: BarsOf) -> None:
    found = asked("rsi", {"rsi_period": 2, "trigger": "level"}, bars_of([10, 10, 10, 10, 12]))
    assert actions(found) == [None, None, None, None, SELL]
    assert found[3].reason == "no RSI: the price has not moved yet"
    crossing = asked("rsi", {"rsi_period": 2}, bars_of([10, 10, 10, 10, 12, 9]))
    # the first RSI, 100 on the fifth bar, crosses nothing; the second, 25, does
    assert actions(crossing) == [None, None, None, None, None, BUY]


def test_rsi_waits_for_volume_when_it_is_told_to(asked: Asked, bars_of: BarsOf) -> None:
    parameters = {"rsi_period": 2, "volume_filter": True, "volume_period": 2, "volume_threshold": 1.5}
    # the mean of the two volumes before is 4 on the selling bar, 5 on the buying one
    found = asked("rsi", parameters, bars_of(RSI_CLOSES, [9, 5, 3, 6, 4, 7, 9, 9]))
    assert actions(found) == [None, None, None, SELL, None, None, None, None]
    assert found[3].values[1] == ("relative_volume", 1.5)
    assert found[5].reason == "RSI fell to 30 or below, but volume is 1.40 of usual, less than 1.5"
    without_trade = asked("rsi", parameters, bars_of(RSI_CLOSES, [0] * 8))
    assert actions(without_trade) == [None] * 8


# MACD of 2, 3 and 2 bars (the averages start as means, see test_macd_by_hand):
#   close      1   2    3      6       4      10     10
#   slow                2      4       4       7     8.5
#   fast              2.5   4.83    4.28    8.09    9.36
#   MACD              0.5   0.83    0.28    1.09    0.86
#   signal                  0.67    0.41    0.86    0.86
#   histogram               0.17   -0.13    0.23    0.00
MACD_CLOSES = [1, 2, 3, 6, 4, 10, 10]
MACD_PERIODS: dict[str, Any] = {"fast_period": 2, "slow_period": 3, "signal_period": 2}


def test_macd_fires_on_the_bar_that_crosses_its_signal(asked: Asked, bars_of: BarsOf) -> None:
    found = asked("macd", MACD_PERIODS, bars_of(MACD_CLOSES))
    assert actions(found)[:6] == [None, None, None, None, SELL, BUY]
    assert [verdict.reason for verdict in found[3:6]] == [
        "warming up: 4 of 5 bars",
        "MACD crossed below its signal",
        "MACD crossed above its signal",
    ]
    values = dict(found[4].values)
    assert values["line"] == pytest.approx(77 / 18 - 4)
    assert values["signal"] == pytest.approx(5 / 18 + (2 / 3 - 5 / 18) / 3)
    assert values["histogram"] == pytest.approx(-7 / 54)


@pytest.mark.parametrize(
    ("threshold", "fires"),
    [
        ({"histogram_threshold": 0.129}, True),  # 7 / 54 is 0.1296
        ({"histogram_threshold": 0.130}, False),
        ({"histogram_threshold_pct": 0.032}, True),  # of the close, 4: 0.0324
        ({"histogram_threshold_pct": 0.033}, False),
        ({"histogram_threshold_pct": 0.032, "histogram_threshold": 0.130}, False),
    ],
)
def test_macd_fires_only_beyond_its_thresholds(
    threshold: dict[str, float], fires: bool, asked: Asked, bars_of: BarsOf
) -> None:
    found = asked("macd", MACD_PERIODS | threshold, bars_of(MACD_CLOSES))[4]
    assert found.action is (SELL if fires else None)
    assert found.reason.startswith("MACD crossed below its signal" + ("" if fires else ", but by no more than"))


def test_macd_of_a_price_that_stands_still_never_crosses(asked: Asked, bars_of: BarsOf) -> None:
    found = asked("macd", {}, bars_of([0.07] * 400))
    assert actions(found) == [None] * 400
    assert found[-1].reason == "no crossing: MACD equals its signal"
    after_a_step = asked("macd", {}, bars_of([0.07] * 60 + [0.09] * 2_000))
    # up with the step, and down once the line has turned: nothing more, however long the averages take to meet
    fired = {bar: verdict.action for bar, verdict in enumerate(after_a_step, start=1) if verdict.action}
    assert list(fired.values()) == [BUY, SELL]
    assert min(fired) == 61


# Every bar ranges from 10 to 110, so %K is the close less 10; %D is its mean over two bars:
#   %K      -   30   10   20   30   90    95   85   75    50    55
#   %D      -    -   20   15   25   60  92.5   90   80  62.5  52.5
STOCHASTIC_ROWS = [(110, 10, close) for close in (50, 40, 20, 30, 40, 100, 105, 95, 85, 60, 65)]
STOCHASTIC: dict[str, Any] = {
    "k_period": 2,
    "d_period": 2,
    "oversold": 40,
    "overbought": 60,
    "volume_filter": False,
}


def test_stochastic_fires_on_the_crossing_inside_a_zone_and_on_no_other(asked: Asked, bars_of: BarsOf) -> None:
    found = asked("stochastic", STOCHASTIC, bars_of(STOCHASTIC_ROWS))
    expected = {4: BUY, 8: SELL}
    assert actions(found) == [expected.get(bar) for bar in range(1, 12)]
    assert found[2].reason == "warming up: 3 of 4 bars"
    assert found[3].reason == "%K crossed above %D, both below 40"
    assert found[3].values == (("k", 20.0), ("d", 15.0))
    assert found[7].reason == "%K crossed below %D, both above 60"
    assert found[10].reason == "no crossing of %K and %D below 40 or above 60"  # it crossed, at 55 and 52.5


def test_stochastic_waits_for_volume(asked: Asked, bars_of: BarsOf) -> None:
    filtered = STOCHASTIC | {"volume_filter": True, "volume_period": 3, "volume_threshold": 1.2}
    volumes = [10, 10, 10, 12, 10, 10, 10, 11, 10, 10, 10]
    found = asked("stochastic", filtered, bars_of(STOCHASTIC_ROWS, volumes))
    assert [bar for bar, action in enumerate(actions(found), start=1) if action] == [4]
    assert found[7].reason == "%K crossed below %D, both above 60, but volume is 1.10 of usual, less than 1.2"


def test_stochastic_does_not_take_a_range_without_height_for_the_bottom(asked: Asked, bars_of: BarsOf) -> None:
    # %K of the bars at rest counts as 0; on the seventh it is 20 and %D 10: a crossing, but of nothing
    found = asked("stochastic", STOCHASTIC, bars_of([*[50] * 6, (60, 50, 52), (60, 50, 52), (60, 50, 54)]))
    assert actions(found) == [None] * 9
    assert found[6].values == (("k", 20.0), ("d", 10.0))
    assert found[6].reason == "the price stood still for 2 bars a moment ago: %K says nothing"
    assert found[8].reason == "no crossing of %K and %D below 40 or above 60"


def test_stochastic_does_not_take_rounding_for_a_crossing(asked: Asked, bars_of: BarsOf) -> None:
    # %K falls to 0.04 / 1.10 and stays there; the mean of three of them is less in the last bit
    closes = [*[0.14] * 20, *[0.11] * 20]
    found = asked("stochastic", STOCHASTIC | {"d_period": 3}, bars_of([(1.17, 0.07, close) for close in closes]))
    last = dict(found[-1].values)
    assert last["k"] > last["d"]
    assert actions(found) == [None] * 40


@pytest.mark.parametrize(
    ("name", "parameters", "complaint"),
    [
        ("rsi", {"smoothing": "wilde"}, "rsi.smoothing: expected wilder or ewm, got 'wilde' (did you mean 'wilder'?)"),
        ("rsi", {"trigger": 2}, "rsi.trigger: expected 0 to 1, got 2"),
        ("rsi", {"rsi_period": 1}, "rsi.rsi_period: expected 2 to 10000, got 1"),
        ("rsi", {"volume_period": 257}, "rsi.volume_period: expected 1 to 256, got 257"),
        ("rsi", {"oversold": 80}, "rsi: expected oversold below overbought, got 80.0 and 70.0"),
        ("macd", {"fast_period": 26}, "macd: expected fast_period below slow_period, got 26 and 26"),
        ("macd", {"signal_period": 1}, "macd.signal_period: expected 2 to 10000, got 1"),
        ("stochastic", {"k_period": 300}, "stochastic.k_period: expected 2 to 256, got 300"),
        ("stochastic", {"d_period": 1}, "stochastic.d_period: expected 2 to 256, got 1"),
        ("stochastic", {"oversold": 80}, "stochastic: expected oversold below overbought, got 80.0 and 80.0"),
    ],
)
def test_a_wrong_parameter_of_a_momentum_strategy_says_what_was_expected(
    name: str, parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        find(name).parameters(parameters)
    assert str(refused.value) == complaint


def test_choices_are_given_by_name_or_by_code() -> None:
    for level in ("level", LEVEL, str(LEVEL)):
        assert RSIStrategy.parameters({"trigger": level}).trigger == LEVEL
    assert RSIStrategy.parameters({}).trigger == CROSS


def test_a_parameter_that_did_nothing_in_the_original_is_refused() -> None:
    with pytest.raises(InvalidValue, match="stochastic has no parameter 'divergence_filter'"):
        StochasticStrategy.parameters({"divergence_filter": False})

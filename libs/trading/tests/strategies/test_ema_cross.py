"""EMA cross: the average against a plain reference, the crossing bar by hand, and what parameters are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import Action, BarClosed
from n1v1.indicators.ema import EMA, ema
from n1v1.kernels import KERNELS, new_record
from n1v1.strategies.base import CompiledRunner, Strategy, Verdict
from n1v1.strategies.ema_cross import EMACrossStrategy, ema_cross_on_bar
from n1v1.values import Instrument

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
HOUR = 3_600_000_000_000
prices = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60)


def bar(hour: int, dollars: int) -> BarClosed:
    ticks = dollars * 100
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=ticks,
        high=ticks,
        low=ticks,
        close=ticks,
        volume=1,
    )


def runner(**parameters: Any) -> CompiledRunner:
    return CompiledRunner(EMACrossStrategy, EMACrossStrategy.parameters(parameters), BTC)


def verdicts(strategy: CompiledRunner, dollars: list[int]) -> list[Verdict]:
    return [strategy.on_bar(bar(hour, price)) for hour, price in enumerate(dollars, start=1)]


def reference_ema(prices: list[float], period: int) -> list[float]:
    """The textbook: NaN, then the mean of the first `period`, then 2 / (period + 1) of every new price."""
    averages = [math.nan] * (period - 1)
    if len(prices) >= period:
        averages.append(sum(prices[:period]) / period)
    for price in prices[period:]:
        alpha = 2 / (period + 1)
        averages.append(alpha * price + (1 - alpha) * averages[-1])
    return averages[: len(prices)]


@given(prices, st.integers(1, 20))
def test_the_average_is_that_of_the_textbook(prices: list[float], period: int) -> None:
    state = new_record(EMA)
    ours = [ema(state, price, period) for price in prices]
    assert ours == pytest.approx(reference_ema(prices, period), rel=1e-12, abs=1e-8, nan_ok=True)


def test_the_average_worked_by_hand() -> None:
    state = new_record(EMA)
    averages = [ema(state, price, 3) for price in (1.0, 2.0, 6.0, 5.0, 7.0)]
    assert averages[2:] == [3.0, 4.0, 5.5]
    assert all(math.isnan(average) for average in averages[:2])


# fast 1 is the close itself; slow 2 moves by two thirds of the way:
#   close  10   10   13     13       10       10
#   slow        10   12   12.67    10.89    10.30
CLOSES = [10, 10, 13, 13, 10, 10]


def test_the_signal_comes_on_the_bar_that_crosses_and_on_no_other() -> None:
    actions = [verdict.action for verdict in verdicts(runner(fast_ema=1, slow_ema=2), CLOSES)]
    assert actions == [None, None, Action.BUY, None, Action.SELL, None]


def test_every_bar_without_a_signal_says_why() -> None:
    found = verdicts(runner(fast_ema=1, slow_ema=2), CLOSES)
    assert [verdict.reason for verdict in found] == [
        "warming up: 1 of 3 bars",
        "warming up: 2 of 3 bars",
        "fast average crossed above slow",
        "no crossing: fast average stays above slow",
        "fast average crossed below slow",
        "no crossing: fast average stays below slow",
    ]
    assert found[2].values == (("fast", 13.0), ("slow", 12.0))
    assert found[0].values == ()


def test_a_signal_wishes_the_position_size_that_was_configured() -> None:
    signal = verdicts(runner(fast_ema=1, slow_ema=2, position_size=0.3), CLOSES)[2]
    assert (signal.strength, signal.wish.fraction_ppb) == (1.0, 300_000_000)


def test_no_signal_comes_before_the_warm_up_is_over() -> None:
    rising = verdicts(runner(fast_ema=2, slow_ema=5), [10, 11, 12, 13, 14, 20, 30])
    assert [verdict.action for verdict in rising] == [None] * 7  # above from the start: it never crosses
    assert EMACrossStrategy.warmup_bars(EMACrossStrategy.parameters({"slow_ema": 40})) == 41


@given(st.lists(st.integers(1, 50), min_size=2, max_size=40), st.data())
def test_a_restored_strategy_goes_on_as_if_nothing_had_happened(closes: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(closes)))
    undisturbed = runner(fast_ema=2, slow_ema=4)
    expected = verdicts(undisturbed, closes)
    before, after = runner(fast_ema=2, slow_ema=4), runner(fast_ema=2, slow_ema=4)
    assert verdicts(before, closes[:cut]) == expected[:cut]
    after.load(before.save())
    assert verdicts(after, closes[cut:]) == expected[cut:]
    assert after.save() == undisturbed.save()


def test_a_saved_state_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidValue, match="saved state of ema_cross has 3 bytes instead of 64"):
        runner().load({"state": "AAAA"})


def test_the_kernels_are_known_to_whoever_compiles_them() -> None:
    assert ema in KERNELS
    assert ema_cross_on_bar in KERNELS


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"fast_emma": 5}, "ema_cross has no parameter 'fast_emma' (did you mean 'fast_ema'?)"),
        (
            {"x": 5},
            "ema_cross has no parameter 'x' (valid: fast_ema, position_size, slow_ema, stop_loss_pct, take_profit_pct)",
        ),
        ({"fast_ema": 0}, "ema_cross.fast_ema: expected 1 to 10000, got 0"),
        ({"slow_ema": 10_001}, "ema_cross.slow_ema: expected 2 to 10000, got 10001"),
        ({"fast_ema": 2.5}, "ema_cross.fast_ema: expected a whole number, got 2.5"),
        ({"fast_ema": "nine"}, "ema_cross.fast_ema: expected int, got 'nine'"),
        ({"fast_ema": True}, "ema_cross.fast_ema: expected int, got True"),
        ({"fast_ema": None}, "ema_cross.fast_ema: expected int, got None"),
        ({"fast_ema": float("inf")}, "ema_cross.fast_ema: expected int, got inf"),
        ({"fast_ema": float("nan")}, "ema_cross.fast_ema: expected int, got nan"),
        ({"position_size": float("nan")}, "ema_cross.position_size: expected 0.0001 to 1.0, got nan"),
        ({"position_size": 1.01}, "ema_cross.position_size: expected 0.0001 to 1.0, got 1.01"),
        ({"fast_ema": 21}, "ema_cross: expected fast_ema below slow_ema, got 21 and 21"),
        ({"fast_ema": 30, "slow_ema": 10}, "ema_cross: expected fast_ema below slow_ema, got 30 and 10"),
    ],
)
def test_a_wrong_parameter_is_answered_with_what_was_expected(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        EMACrossStrategy.parameters(parameters)
    assert str(refused.value) == complaint


def test_parameters_are_read_from_any_number_that_means_the_same() -> None:
    assert EMACrossStrategy.parameters({"fast_ema": 5.0, "slow_ema": "20"}) == (5, 20, 0.1, 0.03, 0.06)
    assert EMACrossStrategy.parameters({}) == (9, 21, 0.1, 0.03, 0.06)


def test_an_answer_that_is_no_signal_is_an_error() -> None:
    class Undecided(EMACrossStrategy):
        key = "undecided"

        @staticmethod
        def on_bar(params: Any, state: Any, bar: Any) -> int:
            return 7

    strategy = CompiledRunner(Undecided, Undecided.parameters({}), BTC)
    with pytest.raises(StrategyError, match="undecided answered 7, expected LONG, SHORT, EXIT or NO_SIGNAL"):
        strategy.on_bar(bar(1, 10))


def test_a_strategy_that_defines_no_kernel_says_so() -> None:
    with pytest.raises(NotImplementedError):
        Strategy.on_bar(None, None, None)

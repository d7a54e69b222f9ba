"""The plain form: a class with on_bar(bar) and state on self."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import NO_WISH, Action, BarClosed, Wish
from n1v1.strategies.base import NOTHING, Bound
from n1v1.strategies.plain import Bar, PythonStrategy, Signal, buy, close, move_stop, sell
from n1v1.strategies.registry import find, runner_of
from n1v1.strategies.streaming import Ema, Highest
from n1v1.values import Instrument

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
HOUR = 3_600_000_000_000


def bar(hour: int, dollars: float) -> BarClosed:
    ticks = round(dollars * 100)
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=ticks,
        high=ticks + 100,
        low=ticks - 100,
        close=ticks,
        volume=150_000_000,
    )


class Breakout(PythonStrategy):
    """Long above every high of the bars before, out below the fast average."""

    bounds: ClassVar = {"period": Bound(1, 200)}

    def __init__(self, period: int = 3, stop: float = 0.03, name: str = "breakout", eager: bool = True) -> None:
        self.highest = Highest(period)
        self.average = Ema(2)
        self.stop = stop
        self.last: Bar | None = None
        self.closes: deque[float] = deque(maxlen=3)
        self.name, self.eager = name, eager

    def on_bar(self, bar: Bar) -> Signal | None:
        before = self.highest.value
        self.highest.update(bar.high)
        self.average.update(bar.close)
        self.last = bar
        self.closes.append(bar.close)
        if bar.close > before:
            return buy("closed above every high before", stop=self.stop)
        return close("fell below its average") if bar.close < self.average.value else None

    def warmup_bars(self) -> int:
        return 2


CLOSES = [10.0, 11.0, 10.5, 14.0, 13.0, 15.5]


def test_a_strategy_sees_floats_and_answers_signals() -> None:
    seen: list[Bar] = []

    class Sees(PythonStrategy):
        def on_bar(self, bar: Bar) -> Signal | None:
            seen.append(bar)
            return buy("because", strength=0.5)

    verdict = runner_of(Sees, {}, BTC).on_bar(bar(3, 10.25))
    assert seen == [Bar(10.25, 11.25, 9.25, 10.25, 1.5, 3 * HOUR, "BTC-USD")]
    assert (verdict.action, verdict.strength, verdict.reason, verdict.wish) == (Action.BUY, 0.5, "because", NO_WISH)


def test_a_breakout_by_hand() -> None:
    runner = runner_of(Breakout, {}, BTC)
    found = [runner.on_bar(bar(hour, price)) for hour, price in enumerate(CLOSES, 1)]
    # highs 11, 12, 11.5, 15, 14, 16.5; the average of two closes 10.5, 10.5, 12.83, 12.94, 14.65
    assert [verdict.action for verdict in found] == [None, None, None, Action.BUY, None, Action.BUY]
    assert found[3].wish == Wish(stop_ppb=30_000_000)


def test_a_quiet_bar_costs_nothing_to_say_unless_somebody_asks_why() -> None:
    runner = runner_of(Breakout, {}, BTC)
    assert runner.on_bar(bar(1, 10.0), False) is NOTHING
    explained = runner.on_bar(bar(2, 11.0), True)
    assert explained.reason == "on_bar answered nothing"
    assert dict(explained.values) == pytest.approx(
        {"highest": float("nan"), "average": 10.5, "stop": 0.03}, nan_ok=True
    )


@settings(max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.data())
def test_a_restored_strategy_goes_on_as_if_nothing_had_happened(closes: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(closes)))
    undisturbed, before, after = (runner_of(Breakout, {}, BTC) for _ in range(3))
    bars = [bar(hour, price) for hour, price in enumerate(closes, 1)]
    expected = [undisturbed.on_bar(one) for one in bars]
    for one in bars[:cut]:
        before.on_bar(one)
    after.load(json.loads(json.dumps(before.save(), allow_nan=False)))
    assert [repr(after.on_bar(one)) for one in bars[cut:]] == [repr(verdict) for verdict in expected[cut:]]
    assert after.save() == undisturbed.save()


class Keeps(PythonStrategy):
    """Keeps whatever the test gives it."""

    def __init__(self) -> None:
        self.kept: Any = None

    def on_bar(self, bar: Bar) -> Signal | None:
        return None


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 3, -(2**70), 0.1, float("inf"), "text", [1, [2.5]], (1, (2,)), {"a": 1, 2: (3,)}, {1, 2}),
        *(deque([1, 2], maxlen=2), deque([1.5]), Bar(1.0, 2.0, 0.5, 1.5, 3.0, 4, "BTC-USD"), np.float64(0.5)),
        {"deep": [({"er": deque([(1, None)])},)]},
    ],
    ids=repr,
)
def test_what_a_strategy_keeps_comes_back_as_it_was(value: Any) -> None:
    before, after = Keeps(), Keeps()
    before.kept = value
    after.load(json.loads(json.dumps(before.save(), allow_nan=False)))
    assert after.kept == value
    assert type(after.kept) is (float if isinstance(value, np.generic) else type(value))


def test_arrays_and_indicators_come_back_as_they_were() -> None:
    before, after = Keeps(), Keeps()
    average = Ema(2)
    average.update(10.0)
    before.kept = [np.arange(6.0).reshape(2, 3), average]
    after.load(json.loads(json.dumps(before.save(), allow_nan=False)))
    array, restored = after.kept
    assert array.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert (restored.update(20.0), average.update(20.0)) == (15.0, 15.0)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (object(), r"Keeps\.self\.kept cannot be saved: it is of type object"),
        ([1, {"a": print}], r"Keeps\.self\.kept\[1\]\['a'\] cannot be saved: it is of type builtin_function"),
    ],
)
def test_what_cannot_be_saved_is_named(value: Any, where: str) -> None:
    strategy = Keeps()
    strategy.kept = value
    with pytest.raises(InvalidValue, match=where):
        strategy.save()


def test_a_strategy_may_name_what_is_worth_saving() -> None:
    class Careful(PythonStrategy):
        state = ("count",)

        def __init__(self) -> None:
            self.count = 3
            self.cache = object()

        def on_bar(self, bar: Bar) -> Signal | None:
            return None

    assert Careful().save() == {"count": 3}


class TestParameters:
    def test_they_are_those_of_init(self) -> None:
        assert Breakout.parameters({"period": "5", "stop": 1 / 4}) == {
            "period": 5,
            "stop": 0.25,
            "name": "breakout",
            "eager": True,
        }

    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            ({"perod": 3}, "Breakout has no parameter 'perod' (did you mean 'period'?)"),
            ({"period": 2.5}, "Breakout.period: expected a whole number, got 2.5"),
            ({"period": 0}, "Breakout.period: expected 1 to 200, got 0"),
            ({"stop": "far"}, "Breakout.stop: expected float, got 'far'"),
            ({"eager": 1}, "Breakout.eager: expected bool, got 1"),
        ],
    )
    def test_a_wrong_one_is_answered_with_what_was_expected(self, given: dict[str, Any], complaint: str) -> None:
        with pytest.raises(InvalidValue) as refused:
            Breakout.parameters(given)
        assert str(refused.value) == complaint

    def test_one_without_a_default_has_to_be_given(self) -> None:
        class Needy(PythonStrategy):
            def __init__(self, level: float) -> None:
                self.level = level

        with pytest.raises(InvalidValue, match="Needy needs a value for the parameter 'level'"):
            Needy.parameters({})
        assert Needy.parameters({"level": 3}) == {"level": 3.0}

    def test_a_strategy_without_init_has_none(self) -> None:
        assert PythonStrategy.parameters({}) == {}

    def test_whatever_a_constructor_raises_is_a_refused_parameter(self) -> None:
        class Refuses(PythonStrategy):
            def __init__(self, level: float = 1.0) -> None:
                raise KeyError("no")

        with pytest.raises(InvalidValue, match=r"Refuses refused its parameters \{'level': 1.0\}: KeyError"):
            runner_of(Refuses, {}, BTC)


def answering(answer: Callable[[], Any]) -> Any:
    class Answers(PythonStrategy):
        def on_bar(self, bar: Bar) -> Signal | None:
            found: Signal | None = answer()
            return found

    return runner_of(Answers, {}, BTC)


class TestWishes:
    """On a bar that closes at 200."""

    @pytest.mark.parametrize(
        ("signal", "wish"),
        [
            (buy("b", size=1 / 3), Wish(fraction_ppb=333_333_333)),
            (buy("b", value=100.5), Wish(value=10_050_000_000)),
            (buy("b", quantity="0.123456789"), Wish(lots=12_345_678)),
            (
                buy("b", stop=0.02, target=0.05, trail=0.01),
                Wish(stop_ppb=2 * 10**7, target_ppb=5 * 10**7, trail_ppb=10**7),
            ),
            (buy("b", stop_price=190.0, target_price=220.0), Wish(stop_ppb=50_000_000, target_ppb=100_000_000)),
            (sell("s", stop_price=210.0, target_price=180.0), Wish(stop_ppb=50_000_000, target_ppb=100_000_000)),
            (buy("b", limit=199.999), Wish(limit_ticks=19_999)),
            (sell("s", limit=Decimal("199.991")), Wish(limit_ticks=20_000)),
            (close("c"), NO_WISH),
            (move_stop(190.019, "m"), Wish(trigger_ticks=19_001)),
            (move_stop(Decimal("190.5"), "m"), Wish(trigger_ticks=19_050)),
        ],
    )
    def test_a_wish_is_typed(self, signal: Signal, wish: Wish) -> None:
        assert answering(lambda: signal).on_bar(bar(1, 200.0)).wish == wish

    @pytest.mark.parametrize(
        ("answer", "complaint"),
        [
            (lambda: buy(""), "a signal needs a reason"),
            (lambda: buy("b", strength=1.5), "strength: expected 0 to 1, got 1.5"),
            (lambda: buy("b", size=0.1, value=3), "expected at most one of size, value and quantity"),
            (lambda: buy("b", size=10), "size: expected a share above 0 and at most 1, got 10"),
            (lambda: buy("b", stop=float("nan")), "stop: expected a share above 0 and at most 0.99, got nan"),
            (lambda: buy("b", stop=0.1, stop_price=3.0), "expected a distance or a price, got both"),
            (lambda: buy("b", stop_price=210.0), "stop_price 210.0 is on the wrong side of the close 200.0"),
            (lambda: sell("s", target_price=210.0), "target_price 210.0 is on the wrong side of the close 200.0"),
            (lambda: buy("b", quantity="many"), "quantity: expected a number, got 'many'"),
            (lambda: move_stop(0, "m"), "the price of the stop: expected more than 0, got 0"),
            (lambda: move_stop("low", "m"), "the price of the stop: expected a number, got 'low'"),
            (lambda: buy("b", value=0), "value: expected more than 0, got 0"),
            (lambda: "BUY", "on_bar answered 'BUY', expected buy(...), sell(...), close(...), move_stop(...) or None"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, answer: Callable[[], Any], complaint: str) -> None:
        with pytest.raises((InvalidValue, StrategyError)) as refused:
            answering(answer).on_bar(bar(1, 200.0))
        assert str(refused.value).startswith(complaint)


def test_a_file_with_a_plain_strategy_needs_no_installation(tmp_path: Any) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from n1v1.strategies.plain import PythonStrategy, buy\n"
        "class Always(PythonStrategy):\n"
        "    def on_bar(self, bar):\n"
        "        return buy('always')\n"
    )
    assert runner_of(find(str(path)), {}, BTC).on_bar(bar(1, 10.0)).action is Action.BUY


def test_a_strategy_that_defines_no_on_bar_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"PythonStrategy must define on_bar\(bar\)"):
        runner_of(PythonStrategy, {}, BTC).on_bar(bar(1, 10.0))

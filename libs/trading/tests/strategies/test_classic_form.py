"""The classic form: `async generate_signals(market_data)` as the original framework defined it."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import Action, BarClosed, Wish
from n1v1.strategies import my_breakout
from n1v1.strategies.classic import BaseStrategy, ClassicRunner, Window, classic_strategy
from n1v1.strategies.my_breakout import MyBreakoutStrategy
from n1v1.values import Instrument
from strategies import BaseStrategy as OldImportPath

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
HOUR = 3_600_000_000_000

# of the block under "Example: Minimal Custom Strategy" in the original README, last newline included
README_EXAMPLE_SHA256 = "7c0112f9818220e392e018a8bbc9f42dd65c86625daed7808621bcd961eb651e"


def bar(hour: int, close: int, *, high: int | None = None, low: int | None = None) -> BarClosed:
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=close * 100,
        high=(close if high is None else high) * 100,
        low=(close if low is None else low) * 100,
        close=close * 100,
        volume=150_000_000,
    )


def answering(answer: Any) -> ClassicRunner:
    """A strategy that always answers the same."""

    class Answering(BaseStrategy):
        async def generate_signals(self, market_data: dict[str, pd.DataFrame]) -> Any:
            return answer

    return ClassicRunner(Answering({}), BTC)


def entry(**changes: Any) -> dict[str, Any]:
    return {"symbol": "BTC-USD", "action": "BUY", "strength": 1.0, "reason": "because", **changes}


def actions_of(strategy: BaseStrategy, closes: list[int]) -> list[Action | None]:
    runner = ClassicRunner(strategy, BTC)
    return [runner.on_bar(bar(hour, close)).action for hour, close in enumerate(closes, start=1)]


class TestTheExampleOfTheOriginalReadme:
    def test_it_is_byte_for_byte_the_block_in_that_readme(self) -> None:
        content = Path(inspect.getfile(my_breakout)).read_bytes()
        assert hashlib.sha256(content).hexdigest() == README_EXAMPLE_SHA256

    @settings(max_examples=20)
    @given(st.lists(st.lists(st.integers(1, 100), min_size=3, max_size=3).map(sorted), min_size=1, max_size=30))
    def test_it_never_fires_because_its_window_contains_the_bar_it_compares_with(self, bars: list[list[int]]) -> None:
        runner = ClassicRunner(classic_strategy(MyBreakoutStrategy, {"lookback_period": 3}), BTC)
        for hour, (low, close, high) in enumerate(bars, start=1):
            assert runner.on_bar(bar(hour, close, high=high, low=low)).action is None

    def test_a_variant_that_accepts_equality_fires_at_the_extremes(self) -> None:
        class Fires(BaseStrategy):
            async def generate_signals(self, market_data: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
                signals = []
                for symbol, data in market_data.items():
                    window = data.iloc[-3:]
                    if len(data) < 3:
                        continue
                    if data.iloc[-1]["close"] >= window["high"].max():
                        signals.append(entry(symbol=symbol, action="BUY"))
                    elif data.iloc[-1]["close"] <= window["low"].min():
                        signals.append(entry(symbol=symbol, action="SELL"))
                return signals

        found = actions_of(Fires({}), [10, 11, 13, 12, 11, 9])
        assert found == [None, None, Action.BUY, None, Action.SELL, Action.SELL]

    def test_a_variant_that_leaves_the_last_bar_out_fires_on_a_breakout(self) -> None:
        class BreaksOut(MyBreakoutStrategy):
            async def generate_signals(self, market_data: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
                before = {symbol: data.iloc[:-1] for symbol, data in market_data.items()}
                high = before["BTC-USD"]["high"].max()
                return [entry()] if market_data["BTC-USD"].iloc[-1]["close"] > high else []

        assert actions_of(classic_strategy(BreaksOut, {}), [10, 11, 11, 12]) == [None, Action.BUY, None, Action.BUY]

    def test_it_inherits_from_the_class_that_its_import_finds(self) -> None:
        assert OldImportPath is BaseStrategy
        assert issubclass(MyBreakoutStrategy, BaseStrategy)


class Recorder(BaseStrategy):
    """Keeps every frame it was shown, and scribbles on it."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.seen: list[pd.DataFrame] = []

    async def generate_signals(self, market_data: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
        frame = market_data["BTC-USD"]
        self.seen.append(frame.copy())
        frame.iloc[0, 0] = -1.0
        frame.columns.name = "scribble"
        frame["mine"] = 1.0
        return []


class TestWhatAStrategySees:
    def test_a_frame_with_one_row_per_closed_bar_oldest_first(self) -> None:
        strategy = Recorder({})
        runner = ClassicRunner(strategy, BTC)
        runner.on_bar(bar(1, 10, high=12, low=9))
        runner.on_bar(bar(2, 11))
        frame = strategy.seen[-1]
        assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
        assert frame.iloc[0].tolist() == [10.0, 12.0, 9.0, 10.0, 1.5]
        assert frame["close"].tolist() == [10.0, 11.0]
        assert list(frame.index) == [pd.Timestamp(hour * HOUR, tz="UTC") for hour in (1, 2)]

    @given(st.integers(1, 7), st.integers(1, 40))
    def test_at_most_the_history_it_asked_for(self, history: int, bars: int) -> None:
        window = Window(history)
        for number in range(1, bars + 1):
            window.append(number, [float(number)] * 5)
            times, rows = window.copies()
            expected = list(range(max(1, number - history + 1), number + 1))
            assert times.tolist() == rows[:, 3].tolist() == expected

    def test_scribbling_on_a_frame_changes_no_later_one(self) -> None:
        strategy = Recorder({})
        runner = ClassicRunner(strategy, BTC)
        runner.on_bar(bar(1, 10))
        runner.on_bar(bar(2, 11))
        assert strategy.seen[1].iloc[0, 0] == 10.0
        assert strategy.seen[1].columns.name is None
        assert "mine" not in strategy.seen[1]

    @settings(max_examples=15)
    @given(st.integers(1, 6), st.integers(1, 20), st.data())
    def test_after_a_restart_the_window_is_what_it_was(self, history: int, bars: int, data: st.DataObject) -> None:
        cut = data.draw(st.integers(0, bars))
        undisturbed, before, after = (Recorder({"required_history": history}) for _ in range(3))
        runners = [ClassicRunner(strategy, BTC) for strategy in (undisturbed, before, after)]
        runners[2].on_bar(bar(1, 99))  # what it saw before it was restored is forgotten
        for hour in range(1, bars + 1):
            runners[0].on_bar(bar(hour, hour))
        for hour in range(1, cut + 1):
            runners[1].on_bar(bar(hour, hour))
        runners[2].load(runners[1].save())
        for hour in range(cut + 1, bars + 1):
            runners[2].on_bar(bar(hour, hour))
        assert runners[2].save() == runners[0].save()
        if cut < bars:
            pd.testing.assert_frame_equal(after.seen[-1], undisturbed.seen[-1])

    @pytest.mark.parametrize("history", [0, -5])
    def test_a_history_of_no_bars_is_refused(self, history: int) -> None:
        with pytest.raises(InvalidValue, match=f"required_history: expected at least 1 bar, got {history}"):
            ClassicRunner(Recorder({"required_history": history}), BTC)


class TestAwaiting:
    def test_a_strategy_may_await_its_own_coroutines(self) -> None:
        async def decide() -> list[dict[str, Any]]:
            await asyncio.sleep(0)
            return [entry()]

        assert runner_awaiting(decide).on_bar(bar(1, 10)).action is Action.BUY

    def test_a_strategy_that_waits_for_the_world_is_told_that_it_cannot(self) -> None:
        class Forever:
            def __await__(self) -> Any:
                yield "a network"

        async def wait() -> list[dict[str, Any]]:
            await Forever()
            return []

        with pytest.raises(StrategyError, match="works on the bars it is given"):
            runner_awaiting(wait).on_bar(bar(1, 10))

    def test_a_strategy_that_never_ends_is_given_up(self) -> None:
        async def spin() -> list[dict[str, Any]]:
            while True:  # noqa: ASYNC110  # the mistake that this test is about
                await asyncio.sleep(0)

        with pytest.raises(StrategyError, match="waited for something"):
            runner_awaiting(spin).on_bar(bar(1, 10))

    def test_a_strategy_need_not_be_async(self) -> None:
        class Plain(BaseStrategy):
            def generate_signals(self, market_data: Any) -> Any:
                return [entry()]

        assert ClassicRunner(Plain({}), BTC).on_bar(bar(1, 10)).action is Action.BUY


def runner_awaiting(work: Callable[[], Awaitable[list[dict[str, Any]]]]) -> ClassicRunner:
    class Awaiting(BaseStrategy):
        async def generate_signals(self, market_data: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
            return await work()

    return ClassicRunner(Awaiting({}), BTC)


class TestAnswers:
    def test_an_answer_becomes_a_verdict(self) -> None:
        verdict = answering([entry(action="close", strength="0.5", position_size=1 / 3)]).on_bar(bar(1, 10))
        assert (verdict.action, verdict.strength, verdict.reason) == (Action.CLOSE, 0.5, "because")
        assert verdict.wish.fraction_ppb == 333_333_333

    def test_a_stop_is_moved_to_its_price(self) -> None:
        verdict = answering([entry(action="move_stop", stop_loss=9.5)]).on_bar(bar(1, 10))
        assert (verdict.action, verdict.wish) == (Action.MOVE_STOP, Wish(trigger_ticks=950))

    def test_without_a_position_size_risk_decides(self) -> None:
        assert answering([entry()]).on_bar(bar(1, 10)).wish.fraction_ppb is None

    def test_without_a_strength_it_is_a_full_one(self) -> None:
        bare = {"symbol": "BTC-USD", "action": "SELL", "reason": "because"}
        assert answering([bare]).on_bar(bar(1, 10)).strength == 1.0

    @pytest.mark.parametrize("answer", [[], [entry(action="HOLD")], [entry(action="hold")]])
    def test_nothing_and_hold_are_no_signal(self, answer: list[Any]) -> None:
        verdict = answering(answer).on_bar(bar(1, 10))
        assert (verdict.action, verdict.reason) == (None, "generate_signals answered no signal")

    @pytest.mark.parametrize(
        ("answer", "complaint"),
        [
            (None, "generate_signals answered NoneType, expected a list of dicts"),
            ({"symbol": "BTC-USD"}, "generate_signals answered dict, expected a list of dicts"),
            (["BUY"], "expected a dict with symbol, action, strength and reason; got 'BUY'"),
            ([{"action": "BUY"}], "expected a dict with symbol, action, strength and reason; got {'action': 'BUY'}"),
            ([entry(symbol="ETH-USD")], "a signal for 'ETH-USD', but the market data is that of 'BTC-USD'"),
            ([entry(action="BYE")], "unknown action 'BYE' (did you mean 'BUY'?)"),
            ([entry(action="")], "unknown action '' (valid: BUY, CLOSE, MOVE_STOP, SELL)"),
            ([entry(action="MOVE_STOP")], "to move a stop needs its price"),
            ([entry(strength=1.1)], "strength must lie between 0 and 1, got 1.1"),
            ([entry(strength=-0.1)], "strength must lie between 0 and 1, got -0.1"),
            ([entry(strength=float("nan"))], "strength must lie between 0 and 1, got nan"),
            ([entry(strength="strong")], "strength must be a number, got 'strong'"),
            ([entry(strength=None)], "strength must be a number, got None"),
            ([entry(position_size=0)], "position_size must be more than 0 and at most 1, got 0.0"),
            ([entry(position_size=1.5)], "position_size must be more than 0 and at most 1, got 1.5"),
            ([entry(position_size="half")], "position_size must be a number, got 'half'"),
            ([entry(reason="")], "a signal needs a reason"),
            ([entry(), entry()], "2 signals for BTC-USD on one bar, expected at most one"),
        ],
    )
    def test_a_wrong_answer_says_what_was_expected(self, answer: Any, complaint: str) -> None:
        with pytest.raises(StrategyError) as refused:
            answering(answer).on_bar(bar(1, 10))
        assert str(refused.value) == complaint


class TestBuilding:
    @pytest.mark.parametrize("error", [KeyError("period"), ValueError("no"), AttributeError("no"), ZeroDivisionError()])
    def test_whatever_a_constructor_raises_is_a_refused_configuration(self, error: Exception) -> None:
        class Refuses(BaseStrategy):
            def __init__(self, config: dict[str, Any]) -> None:
                raise error

        with pytest.raises(InvalidValue, match=f"Refuses refused its configuration .*{type(error).__name__}"):
            classic_strategy(Refuses, {"a": 1})

    def test_a_strategy_cannot_change_the_configuration_it_was_built_from(self) -> None:
        class Greedy(BaseStrategy):
            def __init__(self, config: dict[str, Any]) -> None:
                super().__init__(config)
                config["a"] = 2

        given = {"a": 1}
        classic_strategy(Greedy, given)
        assert given == {"a": 1}

    def test_a_class_that_forgets_its_base_still_gets_a_history(self) -> None:
        class OfItsOwn:
            def __init__(self, config: dict[str, Any]) -> None: ...

            async def generate_signals(self, market_data: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
                return [entry()] if len(market_data["BTC-USD"]) == 250 else []

        found = actions_of(classic_strategy(OfItsOwn, {}), [10] * 252)
        assert found[248:] == [None, Action.BUY, Action.BUY, Action.BUY]

    def test_the_base_class_alone_is_no_strategy(self) -> None:
        with pytest.raises(NotImplementedError, match=r"BaseStrategy must define generate_signals\(market_data\)"):
            ClassicRunner(BaseStrategy({}), BTC).on_bar(bar(1, 10))

"""The three signatures of the original framework, its signals, its configuration and its base class."""

from __future__ import annotations

import inspect
from decimal import Decimal
from importlib import import_module
from typing import Any, ClassVar

import pandas as pd
import pytest

import strategies.base_strategy
import strategies.mixins
from core.contracts import SignalStrength, SignalType, TradingSignal
from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import Action, BarClosed, Wish
from n1v1.strategies.base import Verdict
from n1v1.strategies.classic import ClassicRunner, classic_strategy
from n1v1.strategies.classic_base import InsufficientData
from n1v1.strategies.classic_config import RunConfig
from n1v1.strategies.classic_data import MarketFrames, MarketTable
from n1v1.strategies.registry import find, runner_of
from n1v1.values import Instrument
from strategies import BaseStrategy, StrategyConfig
from strategies.mixins import SignalGenerationMixin, TrendAnalysisMixin, VolatilityAnalysisMixin

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
HOUR = 3_600_000_000_000
SHIPPED = (
    *("ema_cross", "rsi", "macd", "stochastic", "bollinger_reversion", "keltner_channel", "donchian_breakout"),
    *("atr_breakout", "vwap_pullback", "obv"),
)


def bar(hour: int, close: float) -> BarClosed:
    ticks = round(close * 100)
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


def verdicts(strategy: type[Any], closes: list[float], **config: Any) -> list[Verdict]:
    runner = runner_of(strategy, config, BTC, "1h")
    return [runner.on_bar(bar(hour, close)) for hour, close in enumerate(closes, 1)]


def actions(strategy: type[Any], closes: list[float], **config: Any) -> list[Action | None]:
    return [verdict.action for verdict in verdicts(strategy, closes, **config)]


class Rises(BaseStrategy):
    """One argument: takes a dict of frames or a frame with a column symbol, as the original's EMA, MACD and OBV do."""

    default_params: ClassVar = {"bars": 2, "position_size": 0.1, "stop_loss_pct": 0.05}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        own = config.params if hasattr(config, "params") else config.get("params", {})
        self.params = {**self.default_params, **(own or {})}

    async def calculate_indicators(self, data: pd.DataFrame) -> pd.DataFrame:
        frame = data.copy()
        frame["change"] = frame["close"].diff()
        return frame

    async def generate_signals(self, data: Any) -> list[TradingSignal]:
        if isinstance(data, dict):
            found = [await self._of(symbol, frame) for symbol, frame in data.items() if not frame.empty]
        else:
            found = [await self._of(symbol, frame) for symbol, frame in data.groupby("symbol")]
        return [signal for signals in found for signal in signals]

    async def _of(self, symbol: Any, frame: pd.DataFrame) -> list[TradingSignal]:
        if len(frame) < self.params["bars"]:
            return []
        row = (await self.calculate_indicators(frame)).iloc[-1]
        if not row["change"] > 0:
            return []
        return [
            self.create_signal(
                symbol=symbol,
                signal_type=SignalType.ENTRY_LONG,
                strength=SignalStrength.MODERATE,
                order_type="market",
                amount=self.params["position_size"],
                current_price=row["close"],
                stop_loss=row["close"] * (1 - self.params["stop_loss_pct"]),
                take_profit=row["close"] * 1.1,
                metadata={"change": row["change"], "signal_type": "rises"},
            )
        ]


class RisesInOneFrame(Rises):
    """Two arguments: works on one frame with a column symbol, as the original's RSI does."""

    timeframes = ("4h",)

    async def generate_signals(  # type: ignore[override]  # another of the signatures than that of its base
        self, data: Any, multi_tf_data: dict[str, Any] | None = None
    ) -> TradingSignal | list[TradingSignal]:
        if data.empty or len(data) < 2:
            return []
        data["change"] = data.groupby("symbol")["close"].diff()
        assert multi_tf_data is not None
        higher = multi_tf_data["data"]["4h"]
        if not data.iloc[-1]["change"] > 0 or higher.empty or higher["close"].iloc[-1] > data["close"].iloc[-1]:
            return []
        return self.create_signal("BTC-USD", SignalType.BUY, SignalStrength.EXTREME, "market", 0.2)


class TestSignatures:
    def test_one_argument_may_be_taken_for_a_dict_of_frames(self) -> None:
        assert actions(Rises, [10, 11, 11, 12]) == [None, Action.BUY, None, Action.BUY]

    def test_or_for_one_frame_with_a_column_symbol(self) -> None:
        class OneFrame(Rises):
            async def generate_signals(self, data: Any) -> list[TradingSignal]:
                assert not data.empty
                assert "symbol" in data.columns
                return await super().generate_signals(data.joined)

        assert actions(OneFrame, [10, 11, 11, 12]) == [None, Action.BUY, None, Action.BUY]

    def test_a_second_argument_gets_the_higher_timeframes_as_they_close(self) -> None:
        # 13 ends the first four hours: known with the fourth bar, where the close is no higher than that
        found = actions(RisesInOneFrame, [10, 11, 12, 13, 12, 12.5, 14])
        assert found == [None, None, None, Action.BUY, None, None, Action.BUY]

    def test_without_higher_timeframes_the_second_argument_is_none(self) -> None:
        class Asks(BaseStrategy):
            def generate_signals(self, data: Any, multi_tf_data: Any = None) -> list[Any]:
                assert multi_tf_data is None
                assert isinstance(data, MarketTable)
                return []

        assert actions(Asks, [10]) == [None]

    def test_a_strategy_with_one_argument_finds_higher_timeframes_on_itself(self) -> None:
        class Looks(BaseStrategy):
            timeframes = ("2h",)

            async def generate_signals(self, market_data: Any) -> list[dict[str, Any]]:
                closes = self.higher["2h"]["close"].tolist()
                return [{"symbol": "BTC-USD", "action": "BUY", "reason": "two"}] if closes == [11.0, 13.0] else []

        assert actions(Looks, [10, 11, 12, 13, 14]) == [None, None, None, Action.BUY, Action.BUY]

    @pytest.mark.parametrize("cut", range(7))
    def test_higher_timeframes_survive_a_restart(self, cut: int) -> None:
        closes = [10, 11, 12, 13, 12, 12.5, 14]
        before, after = (runner_of(RisesInOneFrame, {}, BTC, "1h") for _ in range(2))
        for hour in range(1, cut + 1):
            before.on_bar(bar(hour, closes[hour - 1]))
        after.load(before.save())
        found = [after.on_bar(bar(hour, closes[hour - 1])).action for hour in range(cut + 1, 8)]
        assert found == [None, None, None, Action.BUY, None, None, Action.BUY][cut:]


class TestFrames:
    FRAME = pd.DataFrame({"close": [1.0, 2.0], "volume": [3.0, 4.0]})

    def test_a_dict_of_frames_also_answers_as_one_frame(self) -> None:
        frames: Any = MarketFrames({"A": self.FRAME, "B": self.FRAME * 2})
        assert list(frames) == ["A", "B"]
        assert len(frames) == 2
        assert frames["A"] is self.FRAME
        assert frames["close"].tolist() == [1.0, 2.0, 2.0, 4.0]
        assert {name: len(group) for name, group in frames.groupby("symbol")} == {"A": 2, "B": 2}
        assert (frames.empty, MarketFrames({"A": self.FRAME.iloc[:0]}).empty) == (False, True)

    def test_columns_can_be_added_to_it(self) -> None:
        frames: Any = MarketFrames({"A": self.FRAME})
        frames["double"] = frames["close"] * 2
        assert frames["double"].tolist() == [2.0, 4.0]
        assert frames.iloc[-1]["double"] == 4.0
        assert "double" not in self.FRAME

    def test_a_table_is_as_long_as_its_rows(self) -> None:
        table = MarketTable({"A": self.FRAME})
        assert (len(table), list(table)) == (2, ["close", "volume", "symbol"])
        assert isinstance(table.copy(), pd.DataFrame)

    def test_what_neither_has_is_an_error(self) -> None:
        with pytest.raises(AttributeError, match="nothing_such"):
            _ = MarketFrames({"A": self.FRAME}).nothing_such


def signal(**changes: Any) -> TradingSignal:
    given: dict[str, Any] = {
        "strategy_id": "mine",
        "symbol": "BTC-USD",
        "signal_type": SignalType.ENTRY_LONG,
        "signal_strength": SignalStrength.STRONG,
        "order_type": "market",
    }
    return TradingSignal(**(given | changes))


def answer(**changes: Any) -> Verdict:
    """Of a bar that closes at 200."""
    found = signal(**changes)

    class Answers(BaseStrategy):
        async def generate_signals(self, market_data: Any) -> list[TradingSignal]:
            return [found]

    return verdicts(Answers, [200.0])[0]


class TestTradingSignals:
    @pytest.mark.parametrize(
        ("kind", "action"),
        [
            (SignalType.ENTRY_LONG, Action.BUY),
            (SignalType.BUY, Action.BUY),
            (SignalType.ENTRY_SHORT, Action.SELL),
            (SignalType.SELL, Action.SELL),
            (SignalType.EXIT_LONG, Action.CLOSE),
            (SignalType.EXIT_SHORT, Action.CLOSE),
            (SignalType.STOP_LOSS, Action.CLOSE),
            (SignalType.TAKE_PROFIT, Action.CLOSE),
            (SignalType.TRAILING_STOP, Action.CLOSE),
        ],
    )
    def test_every_type_is_an_action(self, kind: SignalType, action: Action) -> None:
        assert answer(signal_type=kind).action is action

    @pytest.mark.parametrize(("strength", "fraction"), [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)])
    def test_a_strength_is_a_fraction_and_back(self, strength: int, fraction: float) -> None:
        assert answer(signal_strength=SignalStrength(strength)).strength == fraction
        assert SignalStrength.of(fraction) is SignalStrength(strength)
        assert SignalStrength.of(fraction - 0.01) is SignalStrength(strength)
        assert SignalStrength.of(0.0) is SignalStrength.WEAK

    @pytest.mark.parametrize(
        ("given", "wish"),
        [
            ({"amount": 0.1}, Wish(fraction_ppb=100_000_000)),
            ({"quantity": Decimal("0.1")}, Wish(fraction_ppb=100_000_000)),
            ({"amount": 3, "metadata": {"amount_is_fraction": False}}, Wish(lots=300_000_000)),
            ({"amount": 0}, Wish()),
            ({"stop_loss": 190, "take_profit": "220"}, Wish(stop_ppb=50_000_000, target_ppb=100_000_000)),
            (
                {"signal_type": SignalType.SELL, "stop_loss": 210, "take_profit": 180},
                Wish(stop_ppb=50_000_000, target_ppb=100_000_000),
            ),
            ({"trailing_stop": 0.02}, Wish(trail_ppb=20_000_000)),
            ({"trailing_stop": {"percentage": 0.02}}, Wish(trail_ppb=20_000_000)),
            ({"trailing_stop": {"distance": 10}}, Wish(trail_ppb=50_000_000)),
            ({"trailing_stop": {"price": 190}}, Wish(trail_ppb=50_000_000)),
            ({"order_type": "limit", "price": 199.5}, Wish(limit_ticks=19_950)),
            ({"price": 199.5}, Wish()),
            ({"signal_type": SignalType.EXIT_LONG, "stop_loss": 190, "take_profit": 1}, Wish()),
        ],
    )
    def test_its_numbers_are_a_typed_wish(self, given: dict[str, Any], wish: Wish) -> None:
        assert answer(**given).wish == wish

    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            (
                {"amount": 5},
                "amount: expected a share of equity from 0 to 1, got 5; say metadata=",
            ),
            ({"stop_loss": 210}, "stop_price 210.0 is on the wrong side of the close 200.0"),
            ({"take_profit": 190}, "target_price 190.0 is on the wrong side of the close 200.0"),
            ({"order_type": "limit"}, "a limit order needs a price"),
            ({"order_type": "iceberg"}, "order_type: expected market, limit, stop, stop_limit; got 'iceberg'"),
            ({"trailing_stop": 2}, "trailing_stop: expected a share of the price between 0 and 1, got 2"),
            (
                {"trailing_stop": {"pct": 2}},
                "trailing_stop: expected one of percentage, price, distance; got {",
            ),
            ({"symbol": "ETH-USD"}, "a signal for 'ETH-USD', but the market data is that of 'BTC-USD'"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, given: dict[str, Any], complaint: str) -> None:
        with pytest.raises(StrategyError) as refused:
            answer(**given)
        assert str(refused.value).startswith(complaint)

    def test_its_metadata_are_its_reason_and_its_numbers(self) -> None:
        verdict = answer(metadata={"reason": "because", "rsi": 31.5, "side": "long", "other": None})
        assert (verdict.reason, verdict.values) == ("because", (("rsi", 31.5),))
        assert answer(metadata={"signal_type": "keltner_breakout"}).reason == "keltner_breakout"
        assert answer().reason == "entry long"

    def test_numbers_become_decimals_and_what_is_none_is_refused(self) -> None:
        assert signal(amount=0.1, price="5").amount == Decimal("0.1")
        with pytest.raises(InvalidValue, match="stop_loss: expected a number, got 'far'"):
            signal(stop_loss="far")
        with pytest.raises(ValueError, match="price: expected a number, got nan"):
            signal(price=float("nan"))

    def test_equality_ignores_the_timestamp(self) -> None:
        assert signal(timestamp=1) == signal(timestamp=2)
        assert signal(amount=1) != signal(amount=2)

    def test_a_share_becomes_an_amount_once(self) -> None:
        found = signal(amount=0.25, metadata={"amount_is_fraction": True})
        with pytest.raises(ValueError, match="total_balance is needed"):
            found.normalize_amount()
        found.normalize_amount(1_000)
        found.normalize_amount(1_000)
        assert found.amount == Decimal(250)

    def test_a_copy_is_its_own(self) -> None:
        found = signal(metadata={"a": 1})
        copied = found.copy()
        copied.metadata["a"] = 2
        assert (found.metadata, copied == found) == ({"a": 1}, False)

    def test_it_can_be_written_as_json(self) -> None:
        written = signal(amount=0.1, timestamp=3).to_dict()
        assert (written["signal_type"], written["amount"], written["timestamp"]) == ("ENTRY_LONG", "0.1", 3)


class TestDicts:
    def test_a_dict_may_say_all_that_a_trading_signal_can(self) -> None:
        class Answers(BaseStrategy):
            async def generate_signals(self, market_data: Any) -> list[dict[str, Any]]:
                given = {"symbol": "BTC-USD", "action": "BUY", "reason": "because", "strength": SignalStrength.MODERATE}
                return [{**given, "position_size": 0.2, "stop_loss": 190, "order_type": "limit", "price": 199}]

        found = verdicts(Answers, [200.0])[0]
        assert found.strength == 0.5
        assert found.wish == Wish(fraction_ppb=200_000_000, stop_ppb=50_000_000, limit_ticks=19_900)

    def test_what_a_signal_does_not_have_is_an_error_with_a_hint(self) -> None:
        class Answers(BaseStrategy):
            async def generate_signals(self, market_data: Any) -> list[dict[str, Any]]:
                return [{"symbol": "BTC-USD", "action": "BUY", "reason": "because", "stoploss": 190}]

        with pytest.raises(StrategyError, match=r"a signal has no 'stoploss' \(did you mean 'stop_loss'\?\)"):
            verdicts(Answers, [200.0])


class TestConfiguration:
    @pytest.mark.parametrize("config", [{"bars": 3}, {"params": {"bars": 3}}])
    def test_parameters_may_be_flat_or_under_params(self, config: dict[str, Any]) -> None:
        assert actions(Rises, [10, 11, 12], **config) == [None, None, Action.BUY]

    def test_a_run_gives_it_in_both_shapes(self) -> None:
        config = RunConfig({"bars": 3, "timeframe": "4h"}, name="Mine", symbols=["A"], timeframe="1h")
        assert (config.get("bars"), config["params"], config.params) == (3, {"bars": 3}, {"bars": 3})
        assert (config.name, config.symbols, config.timeframe, config.enabled) == ("Mine", ["A"], "4h", True)

    def test_a_strategy_may_be_built_from_an_object(self) -> None:
        strategy = Rises(StrategyConfig("mine", ["BTC-USD"], "1h", 5, params={"bars": 4}))
        assert (strategy.name, strategy.params["bars"], strategy.history_bars) == ("mine", 4, 5)

    @pytest.mark.parametrize("field", ["name", "symbols", "timeframe", "required_history"])
    def test_an_object_without_what_it_needs_is_refused(self, field: str) -> None:
        given: dict[str, Any] = {"name": "mine", "symbols": ["A"], "timeframe": "1h", "required_history": 5}
        with pytest.raises(ValueError, match=f"missing {field}"):
            StrategyConfig(**(given | {field: type(given[field])()}))

    def test_the_id_follows_from_the_configuration(self) -> None:
        first, same, other = Rises({"bars": 3}), Rises({"bars": 3}), Rises({"bars": 4})
        assert first.id == same.id != other.id
        assert first.id.startswith("Rises_")


class TestBaseClass:
    def test_too_few_bars_for_its_indicators_is_a_value_error_and_in_a_run_a_warm_up(self) -> None:
        strategy = Rises({"required_history": 3})
        with pytest.raises(ValueError, match="Insufficient data for indicator calculation: 2 of 3 bars"):
            strategy.calculate_indicators(pd.DataFrame({"close": [1.0, 2.0]})).send(None)
        assert issubclass(InsufficientData, ValueError)
        found = verdicts(Rises, [10, 11, 12], required_history=3)
        assert [verdict.action for verdict in found] == [None, None, Action.BUY]
        assert found[1].reason == "warming up: Insufficient data for indicator calculation: 2 of 3 bars"

    def test_indicators_of_a_quiet_bar_are_its_numbers(self) -> None:
        assert verdicts(Rises, [10, 9])[1].values == (("change", -1.0),)

    def test_signals_are_stamped_with_the_time_of_the_bar_and_counted(self) -> None:
        strategy = classic_strategy(Rises, {})
        runner = ClassicRunner(strategy, BTC)
        for hour, close in enumerate([10, 11, 11], 1):
            runner.on_bar(bar(hour, close))
        assert strategy.signals_generated == 1
        assert strategy.last_signal_time == 2 * HOUR // 1_000_000
        assert strategy.get_performance_metrics()["signals_generated"] == 1
        assert strategy.create_signal("A", SignalType.BUY, SignalStrength.WEAK, "market", 1).timestamp == 10_800_000

    async def test_the_originals_engine_can_still_run_it(self) -> None:
        class Fetcher:
            async def get_historical_data(self, *, symbol: str, timeframe: str, limit: int) -> pd.DataFrame:
                assert (timeframe, limit) == ("1h", 5)
                return pd.DataFrame({"close": [1.0, 2.0]}, index=pd.to_datetime([1, 2], unit="ms"))

        strategy = RunsAlone(StrategyConfig("mine", ["A"], "1h", 5))
        with pytest.raises(StrategyError, match="not initialized"):
            await strategy.run()
        await strategy.initialize(Fetcher())
        assert [found.symbol for found in await strategy.run()] == ["A"]
        await strategy.shutdown()
        assert not strategy.initialized

    def test_a_state_of_its_own_survives_when_it_can_save_it(self) -> None:
        class Counts(BaseStrategy):
            seen = 0

            async def generate_signals(self, market_data: Any) -> list[Any]:
                self.seen += 1
                return []

            def save(self) -> dict[str, int]:
                return {"seen": self.seen}

            def load(self, saved: dict[str, int]) -> None:
                self.seen = saved["seen"]

        before, after = Counts({}), Counts({})
        runner = ClassicRunner(before, BTC)
        runner.on_bar(bar(1, 10))
        ClassicRunner(after, BTC).load(runner.save())
        assert after.seen == 1


class RunsAlone(BaseStrategy):
    async def generate_signals(self, data: Any) -> list[TradingSignal]:
        symbols = data["symbol"].unique()
        return [self.create_signal(one, SignalType.BUY, SignalStrength.WEAK, "market", 0.1) for one in symbols]


def frame_of(closes: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"close": closes, "high": closes, "low": closes, "volume": [1.0] * len(closes)})


UP, DOWN, FLAT = ([float(n) for n in range(1, 26)], [float(n) for n in range(26, 1, -1)], [5.0] * 25)


class TestTimeframes:
    MULTI: ClassVar = {"data": {"4h": frame_of(UP), "1d": frame_of(DOWN), "1w": frame_of(FLAT), "1m": frame_of([1.0])}}

    def test_the_trend_of_a_higher_timeframe(self) -> None:
        trend = BaseStrategy({}).get_higher_timeframe_trend
        found = {tf: trend(self.MULTI, "1h", tf) for tf in ("4h", "1d", "1w", "1m", "2h")}
        assert found == {"4h": "bullish", "1d": "bearish", "1w": "sideways", "1m": None, "2h": None}
        assert trend({"data": {"4h": frame_of(UP[:20])}}, "1h", "4h") == "sideways"  # one value of SMA20 only
        assert trend(None, "1h", "4h") is None

    def test_a_signal_is_valid_when_seven_in_ten_timeframes_go_with_it(self) -> None:
        base = BaseStrategy({})
        one = base.validate_across_timeframes(signal(), self.MULTI, ["4h", "1d"])
        assert (one["is_valid"], one["confidence_score"]) == (False, 0.5)
        assert (one["confirming_timeframes"], one["conflicting_timeframes"]) == (["4h"], ["1d"])
        assert base.validate_across_timeframes(signal(), self.MULTI, ["4h"])["is_valid"]
        assert not base.validate_across_timeframes(signal(), self.MULTI, [])["is_valid"]

    def test_the_consensus_of_timeframes(self) -> None:
        score = BaseStrategy({}).get_multi_tf_consensus_score
        assert score(self.MULTI, "BUY", ["4h", "1d"]) == 0.5
        assert score(self.MULTI, SignalType.ENTRY_SHORT, ["1d"]) == 1.0
        assert score(self.MULTI, "BUY", []) == 0.0

    def test_indicators_by_timeframe(self) -> None:
        calculate = BaseStrategy({}).calculate_multi_tf_indicators
        multi = {"data": {"4h": frame_of([10.0, 12.0, 11.0])}}
        assert calculate(multi, "atr", period=2) == {"4h": 1.5}
        with pytest.raises(InvalidValue, match="expected trend_strength, volatility, atr; got 'rsi'"):
            calculate(multi, "rsi")


class TestMixins:
    async def test_trend_strength_is_between_0_and_1(self) -> None:
        trend = TrendAnalysisMixin().calculate_trend_strength
        assert await trend(frame_of(UP)["close"], 3) == 1.0
        assert await trend(frame_of([1.0, 2.0] * 10)["close"], 4) == 0.0
        assert await trend(frame_of(FLAT)["close"], 3) == 0.0
        assert await trend(frame_of([1.0, 2.0])["close"], 3) == 0.0

    async def test_support_and_resistance(self) -> None:
        found = await TrendAnalysisMixin().identify_support_resistance(frame_of([9.0, 1.0, 5.0, 2.0]), lookback=3)
        assert found == {"support": 1.0, "resistance": 5.0, "current_position": 0.25}

    async def test_volatility_and_range(self) -> None:
        assert await VolatilityAnalysisMixin().calculate_atr(frame_of([10.0, 12.0, 11.0]), 2) == 1.5
        assert await VolatilityAnalysisMixin().calculate_volatility(frame_of([1.0, 2.0, 4.0])["close"], 3) == 0.0

    def test_common_signals(self) -> None:
        class Mixed(SignalGenerationMixin, BaseStrategy): ...

        mixed = Mixed({"params": {"b": 3}})
        assert mixed._merge_params({"a": 1, "b": 2}, mixed.config) == {"a": 1, "b": 3}
        made = mixed._create_breakout_signal("A", SignalType.SELL, SignalStrength.WEAK, 100.0, 0.1, 0.02, 0.05, {})
        assert (made.stop_loss, made.take_profit) == (Decimal("102.0"), Decimal("95.0"))
        mixed._update_signal_counts("short")
        assert mixed.signal_counts == {"long": 0, "short": 1, "total": 1}
        frame = frame_of([1.0, 1.0, 1.0]).assign(volume=[1.0, 1.0, 4.0])
        assert mixed._check_volume_confirmation(frame, "A", 3, 2.0)
        assert not mixed._check_volume_confirmation(frame, "A", 3, 2.1)
        assert mixed._check_volume_confirmation(frame, "A", 4, 9.0)


@pytest.mark.parametrize("key", SHIPPED)
def test_the_ten_strategies_have_the_paths_of_the_original(key: str) -> None:
    shipped = find(key)
    assert getattr(import_module(f"strategies.{key}_strategy"), shipped.__name__) is shipped


def test_the_import_paths_of_the_original_find_the_same_classes() -> None:
    assert strategies.base_strategy.BaseStrategy is BaseStrategy
    assert strategies.mixins.TrendAnalysisMixin is strategies.base_strategy.TrendAnalysisMixin
    assert inspect.getmodule(TradingSignal).__name__ == "n1v1.strategies.contracts"  # type: ignore[union-attr]

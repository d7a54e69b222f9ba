"""The base class of classic strategies, with the surface that the original framework gave it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pandas as pd

from n1v1.errors import InvalidValue, StrategyError
from n1v1.ids import digest
from n1v1.strategies.classic_config import DEFAULT_HISTORY_BARS, StrategyConfig, parameters_of, setting_of
from n1v1.strategies.classic_mixins import average_true_range, trend_strength, volatility
from n1v1.strategies.contracts import SignalStrength, SignalType, TradingSignal

CONFIRMING_SHARE = 0.7  # of the timeframes asked for: the original's threshold
_FAST_TREND_BARS, _SLOW_TREND_BARS = 10, 20

_LONG = {"BUY", "LONG", "ENTRY_LONG"}
_SHORT = {"SELL", "SHORT", "ENTRY_SHORT"}

_MULTI_INDICATORS: Mapping[str, tuple[Callable[[pd.DataFrame, int], float], int]] = {
    "trend_strength": (lambda frame, period: trend_strength(frame["close"], period), 14),
    "volatility": (lambda frame, period: volatility(frame["close"], period), 20),
    "atr": (average_true_range, 14),
}


class InsufficientData(InvalidValue):
    """Fewer bars than `required_history`. Raised to the runner it means that the strategy is still warming up."""


class BaseStrategy:
    """What a classic strategy inherits from. config: a mapping of its parameters, or a StrategyConfig.

    timeframes: higher ones that it wants to see, as `multi_tf_data["data"]["4h"]` or as `self.higher["4h"]`.
    id: follows from the name and the configuration.
    """

    default_params: ClassVar[Mapping[str, Any]] = {}
    timeframes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Mapping[str, Any] | StrategyConfig) -> None:
        self.config: Any = config if isinstance(config, StrategyConfig) else _copied(config)
        self.name = str(setting_of(config, "name", type(self).__name__))
        self.params: dict[str, Any] = {**self.default_params, **parameters_of(config)}
        self.id = f"{self.name}_{digest(self.name, repr(sorted(self.params.items(), key=str)))}"
        self.history_bars = int(setting_of(config, "required_history", 0) or 0)
        if self.history_bars == 0 and not _says(config, "required_history"):
            self.history_bars = DEFAULT_HISTORY_BARS
        self.data_fetcher: Any = None
        self.initialized = False
        self.signals_generated = 0
        self.last_signal_time: int | None = None
        """Of the bar, in ms UTC."""
        self.signal_counts = {"long": 0, "short": 0, "total": 0}
        self.bar_close_ms = 0
        """Close time of the bar that is being looked at. Set by the runner."""
        self.higher: dict[str, pd.DataFrame] = {}
        self.indicators: pd.DataFrame | None = None
        """What `calculate_indicators` last answered."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "calculate_indicators" in vars(cls):
            cls.calculate_indicators = _with_enough_data(vars(cls)["calculate_indicators"])  # type: ignore[method-assign]  # that is the point

    async def initialize(self, data_fetcher: Any) -> None:
        """data_fetcher: has a coroutine get_historical_data(symbol=, timeframe=, limit=) that answers a frame."""
        self.data_fetcher = data_fetcher
        self.initialized = True

    async def shutdown(self) -> None:
        self.initialized = False

    async def calculate_indicators(self, data: Any) -> Any:
        """A frame with more columns. As it is, the frame itself."""
        return data

    def generate_signals(self, *args: Any, **kwargs: Any) -> Any:
        """One of the signatures in `n1v1.strategies.classic`; so declared, that any of them may override it."""
        raise NotImplementedError(f"{type(self).__name__} must define generate_signals(market_data)")

    async def run(self) -> list[Any]:
        """Fetch, calculate, answer: what the original's engine did with a strategy. Ours does not need it.

        Raises StrategyError before `initialize`; whatever fetching and the strategy raise is not held back.
        """
        if not self.initialized:
            raise StrategyError(f"{self.name} is not initialized: call initialize(data_fetcher) first")
        frames = {symbol: await self._fetched(symbol) for symbol in setting_of(self.config, "symbols", [])}
        known = [frame.assign(symbol=symbol) for symbol, frame in frames.items() if frame is not None]
        if not known:
            return []
        signals = list(await self.generate_signals(await self.calculate_indicators(pd.concat(known).sort_index())))
        self.count_signals(len(signals))
        return signals

    async def _fetched(self, symbol: str) -> pd.DataFrame | None:
        timeframe = setting_of(self.config, "timeframe", "")
        frame: pd.DataFrame | None = await self.data_fetcher.get_historical_data(
            symbol=symbol, timeframe=timeframe, limit=self.history_bars
        )
        return frame

    def count_signals(self, number: int) -> None:
        if number:
            self.signals_generated += number
            self.last_signal_time = self.bar_close_ms

    def create_signal(
        self,
        symbol: str,
        signal_type: SignalType,
        strength: SignalStrength,
        order_type: Any,
        amount: Any,
        price: Any = None,
        current_price: Any = None,
        stop_loss: Any = None,
        take_profit: Any = None,
        trailing_stop: Any = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: Any = None,
    ) -> TradingSignal:
        """Numbers become Decimals. timestamp: that of the bar when it is not given."""
        return TradingSignal(
            strategy_id=self.id,
            symbol=symbol,
            signal_type=signal_type,
            signal_strength=strength,
            order_type=order_type,
            timestamp=self.bar_close_ms if timestamp is None else timestamp,
            amount=amount,
            current_price=current_price,
            price=price,
            stop_loss=stop_loss,
            take_profit=take_profit,
            trailing_stop=trailing_stop,
            metadata=dict(metadata or {}),
        )

    def get_performance_metrics(self) -> dict[str, Any]:
        return {
            "strategy_id": self.id,
            "name": self.name,
            "signals_generated": self.signals_generated,
            "last_signal_time": self.last_signal_time,
            "symbols": list(setting_of(self.config, "symbols", [])),
            "timeframe": setting_of(self.config, "timeframe", ""),
        }

    def get_higher_timeframe_trend(
        self, multi_tf_data: Mapping[str, Any] | None, current_tf: str, higher_tf: str
    ) -> str | None:
        """'bullish' with the mean of 10 closes above that of 20 on the last two bars, 'bearish' below, else 'sideways'.

        None without 20 bars of `higher_tf`. current_tf is not looked at; the original asked for it.
        """
        frame = _frames(multi_tf_data).get(higher_tf)
        if frame is None or len(frame) < _SLOW_TREND_BARS:
            return None
        fast = frame["close"].rolling(_FAST_TREND_BARS).mean()
        lead = (fast - frame["close"].rolling(_SLOW_TREND_BARS).mean()).iloc[-2:]
        if (lead > 0.0).all():  # NaN on the first of 20 bars is neither above nor below
            return "bullish"
        return "bearish" if (lead < 0.0).all() else "sideways"

    def validate_across_timeframes(
        self, signal: TradingSignal, multi_tf_data: Mapping[str, Any] | None, required_timeframes: Sequence[str]
    ) -> dict[str, Any]:
        """Which timeframes go with an entry. It is valid when 70 % of those asked for do.

        The original compared the number of an enum member with 'BUY', so nothing was ever valid.
        """
        confirming = [tf for tf in required_timeframes if self._confirms(signal.signal_type.name, multi_tf_data, tf)]
        score = len(confirming) / len(required_timeframes) if required_timeframes else 0.0
        return {
            "is_valid": score >= CONFIRMING_SHARE,
            "confidence_score": score,
            "confirming_timeframes": confirming,
            "conflicting_timeframes": [tf for tf in required_timeframes if tf not in confirming],
            "details": {tf: self.get_higher_timeframe_trend(multi_tf_data, "", tf) for tf in required_timeframes},
        }

    def get_multi_tf_consensus_score(
        self, multi_tf_data: Mapping[str, Any] | None, signal_type: str | SignalType, timeframes: Sequence[str]
    ) -> float:
        """Share of `timeframes` whose trend goes with a signal of that type, 0..1."""
        name = signal_type.name if isinstance(signal_type, SignalType) else signal_type
        agreeing = [tf for tf in timeframes if self._confirms(name, multi_tf_data, tf)]
        return len(agreeing) / len(timeframes) if timeframes else 0.0

    def calculate_multi_tf_indicators(
        self, multi_tf_data: Mapping[str, Any] | None, indicator_name: str, **kwargs: Any
    ) -> dict[str, float]:
        """indicator_name: trend_strength, volatility or atr, each with its period. By timeframe.

        Raises InvalidValue for any other name.
        """
        if indicator_name not in _MULTI_INDICATORS:
            raise InvalidValue(f"indicator_name: expected {', '.join(_MULTI_INDICATORS)}; got {indicator_name!r}")
        indicator, period = _MULTI_INDICATORS[indicator_name]
        frames = _frames(multi_tf_data)
        return {tf: indicator(frame, kwargs.get("period", period)) for tf, frame in frames.items() if not frame.empty}

    def _confirms(self, signal_type: str, multi_tf_data: Mapping[str, Any] | None, timeframe: str) -> bool:
        trend = self.get_higher_timeframe_trend(multi_tf_data, "", timeframe)
        return (signal_type in _LONG and trend == "bullish") or (signal_type in _SHORT and trend == "bearish")


def _frames(multi_tf_data: Mapping[str, Any] | None) -> Mapping[str, pd.DataFrame]:
    frames: Mapping[str, pd.DataFrame] = (multi_tf_data or {}).get("data", {})
    return frames


def _copied(config: Any) -> Any:
    """A strategy keeps its own configuration, of the kind it was given."""
    return config.copy() if type(config) is dict else config


def _says(config: Any, name: str) -> bool:
    return name in config if isinstance(config, Mapping) else True


def _with_enough_data(calculate: Callable[..., Any]) -> Callable[..., Any]:
    """`calculate_indicators` of a subclass, refused with fewer bars than it asked for."""

    def checked(strategy: BaseStrategy, data: Any) -> None:
        needed = int(setting_of(strategy.config, "required_history", 0) or 0)
        found = 0 if data is None else len(data)
        if found < needed:
            raise InsufficientData(f"Insufficient data for indicator calculation: {found} of {needed} bars")

    if inspect.iscoroutinefunction(calculate):

        @functools.wraps(calculate)
        async def waited(self: BaseStrategy, data: Any, *args: Any, **kwargs: Any) -> Any:
            checked(self, data)
            self.indicators = await calculate(self, data, *args, **kwargs)
            return self.indicators

        return waited

    @functools.wraps(calculate)
    def called(self: BaseStrategy, data: Any, *args: Any, **kwargs: Any) -> Any:
        checked(self, data)
        self.indicators = calculate(self, data, *args, **kwargs)
        return self.indicators

    return called

"""The classic form: `generate_signals` over DataFrames, as the original framework defined it. Three signatures run:

    async def generate_signals(self, market_data)                   {symbol: frame}, answers dicts
    async def generate_signals(self, data)                          the same, or one frame with a column `symbol`;
                                                                    answers TradingSignals
    async def generate_signals(self, data, multi_tf_data=None)      and multi_tf_data["data"]["4h"]

with or without `async`. The strategy sees one row per closed bar (columns open, high, low, close, volume; index the
close time in UTC), oldest first, at most `history_bars` rows. What it answers must follow from that window and its own
configuration alone: after a restart the window is restored, and what `save` of the strategy answers if it has one.

Only the modules of the classic form import pandas.
"""

from __future__ import annotations

import inspect
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

import pandas as pd

from n1v1.bars import ClosedBar
from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import BarClosed
from n1v1.kernels import Record, new_record
from n1v1.strategies.aggregate import AGGREGATE, aggregate, higher_ns
from n1v1.strategies.bar import Bar
from n1v1.strategies.base import NOTHING, Verdict, load_state, save_state
from n1v1.strategies.classic_answers import verdict_of
from n1v1.strategies.classic_base import BaseStrategy, InsufficientData
from n1v1.strategies.classic_config import DEFAULT_HISTORY_BARS, RunConfig, StrategyConfig
from n1v1.strategies.classic_data import COLUMNS, MarketFrames, MarketTable, Window
from n1v1.values import Instrument

__all__ = ["BaseStrategy", "ClassicRunner", "StrategyConfig", "Window", "classic_strategy"]

NS_PER_MS = 1_000_000
_AWAITS_MAX = 1_000


class HigherWindow:
    """The last bars of a higher timeframe, made of the base bars that are heard."""

    def __init__(self, length_ns: int, size: int) -> None:
        self._length_ns = length_ns
        self._state: Record = new_record(AGGREGATE)
        self.window = Window(size)

    def hear(self, bar: Bar) -> None:
        closings = aggregate(self._state, bar, self._length_ns)
        for closed in (self._state.before, self._state.closed)[2 - closings :]:
            self.window.append(closed.close_ns, (closed.open, closed.high, closed.low, closed.close, closed.volume))

    def save(self) -> dict[str, Any]:
        return {"state": save_state(self._state, AGGREGATE), "window": self.window.save()}

    def load(self, saved: Mapping[str, Any]) -> None:
        load_state(self._state, AGGREGATE, saved["state"], "a higher timeframe")
        self.window.load(saved["window"])


class ClassicRunner:
    """A classic strategy on one symbol."""

    def __init__(self, strategy: Any, instrument: Instrument, timeframe: str | None = None) -> None:
        history_bars = getattr(strategy, "history_bars", DEFAULT_HISTORY_BARS)  # a class of its own base has none
        if history_bars < 1:
            raise InvalidValue(f"required_history: expected at least 1 bar, got {history_bars}")
        self._strategy = strategy
        self._instrument = instrument
        self._window = Window(history_bars)
        self._wants_higher = _takes_two(strategy)
        self._higher = {
            name: HigherWindow(higher_ns(name, timeframe), history_bars) for name in getattr(strategy, "timeframes", ())
        }

    def on_bar(self, bar: ClosedBar, explain: bool = True) -> Verdict:
        close = self._see(bar)
        try:
            answer = _finished(self._ask(bar))
        except InsufficientData as warming_up:
            return Verdict(None, 0.0, f"warming up: {warming_up}")
        verdict = verdict_of(answer, bar.symbol, close, self._instrument)
        if verdict is None:
            return Verdict(None, 0.0, "generate_signals answered no signal", self._indicators()) if explain else NOTHING
        if isinstance(self._strategy, BaseStrategy):
            self._strategy.count_signals(1)
        return verdict

    def _see(self, bar: ClosedBar) -> float:
        price = self._instrument.price_float
        prices = (price(bar.open), price(bar.high), price(bar.low), price(bar.close))
        volume = self._instrument.quantity_float(bar.volume)
        self._window.append(bar.ts_ns, (*prices, volume))
        for higher in self._higher.values():
            higher.hear(Bar(*prices, volume, bar.ts_ns, bar.symbol))
        return prices[-1]

    def _ask(self, bar: ClosedBar) -> Any:
        strategy = self._strategy
        if isinstance(strategy, BaseStrategy):
            strategy.bar_close_ms = bar.ts_ns // NS_PER_MS
        frames = {name: higher.window.frame() for name, higher in self._higher.items()}
        if frames:
            strategy.higher = frames
        shown = {bar.symbol: self._window.frame()}
        if self._wants_higher:
            return strategy.generate_signals(MarketTable(shown), {"data": frames} if frames else None)
        return strategy.generate_signals(MarketFrames(shown))

    def _indicators(self) -> tuple[tuple[str, float], ...]:
        """The last row of what `calculate_indicators` answered, where the strategy has one."""
        frame = getattr(self._strategy, "indicators", None)
        if not isinstance(frame, pd.DataFrame) or frame.empty:
            return ()
        return tuple((name, float(frame[name].iloc[-1])) for name in _added(frame))

    def indicator_columns(self, bars: Sequence[BarClosed]) -> dict[str, list[float]]:
        """What `calculate_indicators` adds to one frame of all these bars, a value per bar. Nothing of it is kept."""
        strategy = self._strategy
        if not isinstance(strategy, BaseStrategy) or not _has_indicators(strategy):
            return {}
        window = Window(len(bars))
        price, quantity = self._instrument.price_float, self._instrument.quantity_float
        for bar in bars:
            prices = (price(bar.open), price(bar.high), price(bar.low), price(bar.close))
            window.append(bar.ts_ns, (*prices, quantity(bar.volume)))
        before = strategy.indicators
        try:
            answer = _finished(strategy.calculate_indicators(window.frame().assign(symbol=bars[0].symbol)))
        except InsufficientData:
            return {}
        finally:
            strategy.indicators = before
        return {name: answer[name].astype(float).tolist() for name in _added(answer)}

    def save(self) -> dict[str, Any]:
        saved: dict[str, Any] = {"window": self._window.save()}
        if self._higher:
            saved["higher"] = {name: higher.save() for name, higher in self._higher.items()}
        if hasattr(self._strategy, "save"):
            saved["strategy"] = self._strategy.save()
        return saved

    def load(self, saved: Mapping[str, Any]) -> None:
        self._window.load(saved["window"])
        for name, higher in self._higher.items():
            higher.load(saved["higher"][name])
        if hasattr(self._strategy, "load"):
            self._strategy.load(saved["strategy"])


def _has_indicators(strategy: BaseStrategy) -> bool:
    return type(strategy).calculate_indicators is not BaseStrategy.calculate_indicators


def _added(frame: pd.DataFrame) -> list[str]:
    """The columns of numbers that a bar does not have by itself."""
    return [str(name) for name in frame.columns if name not in COLUMNS and pd.api.types.is_numeric_dtype(frame[name])]


def _takes_two(strategy: Any) -> bool:
    """Whether generate_signals has a second parameter for the higher timeframes."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(strategy.generate_signals).parameters.values()
    return sum(parameter.kind in kinds for parameter in parameters) > 1


def _finished(answer: Any) -> Any:
    """Run a coroutine that may yield to nobody: strategies compute, they do not wait for the world."""
    if not isinstance(answer, Coroutine):
        return answer
    for _ in range(_AWAITS_MAX):
        try:
            waited_for = answer.send(None)
        except StopIteration as finished:
            return finished.value
        if waited_for is not None:
            break
    answer.close()
    raise StrategyError("generate_signals waited for something; a strategy works on the bars it is given")


def classic_strategy(
    factory: type[Any], config: Mapping[str, Any], *, symbol: str = "", timeframe: str | None = None
) -> BaseStrategy:
    """Build a classic strategy. Raises InvalidValue when its own constructor refuses the configuration."""
    symbols = [symbol] if symbol else []
    try:
        given = RunConfig(config, name=factory.__name__, symbols=symbols, timeframe=timeframe or "")
        return cast(BaseStrategy, factory(given))
    except Exception as error:  # whatever a user's constructor raises is the answer to give
        found = f"{type(error).__name__}: {error}"
        raise InvalidValue(f"{factory.__name__} refused its configuration {dict(config)!r}: {found}") from error

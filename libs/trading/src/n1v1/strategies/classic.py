"""The classic form: `async generate_signals(market_data)` over DataFrames, as the original framework defined it.

The strategy sees `{symbol: frame}` with one row per closed bar (columns open, high, low, close, volume; index the
close time in UTC), oldest first, at most `history_bars` rows, and answers a list of dicts with symbol, action
(BUY, SELL or CLOSE), strength (0..1) and reason. What it answers must follow from that window and its own
configuration alone: after a restart the window is restored and nothing else.

This is the only module of the core that imports pandas.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n1v1.errors import InvalidValue, StrategyError, nearest
from n1v1.events import Action, BarClosed, Wish
from n1v1.strategies.base import Verdict
from n1v1.values import Instrument, nearest_ppb

DEFAULT_HISTORY_BARS = 250
_COLUMNS = pd.Index(["open", "high", "low", "close", "volume"])
_AWAITS_MAX = 1_000


class BaseStrategy:
    """What a classic strategy inherits from. `config` is the mapping of its parameters."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self.history_bars = int(self.config.get("required_history", DEFAULT_HISTORY_BARS))

    async def generate_signals(self, market_data: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
        raise NotImplementedError(f"{type(self).__name__} must define generate_signals(market_data)")


class Window:
    """The last `size` bars in two arrays, filled from the left; once full, the newest bars move to the front."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._times = np.zeros(2 * size, dtype=np.int64)
        self._rows = np.zeros((2 * size, len(_COLUMNS)), dtype=np.float64)
        self._end = 0

    def append(self, close_ns: int, values: Sequence[float]) -> None:
        """values: in the order of the columns."""
        if self._end == len(self._times):
            self._times[: self._size] = self._times[self._size :]
            self._rows[: self._size] = self._rows[self._size :]
            self._end = self._size
        self._times[self._end] = close_ns
        self._rows[self._end] = values
        self._end += 1

    def clear(self) -> None:
        self._end = 0

    def copies(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Close times and rows, oldest first, for somebody who may write to them."""
        kept = slice(max(0, self._end - self._size), self._end)
        return self._times[kept].copy(), self._rows[kept].copy()


class ClassicRunner:
    """A classic strategy on one symbol."""

    def __init__(self, strategy: BaseStrategy, instrument: Instrument) -> None:
        history_bars = getattr(strategy, "history_bars", DEFAULT_HISTORY_BARS)  # a class of its own base has none
        if history_bars < 1:
            raise InvalidValue(f"required_history: expected at least 1 bar, got {history_bars}")
        self._strategy = strategy
        self._instrument = instrument
        self._window = Window(history_bars)

    def on_bar(self, bar: BarClosed, explain: bool = True) -> Verdict:
        self._see(bar)
        answer = _finish(self._strategy.generate_signals({bar.symbol: self._frame()}))
        if not isinstance(answer, list):
            raise StrategyError(f"generate_signals answered {type(answer).__name__}, expected a list of dicts")
        signals = [_signal(entry) for entry in answer if _concerns(entry, bar.symbol)]
        if len(signals) > 1:
            raise StrategyError(f"{len(signals)} signals for {bar.symbol} on one bar, expected at most one")
        return signals[0] if signals else Verdict(None, 0.0, "generate_signals answered no signal")

    def _see(self, bar: BarClosed) -> None:
        price = self._instrument.price_float
        volume = self._instrument.quantity_float(bar.volume)
        self._window.append(bar.ts_ns, (price(bar.open), price(bar.high), price(bar.low), price(bar.close), volume))

    def _frame(self) -> pd.DataFrame:
        times, rows = self._window.copies()
        index = pd.DatetimeIndex(times.view("datetime64[ns]"), tz="UTC")
        return pd.DataFrame(rows, columns=_COLUMNS.copy(), index=index)

    def save(self) -> dict[str, Any]:
        times, rows = self._window.copies()
        return {"window": [[time, *row] for time, row in zip(times.tolist(), rows.tolist(), strict=True)]}

    def load(self, saved: Mapping[str, Any]) -> None:
        self._window.clear()
        for close_ns, *values in saved["window"]:
            self._window.append(close_ns, values)


def _finish(coroutine: Any) -> Any:
    """Run a coroutine that may yield to nobody: strategies compute, they do not wait for the world."""
    if not isinstance(coroutine, Coroutine):
        raise StrategyError("generate_signals must be declared with async def")
    for _ in range(_AWAITS_MAX):
        try:
            waited_for = coroutine.send(None)
        except StopIteration as finished:
            return finished.value
        if waited_for is not None:
            break
    coroutine.close()
    raise StrategyError("generate_signals waited for something; a strategy works on the bars it is given")


def _concerns(entry: Any, symbol: str) -> bool:
    if not isinstance(entry, dict) or "symbol" not in entry:
        raise StrategyError(f"expected a dict with symbol, action, strength and reason; got {entry!r}")
    if entry["symbol"] != symbol:
        raise StrategyError(f"a signal for {entry['symbol']!r}, but the market data is that of {symbol!r}")
    return str(entry.get("action", "")).upper() != "HOLD"


def _signal(entry: dict[str, Any]) -> Verdict:
    action = str(entry.get("action", "")).upper()
    if action not in Action.__members__:
        raise StrategyError(f"unknown action {entry.get('action')!r}{nearest(action, Action.__members__)}")
    strength = _number(entry, "strength", default=1.0)
    if not 0.0 <= strength <= 1.0:
        raise StrategyError(f"strength must lie between 0 and 1, got {strength}")
    reason = str(entry.get("reason", ""))
    if not reason:
        raise StrategyError("a signal needs a reason")
    return Verdict(Action[action], strength, reason, (), Wish(fraction_ppb=_wished_ppb(entry)))


def _wished_ppb(entry: dict[str, Any]) -> int | None:
    if entry.get("position_size") is None:
        return None
    wished = _number(entry, "position_size", default=0.0)
    if not 0.0 < wished <= 1.0:
        raise StrategyError(f"position_size must be more than 0 and at most 1, got {wished}")
    return nearest_ppb(wished)


def _number(entry: dict[str, Any], name: str, *, default: float) -> float:
    try:
        return float(entry.get(name, default))
    except (TypeError, ValueError):
        raise StrategyError(f"{name} must be a number, got {entry[name]!r}") from None


def classic_strategy(factory: type[Any], config: Mapping[str, Any]) -> BaseStrategy:
    """Build a classic strategy. Raises InvalidValue when its own constructor refuses the configuration."""
    try:
        return cast(BaseStrategy, factory(dict(config)))
    except Exception as error:  # whatever a user's constructor raises is the answer to give
        found = f"{type(error).__name__}: {error}"
        raise InvalidValue(f"{factory.__name__} refused its configuration {dict(config)!r}: {found}") from error

"""The classic form: `async generate_signals(market_data)` over DataFrames, as the original framework defined it.

The strategy sees `{symbol: frame}` with one row per closed bar (columns open, high, low, close, volume; index the
close time in UTC), oldest first, at most `history_bars` rows, and answers a list of dicts with symbol, action
(BUY, SELL or CLOSE), strength (0..1) and reason. What it answers must follow from that window and its own
configuration alone: after a restart the window is restored and nothing else.

This is the only module of the core that imports pandas.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any, cast

import numpy as np
import pandas as pd

from n1v1.errors import InvalidValue, StrategyError, nearest
from n1v1.events import Action, BarClosed
from n1v1.strategies.base import Verdict
from n1v1.values import Instrument, to_ppb

DEFAULT_HISTORY_BARS = 250
_COLUMNS = ("open", "high", "low", "close", "volume")
_AWAITS_MAX = 1_000


class BaseStrategy:
    """What a classic strategy inherits from. `config` is the mapping of its parameters."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self.history_bars = int(self.config.get("required_history", DEFAULT_HISTORY_BARS))

    async def generate_signals(self, market_data: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
        raise NotImplementedError(f"{type(self).__name__} must define generate_signals(market_data)")


class ClassicRunner:
    """A classic strategy on one symbol."""

    def __init__(self, strategy: BaseStrategy, instrument: Instrument) -> None:
        self._strategy = strategy
        self._instrument = instrument
        self._window: deque[tuple[int, float, float, float, float, float]] = deque(maxlen=strategy.history_bars)

    def on_bar(self, bar: BarClosed) -> Verdict:
        self._window.append(self._row(bar))
        answer = _finish(self._strategy.generate_signals({bar.symbol: self._frame()}))
        if not isinstance(answer, list):
            raise StrategyError(f"generate_signals answered {type(answer).__name__}, expected a list of dicts")
        signals = [_signal(entry) for entry in answer if _concerns(entry, bar.symbol)]
        if len(signals) > 1:
            raise StrategyError(f"{len(signals)} signals for {bar.symbol} on one bar, expected at most one")
        return signals[0] if signals else Verdict(None, 0.0, "generate_signals answered no signal")

    def _row(self, bar: BarClosed) -> tuple[int, float, float, float, float, float]:
        price = self._instrument.price_float
        volume = self._instrument.quantity_float(bar.volume)
        return (bar.ts_ns, price(bar.open), price(bar.high), price(bar.low), price(bar.close), volume)

    def _frame(self) -> pd.DataFrame:
        rows = np.array([row[1:] for row in self._window], dtype=np.float64)
        index = pd.DatetimeIndex(np.array([row[0] for row in self._window], dtype="datetime64[ns]"), tz="UTC")
        return pd.DataFrame(rows, columns=pd.Index(_COLUMNS), index=index)

    def save(self) -> dict[str, Any]:
        return {"window": [list(row) for row in self._window]}

    def load(self, saved: Mapping[str, Any]) -> None:
        self._window.clear()
        self._window.extend((int(row[0]), *(float(value) for value in row[1:])) for row in saved["window"])  # type: ignore[misc]  # a row has six columns, which the checker cannot count


def _finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that may yield to nobody: strategies compute, they do not wait for the world."""
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
    strength = float(entry.get("strength", 1.0))
    if not 0.0 <= strength <= 1.0:
        raise StrategyError(f"strength must lie between 0 and 1, got {strength}")
    reason = str(entry.get("reason", ""))
    if not reason:
        raise StrategyError("a signal needs a reason")
    wished = entry.get("position_size")
    return Verdict(Action[action], strength, reason, (), None if wished is None else to_ppb(wished))


def classic_strategy(factory: type[Any], config: Mapping[str, Any]) -> BaseStrategy:
    """Build a classic strategy. Raises InvalidValue when its own constructor refuses the configuration."""
    try:
        return cast(BaseStrategy, factory(dict(config)))
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidValue(f"{factory.__name__} refused its configuration {dict(config)!r}: {error}") from error

"""What classic strategies may inherit besides: trend and volatility of a frame, and common signals.

Three mistakes of the original are not here. Its trend strength was a value between 0 and 1 divided by 100. Its helpers
were coroutines that its own base class called without waiting; they still are coroutines, and the base class uses the
functions below. And where something failed they answered 0, or said that the volume confirms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from n1v1.strategies.classic_config import parameters_of
from n1v1.strategies.contracts import SignalStrength, SignalType, TradingSignal


def trend_strength(prices: pd.Series[float], period: int = 14) -> float:
    """How one-sided the moves of the last bars were: 0 (as much up as down) to 1. 0 before 2 x period prices."""
    if len(prices) < 2 * period:
        return 0.0
    change = prices.diff()
    up = change.clip(lower=0.0).rolling(period).mean()
    down = (-change.clip(upper=0.0)).rolling(period).mean()
    moved = up + down
    one_sided = ((up - down).abs() / moved.where(moved > 0.0)).fillna(0.0)
    return float(one_sided.rolling(period).mean().iloc[-1])


def average_true_range(prices: pd.DataFrame, period: int = 14) -> float:
    """Plain mean of the last `period` true ranges. 0 before `period` bars."""
    if len(prices) < period:
        return 0.0
    before = prices["close"].shift()
    ranges = pd.concat(
        [prices["high"] - prices["low"], (prices["high"] - before).abs(), (prices["low"] - before).abs()], axis=1
    )
    return float(ranges.max(axis=1).rolling(period).mean().iloc[-1])


def volatility(prices: pd.Series[float], period: int = 20) -> float:
    """Sample deviation of the log returns of all `prices`, over `period` bars. 0 before `period` prices."""
    if len(prices) < period:
        return 0.0
    return float(np.log(prices / prices.shift(1)).std() * math.sqrt(period))


class TrendAnalysisMixin:
    async def calculate_trend_strength(self, prices: pd.Series[float], period: int = 14) -> float:
        return trend_strength(prices, period)

    async def identify_support_resistance(self, prices: pd.DataFrame, lookback: int = 20) -> dict[str, float]:
        """Lowest low and highest high of the last `lookback` bars, and where the close stands between them (0..1)."""
        recent = prices.iloc[-lookback:]
        support, resistance = float(recent["low"].min()), float(recent["high"].max())
        height = resistance - support
        position = (float(recent["close"].iloc[-1]) - support) / height if height > 0.0 else 0.0
        return {"support": support, "resistance": resistance, "current_position": position}


class VolatilityAnalysisMixin:
    async def calculate_atr(self, prices: pd.DataFrame, period: int = 14) -> float:
        return average_true_range(prices, period)

    async def calculate_volatility(self, prices: pd.Series[float], period: int = 20) -> float:
        return volatility(prices, period)


class SignalGenerationMixin:
    signal_counts: dict[str, int]
    create_signal: Any
    """Of `BaseStrategy`."""

    def _merge_params(self, default_params: dict[str, Any], config: Any) -> dict[str, Any]:
        return {**default_params, **parameters_of(config)}

    def _check_volume_confirmation(
        self, data: pd.DataFrame, symbol: str, volume_period: int, volume_threshold: float
    ) -> bool:
        """Whether the last bar has `volume_threshold` times the mean volume of the last bars. True with too few."""
        rows = data[data["symbol"] == symbol] if "symbol" in data.columns else data
        if len(rows) < volume_period:
            return True
        usual = float(rows["volume"].tail(volume_period).mean())
        return bool(float(rows["volume"].iloc[-1]) >= usual * volume_threshold)

    def _create_breakout_signal(
        self,
        symbol: str,
        signal_type: SignalType,
        strength: SignalStrength,
        current_price: float,
        position_size: float,
        stop_loss_pct: float,
        take_profit_pct: float,
        metadata: dict[str, Any],
    ) -> TradingSignal:
        side = 1 if signal_type is SignalType.ENTRY_LONG else -1
        signal: TradingSignal = self.create_signal(
            symbol=symbol,
            signal_type=signal_type,
            strength=strength,
            order_type="market",
            amount=position_size,
            current_price=current_price,
            stop_loss=current_price * (1 - side * stop_loss_pct),
            take_profit=current_price * (1 + side * take_profit_pct),
            metadata=metadata,
        )
        return signal

    def _update_signal_counts(self, signal_type: str) -> None:
        """signal_type: 'long' or 'short'."""
        if signal_type in self.signal_counts:
            self.signal_counts[signal_type] += 1
        self.signal_counts["total"] += 1

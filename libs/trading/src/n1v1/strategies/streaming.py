"""Indicators for plain strategies: an object that is told one bar after the other.

    fast = Ema(12)
    fast.update(price)      # the new value, NaN while it warms up; also in fast.value

They are the kernels of `n1v1.indicators` with their state and parameters in one place, so their numbers are those of
the compiled form. `warmup` is the number of updates until the first value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import numpy as np

from n1v1.errors import InvalidValue
from n1v1.indicators.adx import ADX, adx, adx_warmup
from n1v1.indicators.atr import ATR, atr, atr_warmup
from n1v1.indicators.bollinger import BOLLINGER, bollinger, bollinger_warmup
from n1v1.indicators.cci import CCI, cci, cci_warmup
from n1v1.indicators.donchian import DONCHIAN, donchian, donchian_warmup
from n1v1.indicators.ema import EMA, ema, ema_warmup
from n1v1.indicators.keltner import KELTNER, keltner, keltner_warmup
from n1v1.indicators.macd import MACD, macd, macd_warmup
from n1v1.indicators.mfi import MFI, mfi, mfi_warmup
from n1v1.indicators.obv import OBV, obv, obv_warmup
from n1v1.indicators.realised_volatility import (
    REALISED_VOLATILITY,
    realised_volatility,
    realised_volatility_warmup,
)
from n1v1.indicators.relative_volume import RELATIVE_VOLUME, relative_volume, relative_volume_warmup
from n1v1.indicators.roc import ROC, roc, roc_warmup
from n1v1.indicators.rsi import RSI, WILDER, rsi, rsi_warmup
from n1v1.indicators.sma import SMA, sma, sma_warmup
from n1v1.indicators.stoch_rsi import STOCH_RSI, stoch_rsi, stoch_rsi_warmup
from n1v1.indicators.stochastic import STOCHASTIC, stochastic, stochastic_warmup
from n1v1.indicators.supertrend import SUPERTREND, supertrend, supertrend_warmup
from n1v1.indicators.vwap import VWAP, vwap, vwap_warmup
from n1v1.indicators.williams_r import WILLIAMS_R, williams_r, williams_r_warmup
from n1v1.indicators.window import CAPACITY, ROLLING_EXTREME, rolling_max, rolling_min
from n1v1.indicators.wma import WMA, wma, wma_warmup
from n1v1.indicators.zscore import ZSCORE, zscore, zscore_warmup
from n1v1.kernels import Record, new_record
from n1v1.strategies.bar import Bar
from n1v1.strategies.base import load_state, save_state

_NAN = math.nan


class Indicator:
    """Base of all. parts: names of the values, when there are several."""

    layout: ClassVar[np.dtype[Any]]
    parts: ClassVar[tuple[str, ...]] = ("value",)
    period_max: ClassVar[int] = CAPACITY

    def __init__(self, *parameters: float, warmup: int) -> None:
        self._parameters = parameters
        self._state: Record = new_record(self.layout)
        self.warmup = warmup
        for part in self.parts:
            setattr(self, part, _NAN)

    @property
    def is_ready(self) -> bool:
        """Whether there is a value."""
        first: float = getattr(self, self.parts[0])
        return first == first

    def numbers(self, name: str) -> Iterator[tuple[str, float]]:
        """The values by name: that of the indicator, or name.part when there are several."""
        for part in self.parts:
            yield (name if self.parts == ("value",) else f"{name}.{part}"), float(getattr(self, part))

    def save(self) -> dict[str, Any]:
        values = [None if value != value else value for value in (getattr(self, part) for part in self.parts)]
        state = save_state(self._state, self.layout)
        return {"kind": type(self).__name__, "parameters": list(self._parameters), "values": values, "state": state}

    def load(self, content: Mapping[str, Any]) -> None:
        load_state(self._state, self.layout, content["state"], type(self).__name__)
        for part, value in zip(self.parts, content["values"], strict=True):
            setattr(self, part, _NAN if value is None else value)

    def _bounded(self, **periods: int) -> None:
        for name, period in periods.items():
            if isinstance(period, bool) or not isinstance(period, int) or not 1 <= period <= self.period_max:
                kind = type(self).__name__
                raise InvalidValue(
                    f"{kind}.{name}: expected a whole number from 1 to {self.period_max}, got {period!r}"
                )


def indicator_from(content: Mapping[str, Any]) -> Indicator:
    """An indicator as it was when it was saved. Raises InvalidValue when this module has no such kind."""
    kind = globals().get(content["kind"])
    if not (isinstance(kind, type) and issubclass(kind, Indicator)):
        raise InvalidValue(f"there is no indicator {content['kind']!r}")
    indicator: Indicator = cast(Any, kind)(*content["parameters"])  # every kind has parameters of its own
    indicator.load(content)
    return indicator


class _OfPrices(Indicator):
    """An indicator of one price series with one period and one value."""

    value: float
    _period: int

    def __init__(self, period: int, *, warmup: int) -> None:
        self._bounded(period=period)
        self._period = period
        super().__init__(period, warmup=warmup)


class Sma(_OfPrices):
    """Mean of the last `period` prices."""

    layout = SMA

    def __init__(self, period: int) -> None:
        super().__init__(period, warmup=sma_warmup(period))

    def update(self, price: float) -> float:
        self.value = value = sma(self._state, price, self._period)
        return value


class Ema(_OfPrices):
    """Exponential average, factor 2 / (period + 1)."""

    layout = EMA
    period_max = 1_000_000

    def __init__(self, period: int) -> None:
        super().__init__(period, warmup=ema_warmup(period))

    def update(self, price: float) -> float:
        self.value = value = ema(self._state, price, self._period)
        return value


class Wma(_OfPrices):
    """Average that weighs the newest of the last `period` prices most."""

    layout = WMA

    def __init__(self, period: int) -> None:
        super().__init__(period, warmup=wma_warmup(period))

    def update(self, price: float) -> float:
        self.value = value = wma(self._state, price, self._period)
        return value


class Roc(_OfPrices):
    """Change over `period` bars, in per cent."""

    layout = ROC

    def __init__(self, period: int) -> None:
        super().__init__(period, warmup=roc_warmup(period))

    def update(self, price: float) -> float:
        self.value = value = roc(self._state, price, self._period)
        return value


class Highest(_OfPrices):
    """Highest of the last `period` prices."""

    layout = ROLLING_EXTREME

    def __init__(self, period: int) -> None:
        super().__init__(period, warmup=period)

    def update(self, price: float) -> float:
        self.value = value = rolling_max(self._state, price, self._period)
        return value


class Lowest(_OfPrices):
    """Lowest of the last `period` prices."""

    layout = ROLLING_EXTREME

    def __init__(self, period: int) -> None:
        super().__init__(period, warmup=period)

    def update(self, price: float) -> float:
        self.value = value = rolling_min(self._state, price, self._period)
        return value


class RelativeVolume(_OfPrices):
    """A volume against the mean of the `period` volumes before it."""

    layout = RELATIVE_VOLUME

    def __init__(self, period: int) -> None:
        super().__init__(period, warmup=relative_volume_warmup(period))

    def update(self, volume: float) -> float:
        self.value = value = relative_volume(self._state, volume, self._period)
        return value


class Rsi(Indicator):
    """Relative strength index, 0 to 100. smoothing: WILDER or EWM of n1v1.indicators.rsi."""

    layout = RSI
    period_max = 1_000_000
    value: float

    def __init__(self, period: int = 14, smoothing: int = WILDER) -> None:
        self._bounded(period=period)
        super().__init__(period, smoothing, warmup=rsi_warmup(period))
        self._period, self._smoothing = period, smoothing

    def update(self, price: float) -> float:
        self.value = value = rsi(self._state, price, self._period, self._smoothing)
        return value


class ZScore(Indicator):
    """Distance from the mean of the last `period` values, in standard deviations."""

    layout = ZSCORE
    value: float

    def __init__(self, period: int = 20, ddof: int = 0) -> None:
        self._bounded(period=period)
        super().__init__(period, ddof, warmup=zscore_warmup(period))
        self._period, self._ddof = period, ddof

    def update(self, value: float) -> float:
        self.value = score = zscore(self._state, value, self._period, self._ddof)
        return score


class RealisedVolatility(Indicator):
    """Standard deviation of the last `period` log returns, per year. per_year: bars in a year."""

    layout = REALISED_VOLATILITY
    value: float

    def __init__(self, period: int, per_year: float) -> None:
        self._bounded(period=period)
        super().__init__(period, per_year, warmup=realised_volatility_warmup(period))
        self._period, self._per_year = period, per_year

    def update(self, price: float) -> float:
        self.value = value = realised_volatility(self._state, price, self._period, self._per_year)
        return value


class Macd(Indicator):
    layout = MACD
    parts = ("line", "signal", "histogram")
    period_max = 1_000_000
    line: float
    signal: float
    histogram: float

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        self._bounded(fast=fast, slow=slow, signal=signal)
        super().__init__(fast, slow, signal, warmup=macd_warmup(slow, signal))
        self._periods = (fast, slow, signal)

    def update(self, price: float) -> tuple[float, float, float]:
        self.line, self.signal, self.histogram = values = macd(self._state, price, *self._periods)
        return values


class Bollinger(Indicator):
    layout = BOLLINGER
    parts = ("upper", "middle", "lower")
    upper: float
    middle: float
    lower: float

    def __init__(self, period: int = 20, deviations: float = 2.0, ddof: int = 0) -> None:
        self._bounded(period=period)
        super().__init__(period, deviations, ddof, warmup=bollinger_warmup(period))
        self._period, self._deviations, self._ddof = period, deviations, ddof

    def update(self, price: float) -> tuple[float, float, float]:
        values = bollinger(self._state, price, self._period, self._deviations, self._ddof)
        self.upper, self.middle, self.lower = values
        return values


class StochRsi(Indicator):
    layout = STOCH_RSI
    parts = ("k", "d")
    k: float
    d: float

    def __init__(self, rsi_period: int = 14, k_period: int = 14, d_period: int = 3) -> None:
        self._bounded(rsi_period=rsi_period, k_period=k_period, d_period=d_period)
        super().__init__(rsi_period, k_period, d_period, warmup=stoch_rsi_warmup(rsi_period, k_period, d_period))
        self._periods = (rsi_period, k_period, d_period)

    def update(self, price: float) -> tuple[float, float]:
        self.k, self.d = values = stoch_rsi(self._state, price, *self._periods)
        return values


class Stochastic(Indicator):
    layout = STOCHASTIC
    parts = ("k", "d")
    k: float
    d: float

    def __init__(self, k_period: int = 14, k_smoothing: int = 1, d_period: int = 3) -> None:
        self._bounded(k_period=k_period, k_smoothing=k_smoothing, d_period=d_period)
        super().__init__(k_period, k_smoothing, d_period, warmup=stochastic_warmup(k_period, k_smoothing, d_period))
        self._periods = (k_period, k_smoothing, d_period)

    def update(self, bar: Bar) -> tuple[float, float]:
        self.k, self.d = values = stochastic(self._state, bar.high, bar.low, bar.close, *self._periods)
        return values


class _OfBars(Indicator):
    """An indicator of bars with one period and one value."""

    value: float
    _period: int

    def __init__(self, period: int, *, warmup: int) -> None:
        self._bounded(period=period)
        self._period = period
        super().__init__(period, warmup=warmup)


class Atr(_OfBars):
    """Average true range, in units of price."""

    layout = ATR
    period_max = 1_000_000

    def __init__(self, period: int = 14) -> None:
        super().__init__(period, warmup=atr_warmup(period))

    def update(self, bar: Bar) -> float:
        self.value = value = atr(self._state, bar.high, bar.low, bar.close, self._period)
        return value


class Cci(_OfBars):
    layout = CCI

    def __init__(self, period: int = 20) -> None:
        super().__init__(period, warmup=cci_warmup(period))

    def update(self, bar: Bar) -> float:
        self.value = value = cci(self._state, bar.high, bar.low, bar.close, self._period)
        return value


class Mfi(_OfBars):
    layout = MFI

    def __init__(self, period: int = 14) -> None:
        super().__init__(period, warmup=mfi_warmup(period))

    def update(self, bar: Bar) -> float:
        self.value = value = mfi(self._state, bar.high, bar.low, bar.close, bar.volume, self._period)
        return value


class WilliamsR(_OfBars):
    layout = WILLIAMS_R

    def __init__(self, period: int = 14) -> None:
        super().__init__(period, warmup=williams_r_warmup(period))

    def update(self, bar: Bar) -> float:
        self.value = value = williams_r(self._state, bar.high, bar.low, bar.close, self._period)
        return value


class Vwap(_OfBars):
    """Volume-weighted average price of the last `period` bars."""

    layout = VWAP

    def __init__(self, period: int = 20) -> None:
        super().__init__(period, warmup=vwap_warmup(period))

    def update(self, bar: Bar) -> float:
        self.value = value = vwap(self._state, bar.high, bar.low, bar.close, bar.volume, self._period)
        return value


class Obv(Indicator):
    layout = OBV
    value: float

    def __init__(self) -> None:
        super().__init__(warmup=obv_warmup())

    def update(self, bar: Bar) -> float:
        self.value = value = obv(self._state, bar.close, bar.volume)
        return value


class Adx(Indicator):
    """Strength of the trend, and the two directional indicators."""

    layout = ADX
    parts = ("adx", "plus", "minus")
    period_max = 1_000_000
    adx: float
    plus: float
    minus: float

    def __init__(self, period: int = 14) -> None:
        self._bounded(period=period)
        super().__init__(period, warmup=adx_warmup(period))
        self._period = period

    def update(self, bar: Bar) -> tuple[float, float, float]:
        self.adx, self.plus, self.minus = values = adx(self._state, bar.high, bar.low, bar.close, self._period)
        return values


class Donchian(Indicator):
    layout = DONCHIAN
    parts = ("upper", "middle", "lower")
    upper: float
    middle: float
    lower: float

    def __init__(self, period: int = 20) -> None:
        self._bounded(period=period)
        super().__init__(period, warmup=donchian_warmup(period))
        self._period = period

    def update(self, bar: Bar) -> tuple[float, float, float]:
        self.upper, self.middle, self.lower = values = donchian(self._state, bar.high, bar.low, self._period)
        return values


class Keltner(Indicator):
    layout = KELTNER
    parts = ("upper", "middle", "lower")
    upper: float
    middle: float
    lower: float

    def __init__(self, sma_period: int = 20, atr_period: int = 14, multiplier: float = 2.0) -> None:
        self._bounded(sma_period=sma_period, atr_period=atr_period)
        super().__init__(sma_period, atr_period, multiplier, warmup=keltner_warmup(sma_period, atr_period))
        self._sma_period, self._atr_period, self._multiplier = sma_period, atr_period, multiplier

    def update(self, bar: Bar) -> tuple[float, float, float]:
        values = keltner(
            *(self._state, bar.high, bar.low, bar.close),
            *(self._sma_period, self._atr_period, self._multiplier),
        )
        self.upper, self.middle, self.lower = values
        return values


class SuperTrend(Indicator):
    """The line that follows the price, and its direction: 1 up, -1 down."""

    layout = SUPERTREND
    parts = ("line", "direction")
    period_max = 1_000_000
    line: float
    direction: float

    def __init__(self, period: int = 10, multiplier: float = 3.0) -> None:
        self._bounded(period=period)
        super().__init__(period, multiplier, warmup=supertrend_warmup(period))
        self._period, self._multiplier = period, multiplier

    def update(self, bar: Bar) -> tuple[float, float]:
        values = supertrend(self._state, bar.high, bar.low, bar.close, self._period, self._multiplier)
        self.line, self.direction = values
        return values

"""Indicators against TA-Lib on recorded minutes and seconds: missing bars, flat bars, jumps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it has no types
import pytest
import talib
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from n1v1.indicators.adx import ADX, adx
from n1v1.indicators.atr import ATR, atr
from n1v1.indicators.batch import batch
from n1v1.indicators.bollinger import BOLLINGER, bollinger
from n1v1.indicators.cci import CCI, cci
from n1v1.indicators.donchian import DONCHIAN, donchian
from n1v1.indicators.ema import EMA, ema
from n1v1.indicators.macd import MACD, macd
from n1v1.indicators.mfi import MFI, mfi
from n1v1.indicators.obv import OBV, obv
from n1v1.indicators.roc import ROC, roc
from n1v1.indicators.rsi import RSI, WILDER, rsi
from n1v1.indicators.sma import SMA, sma
from n1v1.indicators.stochastic import STOCHASTIC, stochastic
from n1v1.indicators.williams_r import WILLIAMS_R, williams_r
from n1v1.indicators.wma import WMA, wma

Column = NDArray[np.float64]

CANDLES = Path(__file__).parents[5] / "shared" / "data" / "candles"
FILES = ("coinbase/LTC-USD-1m-201804", "coinbase/BTC-USD-1s-201610", "ftx/BTC-USD-PERP-1m-202201")

PRICE, RANGE, BAR = ("close",), ("high", "low"), ("high", "low", "close")


def three_of_adx(high: Column, low: Column, close: Column) -> Any:
    return talib.ADX(high, low, close, 14), talib.PLUS_DI(high, low, close, 14), talib.MINUS_DI(high, low, close, 14)


def channel(high: Column, low: Column) -> Any:
    return talib.MAX(high, 20), talib.MIDPRICE(high, low, 20), talib.MIN(low, 20)


CASES: dict[str, tuple[Callable[..., Any], np.dtype[Any], tuple[str, ...], tuple[Any, ...], Callable[..., Any]]] = {
    "sma": (sma, SMA, PRICE, (20,), lambda close: talib.SMA(close, 20)),
    "ema": (ema, EMA, PRICE, (21,), lambda close: talib.EMA(close, 21)),
    "wma": (wma, WMA, PRICE, (30,), lambda close: talib.WMA(close, 30)),
    "rsi": (rsi, RSI, PRICE, (14, WILDER), lambda close: talib.RSI(close, 14)),
    "macd": (macd, MACD, PRICE, (12, 26, 9), lambda close: talib.MACD(close, 12, 26, 9)),
    "bollinger": (bollinger, BOLLINGER, PRICE, (20, 2.0, 0), lambda close: talib.BBANDS(close, 20, 2.0, 2.0)),
    "atr": (atr, ATR, BAR, (14,), lambda high, low, close: talib.ATR(high, low, close, 14)),
    "adx": (adx, ADX, BAR, (14,), three_of_adx),
    "stochastic": (
        stochastic,
        STOCHASTIC,
        BAR,
        (14, 1, 3),
        lambda high, low, close: talib.STOCHF(high, low, close, 14, 3),
    ),
    "cci": (cci, CCI, BAR, (20,), lambda high, low, close: talib.CCI(high, low, close, 20)),
    "mfi": (
        mfi,
        MFI,
        (*BAR, "volume"),
        (14,),
        lambda high, low, close, volume: talib.MFI(high, low, close, volume, 14),
    ),
    "roc": (roc, ROC, PRICE, (10,), lambda close: talib.ROC(close, 10)),
    "obv": (obv, OBV, ("close", "volume"), (), talib.OBV),
    "williams_r": (williams_r, WILLIAMS_R, BAR, (14,), lambda high, low, close: talib.WILLR(high, low, close, 14)),
    "donchian": (donchian, DONCHIAN, RANGE, (20,), channel),
}


@cache
def columns(name: str) -> dict[str, Column]:
    path = CANDLES / f"{name}.parquet"
    if not path.exists():
        pytest.skip(f"{path.name} is not there: recorded candles are expected in {CANDLES}")
    table = pq.read_table(path)
    return {column: table[column].to_numpy().astype(np.float64) for column in ("high", "low", "close", "volume")}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("case", CASES)
def test_on_recorded_bars_with_gaps_and_without_movement_an_indicator_is_that_of_talib(case: str, name: str) -> None:
    step, layout, wanted, params, theirs = CASES[case]
    inputs = [columns(name)[column] for column in wanted]
    answered = batch(step, layout, *inputs, params=params)
    assert_allclose(np.array(answered), np.array(theirs(*inputs)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FILES[:2])
def test_the_recorded_bars_have_flat_ones_and_gaps_among_them(name: str) -> None:
    found = columns(name)
    assert (found["high"] == found["low"]).any()
    jumped = (found["low"][1:] > found["high"][:-1]) | (found["high"][1:] < found["low"][:-1])
    assert jumped.any()

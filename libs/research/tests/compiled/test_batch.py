"""The compiled batch of an indicator against the plain one: the same bits, on recorded bars and on chance."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from n1v1.errors import InvalidValue
from n1v1.indicators import batch as plain
from n1v1.indicators.adx import ADX, adx
from n1v1.indicators.atr import ATR, atr
from n1v1.indicators.bollinger import BOLLINGER, bollinger
from n1v1.indicators.cci import CCI, cci
from n1v1.indicators.donchian import DONCHIAN, donchian
from n1v1.indicators.ema import EMA, ema
from n1v1.indicators.keltner import KELTNER, keltner
from n1v1.indicators.macd import MACD, macd
from n1v1.indicators.mfi import MFI, mfi
from n1v1.indicators.obv import OBV, obv
from n1v1.indicators.realised_volatility import REALISED_VOLATILITY, realised_volatility
from n1v1.indicators.relative_volume import RELATIVE_VOLUME, relative_volume
from n1v1.indicators.roc import ROC, roc
from n1v1.indicators.rsi import EWM, RSI, WILDER, rsi
from n1v1.indicators.sma import SMA, sma
from n1v1.indicators.stoch_rsi import STOCH_RSI, stoch_rsi
from n1v1.indicators.stochastic import STOCHASTIC, stochastic
from n1v1.indicators.supertrend import SUPERTREND, supertrend
from n1v1.indicators.vwap import VWAP, vwap
from n1v1.indicators.williams_r import WILLIAMS_R, williams_r
from n1v1.indicators.window import CAPACITY
from n1v1.indicators.wma import WMA, wma
from n1v1.indicators.zscore import ZSCORE, zscore
from n1v1_research.compiled.batch import batch
from n1v1_research.datasets import load

BAR = ("high", "low", "close")

EVERY_INDICATOR = [
    (adx, ADX, BAR, (14,)),
    (atr, ATR, BAR, (14,)),
    (bollinger, BOLLINGER, ("close",), (20, 2.0, 1)),
    (cci, CCI, BAR, (20,)),
    (donchian, DONCHIAN, ("high", "low"), (20,)),
    (ema, EMA, ("close",), (21,)),
    (keltner, KELTNER, BAR, (20, 14, 2.0)),
    (macd, MACD, ("close",), (12, 26, 9)),
    (mfi, MFI, (*BAR, "volume"), (14,)),
    (obv, OBV, ("close", "volume"), ()),
    (realised_volatility, REALISED_VOLATILITY, ("close",), (30, 365.0)),
    (relative_volume, RELATIVE_VOLUME, ("volume",), (20,)),
    (roc, ROC, ("close",), (10,)),
    (rsi, RSI, ("close",), (14, WILDER)),
    (rsi, RSI, ("close",), (14, EWM)),
    (sma, SMA, ("close",), (20,)),
    (sma, SMA, ("close",), (CAPACITY,)),
    (stoch_rsi, STOCH_RSI, ("close",), (14, 5, 3)),
    (stochastic, STOCHASTIC, BAR, (14, 3, 5)),
    (supertrend, SUPERTREND, BAR, (10, 3.0)),
    (vwap, VWAP, (*BAR, "volume"), (20,)),
    (williams_r, WILLIAMS_R, BAR, (14,)),
    (wma, WMA, ("close",), (30,)),
    (zscore, ZSCORE, ("close",), (20, 0)),
]


@cache
def columns() -> dict[str, NDArray[np.float64]]:
    """ETH-USD, bars of four hours through the flash crash of June 2017, and 100 bars without movement or volume."""
    dataset = load("coinbase-4h", symbols=("ETH-USD",), start="2017-01-01", end="2017-09-01")
    instrument, bars = dataset.instrument("ETH-USD"), dataset.bars["ETH-USD"]
    prices = {name: np.array([instrument.price_float(getattr(bar, name)) for bar in bars]) for name in BAR}
    volume = np.array([instrument.quantity_float(bar.volume) for bar in bars])
    for column in prices.values():
        column[500:600] = column[500]
    volume[500:600] = 0.0
    return {**prices, "volume": volume}


@pytest.mark.parametrize(
    ("step", "layout", "names", "params"),
    EVERY_INDICATOR,
    ids=[f"{case[0].__name__}{case[3]}" for case in EVERY_INDICATOR],
)
def test_a_compiled_batch_has_the_bits_of_the_plain_one(
    step: Callable[..., Any], layout: np.dtype[Any], names: tuple[str, ...], params: tuple[Any, ...]
) -> None:
    inputs = [columns()[name] for name in names]
    expected = np.array(plain.batch(step, layout, *inputs, params=params))
    answered = np.array(batch(step, layout, *inputs, params=params))
    assert answered.shape == expected.shape
    assert answered.tobytes() == expected.tobytes()


def test_every_call_begins_with_a_new_state() -> None:
    close = columns()["close"]
    assert batch(sma, SMA, close, params=(20,)).tobytes() == batch(sma, SMA, close, params=(20,)).tobytes()


def test_no_bars_have_no_answers() -> None:
    assert batch(sma, SMA, np.empty(0), params=(20,)).shape == (0,)
    assert [answer.shape for answer in batch(macd, MACD, np.empty(0), params=(12, 26, 9))] == [(0,)] * 3


def test_a_column_may_be_a_part_of_a_table() -> None:
    table = np.array([columns()["close"], columns()["volume"]]).T.copy()
    assert not table[:, 0].flags.c_contiguous
    assert (
        batch(obv, OBV, table[:, 0], table[:, 1], params=())[:3] == plain.batch(obv, OBV, *table[:3].T, params=())
    ).all()


@pytest.mark.parametrize("lengths", [(3, 4), ()])
def test_columns_must_be_equally_long(lengths: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValue, match="obv takes columns of one length"):
        batch(obv, OBV, *(np.ones(length) for length in lengths), params=())

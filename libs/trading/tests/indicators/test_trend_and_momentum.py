"""Trend and momentum indicators against TA-Lib, against their own compiled form, and by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
import talib
from numpy.testing import assert_allclose

from n1v1.indicators.batch import batch
from n1v1.indicators.cci import CCI, cci, cci_warmup
from n1v1.indicators.ema import EMA, ema, ema_warmup, wilder
from n1v1.indicators.macd import MACD, macd, macd_warmup
from n1v1.indicators.roc import ROC, roc, roc_warmup
from n1v1.indicators.rsi import EWM, RSI, WILDER, rsi, rsi_warmup
from n1v1.indicators.sma import SMA, sma, sma_warmup
from n1v1.indicators.stoch_rsi import STOCH_RSI, stoch_rsi, stoch_rsi_warmup
from n1v1.indicators.stochastic import STOCHASTIC, stochastic, stochastic_warmup
from n1v1.indicators.williams_r import WILLIAMS_R, williams_r, williams_r_warmup
from n1v1.indicators.wma import WMA, wma, wma_warmup

AGREEMENT = 1e-9


@dataclass(frozen=True)
class Case:
    """An indicator with parameters, its warm-up, and what TA-Lib answers."""

    step: Callable[..., Any]
    layout: np.dtype[Any]
    columns: tuple[str, ...]
    params: tuple[Any, ...]
    warmup: int
    reference: Callable[..., Any]

    def inputs(self, market: Any) -> tuple[Any, ...]:
        return attrgetter(*self.columns)(market) if len(self.columns) > 1 else (getattr(market, self.columns[0]),)

    def __str__(self) -> str:
        return f"{self.step.__name__}{self.params}"


def stoch_rsi_reference(close: Any, rsi_period: int, k_period: int, d_period: int) -> Any:
    """TA-Lib's, but 0 while the RSI stands still: TA-Lib then stretches rounding noise over 0 to 100."""
    strength = talib.RSI(close, rsi_period)
    is_still = talib.MAX(strength, k_period) - talib.MIN(strength, k_period) < 1e-9
    if not is_still.any():
        return talib.STOCHRSI(close, rsi_period, k_period, d_period)
    k = np.where(is_still, 0.0, talib.STOCHF(strength, strength, strength, k_period, 1)[0])
    d = talib.SMA(k, d_period)
    return np.where(np.isnan(d), np.nan, k), d


PRICE = ("close",)
BAR = ("high", "low", "close")

CASES = [
    Case(sma, SMA, PRICE, (20,), sma_warmup(20), lambda close: talib.SMA(close, 20)),
    Case(sma, SMA, PRICE, (200,), sma_warmup(200), lambda close: talib.SMA(close, 200)),
    Case(ema, EMA, PRICE, (21,), ema_warmup(21), lambda close: talib.EMA(close, 21)),
    Case(wma, WMA, PRICE, (30,), wma_warmup(30), lambda close: talib.WMA(close, 30)),
    Case(wma, WMA, PRICE, (256,), wma_warmup(256), lambda close: talib.WMA(close, 256)),
    Case(rsi, RSI, PRICE, (14, WILDER), rsi_warmup(14), lambda close: talib.RSI(close, 14)),
    Case(rsi, RSI, PRICE, (2, WILDER), rsi_warmup(2), lambda close: talib.RSI(close, 2)),
    Case(macd, MACD, PRICE, (12, 26, 9), macd_warmup(26, 9), lambda close: talib.MACD(close, 12, 26, 9)),
    Case(macd, MACD, PRICE, (3, 5, 1), macd_warmup(5, 1), lambda close: talib.MACD(close, 3, 5, 1)),
    Case(
        *(stochastic, STOCHASTIC, BAR, (14, 1, 3), stochastic_warmup(14, 1, 3)),
        lambda high, low, close: talib.STOCHF(high, low, close, 14, 3),
    ),
    Case(
        *(stochastic, STOCHASTIC, BAR, (14, 3, 5), stochastic_warmup(14, 3, 5)),
        lambda high, low, close: talib.STOCH(high, low, close, 14, slowk_period=3, slowd_period=5),
    ),
    Case(
        *(stoch_rsi, STOCH_RSI, PRICE, (14, 5, 3), stoch_rsi_warmup(14, 5, 3)),
        lambda close: stoch_rsi_reference(close, 14, 5, 3),
    ),
    Case(cci, CCI, BAR, (20,), cci_warmup(20), lambda high, low, close: talib.CCI(high, low, close, 20)),
    Case(roc, ROC, PRICE, (10,), roc_warmup(10), lambda close: talib.ROC(close, 10)),
    Case(roc, ROC, PRICE, (256,), roc_warmup(256), lambda close: talib.ROC(close, 256)),
    Case(
        *(williams_r, WILLIAMS_R, BAR, (14,), williams_r_warmup(14)),
        lambda high, low, close: talib.WILLR(high, low, close, 14),
    ),
]


def table(answered: Any) -> Any:
    return np.atleast_2d(np.array(answered))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_indicator_agrees_with_talib(case: Case, market: Any) -> None:
    inputs = case.inputs(market)
    ours = table(batch(case.step, case.layout, *inputs, params=case.params))
    theirs = table(case.reference(*inputs))
    assert_allclose(ours, theirs, rtol=AGREEMENT, atol=AGREEMENT)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_first_value_comes_when_the_warm_up_says(case: Case, market: Any) -> None:
    inputs = [column[: case.warmup + 1] for column in case.inputs(market)]
    for answered in table(batch(case.step, case.layout, *inputs, params=case.params)):
        assert np.isnan(answered).tolist() == [True] * (case.warmup - 1) + [False, False]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_compiled_kernels_give_the_same_bits(case: Case, compiled_batch: Callable[..., Any], market: Any) -> None:
    inputs = [column[:900] for column in case.inputs(market)]
    plain = table(batch(case.step, case.layout, *inputs, params=case.params))
    assert plain.tobytes() == table(compiled_batch(case.step, case.layout, *inputs, params=case.params)).tobytes()


@pytest.mark.parametrize("case", [case for case in CASES if case.step not in (ema, rsi, macd, stoch_rsi)], ids=str)
def test_after_100000_bars_a_window_still_answers_as_if_it_had_just_begun(
    case: Case, compiled_batch: Callable[..., Any]
) -> None:
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(5).normal(0.0, 0.002, 100_000)))
    columns = {"close": close, "high": close * 1.001, "low": close * 0.998}
    inputs = [columns[name] for name in case.columns]
    old = table(compiled_batch(case.step, case.layout, *inputs, params=case.params))
    young = table(batch(case.step, case.layout, *(column[-600:] for column in inputs), params=case.params))
    assert_allclose(old[:, -100:], young[:, -100:], rtol=AGREEMENT, atol=1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if case.step in (ema, rsi, macd)], ids=str)
def test_after_100000_bars_an_average_still_agrees_with_talib(case: Case, compiled_batch: Callable[..., Any]) -> None:
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(5).normal(0.0, 0.002, 100_000)))
    ours = table(compiled_batch(case.step, case.layout, close, params=case.params))
    assert_allclose(ours, table(case.reference(close)), rtol=AGREEMENT, atol=AGREEMENT)


def values(step: Callable[..., Any], layout: np.dtype[Any], *columns: list[float], params: tuple[Any, ...]) -> Any:
    return batch(step, layout, *(np.array(column) for column in columns), params=params)


def test_sma_by_hand() -> None:
    assert values(sma, SMA, [1.0, 2.0, 6.0, 4.0], params=(2,))[1:].tolist() == [1.5, 4.0, 5.0]


def test_wma_by_hand() -> None:
    # (1 x 1 + 2 x 2 + 3 x 6) / 6, then (1 x 2 + 2 x 6 + 3 x 4) / 6
    assert values(wma, WMA, [1.0, 2.0, 6.0, 4.0], params=(3,))[2:] == pytest.approx([23 / 6, 26 / 6], rel=1e-15)


def test_wilders_average_by_hand() -> None:
    # the mean of 3 and 5, then halfway to every new value
    assert values(wilder, EMA, [3.0, 5.0, 8.0, 0.0], params=(2,))[1:].tolist() == [4.0, 6.0, 3.0]


@pytest.mark.parametrize(
    ("smoothing", "expected"),
    [
        # changes +2 -1 +3: gain and loss start at 1 and 0.5; Wilder takes half of +3, EWM two thirds
        (WILDER, [100 * 1.0 / 1.5, 100 * 2.0 / 2.25]),
        (EWM, [100 * 1.0 / 1.5, 100 * (1 + 4 / 3) / (1 + 4 / 3 + 0.5 / 3)]),
    ],
)
def test_rsi_by_hand(smoothing: int, expected: list[float]) -> None:
    answered = values(rsi, RSI, [10.0, 12.0, 11.0, 14.0], params=(2, smoothing))
    assert np.isnan(answered[:2]).all()
    assert answered[2:] == pytest.approx(expected, rel=1e-15)


def test_a_bar_without_a_change_leaves_the_rsi_as_it_was() -> None:
    answered = values(rsi, RSI, [10.0, 12.0, 11.0, *[11.0] * 1_000], params=(2, WILDER))
    assert set(answered[2:].tolist()) == {100 * (1.0 / 1.5)}


def test_macd_by_hand() -> None:
    # slow 3: -, -, 2, then halfway: 4, 4. fast 2 begins one bar later: -, -, 2.5, then two thirds: 4.833, 4.278
    line, signal, histogram = values(macd, MACD, [1.0, 2.0, 3.0, 6.0, 4.0], params=(2, 3, 2))
    assert np.isnan(line[:3]).all()
    assert line[3:] == pytest.approx([29 / 6 - 4, 77 / 18 - 4], rel=1e-14)
    assert signal[3:] == pytest.approx([(0.5 + 5 / 6) / 2, 5 / 18 + (2 / 3 - 5 / 18) / 3], rel=1e-14)
    assert (histogram[3:] == line[3:] - signal[3:]).all()


def test_stochastic_by_hand() -> None:
    high, low, close = [4.0, 6.0, 6.0, 9.0], [2.0, 2.0, 4.0, 5.0], [3.0, 3.0, 5.0, 9.0]
    k, d = values(stochastic, STOCHASTIC, high, low, close, params=(2, 1, 2))
    # ranges 2 to 6, 2 to 6, 4 to 9
    assert k[2:].tolist() == [75.0, 100.0]
    assert d[2:].tolist() == [50.0, 87.5]
    assert np.isnan([k[1], d[1]]).all()


def test_cci_by_hand() -> None:
    # typical prices 1 2 6: mean 3, mean deviation (2 + 1 + 3) / 3 = 2
    assert values(cci, CCI, *[[1.0, 2.0, 6.0]] * 3, params=(3,))[2] == pytest.approx(3 / (0.015 * 2), rel=1e-14)


def test_roc_by_hand() -> None:
    assert values(roc, ROC, [4.0, 0.0, 5.0, 3.0], params=(2,))[2:].tolist() == [25.0, 0.0]


def test_williams_r_by_hand() -> None:
    assert values(williams_r, WILLIAMS_R, [4.0, 6.0], [2.0, 3.0], [3.0, 5.0], params=(2,))[1] == -25.0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_market_that_never_moves_has_a_value_too(case: Case) -> None:
    column = np.full(600, 0.1)
    price_at_rest = case.step in (sma, ema, wma)
    for answered in table(batch(case.step, case.layout, *[column] * len(case.columns), params=case.params)):
        expected = 0.1 if price_at_rest else 0.0
        assert answered[case.warmup - 1 :] == pytest.approx(expected, rel=1e-13, abs=1e-15)

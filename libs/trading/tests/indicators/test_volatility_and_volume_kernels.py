"""What every kernel of volatility, channels and volume keeps: warm-up, bits, and no drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from n1v1.indicators.adx import ADX, adx, directional_warmup
from n1v1.indicators.atr import ATR, atr, atr_warmup
from n1v1.indicators.batch import batch
from n1v1.indicators.bollinger import BOLLINGER, bollinger, bollinger_warmup
from n1v1.indicators.donchian import DONCHIAN, donchian, donchian_warmup
from n1v1.indicators.keltner import KELTNER, keltner, keltner_warmup
from n1v1.indicators.mfi import MFI, mfi, mfi_warmup
from n1v1.indicators.obv import OBV, obv, obv_warmup
from n1v1.indicators.realised_volatility import REALISED_VOLATILITY, realised_volatility, realised_volatility_warmup
from n1v1.indicators.standard_deviation import STANDARD_DEVIATION, standard_deviation, standard_deviation_warmup
from n1v1.indicators.supertrend import SUPERTREND, supertrend, supertrend_warmup
from n1v1.indicators.vwap import SESSION_VWAP, VWAP, session_vwap, session_vwap_warmup, vwap, vwap_warmup
from n1v1.indicators.zscore import ZSCORE, zscore, zscore_warmup
from n1v1.kernels import Record, kernel, load_record, new_record, store_record


@kernel
def session_vwap_of_hours(
    state: Record, high: float, low: float, close: float, volume: float, hour: float, hour_ns: int
) -> float:
    """Columns are floats, close times are not."""
    return session_vwap(state, high, low, close, volume, int(hour) * hour_ns)


@dataclass(frozen=True)
class Case:
    step: Callable[..., Any]
    layout: np.dtype[Any]
    columns: tuple[str, ...]
    params: tuple[Any, ...]
    warmup: int

    def of(self, bars: dict[str, NDArray[np.float64]], first: int = 0) -> tuple[NDArray[np.float64], ...]:
        return tuple(bars[name][first:] for name in self.columns)


HLC = ("high", "low", "close")
CASES = {
    "adx": Case(adx, ADX, HLC, (14,), directional_warmup(14)),
    "atr": Case(atr, ATR, HLC, (14,), atr_warmup(14)),
    "bollinger": Case(bollinger, BOLLINGER, ("close",), (20, 2.0, 1), bollinger_warmup(20)),
    "donchian": Case(donchian, DONCHIAN, ("high", "low"), (20,), donchian_warmup(20)),
    "keltner": Case(keltner, KELTNER, HLC, (20, 14, 2.0), keltner_warmup(20, 14)),
    "mfi": Case(mfi, MFI, (*HLC, "volume"), (14,), mfi_warmup(14)),
    "obv": Case(obv, OBV, ("close", "volume"), (), obv_warmup()),
    "realised_volatility": Case(
        realised_volatility, REALISED_VOLATILITY, ("close",), (30, 365.0), realised_volatility_warmup(30)
    ),
    "session_vwap": Case(
        session_vwap_of_hours,
        SESSION_VWAP,
        (*HLC, "volume", "hour"),
        (3_600_000_000_000,),
        session_vwap_warmup(),
    ),
    "standard_deviation": Case(
        standard_deviation, STANDARD_DEVIATION, ("close",), (20, 0), standard_deviation_warmup(20)
    ),
    "supertrend": Case(supertrend, SUPERTREND, HLC, (10, 3.0), supertrend_warmup(10)),
    "vwap": Case(vwap, VWAP, (*HLC, "volume"), (20,), vwap_warmup(20)),
    "zscore": Case(zscore, ZSCORE, ("close",), (20, 0), zscore_warmup(20)),
}
WITH_SUMS = ("adx", "atr", "keltner", "mfi", "obv", "realised_volatility", "session_vwap", "standard_deviation", "vwap")
"""Those that carry a sum or an average along, and not only one of another of them."""

every_kernel = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def columns_of(market: Any) -> dict[str, NDArray[np.float64]]:
    hours = np.arange(1.0, len(market.close) + 1)
    return {"high": market.high, "low": market.low, "close": market.close, "volume": market.volume, "hour": hours}


def rows(answered: Any) -> NDArray[np.float64]:
    """One row per bar; an indicator that answers one number has one column."""
    table = np.array(answered)
    return table.T if table.ndim == 2 else table[:, None]


@every_kernel
def test_the_first_value_comes_after_the_warm_up_that_was_declared(case: Case, market: Any) -> None:
    answered = rows(batch(case.step, case.layout, *case.of(columns_of(market)), params=case.params))
    assert np.isnan(answered[: case.warmup - 1]).any(axis=1).all()
    missing = np.isnan(answered[case.warmup - 1 :])
    assert not (missing[:, 1:] if case.step is adx else missing).any()  # the index of ADX comes later, by its own test


@every_kernel
def test_a_compiled_kernel_gives_the_same_bits(case: Case, market: Any, compiled_batch: Callable[..., Any]) -> None:
    bars = case.of(columns_of(market))
    plain = rows(batch(case.step, case.layout, *bars, params=case.params))
    assert plain.tobytes() == rows(compiled_batch(case.step, case.layout, *bars, params=case.params)).tobytes()


@every_kernel
def test_a_stored_state_goes_on_with_the_same_bits(case: Case, market: Any) -> None:
    steps = list(zip(*(column.tolist() for column in case.of(columns_of(market))), strict=True))[:700]
    undisturbed, before, after = (new_record(case.layout) for _ in range(3))
    expected = np.array([case.step(undisturbed, *bar, *case.params) for bar in steps])
    first = [case.step(before, *bar, *case.params) for bar in steps[:333]]
    stored = np.zeros((), case.layout)
    store_record(before, stored)
    load_record(after, stored)
    assert np.array(first + [case.step(after, *bar, *case.params) for bar in steps[333:]]).tobytes() == (
        expected.tobytes()
    )


@pytest.mark.parametrize("case", [CASES[name] for name in WITH_SUMS], ids=WITH_SUMS)
def test_nothing_drifts_in_100_000_bars(case: Case, compiled_batch: Callable[..., Any]) -> None:
    """A start 2,000 bars before the end has forgotten nothing that still matters, and rounded 98,000 times less."""
    chance = np.random.default_rng(17)
    close = 20_000.0 * np.exp(np.cumsum(chance.normal(0.0, 0.001, 100_000)))
    bars = {
        "high": close * np.exp(np.abs(chance.normal(0.0, 0.001, 100_000))),
        "low": close * np.exp(-np.abs(chance.normal(0.0, 0.001, 100_000))),
        "close": close,
        "volume": np.round(chance.uniform(0.0, 50.0, 100_000), 8),
        "hour": np.arange(1.0, 100_001.0),
    }
    whole = rows(compiled_batch(case.step, case.layout, *case.of(bars), params=case.params))[-500:]
    fresh = rows(compiled_batch(case.step, case.layout, *case.of(bars, 98_000), params=case.params))[-500:]
    if case.step is obv:  # only its changes mean anything: it has no fixed start
        whole, fresh = np.diff(whole, axis=0), np.diff(fresh, axis=0)
    np.testing.assert_allclose(whole, fresh, rtol=1e-9, atol=1e-8)

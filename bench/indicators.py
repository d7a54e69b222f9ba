"""Every indicator that TA-Lib has too, compiled, over a whole column: nanoseconds a bar against TA-Lib's.

`python -m bench.indicators` measures it alone. Both run in one process and take turns, and CPU time is what counts, so
that whatever else the machine does cancels out. TA-Lib answers lines such as ADX and its two DIs one call each; where
one kernel answers several, all of TA-Lib's calls for them are measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import talib
from numpy.typing import NDArray
from rich.console import Console

from bench.report import Aim, Figure, Ratio, Report
from n1v1.indicators.adx import ADX, adx
from n1v1.indicators.atr import ATR, atr
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
from n1v1.indicators.stoch_rsi import STOCH_RSI, stoch_rsi
from n1v1.indicators.stochastic import STOCHASTIC, stochastic
from n1v1.indicators.williams_r import WILLIAMS_R, williams_r
from n1v1.indicators.wma import WMA, wma
from n1v1.kernels import new_record
from n1v1_research.compiled.batch import batch

RESULTS = Path("results/bench-indicators.json")
BARS = 1_000_000
PLAIN_BARS = 5_000
ROUNDS = 21
AIM = Aim("<=", 1.5)
AGREEMENT = 1e-9
KEPT_BYTES = 32 * 1024 * 1024
"""glibc gives a block back to the system when it is freed, until one as large as this was: from then on memory is used
again. Otherwise either side would at random pay for new pages, which cost more than an average."""
WIDTH = 120

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    high: Column
    low: Column
    close: Column
    volume: Column


@dataclass(frozen=True, slots=True)
class Case:
    """params: of the kernel. theirs: TA-Lib's answers for the same columns, in the kernel's order."""

    step: Callable[..., Any]
    layout: np.dtype[Any]
    columns: tuple[str, ...]
    params: tuple[Any, ...]
    theirs: Callable[..., Any]

    @property
    def name(self) -> str:
        return f"{self.step.__name__}{self.params}"


PRICE, RANGE, BAR = ("close",), ("high", "low"), ("high", "low", "close")


def _three_of_adx(high: Column, low: Column, close: Column) -> Any:
    return talib.ADX(high, low, close, 14), talib.PLUS_DI(high, low, close, 14), talib.MINUS_DI(high, low, close, 14)


def _donchian(period: int) -> Callable[[Column, Column], Any]:
    return lambda high, low: (talib.MAX(high, period), talib.MIDPRICE(high, low, period), talib.MIN(low, period))


CASES = (
    Case(sma, SMA, PRICE, (20,), lambda close: talib.SMA(close, 20)),
    Case(sma, SMA, PRICE, (200,), lambda close: talib.SMA(close, 200)),
    Case(ema, EMA, PRICE, (21,), lambda close: talib.EMA(close, 21)),
    Case(wma, WMA, PRICE, (30,), lambda close: talib.WMA(close, 30)),
    Case(rsi, RSI, PRICE, (14, WILDER), lambda close: talib.RSI(close, 14)),
    Case(macd, MACD, PRICE, (12, 26, 9), lambda close: talib.MACD(close, 12, 26, 9)),
    Case(bollinger, BOLLINGER, PRICE, (20, 2.0, 0), lambda close: talib.BBANDS(close, 20, 2.0, 2.0)),
    Case(atr, ATR, BAR, (14,), lambda high, low, close: talib.ATR(high, low, close, 14)),
    Case(adx, ADX, BAR, (14,), _three_of_adx),
    Case(stochastic, STOCHASTIC, BAR, (14, 1, 3), lambda high, low, close: talib.STOCHF(high, low, close, 14, 3)),
    Case(
        *(stochastic, STOCHASTIC, BAR, (14, 3, 5)),
        lambda high, low, close: talib.STOCH(high, low, close, 14, slowk_period=3, slowd_period=5),
    ),
    Case(stoch_rsi, STOCH_RSI, PRICE, (14, 5, 3), lambda close: talib.STOCHRSI(close, 14, 5, 3)),
    Case(cci, CCI, BAR, (20,), lambda high, low, close: talib.CCI(high, low, close, 20)),
    Case(mfi, MFI, (*BAR, "volume"), (14,), lambda high, low, close, volume: talib.MFI(high, low, close, volume, 14)),
    Case(roc, ROC, PRICE, (10,), lambda close: talib.ROC(close, 10)),
    Case(obv, OBV, ("close", "volume"), (), talib.OBV),
    Case(williams_r, WILLIAMS_R, BAR, (14,), lambda high, low, close: talib.WILLR(high, low, close, 14)),
    Case(donchian, DONCHIAN, RANGE, (20,), _donchian(20)),
    Case(donchian, DONCHIAN, RANGE, (200,), _donchian(200)),
)


def measure(*, rounds: int = ROUNDS, bars: int = BARS) -> Report:
    """Raises AssertionError when an answer differs from TA-Lib's."""
    columns = _random_walk(bars)
    np.empty(KEPT_BYTES // 8 - 1).fill(0.0)
    machine = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    report = Report({**machine, "bars": bars, "talib": talib.__version__})
    for case in CASES:
        inputs = tuple(getattr(columns, name) for name in case.columns)
        report.ratios.append(_against_talib(case, inputs, rounds))
        report.figures.append(_as_plain_python(case, inputs, rounds))
    return report


def _against_talib(case: Case, inputs: tuple[Column, ...], rounds: int) -> Ratio:
    def ours() -> Any:
        return batch(case.step, case.layout, *inputs, params=case.params)

    def theirs() -> Any:
        return case.theirs(*inputs)

    np.testing.assert_allclose(ours(), theirs(), rtol=AGREEMENT, atol=AGREEMENT, err_msg=case.name)  # compiles it too
    pairs = [(_cpu_ns(ours), _cpu_ns(theirs)) for _ in range(rounds)]
    bars = len(inputs[0])
    return Ratio(case.name, "ns/bar", [a / bars for a, _ in pairs], [b / bars for _, b in pairs], AIM)


def _as_plain_python(case: Case, inputs: Sequence[Column], rounds: int) -> Figure:
    rows = list(zip(*(column[:PLAIN_BARS].tolist() for column in inputs), strict=True))

    def run() -> None:
        state = new_record(case.layout)
        for row in rows:
            case.step(state, *row, *case.params)

    return Figure(f"{case.name} as plain Python", "ns/bar", [_cpu_ns(run) / len(rows) for _ in range(rounds)])


def _cpu_ns(function: Callable[[], object]) -> int:
    began = time.process_time_ns()
    function()
    return time.process_time_ns() - began


def _random_walk(bars: int) -> Columns:
    """One-minute bars of something that costs about 20,000, in cents."""
    chance = np.random.default_rng(1)
    close = np.round(20_000.0 * np.exp(np.cumsum(chance.normal(0.0, 0.0005, bars))), 2)
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.round(np.maximum(open_, close) * np.exp(np.abs(chance.normal(0.0, 0.0003, bars))), 2)
    low = np.round(np.minimum(open_, close) * np.exp(-np.abs(chance.normal(0.0, 0.0003, bars))), 2)
    return Columns(high, low, close, np.round(chance.uniform(0.0, 50.0, bars), 5))


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_known_args()[0].quick  # the rest of the line is for other sections
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    report = measure(rounds=1, bars=BARS // 10) if quick else measure()
    report.print(console)
    report.write(RESULTS)
    console.print(f"written to {RESULTS}; the floor is TA-Lib")


if __name__ == "__main__":
    main()

"""The peers' rule in two forms of a strategy: from the first decision on, one coin while the fast average is above."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from bench.peers.measure import FAST, FIRST_DECISION, SLOW
from n1v1.events import Wish
from n1v1.kernels import Record, kernel
from n1v1.strategies.bar import Bar
from n1v1.strategies.base import EXIT, LONG, NO_SIGNAL, Bound, Explanation, Strategy
from n1v1.strategies.plain import PythonStrategy, Signal, buy, close

ONE_COIN_LOTS = 100_000_000
FIRST = FIRST_DECISION
"""A kernel knows numbers of its own module only."""


class CrossParams(NamedTuple):
    fast_ema: int = FAST
    slow_ema: int = SLOW


@kernel
def cross_on_bar(params: Any, state: Record, bar: Record) -> int:
    if state.bars == 0:  # the peers begin an average with the first price; ours begin with the mean of a whole period
        state.fast = bar.close
        state.slow = bar.close
    state.fast += 2.0 / (params.fast_ema + 1) * (bar.close - state.fast)
    state.slow += 2.0 / (params.slow_ema + 1) * (bar.close - state.slow)
    state.bars += 1
    if state.bars <= FIRST:
        return NO_SIGNAL
    if state.fast > state.slow and not state.is_long:
        state.is_long = True
        return LONG
    if state.fast < state.slow and state.is_long:
        state.is_long = False
        return EXIT
    return NO_SIGNAL


class CompiledCross(Strategy):
    key = "peer_cross"
    Params = CrossParams
    State = np.dtype([("fast", "f8"), ("slow", "f8"), ("bars", "i8"), ("is_long", "?")])
    bounds: ClassVar = {"fast_ema": Bound(1, 10_000), "slow_ema": Bound(2, 10_000)}
    on_bar = staticmethod(cross_on_bar)

    @staticmethod
    def wish(params: Any) -> Wish:
        return Wish(lots=ONE_COIN_LOTS)

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        return "fast average above slow" if signal == LONG else "fast average below slow"

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        return CompiledCross.reason(params, signal), ()

    @staticmethod
    def warmup_bars(params: Any) -> int:
        return FIRST


class PlainCross(PythonStrategy):
    def __init__(self, fast_ema: int = FAST, slow_ema: int = SLOW) -> None:
        self.fast_step, self.slow_step = 2.0 / (fast_ema + 1), 2.0 / (slow_ema + 1)
        self.fast = self.slow = 0.0
        self.bars = 0
        self.is_long = False

    def on_bar(self, bar: Bar) -> Signal | None:
        if self.bars == 0:
            self.fast = self.slow = bar.close
        self.fast += self.fast_step * (bar.close - self.fast)
        self.slow += self.slow_step * (bar.close - self.slow)
        self.bars += 1
        if self.bars <= FIRST_DECISION:
            return None
        if self.fast > self.slow and not self.is_long:
            self.is_long = True
            return buy("fast average above slow", quantity=1)
        if self.fast < self.slow and self.is_long:
            self.is_long = False
            return close("fast average below slow")
        return None

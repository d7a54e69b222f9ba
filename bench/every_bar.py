"""A strategy for measuring: in on one bar, out on the next, so that every bar makes an order and a fill."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from n1v1.kernels import Record
from n1v1.strategies.base import LONG, SHORT, Strategy


class EveryBarParams(NamedTuple):
    pass


class EveryBarStrategy(Strategy):
    key = "every_bar"
    Params = EveryBarParams
    State = np.dtype([("bars", "i8")])

    @staticmethod
    def on_bar(params: Any, state: Record, bar: Record) -> int:
        state.bars += 1
        return LONG if state.bars % 2 else SHORT

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> tuple[str, tuple[tuple[str, float], ...]]:
        return ("in" if signal == LONG else "out"), ()

    @staticmethod
    def warmup_bars(params: Any) -> int:
        return 0

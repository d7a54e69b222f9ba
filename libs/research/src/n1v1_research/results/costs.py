"""What trading cost: fees, and the slippage against the opens that market orders were filled at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n1v1.performance import RecordedExecution
from n1v1.rounding import notional
from n1v1_research.datasets import Dataset


@dataclass(frozen=True, slots=True)
class Costs:
    """In quanta. slippage: only of executions at the open of a bar, where the price without it is known.

    traded: the value of all executions. at_open: how many of them were at an open.
    """

    fees: int
    slippage: int
    traded: int
    at_open: int


def costs_of(executions: Sequence[RecordedExecution], dataset: Dataset) -> Costs:
    slippage = at_open = 0
    for instrument in dataset.instruments:
        mine = [execution for execution in executions if execution.symbol == instrument.symbol]
        bars = dataset.columns(instrument.symbol)
        times = np.array([execution.ts_ns for execution in mine], dtype=np.int64)
        rows = np.minimum(np.searchsorted(bars.open_ns, times), len(bars) - 1)
        for execution, row, opens in zip(mine, rows.tolist(), (bars.open_ns[rows] == times).tolist(), strict=True):
            if opens:
                at_open += 1
                worse = (execution.ticks - int(bars.open[row])) * execution.side.sign
                slippage += notional(instrument, worse, execution.lots)
    return Costs(
        fees=sum(execution.fee for execution in executions),
        slippage=slippage,
        traded=sum(execution.value for execution in executions),
        at_open=at_open,
    )

"""What trading cost: fees, and the slippage of market orders against the opens that they were filled at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n1v1.performance import RecordedExecution
from n1v1.rounding import notional
from n1v1.run_hash import RunRecords
from n1v1.values import Instrument, OrderType
from n1v1_research.datasets import Dataset


@dataclass(frozen=True, slots=True)
class Costs:
    """In quanta. slippage: only of market orders, which fill at an open; what a stop slipped its fill does not tell.

    traded: the value of all executions. market_fills: how many of them were of market orders.
    """

    fees: int
    slippage: int
    traded: int
    market_fills: int


def costs_of(records: RunRecords, executions: Sequence[RecordedExecution], dataset: Dataset) -> Costs:
    market_orders = {order_id for order_id, _, _, kind, *_ in records.orders if kind == OrderType.MARKET.value}
    taken = [execution for execution in executions if execution.order_id in market_orders]
    return Costs(
        fees=sum(execution.fee for execution in executions),
        slippage=sum(_slippage(instrument, taken, dataset) for instrument in dataset.instruments),
        traded=sum(execution.value for execution in executions),
        market_fills=len(taken),
    )


def _slippage(instrument: Instrument, executions: Sequence[RecordedExecution], dataset: Dataset) -> int:
    """How much worse than the opens the executions in one symbol were."""
    mine = [execution for execution in executions if execution.symbol == instrument.symbol]
    bars = dataset.columns(instrument.symbol)
    rows = np.searchsorted(bars.open_ns, np.array([execution.ts_ns for execution in mine], dtype=np.int64))
    opens = bars.open[np.minimum(rows, len(bars) - 1)].tolist()
    return sum(
        notional(instrument, (execution.ticks - open_) * execution.side.sign, execution.lots)
        for execution, open_ in zip(mine, opens, strict=True)
    )

"""The same run at other costs: how much of the result is left when trading is dearer than assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n1v1_research.results.result import RunResult

FACTORS = ("0.5", "1", "2")
"""Of fees and slippage. A result that turns with costs twice as high was never there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRun:
    """factor: of fees and slippage. The rest as `n1v1.performance.Summary` has it; fees as decimal text."""

    factor: str
    total_return: float
    sharpe_ratio: float | None
    max_drawdown: float
    total_trades: int
    total_fees: str

    @classmethod
    def of(cls, factor: str, result: RunResult) -> CostRun:
        numbers = result.summary
        return cls(
            factor=factor,
            total_return=numbers.total_return,
            sharpe_ratio=numbers.sharpe_ratio,
            max_drawdown=numbers.max_drawdown,
            total_trades=numbers.total_trades,
            total_fees=f"{result.cash(numbers.total_fees):f}",
        )

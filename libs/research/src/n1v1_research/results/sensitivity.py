"""The same run under other assumptions: how much of the result is left when they are not as good as assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n1v1_research.results.result import RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRun:
    """what: is different. The rest as `n1v1.performance.Summary` has it; fees as decimal text."""

    what: str
    total_return: float
    sharpe_ratio: float | None
    max_drawdown: float
    total_trades: int
    total_fees: str

    @classmethod
    def of(cls, what: str, result: RunResult) -> OtherRun:
        numbers = result.summary
        return cls(
            what=what,
            total_return=numbers.total_return,
            sharpe_ratio=numbers.sharpe_ratio,
            max_drawdown=numbers.max_drawdown,
            total_trades=numbers.total_trades,
            total_fees=f"{result.cash(numbers.total_fees):f}",
        )

"""vectorbt: indicators, signals and simulation as passes over whole arrays, compiled with numba.

Next open: signals are moved one bar on and filled at `price=open`. Same close: vectorbt's default. All symbols of a
portfolio share one account (`cash_sharing`). A sweep goes in chunks of 100 pairs, which is as fast and fits the memory.

`python -m bench.peers.run_vectorbt DATA ...`
"""

# mypy: disable-error-code="import-not-found"
# installed in the environment of the peer
from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import vectorbt as vbt

from bench.peers.measure import (
    CASH,
    FAST,
    FEE_RATE,
    SLOW,
    Backtest,
    Outcome,
    Prepare,
    Prices,
    Task,
    Workload,
    decisions,
    main,
)

CHUNK = 100


class Runs:
    """Workloads for one of vectorbt's two engines."""

    def __init__(self, engine: Literal["numba", "rust"]) -> None:
        self.engine = engine
        self.workloads: dict[Workload, Prepare] = {
            "one-symbol": self.account,
            "portfolio": self.account,
            "sweep": self.sweep,
        }

    def account(self, task: Task, prices: Prices) -> Backtest:
        close, open_ = _frames(prices)

        def run() -> Outcome:
            fast, slow = (self._mean(close, period) for period in (FAST, SLOW))
            portfolio = self._simulated(task, close, open_, fast, slow, cash_sharing=True, group_by=True)
            return Outcome((float(portfolio.final_value()),), len(portfolio.order_records))

        return run

    def sweep(self, task: Task, prices: Prices) -> Backtest:
        close, open_ = (frame[0] for frame in _frames(prices))

        def run() -> Outcome:
            equities: list[float] = []
            fills = 0
            for start in range(0, task.pairs, CHUNK):
                fast_periods, slow_periods = (
                    list(row) for row in zip(*task.chosen_pairs[start : start + CHUNK], strict=True)
                )
                fast, slow = (self._mean(close, periods) for periods in (fast_periods, slow_periods))
                portfolio = self._simulated(task, close, open_, fast, slow)
                equities += portfolio.final_value().tolist()
                fills += len(portfolio.order_records)
            return Outcome(tuple(equities), fills)

        return run

    def _mean(self, close: Any, period: int | list[int]) -> Any:
        return vbt.MA.run(close, period, ewm=True, engine=self.engine).ma.to_numpy()

    def _simulated(self, task: Task, close: Any, open_: Any, fast: Any, slow: Any, **account: Any) -> Any:
        entries, exits = decisions(fast, slow)
        if task.convention == "next-open":
            entries, exits = _a_bar_later(entries), _a_bar_later(exits)
        return vbt.Portfolio.from_signals(
            close,
            entries,
            exits,
            price=open_ if task.convention == "next-open" else np.inf,
            size=1.0,
            init_cash=CASH,
            fees=FEE_RATE,
            freq="1min",
            engine=self.engine,
            **account,
        )


def _frames(prices: Prices) -> tuple[pd.DataFrame, pd.DataFrame]:
    index = pd.DatetimeIndex(prices.open_ns[0])
    return pd.DataFrame(prices.close.T.copy(), index=index), pd.DataFrame(prices.open.T.copy(), index=index)


def _a_bar_later(signals: Any) -> Any:
    later = np.zeros_like(signals)
    later[1:] = signals[:-1]
    return later


if __name__ == "__main__":
    main(Runs("numba").workloads, packages=("vectorbt", "numba", "numpy", "pandas"))

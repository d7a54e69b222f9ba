"""By hand and compiled: what one loop over the bars costs when everything stays in registers. The reference of equity.

`python -m bench.peers.run_numba DATA ...`
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bench.peers.measure import CASH, FAST, FEE_RATE, FIRST_DECISION, SLOW, Backtest, Outcome, Prices, Task, main


@njit(nogil=True)
def single_pass(open_, close, fast, slow, next_open, fill_at, fill_price):  # type: ignore[no-untyped-def]
    """Averages, fills, fees, equity and drawdown bar by bar, and a log of the fills: (equity, drawdown, fills)."""
    fast_step, slow_step = 2.0 / (fast + 1), 2.0 / (slow + 1)
    fast_mean = slow_mean = close[0]
    cash, coins, wanted, fills = CASH, 0, 0, 0
    equity = peak = CASH
    drawdown = 0.0
    for i in range(len(close)):
        price = close[i]
        if next_open and wanted != coins:
            cash -= (wanted - coins) * open_[i] + FEE_RATE * open_[i]
            coins = wanted
            fill_at[fills], fill_price[fills] = i, open_[i]
            fills += 1
        fast_mean += fast_step * (price - fast_mean)
        slow_mean += slow_step * (price - slow_mean)
        if i >= FIRST_DECISION:
            if fast_mean > slow_mean:
                wanted = 1
            elif fast_mean < slow_mean:
                wanted = 0
        if not next_open and wanted != coins:
            cash -= (wanted - coins) * price + FEE_RATE * price
            coins = wanted
            fill_at[fills], fill_price[fills] = i, price
            fills += 1
        equity = cash + coins * price
        peak = max(peak, equity)
        drawdown = max(drawdown, peak - equity)
    return equity, drawdown, fills


def one_symbol(task: Task, prices: Prices) -> Backtest:
    run = _passes(task, prices)
    return lambda: run(0, FAST, SLOW)


def portfolio(task: Task, prices: Prices) -> Backtest:
    run = _passes(task, prices)

    def every_symbol() -> Outcome:
        outcomes = [run(symbol, FAST, SLOW) for symbol in range(task.symbols)]
        gains = sum(outcome.equities[0] - CASH for outcome in outcomes)
        return Outcome((CASH + gains,), sum(outcome.fills for outcome in outcomes))

    return every_symbol


def sweep(task: Task, prices: Prices) -> Backtest:
    run = _passes(task, prices)

    def every_pair() -> Outcome:
        outcomes = [run(0, fast, slow) for fast, slow in task.chosen_pairs]
        return Outcome(tuple(outcome.equities[0] for outcome in outcomes), sum(outcome.fills for outcome in outcomes))

    return every_pair


def _passes(task: Task, prices: Prices):  # type: ignore[no-untyped-def]
    fill_at, fill_price = np.empty(task.bars, np.int64), np.empty(task.bars)
    next_open = task.convention == "next-open"

    def run(symbol: int, fast: int, slow: int) -> Outcome:
        columns = prices.open[symbol], prices.close[symbol]
        equity, _, fills = single_pass(*columns, fast, slow, next_open, fill_at, fill_price)
        return Outcome((equity,), fills)

    return run


if __name__ == "__main__":
    main({"one-symbol": one_symbol, "portfolio": portfolio, "sweep": sweep}, packages=("numba", "numpy"))

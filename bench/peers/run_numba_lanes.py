"""By hand and compiled, a sweep whose pairs advance together, bar by bar: the limit of a sweep.

The inner loop runs over pairs and has no branch, so the compiler makes it vector instructions. Blocks of pairs are
shared out over the cores.

`python -m bench.peers.run_numba_lanes DATA ...`
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from bench.peers.measure import CASH, FEE_RATE, FIRST_DECISION, Backtest, Outcome, Prices, Task, main

BLOCK = 64
"""Pairs whose state fits into the first cache together."""


@njit(parallel=True, nogil=True)
def together(fill_price, close, fast_steps, slow_steps, equities, fills):  # type: ignore[no-untyped-def]
    """fill_price: at which a wish of bar i is filled; the last bar's is never filled when that lies beyond the data."""
    pairs = len(fast_steps)
    for block in prange((pairs + BLOCK - 1) // BLOCK):
        first, end = block * BLOCK, min((block + 1) * BLOCK, pairs)
        fast_step, slow_step = fast_steps[first:end].copy(), slow_steps[first:end].copy()
        fast, slow = np.full(end - first, close[0]), np.full(end - first, close[0])
        cash, coins, count = np.full(end - first, CASH), np.zeros(end - first), np.zeros(end - first)
        for i in range(len(close)):
            price = close[i]
            if i < FIRST_DECISION or i >= len(fill_price):
                for k in range(end - first):
                    fast[k] += fast_step[k] * (price - fast[k])
                    slow[k] += slow_step[k] * (price - slow[k])
                continue
            paid, fee = fill_price[i], FEE_RATE * fill_price[i]
            for k in range(end - first):
                fast[k] += fast_step[k] * (price - fast[k])
                slow[k] += slow_step[k] * (price - slow[k])
                wanted = 1.0 if fast[k] > slow[k] else (0.0 if fast[k] < slow[k] else coins[k])
                change = wanted - coins[k]
                cash[k] -= change * paid + abs(change) * fee
                count[k] += abs(change)
                coins[k] = wanted
        equities[first:end] = cash + coins * close[-1]
        fills[first:end] = count


def sweep(task: Task, prices: Prices) -> Backtest:
    close, open_ = prices.close[0], prices.open[0]
    fill_price = open_[1:].copy() if task.convention == "next-open" else close
    fast_steps, slow_steps = (2.0 / (np.array(periods) + 1.0) for periods in zip(*task.chosen_pairs, strict=True))
    equities, fills = np.empty(task.pairs), np.empty(task.pairs)

    def run() -> Outcome:
        together(fill_price, close, fast_steps, slow_steps, equities, fills)
        return Outcome(tuple(equities.tolist()), int(fills.sum()))

    return run


if __name__ == "__main__":
    main({"sweep": sweep}, packages=("numba", "numpy"))

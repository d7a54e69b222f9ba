"""backtesting.py. Next open: its default. Same close: `trade_on_close`.

Its orders are of whole units, which a coin is. It has one symbol. A sweep is its `optimize` with two processes.

`python -m bench.peers.run_backtesting DATA ...`
"""

# mypy: disable-error-code="import-not-found"
# installed in the environment of the peer
from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
from backtesting import Backtest as Library
from backtesting import Strategy

from bench.peers.measure import CASH, FAST, FEE_RATE, FIRST_DECISION, SLOW, Backtest, Outcome, Prices, Task, main


class Cross(Strategy):  # type: ignore[misc, unused-ignore]  # untyped here
    fast = FAST
    slow = SLOW

    def init(self) -> None:
        close = pd.Series(self.data.Close)
        self.fast_mean, self.slow_mean = (
            self.I(lambda period=period: close.ewm(span=period, adjust=False).mean(), plot=False)
            for period in (self.fast, self.slow)
        )

    def next(self) -> None:
        if len(self.data) <= FIRST_DECISION:
            return
        fast, slow = self.fast_mean[-1], self.slow_mean[-1]
        if fast > slow and not self.position:
            self.buy(size=1)
        elif fast < slow and self.position:
            self.position.close()


def one_symbol(task: Task, prices: Prices) -> Backtest:
    library = _library(task, prices)
    return lambda: _outcome([library.run()])


def sweep(task: Task, prices: Prices) -> Backtest:
    library = _library(task, prices)
    return lambda: _outcome([library.run(fast=fast, slow=slow) for fast, slow in task.chosen_pairs])


def _library(task: Task, prices: Prices) -> Any:
    warnings.simplefilter("ignore")  # it warns of trades that are open at the end, which is meant
    columns = {name.title(): getattr(prices, name)[0] for name in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(prices.open_ns[0]))
    on_close = task.convention == "same-close"
    return Library(frame, Cross, cash=CASH, commission=FEE_RATE, trade_on_close=on_close, finalize_trades=False)


def _outcome(results: list[Any]) -> Outcome:
    fills = sum(2 * len(result._trades) + len(result._strategy.trades) for result in results)
    return Outcome(tuple(float(result["Equity Final [$]"]) for result in results), fills)


if __name__ == "__main__":
    main({"one-symbol": one_symbol, "sweep": sweep}, packages=("backtesting", "numpy", "pandas"))

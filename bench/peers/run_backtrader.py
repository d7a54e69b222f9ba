"""backtrader. Next open: its default. Same close: cheat-on-close.

`python -m bench.peers.run_backtrader DATA ...`
"""

# mypy: disable-error-code="import-not-found"
# installed in the environment of the peer
from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np

from bench.peers.measure import CASH, FAST, FEE_RATE, FIRST_DECISION, SLOW, Backtest, Outcome, Prices, Task, main

COLUMNS = ("open", "high", "low", "close", "volume")
DAY_NS = 86_400_000_000_000
DAYS_BEFORE_1970 = 719_163
"""backtrader counts days from the first of January of the year 1, which is day 1."""


class Arrays(bt.feed.DataBase):  # type: ignore[misc, unused-ignore]  # untyped here
    """Bars from columns, without a frame between."""

    def __init__(self, prices: Prices, symbol: int) -> None:
        super().__init__()
        days = prices.open_ns[symbol] / DAY_NS + DAYS_BEFORE_1970
        columns = [days, *(getattr(prices, name)[symbol] for name in COLUMNS)]
        self._rows = np.column_stack(columns).tolist()

    def start(self) -> None:
        super().start()
        self._next = iter(self._rows)

    def _load(self) -> bool:
        row = next(self._next, None)
        if row is None:
            return False
        self.lines.datetime[0] = row[0]
        for name, value in zip(COLUMNS, row[1:], strict=True):
            getattr(self.lines, name)[0] = value
        self.lines.openinterest[0] = 0.0
        return True


class Cross(bt.Strategy):  # type: ignore[misc, unused-ignore]  # untyped here
    def __init__(self) -> None:
        self.fills = 0
        self.means = [
            (data, *(bt.ind.EMA(data.close, period=period) for period in (FAST, SLOW))) for data in self.datas
        ]

    def next(self) -> None:
        for data, fast, slow in self.means:
            if len(data) <= FIRST_DECISION:
                continue
            is_long = self.getposition(data).size > 0
            if fast[0] > slow[0] and not is_long:
                self.buy(data, size=1)
            elif fast[0] < slow[0] and is_long:
                self.close(data)

    def notify_order(self, order: Any) -> None:
        self.fills += order.status == order.Completed


def account(task: Task, prices: Prices) -> Backtest:
    feeds = [Arrays(prices, symbol) for symbol in range(task.symbols)]

    def run() -> Outcome:
        cerebro = bt.Cerebro(stdstats=False)
        for feed in feeds:
            cerebro.adddata(feed)
        cerebro.addstrategy(Cross)
        cerebro.broker.setcash(CASH)
        cerebro.broker.setcommission(commission=FEE_RATE)
        cerebro.broker.set_coc(task.convention == "same-close")
        strategy = cerebro.run()[0]
        return Outcome((float(cerebro.broker.getvalue()),), strategy.fills)

    return run


if __name__ == "__main__":
    main({"one-symbol": account, "portfolio": account}, packages=("backtrader", "numpy"))

"""By hand in plain Python: an object a bar, a call a bar, equity and drawdown a bar. The floor of any `on_bar` engine.

`python -m bench.peers.run_callback DATA ...`
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.measure import (
    CASH,
    FAST,
    FEE_RATE,
    FIRST_DECISION,
    SLOW,
    Backtest,
    Convention,
    Outcome,
    Prices,
    Task,
    main,
)


class Bar:
    __slots__ = ("close", "high", "low", "open", "open_ns", "volume")

    def __init__(self, open_ns: int, open_: float, high: float, low: float, close: float, volume: float) -> None:
        self.open_ns, self.open, self.high, self.low, self.close, self.volume = open_ns, open_, high, low, close, volume


class Cross:
    """Says after each bar how many coins to hold."""

    def __init__(self, first_close: float) -> None:
        self.fast_step, self.slow_step = 2.0 / (FAST + 1), 2.0 / (SLOW + 1)
        self.fast = self.slow = first_close
        self.bars = self.wanted = 0

    def on_bar(self, bar: Bar) -> int:
        close = bar.close
        self.fast += self.fast_step * (close - self.fast)
        self.slow += self.slow_step * (close - self.slow)
        if self.bars >= FIRST_DECISION:
            if self.fast > self.slow:
                self.wanted = 1
            elif self.fast < self.slow:
                self.wanted = 0
        self.bars += 1
        return self.wanted


class Account:
    def __init__(self) -> None:
        self.cash, self.coins = CASH, 0
        self.equity = self.peak = CASH
        self.drawdown = 0.0
        self.fills: list[tuple[int, float]] = []

    def fill(self, open_ns: int, wanted: int, price: float) -> None:
        self.cash -= (wanted - self.coins) * price + FEE_RATE * price
        self.coins = wanted
        self.fills.append((open_ns, price))

    def mark(self, close: float) -> None:
        self.equity = self.cash + self.coins * close
        self.peak = max(self.peak, self.equity)
        self.drawdown = max(self.drawdown, self.peak - self.equity)


def backtest(bars: Sequence[Bar], convention: Convention) -> Outcome:
    strategy, account, wanted = Cross(bars[0].close), Account(), 0
    on_bar = strategy.on_bar
    next_open = convention == "next-open"
    for bar in bars:
        if next_open and wanted != account.coins:
            account.fill(bar.open_ns, wanted, bar.open)
        wanted = on_bar(bar)
        if not next_open and wanted != account.coins:
            account.fill(bar.open_ns, wanted, bar.close)
        account.mark(bar.close)
    return Outcome((account.equity,), len(account.fills))


def portfolio(task: Task, prices: Prices) -> Backtest:
    series = [
        [Bar(*row) for row in zip(*(column[symbol].tolist() for column in prices), strict=True)]
        for symbol in range(task.symbols)
    ]

    def every_symbol() -> Outcome:
        outcomes = [backtest(bars, task.convention) for bars in series]
        gains = sum(outcome.equities[0] - CASH for outcome in outcomes)
        return Outcome((CASH + gains,), sum(outcome.fills for outcome in outcomes))

    return every_symbol


if __name__ == "__main__":
    main({"one-symbol": portfolio, "portfolio": portfolio}, packages=())

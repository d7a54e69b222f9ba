"""A strategy that enters at limits only, for the tests of engines."""

from __future__ import annotations

from n1v1.strategies.plain import Bar, PythonStrategy, Signal, buy, sell


class LimitEntries(PythonStrategy):
    """A bid below the market at the beginning of every `every` bars, and an offer above it at their end."""

    def __init__(self, every: int = 4, away: float = 0.001, stop: float = 0.0) -> None:
        self.every, self.away, self.stop = every, away, stop or None
        self.seen = 0

    def on_bar(self, bar: Bar) -> Signal | None:
        self.seen += 1
        place = self.seen % self.every
        if place == 1:
            return buy("a bid below the market", limit=bar.close * (1 - self.away), stop=self.stop)
        if place == 0:
            return sell("an offer above the market", limit=bar.close * (1 + self.away), stop=self.stop)
        return None

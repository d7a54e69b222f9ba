"""A position and its cost, by average cost."""

from __future__ import annotations

from dataclasses import dataclass

from n1v1.rounding import divide_up


@dataclass(slots=True)
class Position:
    """lots: signed. cost: signed value in quanta for which the open lots were taken; fees are kept apart.

    What a part of a position cost is rounded up, so that a profit is never booked early.
    """

    lots: int = 0
    cost: int = 0
    realised: int = 0
    fees: int = 0

    def trade(self, *, lots: int, value: int, fee: int) -> None:
        """Add a signed trade; value has the sign of lots (positive when bought). A trade may close and reverse."""
        self.fees += fee
        if self.lots == 0 or (self.lots > 0) == (lots > 0):
            self.lots += lots
            self.cost += value
            return
        closing = lots if abs(lots) <= abs(self.lots) else -self.lots
        closing_value = divide_up(value * closing, lots)
        cost_out = divide_up(self.cost * -closing, self.lots)
        self.realised += -closing_value - cost_out
        self.lots += closing
        self.cost -= cost_out
        if closing != lots:
            self.lots, self.cost = lots - closing, value - closing_value

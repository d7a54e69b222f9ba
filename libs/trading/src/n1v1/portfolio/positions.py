"""A position and its cost, by average cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n1v1.exact import mul_div_up
from n1v1.kernels import Record, kernel

POSITION = np.dtype([("lots", "i8"), ("cost", "i8"), ("realised", "i8"), ("fees", "i8")])
"""lots: signed. cost: signed value in quanta for which the open lots were taken. realised: without fees, which are
kept apart."""


@dataclass(slots=True)
class Position:
    """A POSITION record by itself."""

    lots: int = 0
    cost: int = 0
    realised: int = 0
    fees: int = 0


@kernel
def book_trade(position: Record, lots: int, value: int, fee: int) -> None:
    """Add a signed trade; value has the sign of lots (positive when bought). A trade may close and reverse.

    What a part of a position cost is rounded up, so that a profit is never booked early.
    """
    position.fees += fee
    if position.lots == 0 or (position.lots > 0) == (lots > 0):
        position.lots += lots
        position.cost += value
        return
    closing = lots if abs(lots) <= abs(position.lots) else -position.lots
    closing_value = _part(value, closing, lots)
    cost_out = _part(position.cost, -closing, position.lots)
    position.realised += -closing_value - cost_out
    position.lots += closing
    position.cost -= cost_out
    if closing != lots:
        position.lots = lots - closing
        position.cost = value - closing_value


@kernel
def book_base_fee(position: Record, lots: int, value: int) -> None:
    """A commission in the base asset: so many lots sold at the price of the trade, and what they bring paid as fee."""
    book_trade(position, -lots, -value, value)


@kernel
def _part(value: int, lots: int, of: int) -> int:
    """value * lots / of, rounded up. `lots` has the sign of `of`."""
    return mul_div_up(value, abs(lots), abs(of))

"""The grid that a venue trades a symbol on, by its own metadata as ccxt hands it out, and an instrument on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from n1v1.errors import InvalidData
from n1v1.values import Instrument
from n1v1_research.datasets.grids import Grid, instrument_on

ZERO = Decimal(0)
DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE = 2, 3, 4
"""How a venue of ccxt's counts precision."""

LARGEST_ORDER = Decimal(1_000_000)
"""In quote currency: an order worth that must be possible, chosen by us; int64 bounds price times quantity."""


@dataclass(frozen=True, slots=True)
class VenueGrid:
    """tick: of prices; step: of quantities. A limit of zero is none."""

    tick: Decimal
    step: Decimal
    min_quantity: Decimal = ZERO
    max_quantity: Decimal = ZERO
    min_notional: Decimal = ZERO


def venue_grid(market: Mapping[str, Any], precision_mode: int) -> VenueGrid:
    """From a market as ccxt describes it. Raises InvalidData when the venue does not say how fine its grid is."""
    symbol, limits = market["symbol"], market["limits"]
    return VenueGrid(
        tick=_unit(market["precision"]["price"], precision_mode, f"{symbol}: size of a tick"),
        step=_unit(market["precision"]["amount"], precision_mode, f"{symbol}: step of quantities"),
        min_quantity=_number(limits["amount"].get("min")),
        max_quantity=_number(limits["amount"].get("max")),
        min_notional=_number(limits["cost"].get("min")),
    )


def venue_instrument(symbol: str, market: Mapping[str, Any], precision_mode: int, *, last_price: Decimal) -> Instrument:
    """An instrument whose orders and executions fit on the venue's grid.

    Lots are as fine as the venue writes amounts of the base asset, because a commission in it is finer than a step of
    orders; coarser, up to a step, where an order worth LARGEST_ORDER would not fit in int64. last_price: from which it
    follows how high prices may go. Raises InvalidData where no instrument fits.
    """
    grid = venue_grid(market, precision_mode)
    if grid.tick != _power_of_ten(grid.tick):
        raise InvalidData(f"{symbol}: the venue's tick {grid.tick:f} is no power of ten, which prices are counted in")
    finest = market["precision"].get("base")
    lot = min(grid.step, _unit(finest, precision_mode, f"{symbol}: fineness")) if finest is not None else grid.step
    lot = _power_of_ten(lot)
    while True:
        wanted = Grid(tick_size=grid.tick, lot_size=lot, min_notional=grid.min_notional)
        made = instrument_on(symbol, wanted, highest=last_price)
        if made.max_quantity * last_price >= LARGEST_ORDER or lot * 10 > grid.step:
            break
        lot *= 10
    steps = int(grid.step / made.lot_size)
    return replace(made, step_lots=math.lcm(made.step_lots, steps))


def _power_of_ten(unit: Decimal) -> Decimal:
    """The coarsest that the unit is a multiple of."""
    return Decimal(1).scaleb(int(unit.normalize().as_tuple().exponent))


def _unit(value: Any, precision_mode: int, what: str) -> Decimal:
    """Any: text, a number or None, as the venue's adapter in ccxt has it."""
    if value is None:
        raise InvalidData(f"{what}: the venue does not say")
    if precision_mode == DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(value))
    if precision_mode != TICK_SIZE:
        raise InvalidData(f"{what}: the venue counts in significant digits, which no fixed grid has")
    unit = Decimal(str(value))
    if unit <= 0:
        raise InvalidData(f"{what}: expected a positive number, the venue says {value}")
    return unit


def _number(value: Any) -> Decimal:
    return Decimal(str(value)) if value is not None else ZERO

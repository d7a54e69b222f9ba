"""The grid that a venue trades a symbol on, by its own metadata, and exact rounding to it.

Amounts leave as decimal text: ccxt's own rounding takes prices to the nearest tick, which may be against us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from n1v1.errors import InvalidData
from n1v1.values import Instrument, Side
from n1v1_common.venue_grid import VenueGrid, venue_grid
from n1v1_execution.ports import VenueNotUsable

Grid = VenueGrid


@dataclass(frozen=True, slots=True)
class OnGrid:
    quantity: Decimal
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class OffGrid:
    """The order cannot be expressed on the grid."""

    reason: str


def grid_of(market: Mapping[str, Any], precision_mode: int) -> Grid:
    """From a market as ccxt describes it. Raises VenueNotUsable when the venue does not say how fine its grid is."""
    try:
        return venue_grid(market, precision_mode)
    except InvalidData as error:
        raise VenueNotUsable(str(error)) from error


def differences(grid: Grid, instrument: Instrument) -> list[str]:
    """Why orders and executions of the instrument would not fit on the venue's grid; empty when they do.

    A coarser step of ours is no difference: whatever it allows, the venue allows too.
    """
    found = []
    if grid.tick != instrument.tick_size:
        found.append(f"the venue's tick is {grid.tick}, ours {instrument.tick_size}")
    step = instrument.quantity(instrument.step_lots)
    if grid.step % instrument.lot_size:
        found.append(f"the venue's step {grid.step:f} is no multiple of our lot {instrument.lot_size:f}")
    elif step % grid.step:
        found.append(f"our step {step:f} is no multiple of the venue's {grid.step:f}")
    least = instrument.cash(instrument.min_notional)
    if least < grid.min_notional:
        found.append(f"the venue's smallest order is worth {grid.min_notional:f} {instrument.quote}, ours {least:f}")
    return found


def check_grid(grid: Grid, instrument: Instrument) -> None:
    """Raises VenueNotUsable, with all that differs."""
    if found := differences(grid, instrument):
        raise VenueNotUsable(
            f"{instrument.symbol}: the configured instrument does not fit the venue: {'; '.join(found)}. "
            "n1v1 up asks the venue for its grid in live mode; without it, import a dataset with that grid"
        )


def on_grid(
    grid: Grid, *, side: Side, quantity: Decimal, price: Decimal | None, reference: Decimal | None = None
) -> OnGrid | OffGrid:
    """The order as the venue takes it: no more than was asked for, at no worse a price.

    The quantity is rounded down, a price of a BUY down and of a SELL up. reference: a price to value an order without
    one at; None: its value is not checked.
    """
    rounded = _rounded(quantity, grid.step, ROUND_FLOOR)
    if rounded <= 0 or rounded < grid.min_quantity:
        return OffGrid(f"quantity {quantity:f} is less than the venue's {max(grid.step, grid.min_quantity):f}")
    if grid.max_quantity and rounded > grid.max_quantity:
        return OffGrid(f"quantity {quantity:f} is more than the venue's {grid.max_quantity:f}")
    if price is not None:
        price = _rounded(price, grid.tick, ROUND_FLOOR if side is Side.BUY else ROUND_CEILING)
        if price <= 0:
            return OffGrid(f"the price is less than the venue's tick {grid.tick:f}")
    valued = price if price is not None else reference
    if valued is not None and rounded * valued < grid.min_notional:
        return OffGrid(f"{rounded:f} at {valued:f} is worth less than the venue's {grid.min_notional:f}")
    return OnGrid(rounded, price)


def _rounded(value: Decimal, unit: Decimal, rounding: str) -> Decimal:
    return (value / unit).to_integral_value(rounding) * unit

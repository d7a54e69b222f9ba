"""An instrument for bars that come without one: the coarsest grid that the recorded values lie on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from n1v1.errors import InvalidData, InvalidValue
from n1v1.values import INT64_MAX, Instrument, decimal_places
from n1v1_research.datasets.exact import finite_values, places_needed
from n1v1_research.datasets.sources import RawTable

_SYMBOL = re.compile(r"(?P<base>[A-Za-z0-9.]+)-(?P<quote>[A-Za-z0-9.]+)(-[A-Za-z0-9.]+)?")

FINEST_TICK_PLACES, FINEST_LOT_PLACES = 10, 8
"""No venue that we know of has finer grids; values that need more digits carry the noise of float arithmetic."""

DOLLAR_LIKE = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI", "EUR", "GBP", "CHF", "AUD", "CAD"})
_DOLLAR_QUANTUM, _COIN_QUANTUM = Decimal("1e-8"), Decimal("1e-12")
"""Cash in whole quanta makes the smallest order step worth one quantum for every tick of the price: some cents for a
price in dollars, and as little for a price in bitcoin only when the quantum is finer."""
_SMALLEST_ORDER_IN_DOLLARS = Decimal(10)
_HEADROOM = 10
"""Orders may be placed at up to ten times the highest recorded price, or a little more."""


@dataclass(frozen=True)
class Grid:
    """What the user says of an instrument; None: the data decides. min_notional: in quote currency."""

    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    min_notional: Decimal | None = None


def instrument_of(symbol: str, tables: Sequence[RawTable], grid: Grid) -> Instrument:
    """Raises InvalidData when the values cannot be traded exactly on any grid, or the symbol is not BASE-QUOTE."""
    prices = [table.columns[name] for table in tables for name in ("open", "high", "low", "close")]
    volumes = [table.columns["volume"] for table in tables]
    tick_size = grid.tick_size or Decimal(1).scaleb(-places_needed(prices, at_most=FINEST_TICK_PLACES))
    lot_size = grid.lot_size or Decimal(1).scaleb(-places_needed(volumes, at_most=FINEST_LOT_PLACES))
    whole_grid = Grid(tick_size=tick_size, lot_size=lot_size, min_notional=grid.min_notional)
    return instrument_on(symbol, whole_grid, highest=_highest(tables))


def instrument_on(symbol: str, grid: Grid, *, highest: Decimal) -> Instrument:
    """grid: with tick_size and lot_size. highest: the highest price that was recorded. Raises as `instrument_of`."""
    named = _SYMBOL.fullmatch(symbol)
    if named is None:
        raise InvalidData(f"expected a symbol such as BTC-USD or BTC-USDT-PERP; got {symbol!r}")
    tick_size, lot_size = grid.tick_size, grid.lot_size
    assert tick_size is not None, "the caller has found out what the data needs"
    assert lot_size is not None, "the caller has found out what the data needs"
    try:
        return _instrument(symbol, named["base"], named["quote"], tick_size, lot_size, highest, grid.min_notional)
    except (InvalidValue, ArithmeticError) as problem:
        raise InvalidData(
            f"{symbol}: no instrument with ticks of {tick_size} and lots of {lot_size}: {problem}"
        ) from None


def _instrument(
    symbol: str,
    base: str,
    quote: str,
    tick_size: Decimal,
    lot_size: Decimal,
    highest: Decimal,
    min_notional: Decimal | None,
) -> Instrument:
    is_dollar = quote in DOLLAR_LIKE
    tick_size, lot_size = (Decimal(1).scaleb(-decimal_places(size)) for size in (tick_size, lot_size))
    quantum = max(_DOLLAR_QUANTUM if is_dollar else _COIN_QUANTUM, tick_size * lot_size)
    max_price = max(_power_of_ten_above(highest * _HEADROOM), tick_size)
    most_lots = _leading_digit(INT64_MAX // int(max_price / tick_size))
    smallest = min_notional if min_notional is not None else (_SMALLEST_ORDER_IN_DOLLARS if is_dollar else Decimal(0))
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_size=tick_size,
        lot_size=lot_size,
        quantum=quantum,
        step_lots=int(quantum / (tick_size * lot_size)),
        min_notional=int(smallest / quantum),
        max_price=max_price,
        max_quantity=_plain(most_lots * lot_size),
    )


def _power_of_ten_above(value: Decimal) -> Decimal:
    """The smallest power of ten that is not below `value`."""
    power = Decimal(1).scaleb(value.adjusted())
    return power if power >= value else Decimal(1).scaleb(value.adjusted() + 1)


def _plain(value: Decimal) -> Decimal:
    """Without zeros behind the point: equal instruments must be written alike, because ids are made of that."""
    return Decimal(int(value)) if value == int(value) else value.normalize()


def _leading_digit(count: int) -> int:
    """92,233 becomes 90,000: a limit that people can remember."""
    unit: int = 10 ** (len(str(count)) - 1)
    return count // unit * unit


def _highest(tables: Sequence[RawTable]) -> Decimal:
    """The highest readable price, as nearly as a float says it. Raises InvalidData when there is none."""
    highest = max((float(finite_values(table.columns["high"]).max(initial=0.0)) for table in tables), default=0.0)
    if highest <= 0:
        raise InvalidData(f"{', '.join(table.source for table in tables)}: no row has a positive price")
    return Decimal(repr(highest))

"""From a venue's texts to whole ticks and lots, fast: the raw path does it for every number it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from n1v1.errors import InvalidValue
from n1v1.events import Level
from n1v1.values import Instrument, decimal_places, to_units

ToUnits = Callable[[str], int]


def units_reader(unit: Decimal, *, what: str) -> ToUnits:
    """As `to_units` for plain texts such as 65000.12000000; whatever else comes is left to it, and to its errors."""
    places = decimal_places(unit)
    padding = "0" * places

    def read(text: str) -> int:
        whole, _, fraction = text.partition(".")
        if not (whole.isdecimal() and (fraction.isdecimal() or not fraction)) or fraction[places:].strip("0"):
            return to_units(text, unit, what=what)
        return int(whole + (fraction + padding)[:places])

    return read


class Grid:
    """The readers of one instrument. Each raises InvalidValue for what is no whole number of its unit."""

    __slots__ = ("instrument", "lots", "symbol", "ticks")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.ticks = units_reader(instrument.tick_size, what=f"{instrument.symbol} price")
        self.lots = units_reader(instrument.lot_size, what=f"{instrument.symbol} quantity")

    def levels(self, rows: Iterable[tuple[str, str]]) -> tuple[Level, ...]:
        ticks, lots = self.ticks, self.lots
        return tuple((ticks(price), lots(quantity)) for price, quantity in rows)


def text_of(number: object) -> str:
    """A number as ccxt hands it out: a text as it is, a float by its shortest decimal form.

    Raises InvalidValue for None and for what is no number.
    """
    if isinstance(number, str):
        return number
    if isinstance(number, int | float) and not isinstance(number, bool):
        return format(Decimal(repr(number)), "f")
    raise InvalidValue(f"expected a number, got {number!r}")

"""Exact values: prices are integer ticks, quantities integer lots, cash integer quanta of the quote currency.

A lot is the finest unit of the base asset (for crypto usually 1e-8); orders are multiples of `step_lots`.
A quantum is the finest unit of the quote currency. All three fit in int64; an instrument whose largest order
would not fit cannot be defined. Decimal appears only at the edges, through the functions of this module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache

from n1v1.errors import InvalidValue

INT64_MAX = 2**63 - 1
PPB = 1_000_000_000
"""Fractions (position sizes, fee rates, drawdowns) are integer parts per billion wherever money is computed."""


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL: the direction in which the position moves."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"  # becomes a MARKET order when the price has moved against its owner as far as the stop
    STOP_LIMIT = "STOP_LIMIT"  # becomes a LIMIT order there
    TAKE_PROFIT = "TAKE_PROFIT"  # becomes a MARKET order when the price has moved in its owner's favour as far
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"  # a STOP that follows the best price at a distance


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"  # until a moment that the order names


class Purpose(StrEnum):
    """What an order is for. Everything but an ENTRY only ever makes a position smaller."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"  # a strategy's signal
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP = "TRAILING_STOP"
    TIME_EXIT = "TIME_EXIT"  # held for as long as the policy allows
    FLATTEN = "FLATTEN"  # an operator, or the breaker
    REGIME_EXIT = "REGIME_EXIT"  # the market is no longer what it was when the position was opened


class Liquidity(StrEnum):
    MAKER = "MAKER"
    TAKER = "TAKER"


@cache
def decimal_places(unit: Decimal) -> int:
    """Number of digits behind the point of a power of ten such as 0.01 (2) or 1 (0).

    Raises InvalidValue for anything that is not a power of ten at most 1.
    """
    sign, digits, exponent = unit.normalize().as_tuple()
    if sign or digits != (1,) or not isinstance(exponent, int) or exponent > 0:
        raise InvalidValue(f"expected a power of ten at most 1, such as 0.01; got {unit}")
    return -exponent


def to_units(value: Decimal | str | int, unit: Decimal, *, what: str) -> int:
    """The exact number of `unit`, a power of ten, in `value`.

    Raises InvalidValue when `value` is no number, is not a whole number of units or does not fit in int64.
    """
    scaled = _shifted(value, decimal_places(unit), what=what)
    if scaled.copy_abs() > INT64_MAX:
        raise InvalidValue(f"{what} {value} is too large for exact arithmetic in units of {unit}")
    units = int(scaled)
    if scaled != units:
        raise InvalidValue(f"{what} {value} is not a multiple of {unit}")
    return units


def _shifted(value: Decimal | str | int, places: int, *, what: str) -> Decimal:
    """`value` times 10 ** places. Only the exponent moves: dividing would round to the 28 digits of the context."""
    try:
        sign, digits, exponent = Decimal(value).as_tuple()
        if isinstance(exponent, int):
            return Decimal((sign, digits, exponent + places))
    except InvalidOperation:
        pass
    raise InvalidValue(f"{what} {value!r} is not a finite number")


def from_units(units: int, unit: Decimal) -> Decimal:
    """`units` as a Decimal with the digits of `unit`: 1234 units of 0.01 are Decimal('12.34')."""
    return (units * unit).quantize(unit)


def to_ppb(fraction: Decimal | str | float | int) -> int:
    """A fraction (0.1 is 10 %) as integer parts per billion. Floats are read by their shortest decimal form."""
    return to_units(str(fraction), Decimal(1).scaleb(-9), what="fraction")


def nearest_ppb(fraction: float) -> int:
    """A fraction that was computed in floats, as the nearest whole number of parts per billion."""
    return round(fraction * PPB)


@dataclass(frozen=True, slots=True)
class Instrument:
    """What can be traded and the grid it trades on.

    symbol: 'BTC-USD'. tick_size, lot_size, quantum: powers of ten (price unit, quantity unit, cash unit).
    step_lots: an order's quantity is a multiple of it, and one step at one tick is worth whole quanta: so the value
    of every order is exact, and no rounding can be traded against. min_notional: smallest order value, in quanta.
    max_price, max_quantity: what the exchange would accept at most; they bound the integer arithmetic.
    can_short: spot instruments cannot.

    Raises InvalidValue when an order of max_quantity at max_price would not fit in int64.
    """

    symbol: str
    base: str
    quote: str
    tick_size: Decimal = Decimal("0.01")
    lot_size: Decimal = Decimal("0.00000001")
    quantum: Decimal = Decimal("0.00000001")
    step_lots: int = 1_000
    min_notional: int = 1_000_000_000
    max_price: Decimal = Decimal(1_000_000)
    max_quantity: Decimal = Decimal(900)
    can_short: bool = False
    notional_divisor: int = field(init=False, repr=False, compare=False)
    """ticks * lots // notional_divisor is a value in quanta (see rounding.notional)."""
    _price_scale: int = field(init=False, repr=False, compare=False)
    _quantity_scale: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("tick_size", "lot_size", "quantum"):
            decimal_places(getattr(self, name))
        if self.tick_size * self.lot_size > self.quantum:
            raise InvalidValue(f"{self.symbol}: one lot at one tick must be worth at most one quantum")
        for name in ("step_lots", "max_price", "max_quantity"):
            if getattr(self, name) <= 0:
                raise InvalidValue(f"{self.symbol}: {name} must be positive, got {getattr(self, name)}")
        object.__setattr__(self, "notional_divisor", int(self.quantum / (self.tick_size * self.lot_size)))
        object.__setattr__(self, "_price_scale", 10 ** decimal_places(self.tick_size))
        object.__setattr__(self, "_quantity_scale", 10 ** decimal_places(self.lot_size))
        if self.min_notional < 0:
            raise InvalidValue(f"{self.symbol}: min_notional must not be negative, got {self.min_notional}")
        if self.step_lots % self.notional_divisor:
            raise InvalidValue(
                f"{self.symbol}: {self.step_lots} lots at one tick are not worth whole quanta; "
                f"step_lots must be a multiple of {self.notional_divisor}"
            )
        product = (self.max_price / self.tick_size) * (self.max_quantity / self.lot_size)
        if product > INT64_MAX:  # and so does its value: a quantum is at least one lot at one tick
            raise InvalidValue(
                f"{self.symbol}: an order of {self.max_quantity} at {self.max_price} overflows int64; "
                "choose a coarser lot_size or a smaller maximum"
            )

    def price(self, ticks: int) -> Decimal:
        return from_units(ticks, self.tick_size)

    def quantity(self, lots: int) -> Decimal:
        return from_units(lots, self.lot_size)

    def cash(self, quanta: int) -> Decimal:
        return from_units(quanta, self.quantum)

    def ticks(self, price: Decimal | str) -> int:
        return to_units(price, self.tick_size, what=f"{self.symbol} price")

    def lots(self, quantity: Decimal | str) -> int:
        return to_units(quantity, self.lot_size, what=f"{self.symbol} quantity")

    def quanta(self, cash: Decimal | str) -> int:
        return to_units(cash, self.quantum, what=f"{self.quote} amount")

    def price_float(self, ticks: int) -> float:
        """The price as the nearest float: what indicators see. Division by a power of ten is correctly rounded."""
        return ticks / self._price_scale

    def quantity_float(self, lots: int) -> float:
        return lots / self._quantity_scale

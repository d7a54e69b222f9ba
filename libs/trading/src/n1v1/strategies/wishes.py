"""From what an author writes, in floats and prices, to a Wish in integers. Nobody is given more than he asked for."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from n1v1.errors import StrategyError
from n1v1.events import Wish
from n1v1.values import Instrument, nearest_ppb

Number = float | int | str | Decimal


def wish_of(
    *,
    side: int,
    close: float,
    instrument: Instrument,
    size: float | None = None,
    value: Number | None = None,
    quantity: Number | None = None,
    stop: float | None = None,
    target: float | None = None,
    trail: float | None = None,
    stop_price: float | None = None,
    target_price: float | None = None,
    limit: Number | None = None,
) -> Wish:
    """The wish of an entry that is decided at the price `close`. side: +1 long, -1 short.

    size, stop, target and trail are shares (of equity, of the price); the others are in quote and base currency.
    Raises StrategyError for a price on the wrong side of the close, and for what is no number above 0.
    """
    rounding = ROUND_FLOOR if side > 0 else ROUND_CEILING  # a limit is the worst price to enter at
    return Wish(
        fraction_ppb=_ppb(size),
        value=_units(value, instrument.quantum, "value"),
        lots=_units(quantity, instrument.lot_size, "quantity"),
        stop_ppb=_ppb(stop if stop_price is None else _distance(stop_price, close, -side, "stop_price")),
        target_ppb=_ppb(target if target_price is None else _distance(target_price, close, side, "target_price")),
        trail_ppb=_ppb(trail),
        limit_ticks=_units(limit, instrument.tick_size, "limit", rounding=rounding),
    )


def _distance(price: float, close: float, side: int, name: str) -> float:
    """As a share of the close. side: +1 where the price has to be above it, -1 where below."""
    if not (price - close) * side > 0.0:
        raise StrategyError(f"{name} {price!r} is on the wrong side of the close {close!r}")
    return abs(price - close) / close


def _ppb(share: float | None) -> int | None:
    return None if share is None else nearest_ppb(share)


def _units(given: Number | None, unit: Decimal, name: str, *, rounding: str = ROUND_FLOOR) -> int | None:
    if given is None:
        return None
    try:
        units = int((Decimal(str(given)) / unit).to_integral_value(rounding))
    except (ArithmeticError, ValueError):
        raise StrategyError(f"{name}: expected a number, got {given!r}") from None
    if units <= 0:
        raise StrategyError(f"{name}: expected more than 0, got {given!r}")
    return units

"""From what an author writes, in floats and prices, to a Wish in integers. Nobody is given more than he asked for."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from n1v1.errors import InvalidValue, StrategyError, nearest
from n1v1.events import Wish
from n1v1.styles import Style, style_of
from n1v1.values import Instrument, TimeInForce, nearest_ppb

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
    trigger: Number | None = None,
    time_in_force: str | None = None,
    post_only: bool = False,
    execution: str | Style | None = None,
) -> Wish:
    """The wish of an entry that is decided at the price `close`. side: +1 long, -1 short.

    size, stop, target and trail are shares (of equity, of the price); the others are in quote and base currency.
    trigger: where a stop order enters. execution: twap, vwap, dca, split or adaptive, or a Style.
    Raises StrategyError for a price on the wrong side of the close, and for what is no number above 0.
    """
    if trigger is not None and not (float(trigger) - close) * side > 0.0:
        raise StrategyError(f"trigger {trigger!r} is on the wrong side of the close {close!r}")
    if time_in_force is not None and limit is None and trigger is None:
        raise StrategyError(f"time_in_force {time_in_force!r} needs a limit or a trigger")
    if post_only and limit is None:
        raise StrategyError("a post-only order needs a limit")
    rounding = ROUND_FLOOR if side > 0 else ROUND_CEILING  # a limit is the worst price to enter at
    away = ROUND_CEILING if side > 0 else ROUND_FLOOR
    return Wish(
        fraction_ppb=_ppb(size),
        value=_units(value, instrument.quantum, "value"),
        lots=_units(quantity, instrument.lot_size, "quantity"),
        stop_ppb=_ppb(stop if stop_price is None else _distance(stop_price, close, -side, "stop_price")),
        target_ppb=_ppb(target if target_price is None else _distance(target_price, close, side, "target_price")),
        trail_ppb=_ppb(trail),
        limit_ticks=_units(limit, instrument.tick_size, "limit", rounding=rounding),
        trigger_ticks=_units(trigger, instrument.tick_size, "trigger", rounding=away),
        time_in_force=_time_in_force(time_in_force),
        is_post_only=post_only,
        style=None if execution is None else wished_style(execution),
    )


def stop_wish(price: Number | None, instrument: Instrument) -> Wish:
    """Of a signal that moves a stop. Raises StrategyError for what is no price above 0."""
    if price is None:
        raise StrategyError("to move a stop needs its price")
    return Wish(trigger_ticks=_units(price, instrument.tick_size, "the price of the stop"))


def wished_style(execution: str | Style) -> Style:
    """Raises StrategyError for a way of execution that does not exist."""
    try:
        return execution if isinstance(execution, Style) else style_of(execution)
    except InvalidValue as wrong:
        raise StrategyError(str(wrong)) from wrong


def _time_in_force(given: str | None) -> TimeInForce | None:
    if given is None:
        return None
    name = str(given).upper()
    if name not in TimeInForce.__members__:
        raise StrategyError(f"time_in_force: expected GTC, IOC, FOK or GTD; got {given!r}{nearest(name, TimeInForce)}")
    return TimeInForce[name]


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

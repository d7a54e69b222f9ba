"""Every rounding of money in n1v1, in one place, in integers.

The rules: a value is rounded down, a fee is rounded up, a price is rounded against us. None of them ever rounds
in our favour, so no sequence of orders can create money. (The value of an order is exact: see `Instrument`.)
"""

from __future__ import annotations

from n1v1.values import PPB, Instrument, Side


def divide_up(numerator: int, denominator: int) -> int:
    """Integer division towards plus infinity, whatever the signs."""
    return -(-numerator // denominator)


def notional(instrument: Instrument, *, ticks: int, lots: int) -> int:
    """Value of `lots` at `ticks`, in quanta, rounded towards minus infinity. Exact for whole steps."""
    return ticks * lots // instrument.notional_divisor


def fee(value_quanta: int, *, rate_ppb: int) -> int:
    """Commission on a traded value, rounded up to a whole quantum."""
    return divide_up(value_quanta * rate_ppb, PPB)


def share(value: int, *, fraction_ppb: int) -> int:
    """A fraction of a value, rounded down."""
    return value * fraction_ppb // PPB


def affordable_lots(instrument: Instrument, *, cash_quanta: int, ticks: int) -> int:
    """The largest whole-step quantity whose value at `ticks` is at most `cash_quanta`; 0 if none."""
    if cash_quanta <= 0 or ticks <= 0:
        return 0
    return whole_steps(instrument, cash_quanta * instrument.notional_divisor // ticks)


def whole_steps(instrument: Instrument, lots: int) -> int:
    """`lots` rounded down to what an order may carry."""
    return lots - lots % instrument.step_lots


def slipped_price(ticks: int, side: Side, *, slippage_ppb: int) -> int:
    """The price moved against the taker by a fraction, rounded away from us to a whole tick, at least one tick."""
    moved = ticks * slippage_ppb
    if side is Side.BUY:
        return ticks + divide_up(moved, PPB)
    return max(1, ticks - divide_up(moved, PPB))

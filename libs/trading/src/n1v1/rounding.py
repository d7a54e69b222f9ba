"""Every rounding of money in n1v1, in one place, in integers. All of them are kernels.

The rules: a value is rounded down, a fee is rounded up, a price is rounded against us. None of them ever rounds
in our favour, so no sequence of orders can create money. (The value of an order is exact: see `Instrument`.)

`instrument` is an `Instrument` or, compiled, a record with the same fields.
"""

from __future__ import annotations

from typing import Any

from n1v1.exact import mul_div, mul_div_up
from n1v1.kernels import kernel

PPB = 1_000_000_000
"""Parts per billion: `n1v1.values.PPB`, here because a kernel can only read its own module."""


@kernel
def divide_up(numerator: int, denominator: int) -> int:
    """Integer division towards plus infinity, whatever the signs."""
    return -(-numerator // denominator)


@kernel
def notional(instrument: Any, ticks: int, lots: int) -> int:
    """Value of `lots` at `ticks`, in quanta, rounded towards minus infinity. Exact for whole steps."""
    return int(ticks * lots // instrument.notional_divisor)


@kernel
def fee(value_quanta: int, rate_ppb: int) -> int:
    """Commission on a traded value, rounded up to a whole quantum."""
    return mul_div_up(value_quanta, rate_ppb, PPB)


@kernel
def share(value: int, fraction_ppb: int) -> int:
    """A fraction of a value, rounded down."""
    return mul_div(value, fraction_ppb, PPB)


@kernel
def affordable_lots(instrument: Any, cash_quanta: int, ticks: int) -> int:
    """The largest whole-step quantity whose value at `ticks` is at most `cash_quanta`; 0 if none."""
    if cash_quanta <= 0 or ticks <= 0:
        return 0
    return whole_steps(instrument, mul_div(cash_quanta, instrument.notional_divisor, ticks))


@kernel
def whole_steps(instrument: Any, lots: int) -> int:
    """`lots` rounded down to what an order may carry."""
    return int(lots - lots % instrument.step_lots)


@kernel
def slipped_price(ticks: int, sign: int, slippage_ppb: int) -> int:
    """The price moved against the taker by a fraction, rounded away from us to a whole tick, at least one tick.

    sign: +1 for a buyer, -1 for a seller.
    """
    moved = mul_div_up(ticks, slippage_ppb, PPB)
    if sign > 0:
        return ticks + moved
    return max(1, ticks - moved)

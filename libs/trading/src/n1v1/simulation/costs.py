"""What an execution costs: the fee, and how far the price moves against the taker. All of them are kernels."""

from __future__ import annotations

import math
from typing import Any

from n1v1.exact import mul_div
from n1v1.kernels import kernel
from n1v1.rounding import PPB, affordable_lots, divide_up, notional, slipped_price
from n1v1.rounding import fee as rate_fee
from n1v1.simulation.records import FIXED, SPREAD_AND_SQUARE_ROOT_IMPACT


@kernel
def fee_of(rules: Any, value: int, is_maker: int) -> int:
    """Of one execution, in quanta. The minimum fee never exceeds what was traded, so every sale can pay it."""
    rate = rules.maker_fee_ppb if is_maker else rules.taker_fee_ppb
    return max(rate_fee(value, rate), min(int(rules.min_fee), value))


@kernel
def taker_ticks(rules: Any, ticks: int, sign: int, lots: int, volume: int) -> int:
    """Where a taker of `lots` is filled when the market is at `ticks` and `volume` lots change hands in the bar."""
    return slipped_price(ticks, sign, min(_slippage_ppb(rules, lots, volume), PPB))


@kernel
def cost(instrument: Any, rules: Any, ticks: int, lots: int, is_maker: int) -> int:
    """Value and fee of a purchase."""
    value = notional(instrument, ticks, lots)
    return value + fee_of(rules, value, is_maker)


@kernel
def dearest_cost(instrument: Any, rules: Any, ticks: int, lots: int) -> int:
    """Value and the higher of both fees: what is set aside for a purchase."""
    return max(cost(instrument, rules, ticks, lots, 0), cost(instrument, rules, ticks, lots, 1))


@kernel
def payable_lots(instrument: Any, rules: Any, cash: int, ticks: int, lots: int, is_maker: int) -> int:
    """The most whole steps of `lots` that `cash` pays for, fee included."""
    if lots == 0 or cost(instrument, rules, ticks, lots, is_maker) <= cash:
        return lots
    rate = rules.maker_fee_ppb if is_maker else rules.taker_fee_ppb
    before_rate = mul_div(cash, PPB, PPB + rate)
    before_minimum = cash - min(rules.min_fee, divide_up(cash, 2))  # the minimum never exceeds the value itself
    payable = min(lots, affordable_lots(instrument, min(before_rate, before_minimum), ticks))
    # The fee is rounded up, so the estimate can be one quantum too dear.
    while payable > 0 and cost(instrument, rules, ticks, payable, is_maker) > cash:
        payable -= instrument.step_lots
    return payable


@kernel
def _slippage_ppb(rules: Any, lots: int, volume: int) -> int:
    if rules.slippage_model == FIXED:
        return int(rules.slippage_ppb)
    if volume <= 0:
        return int(rules.slippage_ppb + rules.impact_ppb)
    share = float(lots) / float(volume)
    if rules.slippage_model == SPREAD_AND_SQUARE_ROOT_IMPACT:
        share = math.sqrt(share)
    return int(rules.slippage_ppb + math.ceil(min(float(rules.impact_ppb) * share, float(PPB))))

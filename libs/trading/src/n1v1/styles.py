"""How an order is carried out: at once, or in parts over time.

A strategy wishes a `Style`, or the settings name one (`StyleRules`). Risk approves the whole order once, and with it a
`Plan`; execution follows the plan with child orders, which nobody else has to know of: all events are the parent's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from n1v1.errors import InvalidValue, nearest
from n1v1.values import Instrument

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
PARTS_MAX = 99
"""A child's number has two digits: with those of its leg and attempt a client order id has 36 characters."""


class Method(StrEnum):
    TWAP = "TWAP"  # equal parts at equal intervals
    VWAP = "VWAP"  # the same, with parts as large as the volume was when the market was last seen
    DCA = "DCA"  # equal parts, far apart
    SPLIT = "SPLIT"  # equal parts, as few as keep each below a value, seconds apart
    ADAPTIVE = "ADAPTIVE"  # the whole at a limit that follows the market, and at last at the market


@dataclass(frozen=True, slots=True)
class Usual:
    parts: int
    interval_ns: int


USUAL: Mapping[Method, Usual] = {
    Method.TWAP: Usual(10, 3 * MINUTE_NS),  # half an hour
    Method.VWAP: Usual(10, 6 * MINUTE_NS),  # an hour, as long as the volume is looked back at
    Method.DCA: Usual(5, 60 * MINUTE_NS),
    Method.SPLIT: Usual(5, 2 * SECOND_NS),
    Method.ADAPTIVE: Usual(4, MINUTE_NS),  # three limits, a minute each, then the market
}
"""What a style leaves open: the defaults of the original framework."""

VOLUME_LOOKBACK_NS = 60 * MINUTE_NS
NEEDS_MARKET = (Method.VWAP, Method.ADAPTIVE)


@dataclass(frozen=True, slots=True)
class Style:
    """parts: how many child orders at most (of ADAPTIVE: prices that are tried). interval_ns: from one to the next.

    None: as usual for the method. Raises InvalidValue for what cannot be meant.
    """

    method: Method
    parts: int | None = None
    interval_ns: int | None = None

    def __post_init__(self) -> None:
        if self.parts is not None and not 2 <= self.parts <= PARTS_MAX:
            raise InvalidValue(f"execution {self.method}: expected 2 to {PARTS_MAX} parts, got {self.parts}")
        if self.interval_ns is not None and self.interval_ns <= 0:
            raise InvalidValue(f"execution {self.method}: expected an interval above 0, got {self.interval_ns} ns")


def style_of(name: str, *, parts: int | None = None, minutes: float | None = None) -> Style:
    """As an author writes it. minutes: from the first part to the next.

    Raises InvalidValue with the nearest name.
    """
    known = {str(method).lower(): method for method in Method}
    if name.lower() not in known:
        raise InvalidValue(f"execution: expected one of {', '.join(known)}; got {name!r}{nearest(name.lower(), known)}")
    return Style(known[name.lower()], parts, None if minutes is None else round(minutes * MINUTE_NS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What execution follows. Whatever it needs to know of the instrument is in it.

    step_lots: a child's quantity is a multiple of it. least_lots: a smaller child would be refused by the venue.
    """

    method: Method
    parts: int
    interval_ns: int
    step_lots: int
    least_lots: int

    @property
    def duration_ns(self) -> int:
        """Until the last child is sent."""
        return (self.parts - 1) * self.interval_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleRules:
    """What the settings say. Amounts in quote currency.

    default, by_instance: styles of entries that wish none. large_value: only of entries worth at least that.
    split_value: the most that a part of SPLIT is worth, as long as the number of parts allows it.
    for_exits: also for exits that a strategy asks for; never for those of risk, which are at the market at once.
    watches_market: whether execution hears bars, without which VWAP and ADAPTIVE are not possible.
    price_atr_ppb, price_limit_ppb: how far from the close ADAPTIVE bids, as a share of the ATR, and at most as a share
    of the close.
    """

    default: Style | None = None
    by_instance: Mapping[str, Style] = field(default_factory=dict)
    large_value: Decimal = Decimal(10_000)
    split_value: Decimal = Decimal(5_000)
    for_exits: bool = False
    watches_market: bool = False
    price_atr_ppb: int = 500_000_000
    price_limit_ppb: int = 50_000_000

    @property
    def always_whole(self) -> bool:
        """Whether orders are carried out in parts only where a strategy wishes it."""
        return self.default is None and not self.by_instance

    def style(self, instance: str, wished: Style | None, *, value: Decimal, is_entry: bool) -> Style | None:
        """How an order that a strategy asked for is carried out; None: at once and whole."""
        if wished is not None:
            return wished
        if value < self.large_value or not (is_entry or self.for_exits):
            return None
        return self.by_instance.get(instance, self.default)

    def why_impossible(self, style: Style | None) -> str:
        """Empty when the style can be followed."""
        if style is None or style.method not in NEEDS_MARKET or self.watches_market:
            return ""
        return f"{style.method} looks at bars; set execution.watch_market=true"


NO_RULES = StyleRules()


def plan_of(style: Style, rules: StyleRules, instrument: Instrument, *, lots: int, value: int) -> Plan | None:
    """None when one order is as good: too little to be divided.

    value: what the lots are worth at the price that was decided on, in quanta. No part is so small that the venue
    would refuse it after the price has lost a fifth.
    """
    usual = USUAL[style.method]
    least = instrument.min_notional + instrument.min_notional // 4
    parts = style.parts or usual.parts
    if style.method is Method.SPLIT:
        parts = min(parts, math.ceil(instrument.cash(value) / rules.split_value))
    least_lots = -(-lots * least // value) if value else 0
    least_lots = max(instrument.step_lots, -(-least_lots // instrument.step_lots) * instrument.step_lots)
    if style.method is not Method.ADAPTIVE:
        parts = min(parts, lots // least_lots)
    if parts < 2:
        return None
    interval_ns = style.interval_ns or usual.interval_ns
    return Plan(
        method=style.method,
        parts=parts,
        interval_ns=interval_ns,
        step_lots=instrument.step_lots,
        least_lots=least_lots,
    )

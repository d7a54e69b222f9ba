"""Fee schedules: which rates an account pays on a day, by the date and by what it has traded in the 30 days before.

As venues do it, a UTC day's rates are settled at its beginning, and a bar has those of the day in which it opens. So
rates change at midnight only, and no order within a day depends on how the day's earlier ones filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from n1v1.errors import InvalidValue
from n1v1.kernels import Record, kernel, new_record
from n1v1.rounding import PPB

DAY_NS = 86_400_000_000_000
_DAY = DAY_NS
_DAYS = 31
"""Days that are remembered: the 30 that count, and the one that is going on."""
BEFORE = -1
"""The day of an account that has not traded yet."""

TURNOVER = np.dtype([("day", "i8"), ("tier", "i8"), ("volumes", "i8", (_DAYS,))])
"""What an account has traded, in quanta. day: the last one seen, counted from 1970; the volume of day d stands at
d % 31. tier: the row of the schedule that holds on that day."""


def new_turnover() -> Record:
    turnover = new_record(TURNOVER)
    turnover.day = BEFORE
    return turnover


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTier:
    """Rates from a date on and from a volume on.

    since_ns: midnight UTC of the first day. volume: quanta traded in the 30 days before. maker_ppb: below zero for a
    rebate.
    """

    taker_ppb: int
    maker_ppb: int
    since_ns: int = 0
    volume: int = 0

    def __post_init__(self) -> None:
        check_rates(self.taker_ppb, self.maker_ppb)
        if self.since_ns < 0 or self.since_ns % DAY_NS:
            raise InvalidValue(f"since_ns: expected midnight UTC of a day, got {self.since_ns}")
        if self.volume < 0:
            raise InvalidValue(f"volume: expected 0 or more, got {self.volume}")


def check_rates(taker_ppb: int, maker_ppb: int) -> None:
    """Raises InvalidValue for rates that no venue has. One that gave makers more than it takes would pay for trades of
    ours with ourselves."""
    if not 0 <= taker_ppb < PPB:
        raise InvalidValue(f"the taker's fee must be at least 0 and at most {PPB - 1}, got {taker_ppb}")
    if not -taker_ppb <= maker_ppb < PPB:
        raise InvalidValue(
            f"the maker's fee must be at least {-taker_ppb}, no more than the taker pays, and at most {PPB - 1}, "
            f"got {maker_ppb}"
        )


def in_order(tiers: Sequence[FeeTier]) -> tuple[FeeTier, ...]:
    """By date and volume: of several that apply the last one counts.

    Raises InvalidValue when two say the same of different rates, or a date's table does not begin at a volume of 0.
    """
    found = tuple(sorted(tiers, key=lambda tier: (tier.since_ns, tier.volume)))
    for before, tier in zip((None, *found), found, strict=False):
        is_first = before is None or before.since_ns != tier.since_ns
        if is_first and tier.volume and tier.since_ns:
            raise InvalidValue(f"the fee tiers of a date begin at a volume of 0; these begin at {tier.volume}")
        if before is not None and not is_first and before.volume == tier.volume:
            raise InvalidValue(f"two fee tiers of one date begin at a volume of {tier.volume}")
    return found


@kernel
def settle_rates(rules: Any, turnover: Any, ts_ns: int) -> None:
    """Put the account's rates at that moment into `rules`, whose tiers stand in order."""
    if rules.tier_count == 0:
        return
    if ts_ns // _DAY > turnover.day:
        _begin_day(rules, turnover, ts_ns // _DAY)
    rules.taker_fee_ppb = int(rules.tier_taker_ppb[turnover.tier])
    rules.maker_fee_ppb = int(rules.tier_maker_ppb[turnover.tier])


@kernel
def _begin_day(rules: Any, turnover: Any, day: int) -> None:
    for later in range(max(turnover.day + 1, day - _DAYS + 1), day + 1):
        turnover.volumes[later % _DAYS] = 0
    turnover.day = day
    traded = 0
    for index in range(_DAYS):
        traded += turnover.volumes[index]
    for index in range(rules.tier_count):
        if rules.tier_since_ns[index] <= day * _DAY and rules.tier_volume[index] <= traded:
            turnover.tier = index


@kernel
def note_traded(turnover: Any, value: int) -> None:
    """An execution on the day that is going on."""
    turnover.volumes[turnover.day % _DAYS] += value

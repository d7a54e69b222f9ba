"""Values of the core as the records that kernels read."""

from __future__ import annotations

from dataclasses import fields
from decimal import ROUND_HALF_EVEN, Decimal

from n1v1.events import Wish
from n1v1.kernels import Record, new_record
from n1v1.risk.account import SYMBOL
from n1v1.risk.limits import OPEN, WISH
from n1v1.risk.policy import RiskPolicy
from n1v1.values import PPB, Instrument


def wish_record(wish: Wish, *, scale_ppb: int = PPB) -> Record:
    """A WISH record; what the strategy leaves open is OPEN."""
    record = _WISH_RECORD()
    for name in _WISHES:
        wished = getattr(wish, name)
        setattr(record, name, OPEN if wished is None else wished)
    record.scale_ppb = scale_ppb
    return record


_WISH_RECORD = type(new_record(WISH))  # called as it is, because new_record asks NumPy for every number
_WISHES = tuple(field.name for field in fields(Wish) if field.name in (WISH.names or ()))


def symbol_record(instrument: Instrument, policy: RiskPolicy, *, index: int) -> Record:
    """A SYMBOL record of which nothing is known. index: the symbol's place in the order of symbol names."""
    record = new_record(SYMBOL)
    record.index = index
    distance = Decimal(str(policy.exits.stop_distance)) / instrument.tick_size
    record.stop_distance_ticks = max(1, int(distance.to_integral_value(ROUND_HALF_EVEN))) if distance else 0
    return record

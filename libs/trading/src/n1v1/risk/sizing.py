"""How large an entry is."""

from __future__ import annotations

from n1v1.rounding import affordable_lots, share
from n1v1.values import Instrument


def fixed_fraction(instrument: Instrument, *, equity: int, fraction_ppb: int, reference_ticks: int) -> int:
    """Lots worth `fraction_ppb` of equity at the reference price, rounded down to whole steps. Quanta in, lots out."""
    return affordable_lots(instrument, cash_quanta=share(equity, fraction_ppb=fraction_ppb), ticks=reference_ticks)

"""Rates as settings have them, and as the core does."""

from __future__ import annotations

from decimal import Decimal

from n1v1.values import to_ppb

BPS = 10_000


def rate_ppb(bps: Decimal) -> int:
    """Raises InvalidValue when the rate is finer than a billionth."""
    return to_ppb(bps / BPS)

"""Where bars begin: every period of a timeframe counted from 1970-01-01, weeks from a Monday."""

from __future__ import annotations

from n1v1.timeframes import timeframe_ns

_MONDAY_NS = 4 * timeframe_ns("1d")
"""1970-01-05: weeks begin on Monday, as venues have them, and 1970-01-01 was a Thursday."""


def grid_start_ns(timeframe: str) -> int:
    """A moment at which a bar of the timeframe begins; the others are whole periods away from it."""
    return 0 if timeframe_ns(timeframe) % timeframe_ns("1w") else _MONDAY_NS

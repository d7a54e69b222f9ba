"""Binance's bar lengths: when the bar that holds a moment opens and closes."""

from __future__ import annotations

from datetime import UTC, datetime

from n1v1.errors import InvalidValue
from n1v1.timeframes import SECOND_NS, timeframe_ns

INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
"""By length."""

MONTH = "1M"
_MONDAY_NS = 4 * timeframe_ns("1d")
"""The first Monday after the epoch, which was a Thursday; weeks are counted from it."""


def span_of(interval: str, ts_ns: int) -> tuple[int, int]:
    """(opens, closes) of the bar that holds `ts_ns`: from the one, up to and without the other.

    Raises InvalidValue for an interval that is no length of time.
    """
    if interval == MONTH:
        return _month_of(ts_ns)
    length_ns = timeframe_ns(interval)
    shift_ns = _MONDAY_NS if interval.endswith("w") else 0
    open_ns = ts_ns - (ts_ns - shift_ns) % length_ns
    return open_ns, open_ns + length_ns


def is_made_of(interval: str, finer: str) -> bool:
    """Whether whole bars of `finer` make bars of `interval`."""
    if finer in (MONTH, interval):
        return False
    if interval == MONTH:
        return timeframe_ns("1d") % timeframe_ns(finer) == 0
    if interval.endswith("w"):
        return timeframe_ns("1d") % timeframe_ns(finer) == 0
    return timeframe_ns(interval) > timeframe_ns(finer) and timeframe_ns(interval) % timeframe_ns(finer) == 0


def checked_interval(interval: str, known: tuple[str, ...]) -> str:
    """Raises InvalidValue unless `interval` is one of `known`."""
    if interval not in known:
        raise InvalidValue(f"expected one of the bar lengths {', '.join(known)}; got {interval!r}")
    return interval


def _month_of(ts_ns: int) -> tuple[int, int]:
    moment = datetime.fromtimestamp(ts_ns // SECOND_NS, UTC)
    first = datetime(moment.year, moment.month, 1, tzinfo=UTC)
    following = datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) * SECOND_NS, int(following.timestamp()) * SECOND_NS

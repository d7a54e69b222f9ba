"""Bar lengths by their usual names ('1m', '4h', '1d')."""

from __future__ import annotations

from n1v1.errors import InvalidValue

SECOND_NS = 1_000_000_000
_UNIT_NS = {
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3600 * SECOND_NS,
    "d": 86_400 * SECOND_NS,
    "w": 604_800 * SECOND_NS,
}


def timeframe_ns(timeframe: str) -> int:
    """Length in nanoseconds. Raises InvalidValue for anything but a positive count and one of s, m, h, d, w."""
    count, unit = timeframe[:-1], timeframe[-1:]
    if not (count.isascii() and count.isdigit()) or int(count) == 0 or unit not in _UNIT_NS:
        raise InvalidValue(f"expected a timeframe such as '1m', '4h' or '1d'; got {timeframe!r}")
    return int(count) * _UNIT_NS[unit]

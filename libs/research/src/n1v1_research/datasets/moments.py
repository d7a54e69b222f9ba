"""Times that people write, as nanoseconds UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from n1v1.errors import InvalidData

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def moment_ns(text: str, zone: tzinfo = UTC) -> int:
    """Nanoseconds UTC of an ISO 8601 date or moment; without an offset it is in `zone`.

    Raises InvalidData, also for a local time that the change of the clocks skips or repeats.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidData(f"{text!r} is not a time such as 2020-01-01T04:00:00Z") from None
    if moment.tzinfo is None:
        moment = _placed(moment, zone)
    return (moment - _EPOCH) // _MICROSECOND * 1_000


def _placed(moment: datetime, zone: tzinfo) -> datetime:
    first, second = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        raise InvalidData(f"{moment} is skipped or repeated by the change of the clocks in {zone}; use UTC")
    return first


def zone_named(name: str) -> tzinfo:
    """Raises InvalidData for a name that is not in the time zone database."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidData(f"{name!r} is not a time zone such as UTC or Europe/Berlin") from None

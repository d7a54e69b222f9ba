"""Binance's rules for lists by time: which rows, and from which end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.signing import MICROSECONDS_FROM_DIGITS

_Row = TypeVar("_Row")

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Times:
    """From start to end, both included, in microseconds; None is open. Milliseconds mean their whole length."""

    start_us: int | None
    end_us: int | None

    @property
    def has_start(self) -> bool:
        return self.start_us is not None

    @property
    def is_bounded(self) -> bool:
        return self.start_us is not None or self.end_us is not None

    def holds(self, ts_ns: int) -> bool:
        ts_us = ts_ns // 1_000
        return (self.start_us is None or ts_us >= self.start_us) and (self.end_us is None or ts_us <= self.end_us)

    def check_within_a_day(self) -> None:
        """Raises ApiError -1127 for both ends more than 24 hours apart."""
        if (
            self.start_us is not None
            and self.end_us is not None
            and self.end_us // 1_000 - self.start_us // 1_000 > (DAY_US // 1_000)
        ):
            raise errors.window_of_times_too_long()


def times(parameters: Parameters) -> Times:
    """startTime and endTime, in milliseconds or (16 digits and more) microseconds."""
    start, is_start_fine = _time(parameters, "startTime")
    end, is_end_fine = _time(parameters, "endTime")
    return Times(
        start_us=start if start is None or is_start_fine else start * 1_000,
        end_us=end if end is None or is_end_fine else end * 1_000 + 999,
    )


def _time(parameters: Parameters, name: str) -> tuple[int | None, bool]:
    value = parameters.integer(name)
    return value, value is not None and len(str(value)) >= MICROSECONDS_FROM_DIGITS


def page(rows: Sequence[_Row], limit: int, *, is_forward: bool) -> Sequence[_Row]:
    """The oldest `limit` rows when the client said where to begin, else the newest; oldest first either way."""
    return rows[:limit] if is_forward else rows[-limit:]

"""Times on the wire: milliseconds, or microseconds for who asks for them with timeUnit=microsecond."""

from __future__ import annotations

from enum import IntEnum

from n1v1_exchange_simulator.binance.errors import ApiError


class TimeUnit(IntEnum):
    """The value: how many nanoseconds it has."""

    MILLISECOND = 1_000_000
    MICROSECOND = 1_000

    def of(self, ns: int) -> int:
        return ns // self.value

    def end(self, ns: int) -> int:
        """The last moment before `ns`, as Binance writes the close of a bar."""
        return self.of(ns) - 1

    def of_ms(self, ms: int) -> int:
        return ms * (TimeUnit.MILLISECOND // self)


def named_unit(name: str | None) -> TimeUnit:
    """Raises ApiError for a unit that Binance does not know."""
    match name:
        case None | "MILLISECOND" | "millisecond":
            return TimeUnit.MILLISECOND
        case "MICROSECOND" | "microsecond":
            return TimeUnit.MICROSECOND
    raise ApiError(-1020, f"This operation is not supported: timeUnit={name}; expected millisecond or microsecond.")

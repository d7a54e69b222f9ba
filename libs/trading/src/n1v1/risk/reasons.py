"""Why an order is refused: a closed set, so that every refusal can be counted, explained and tested."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RefusalReason(StrEnum):
    """The value is what users see; the comment says what they can do about it."""

    BREAKER_OPEN = "BREAKER_OPEN"  # trading is halted; `n1v1 status` says why and since when
    DRAWDOWN_LIMIT = "DRAWDOWN_LIMIT"  # equity is further below its peak than risk_management.max_drawdown
    SHORT_DISABLED = "SHORT_DISABLED"  # a SELL without a position on an instrument that cannot be shorted
    NOTHING_TO_CLOSE = "NOTHING_TO_CLOSE"  # a CLOSE without a position
    ALREADY_IN_POSITION = "ALREADY_IN_POSITION"  # a BUY although the instance's symbol is long already
    ORDER_IN_FLIGHT = "ORDER_IN_FLIGHT"  # an earlier order on the symbol has not been answered yet
    POSITION_LIMIT = "POSITION_LIMIT"  # the position would exceed risk_management.max_position_size
    TOO_MANY_POSITIONS = "TOO_MANY_POSITIONS"  # risk_management.max_concurrent_trades are open already
    INSUFFICIENT_CASH = "INSUFFICIENT_CASH"  # what is left after reservations does not pay for it
    BELOW_MIN_NOTIONAL = "BELOW_MIN_NOTIONAL"  # the sized order is smaller than the venue accepts
    SIGNAL_EXPIRED = "SIGNAL_EXPIRED"  # the signal is older than its validity
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"  # no such instrument in this system
    NO_PRICE = "NO_PRICE"  # the symbol has not been marked yet


@dataclass(frozen=True, slots=True)
class Check:
    """One risk check on one signal: what it looked at and what it said."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An ordinary no."""

    reason: RefusalReason
    detail: str

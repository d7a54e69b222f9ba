"""How often a client may ask, and an account may order: Binance's limits, its counters and its bans.

Weight and raw requests are counted by client: its address, or what it calls itself in X-Sim-Client, so that several
services on one machine can be told apart (Binance pools them). Orders are counted by account. Windows begin on the
clock: the minute at :00, ten seconds at :00, :10 and so on, the day at 00:00 UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.venue import OrderReport, Report, ReportKind

SECOND_NS = 1_000_000_000
NS_PER_MS = 1_000_000

TAKER_CREDIT = 1
MAKER_CREDIT = 5
"""What the first fill of an order gives back of an account's order count (Binance's rule)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Binance's figures. It does not say when refused requests become a ban; `ban_*` are this venue's.

    is_enforced: without it everything is counted and told in the headers, and nothing refused.
    ban_after_refusals: requests within one minute that had to be refused; ban_at_weight: weight within one minute.
    first_ban_s: each further ban of a client takes twice as long, up to longest_ban_s.
    """

    is_enforced: bool = True
    weight_per_minute: int = 6_000
    raw_per_5_minutes: int = 61_000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    ban_after_refusals: int = 50
    ban_at_weight: int = 9_000
    first_ban_s: float = 120.0
    longest_ban_s: float = 259_200.0


class Window:
    """Counts by key within windows that begin on the clock; each begins from nothing."""

    def __init__(self, seconds: int) -> None:
        self._length_ns = seconds * SECOND_NS
        self._number = -1
        self._counts: dict[str, int] = {}

    def add(self, key: str, cost: int, now_ns: int) -> int:
        """The count with `cost` in it, never below zero."""
        count = max(0, self.count(key, now_ns) + cost)
        self._counts[key] = count
        return count

    def count(self, key: str, now_ns: int) -> int:
        number = now_ns // self._length_ns
        if number != self._number:
            self._number = number
            self._counts.clear()
        return self._counts.get(key, 0)

    def end_ns(self, now_ns: int) -> int:
        return (now_ns // self._length_ns + 1) * self._length_ns


@dataclass(slots=True)
class _Ban:
    until_ns: int
    seconds: float


class Limiter:
    def __init__(self, limits: RateLimits, wall_ns: Callable[[], int]) -> None:
        self.limits = limits
        self._wall_ns = wall_ns
        self._weight = Window(60)
        self._refusals = Window(60)
        self._raw = Window(300)
        self._orders_10s = Window(10)
        self._orders_day = Window(86_400)
        self._bans: dict[str, _Ban] = {}

    # --- by client ---------------------------------------------------------------------------------------------

    def admit(self, client: str, weight: int) -> None:
        """Count a request. Raises ApiError: 429 over a limit, 418 for one who goes on all the same."""
        now_ns = self._wall_ns()
        if not self.limits.is_enforced:
            self._weight.add(client, weight, now_ns)
            return
        self._refuse_banned(client, now_ns)
        if self._raw.add(client, 1, now_ns) > self.limits.raw_per_5_minutes:
            raise errors.too_many_requests(self.limits.raw_per_5_minutes, **_retry(self._raw.end_ns(now_ns), now_ns))
        used = self._weight.add(client, weight, now_ns)
        if used > self.limits.weight_per_minute:
            refusals = self._refusals.add(client, 1, now_ns)
            if refusals > self.limits.ban_after_refusals or used > self.limits.ban_at_weight:
                self.ban(client)
                self._refuse_banned(client, now_ns)
            raise errors.too_much_weight(self.limits.weight_per_minute, **_retry(self._weight.end_ns(now_ns), now_ns))

    def ban(self, client: str) -> None:
        """For twice as long as the last time."""
        known = self._bans.get(client)
        seconds = self.limits.first_ban_s if known is None else min(2 * known.seconds, self.limits.longest_ban_s)
        self._bans[client] = _Ban(self._wall_ns() + int(seconds * SECOND_NS), seconds)

    def used_weight(self, client: str) -> int:
        """Within this minute."""
        return self._weight.count(client, self._wall_ns())

    def _refuse_banned(self, client: str, now_ns: int) -> None:
        ban = self._bans.get(client)
        if ban is not None and now_ns < ban.until_ns:
            raise errors.banned(**_retry(ban.until_ns, now_ns))

    # --- by account --------------------------------------------------------------------------------------------

    def check_orders(self, account: str, count: int) -> None:
        """Raises ApiError 429 when the account may not place `count` more orders."""
        if not self.limits.is_enforced:
            return
        now_ns = self._wall_ns()
        for window, most, interval in (
            (self._orders_10s, self.limits.orders_per_10_seconds, "10 SECOND"),
            (self._orders_day, self.limits.orders_per_day, "1 DAY"),
        ):
            if window.count(account, now_ns) + count > most:
                raise errors.too_many_orders(most, interval, **_retry(window.end_ns(now_ns), now_ns))

    def count_orders(self, account: str, count: int) -> None:
        now_ns = self._wall_ns()
        self._orders_10s.add(account, count, now_ns)
        self._orders_day.add(account, count, now_ns)

    def orders(self, account: str) -> tuple[int, int]:
        """Placed within these ten seconds and this day, less what fills have given back."""
        now_ns = self._wall_ns()
        return self._orders_10s.count(account, now_ns), self._orders_day.count(account, now_ns)

    def on_report(self, report: Report) -> None:
        """The first fill of an order gives back some of its account's count."""
        if not isinstance(report, OrderReport) or report.kind is not ReportKind.TRADE or report.trade is None:
            return
        if report.filled_lots == report.trade.lots:
            self.count_orders(report.account, -(MAKER_CREDIT if report.trade.is_maker else TAKER_CREDIT))

    # --- as told to clients ------------------------------------------------------------------------------------

    def described(self) -> list[dict[str, Any]]:
        """exchangeInfo's rateLimits; none where nothing is refused."""
        if not self.limits.is_enforced:
            return []
        raw = _row("RAW_REQUESTS", "MINUTE", 5, self.limits.raw_per_5_minutes)
        return [self._weight_row(), *self._order_rows(), raw]

    def weight_usage(self, client: str) -> list[dict[str, Any]]:
        """The rateLimits of an answer over the WebSocket API."""
        return [self._weight_row() | {"count": self.used_weight(client)}]

    def order_usage(self, account: str) -> list[dict[str, Any]]:
        rows = zip(self._order_rows(), self.orders(account), strict=True)
        return [row | {"count": count} for row, count in rows]

    def _weight_row(self) -> dict[str, Any]:
        return _row("REQUEST_WEIGHT", "MINUTE", 1, self.limits.weight_per_minute)

    def _order_rows(self) -> list[dict[str, Any]]:
        return [
            _row("ORDERS", "SECOND", 10, self.limits.orders_per_10_seconds),
            _row("ORDERS", "DAY", 1, self.limits.orders_per_day),
        ]


def _row(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _retry(end_ns: int, now_ns: int) -> dict[str, int]:
    return {"retry_after_s": -((now_ns - end_ns) // SECOND_NS), "retry_at_ms": end_ns // NS_PER_MS}

"""Reading the tables: every SELECT of the service. Results are in units of the core; the API makes decimals of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from n1v1.performance import RecordedExecution
from n1v1.run_hash import RunRecords, order_state
from n1v1.signals.stage import STOPPED
from n1v1.values import Side

_ORDERS = """
SELECT o.*, coalesce(f.filled_lots, 0) AS filled_lots, coalesce(f.value, 0) AS value, coalesce(f.fee, 0) AS fee,
       f.last_fill_ns, coalesce(e.heard, '{}') AS heard, m.equity AS equity_after
FROM orders o
LEFT JOIN LATERAL (SELECT sum(lots)::bigint AS filled_lots, sum(value)::bigint AS value, sum(fee)::bigint AS fee,
                          max(ts_ns) AS last_fill_ns FROM fills WHERE order_id = o.order_id) f ON true
LEFT JOIN LATERAL (SELECT array_agg(DISTINCT word) AS heard FROM order_events WHERE order_id = o.order_id) e ON true
LEFT JOIN LATERAL (SELECT equity FROM equity WHERE account = o.account AND ts_ns > f.last_fill_ns
                   ORDER BY ts_ns LIMIT 1) m ON true
"""

# The venue has them, and they are not done.
_PROTECTION = """
SELECT o.* FROM orders o
WHERE o.account = $1 AND (o.entry_id IS NOT NULL OR o.purpose = 'STOP_LOSS')
  AND EXISTS (SELECT FROM order_events e WHERE e.order_id = o.order_id AND e.word = 'ACCEPTED')
  AND NOT EXISTS (SELECT FROM order_events e WHERE e.order_id = o.order_id
                  AND e.word IN ('FILLED', 'REJECTED', 'CANCELLED', 'EXPIRED'))
ORDER BY o.symbol, o.decided_ns, o.order_id
"""

_RUN_DECISIONS = """
SELECT v.bar_close_ns, v.instance, v.symbol, v.action, v.strength, v.reason, coalesce(d.verdict, 'PENDING') AS verdict,
       coalesce(d.refusal, '') AS refusal, coalesce(d.order_id, '') AS order_id
FROM verdicts v LEFT JOIN decisions d ON d.signal_id = v.signal_id AND d.account = $1
WHERE v.signal_id IS NOT NULL
"""

_RUN_ORDERS = """
SELECT o.order_id, o.symbol, o.side, o.type, o.lots,
       (SELECT coalesce(sum(lots), 0)::bigint FROM fills f WHERE f.order_id = o.order_id) AS filled_lots,
       (SELECT coalesce(array_agg(DISTINCT word), '{}') FROM order_events e WHERE e.order_id = o.order_id) AS heard
FROM orders o WHERE o.account = $1
"""

_SIGNALS = """
SELECT v.*, coalesce(d.verdict, 'PENDING') AS verdict, coalesce(d.refusal, '') AS refusal,
       coalesce(d.order_id, '') AS order_id
FROM verdicts v LEFT JOIN decisions d ON d.signal_id = v.signal_id AND d.account = $1
WHERE v.signal_id IS NOT NULL AND ($2::text IS NULL OR v.symbol = $2)
ORDER BY v.bar_close_ns DESC, v.symbol, v.instance LIMIT $3
"""

_WHY = """
SELECT v.*, d.verdict, d.refusal, d.detail, d.order_id, d.checks, d.trace_id
FROM verdicts v LEFT JOIN decisions d ON d.signal_id = v.signal_id AND d.account = $1
WHERE v.symbol = $2 AND v.bar_close_ns = $3 ORDER BY v.instance
"""

# Signals says so in the note of every bar from then on; the first one is the bar that did it.
_STOPPED = """
SELECT DISTINCT ON (instance, symbol) instance, symbol, bar_close_ns, reason
FROM verdicts WHERE starts_with(reason, $1) ORDER BY instance, symbol, bar_close_ns
"""

_COUNTS = """
SELECT (SELECT count(*) FROM equity WHERE account = $1) AS bars,
       (SELECT max(ts_ns) FROM equity WHERE account = $1) AS bar_ns,
       (SELECT settled_ns FROM watermarks WHERE account = $1) AS settled_ns,
       (SELECT count(*) FROM orders WHERE account = $1) AS orders,
       (SELECT count(*) FROM fills WHERE account = $1) AS fills,
       (SELECT count(*) FROM decisions WHERE account = $1 AND verdict = 'REFUSED') AS refusals
"""

# A curve is thinned evenly to what was asked for; its last mark is always part of it.
_EQUITY = """
SELECT ts_ns, cash, equity FROM (
    SELECT *, row_number() OVER (ORDER BY ts_ns DESC) - 1 AS age, count(*) OVER () AS total
    FROM equity WHERE account = $1 AND ts_ns >= $2 AND ts_ns < $3) marks
WHERE age % greatest(1, ceil(total::numeric / $4)::bigint) = 0 ORDER BY ts_ns
"""


@dataclass(frozen=True, slots=True)
class Queries:
    """Questions about one account, on a pool whose connections work in reporting's schema."""

    pool: asyncpg.Pool
    account: str

    async def counts(self) -> asyncpg.Record:
        row = await self.pool.fetchrow(_COUNTS, self.account)
        assert row is not None
        return row

    async def last_mark(self) -> asyncpg.Record | None:
        return await self.pool.fetchrow(
            "SELECT * FROM equity WHERE account = $1 ORDER BY ts_ns DESC LIMIT 1", self.account
        )

    async def first_equity(self) -> int | None:
        equity: int | None = await self.pool.fetchval(
            "SELECT equity FROM equity WHERE account = $1 ORDER BY ts_ns LIMIT 1", self.account
        )
        return equity

    async def settled_ns(self) -> int:
        """The bar time up to which everything has settled; -1 before the first."""
        settled = await self.pool.fetchval("SELECT settled_ns FROM watermarks WHERE account = $1", self.account)
        return -1 if settled is None else int(settled)

    async def stopped_strategies(self) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch(_STOPPED, STOPPED)

    async def breaker(self) -> asyncpg.Record | None:
        return await self.pool.fetchrow("SELECT * FROM breakers WHERE account = $1", self.account)

    async def orders(self, symbol: str | None, limit: int) -> Sequence[asyncpg.Record]:
        """Newest first."""
        where = "WHERE o.account = $1 AND ($2::text IS NULL OR o.symbol = $2)"
        return await self.pool.fetch(
            f"{_ORDERS} {where} ORDER BY o.decided_ns DESC, o.order_id LIMIT $3", self.account, symbol, limit
        )

    async def order(self, order_id: str) -> asyncpg.Record | None:
        return await self.pool.fetchrow(f"{_ORDERS} WHERE o.account = $1 AND o.order_id = $2", self.account, order_id)

    async def decision_on(self, signal_id: str) -> asyncpg.Record | None:
        """With the reason of the signal as signal_reason."""
        return await self.pool.fetchrow(
            "SELECT d.*, coalesce(v.reason, '') AS signal_reason FROM decisions d "
            "LEFT JOIN verdicts v ON v.signal_id = d.signal_id WHERE d.account = $1 AND d.signal_id = $2",
            self.account,
            signal_id,
        )

    async def history_of(self, order_id: str) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch("SELECT * FROM order_events WHERE order_id = $1 ORDER BY arrival", order_id)

    async def fills_of(self, order_id: str) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch("SELECT * FROM fills WHERE order_id = $1 ORDER BY ts_ns, fill_id", order_id)

    async def executions(self) -> list[RecordedExecution]:
        """Oldest first, ties as n1v1.performance.executions_of breaks them."""
        rows = await self.pool.fetch(
            "SELECT ts_ns, order_id, trade_id, symbol, side, lots, ticks, value, fee FROM fills WHERE account = $1 "
            "ORDER BY ts_ns, order_id, length(trade_id), trade_id",
            self.account,
        )
        return [
            RecordedExecution(row[0], row[1], row[2], row[3], Side(row[4]), row[5], row[6], row[7], row[8])
            for row in rows
        ]

    async def positions(self) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch("SELECT * FROM positions WHERE account = $1 ORDER BY symbol", self.account)

    async def protection(self) -> Sequence[asyncpg.Record]:
        """Orders at the venue that protect a position, or will when their entry fills."""
        return await self.pool.fetch(_PROTECTION, self.account)

    async def equity(self, first_ns: int, end_ns: int, points: int) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch(_EQUITY, self.account, first_ns, end_ns, points)

    async def signals(self, symbol: str | None, limit: int) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch(_SIGNALS, self.account, symbol, limit)

    async def bar_at(self, symbol: str, ts_ns: int) -> int | None:
        """Close of the first bar that closes at a time or after it."""
        close_ns: int | None = await self.pool.fetchval(
            "SELECT min(bar_close_ns) FROM verdicts WHERE symbol = $1 AND bar_close_ns >= $2", symbol, ts_ns
        )
        return close_ns

    async def known_bars(self, symbol: str) -> asyncpg.Record:
        row = await self.pool.fetchrow(
            "SELECT min(bar_close_ns) AS first_ns, max(bar_close_ns) AS last_ns FROM verdicts WHERE symbol = $1",
            symbol,
        )
        assert row is not None
        return row

    async def why(self, symbol: str, bar_close_ns: int) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch(_WHY, self.account, symbol, bar_close_ns)

    async def records(self) -> RunRecords:
        """Everything the run hash is made of, as of one moment."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            decisions = await connection.fetch(_RUN_DECISIONS, self.account)
            orders = await connection.fetch(_RUN_ORDERS, self.account)
            fills = await connection.fetch(
                "SELECT ts_ns, order_id, trade_id, side, lots, ticks, value, fee FROM fills WHERE account = $1",
                self.account,
            )
            marks = await connection.fetch(
                "SELECT ts_ns, cash, equity, positions FROM equity WHERE account = $1", self.account
            )
        return RunRecords(
            decisions=tuple(_decision(row) for row in decisions),
            orders=tuple(_order(row) for row in orders),
            fills=tuple(tuple(row) for row in fills),
            equity=tuple(_mark(row) for row in marks),
        )


def state_of(row: asyncpg.Record) -> str:
    """How an order stands; the row has lots, filled_lots and heard."""
    return order_state(lots=row["lots"], filled_lots=row["filled_lots"], heard=set(row["heard"]))


def _decision(row: asyncpg.Record) -> tuple[int, str, str, str, str, str, str, str, str]:
    return (
        row["bar_close_ns"],
        row["instance"],
        row["symbol"],
        row["action"],
        repr(row["strength"]),
        row["reason"],
        row["verdict"],
        row["refusal"],
        row["order_id"],
    )


def _order(row: asyncpg.Record) -> tuple[str, str, str, str, int, str, int]:
    return (
        row["order_id"],
        row["symbol"],
        row["side"],
        row["type"],
        row["lots"],
        state_of(row),
        row["filled_lots"],
    )


def _mark(row: asyncpg.Record) -> tuple[int, int, int, tuple[tuple[str, int, int], ...]]:
    positions = tuple((symbol, lots, ticks) for symbol, lots, ticks in json.loads(row["positions"]))
    return (row["ts_ns"], row["cash"], row["equity"], positions)

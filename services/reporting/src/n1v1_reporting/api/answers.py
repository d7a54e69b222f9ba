"""From rows in units of the core to what the API answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from n1v1 import performance
from n1v1.errors import UndefinedStatistic, nearest
from n1v1.rounding import notional
from n1v1.run_hash import REFUSED, RunRecords, hashes_by_kind, run_hash
from n1v1.values import PPB, Instrument
from n1v1_reporting.api import models
from n1v1_reporting.api.errors import NotFound
from n1v1_reporting.api.models import moment
from n1v1_reporting.queries import Queries, state_of

END_OF_TIME_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class System:
    """What the settings say of the system that is reported on."""

    mode: str
    account: str
    timeframe: str
    strategies: tuple[str, ...]
    instruments: Mapping[str, Instrument]


@dataclass(frozen=True, slots=True)
class Answers:
    system: System
    queries: Queries
    lag: Callable[[], Awaitable[int]]

    async def status(self) -> models.Status:
        breaker, mark = await self.queries.breaker(), await self.queries.last_mark()
        paused = bool(breaker and breaker["is_open"])
        return models.Status(
            running=True,
            paused=paused,
            paused_because=breaker["reason"] if breaker and paused else "",
            mode=self.system.mode,
            pairs=list(self.system.instruments),
            timestamp=datetime.now(UTC),
            account=self.system.account,
            timeframe=self.system.timeframe,
            strategies=list(self.system.strategies),
            bar_time=moment(mark["ts_ns"]) if mark else None,
            lag_messages=await self.lag(),
        )

    async def progress(self) -> models.Progress:
        lag = await self.lag()
        counts, mark = await self.queries.counts(), await self.queries.last_mark()
        return models.Progress(
            bars=counts["bars"],
            bar_time=moment(counts["bar_ns"]) if counts["bar_ns"] else None,
            settled_time=moment(counts["settled_ns"]) if counts["settled_ns"] else None,
            orders=counts["orders"],
            fills=counts["fills"],
            refusals=counts["refusals"],
            equity=self._quote.cash(mark["equity"]) if mark else None,
            cash=self._quote.cash(mark["cash"]) if mark else None,
            lag_messages=lag,
        )

    async def orders(self, symbol: str | None, limit: int) -> models.Orders:
        if symbol is not None:
            self._instrument(symbol)
        rows = await self.queries.orders(symbol, limit)
        pnls, start = await self._pnl_by_order(), await self.queries.first_equity()
        return models.Orders(orders=[models.Order(**self._order(row, pnls, start)) for row in rows])

    async def order(self, order_id: str) -> models.OrderDetail:
        """Raises NotFound."""
        row = await self.queries.order(order_id)
        if row is None:
            raise NotFound(f"no order {order_id!r} on account {self.system.account!r}")
        decision = await self.queries.decision_on(row["signal_id"])
        instrument = self._instrument(row["symbol"])
        summary = self._order(row, await self._pnl_by_order(), await self.queries.first_equity())
        return models.OrderDetail(
            **summary,
            signal_id=row["signal_id"],
            signal_reason=decision["signal_reason"] if decision else "",
            reference_price=instrument.price(row["reference_ticks"]),
            checks=_checks(decision["checks"]) if decision else [],
            fills=[_fill(instrument, fill) for fill in await self.queries.fills_of(order_id)],
            history=[
                models.Step(timestamp=moment(step["ts_ns"]), what=step["word"], detail=step["detail"])
                for step in await self.queries.history_of(order_id)
            ],
        )

    async def positions(self) -> models.Positions:
        mark = await self.queries.last_mark()
        marks = {symbol: ticks for symbol, _, ticks in json.loads(mark["positions"])} if mark else {}
        legs = await self.queries.protection()
        positions = [
            self._position(
                row, marks.get(row["symbol"]), [leg for leg in legs if row["lots"] and leg["symbol"] == row["symbol"]]
            )
            for row in await self.queries.positions()
        ]
        return models.Positions(positions=positions, quote=self._quote.quote)

    async def equity(self, start_ns: int | None, end_ns: int | None, points: int) -> models.Equity:
        rows = await self.queries.equity(start_ns or 0, end_ns or END_OF_TIME_NS, points)
        first = await self.queries.first_equity()
        curve = [
            models.EquityPoint(
                timestamp=moment(row["ts_ns"]),
                balance=self._quote.cash(row["cash"]),
                equity=self._quote.cash(row["equity"]),
                cumulative_return=row["equity"] / first - 1.0 if first else 0.0,
            )
            for row in rows
        ]
        return models.Equity(equity_curve=curve, quote=self._quote.quote)

    async def performance(self) -> models.Performance:
        """Raises NotFound before the first mark of the account."""
        found = self._performance(await self.queries.records())
        if found is None:
            raise NotFound("the account has not been marked yet: no bar has been processed")
        return found

    async def signals(self, symbol: str | None, limit: int) -> models.Signals:
        if symbol is not None:
            self._instrument(symbol)
        return models.Signals(signals=[_signal(row) for row in await self.queries.signals(symbol, limit)])

    async def why(self, symbol: str, time_ns: int) -> models.Why:
        """Raises NotFound for a symbol or a time that nothing is known of."""
        self._instrument(symbol)
        bar_ns = await self.queries.bar_at(symbol, time_ns)
        if bar_ns is None:
            raise NotFound(await self._no_such_bar(symbol, time_ns))
        rows = await self.queries.why(symbol, bar_ns)
        return models.Why(
            symbol=symbol,
            asked_time=moment(time_ns),
            bar_time=moment(bar_ns),
            strategies=[await self._opinion(row) for row in rows],
        )

    async def run(self, *, full: bool) -> models.Run:
        lag = await self.lag()
        records = await self.queries.records()
        refusals = [row[7] for row in records.decisions if row[6] == REFUSED]
        rows: dict[str, list[Any]] = asdict(records)
        return models.Run(
            account=self.system.account,
            timeframe=self.system.timeframe,
            symbols=list(self.system.instruments),
            strategies=list(self.system.strategies),
            hash=run_hash(records),
            hashes=dict(hashes_by_kind(records)),
            counts={kind: len(values) for kind, values in rows.items()} | {"refusals": len(refusals)},
            refusals={reason: refusals.count(reason) for reason in sorted(set(refusals))},
            stopped_strategies=[_stopped(row) for row in await self.queries.stopped_strategies()],
            lag_messages=lag,
            performance=self._performance(records),
            records=rows if full else None,
        )

    @property
    def _quote(self) -> Instrument:
        """Any instrument: all share the quote currency and its quantum."""
        return next(iter(self.system.instruments.values()))

    def _instrument(self, symbol: str) -> Instrument:
        try:
            return self.system.instruments[symbol]
        except KeyError:
            raise NotFound(f"no symbol {symbol!r}{nearest(symbol, self.system.instruments)}") from None

    async def _no_such_bar(self, symbol: str, time_ns: int) -> str:
        known = await self.queries.known_bars(symbol)
        if known["first_ns"] is None:
            return f"no bar of {symbol} has been processed yet"
        first, last = (moment(known[name]).strftime("%Y-%m-%d %H:%M") for name in ("first_ns", "last_ns"))
        asked = moment(time_ns).strftime("%Y-%m-%d %H:%M")
        return f"no bar of {symbol} closes at {asked} or later; known are bars closing {first} to {last} UTC"

    async def _pnl_by_order(self) -> dict[str, int]:
        trips = performance.round_trips(await self.queries.executions())
        return {trip.exit_order_id: trip.pnl for trip in trips}

    def _order(self, row: asyncpg.Record, pnls: Mapping[str, int], start: int | None) -> dict[str, Any]:
        instrument, filled = self._instrument(row["symbol"]), row["filled_lots"]
        pnl, after = pnls.get(row["order_id"]), row["equity_after"]
        average = instrument.cash(row["value"]) / instrument.quantity(filled) if filled else None
        return {
            "id": row["order_id"],
            "symbol": row["symbol"],
            "timestamp": moment(row["decided_ns"]),
            "side": row["side"],
            "type": row["type"],
            "status": state_of(row),
            "quantity": instrument.quantity(row["lots"]),
            "filled": instrument.quantity(filled),
            "price": average.quantize(instrument.tick_size) if average is not None else None,
            "limit_price": _price(instrument, row["limit_ticks"]),
            "stop_price": _price(instrument, row["stop_ticks"]),
            "trailing_distance": _fraction(row["trail_ppb"]),
            "purpose": row["purpose"],
            "entry_id": row["entry_id"],
            "fee": instrument.cash(row["fee"]),
            "pnl": instrument.cash(pnl) if pnl is not None else None,
            "equity": instrument.cash(after) if after is not None else None,
            "cumulative_return": after / start - 1.0 if after is not None and start else None,
            "strategy": row["instance"],
            "trace_id": row["trace_id"],
        }

    def _position(self, row: asyncpg.Record, mark_ticks: int | None, legs: Sequence[asyncpg.Record]) -> models.Position:
        instrument, lots = self._instrument(row["symbol"]), row["lots"]
        value = notional(instrument, ticks=mark_ticks or 0, lots=lots)
        entry = instrument.cash(row["cost"]) / instrument.quantity(lots) if lots else None
        return models.Position(
            symbol=row["symbol"],
            quantity=instrument.quantity(lots),
            entry_price=entry.quantize(instrument.tick_size) if entry is not None else None,
            mark_price=_price(instrument, mark_ticks),
            value=instrument.cash(value),
            unrealised_pnl=instrument.cash(value - row["cost"] if lots else 0),
            realised_pnl=instrument.cash(row["realised"]),
            fees=instrument.cash(row["fees"]),
            protection=[_protection(instrument, leg) for leg in legs],
            timestamp=moment(row["ts_ns"]),
        )

    async def _opinion(self, row: asyncpg.Record) -> models.Opinion:
        looked_at = [models.LookedAt(name=name, value=value) for name, value in json.loads(row["looked_at"])]
        return models.Opinion(
            strategy=row["instance"],
            signal_type=row["action"],
            strength=row["strength"],
            reason=row["reason"],
            looked_at=looked_at,
            decision=await self._decision(row) if row["verdict"] is not None else None,
        )

    async def _decision(self, row: asyncpg.Record) -> models.Decision:
        order = await self.queries.order(row["order_id"]) if row["order_id"] else None
        return models.Decision(
            verdict=row["verdict"],
            refusal=row["refusal"],
            detail=row["detail"],
            checks=_checks(row["checks"]),
            order_id=row["order_id"],
            order_status=state_of(order) if order else "",
            trace_id=row["trace_id"],
        )

    def _performance(self, records: RunRecords) -> models.Performance | None:
        try:
            numbers = performance.summary_of_records(records, self.system.timeframe)
        except UndefinedStatistic:
            return None
        return performance_of(numbers, self._quote)


def performance_of(numbers: performance.Summary, quote: Instrument) -> models.Performance:
    return models.Performance(
        start_equity=quote.cash(numbers.start_equity),
        end_equity=quote.cash(numbers.end_equity),
        total_return=numbers.total_return,
        total_pnl=quote.cash(numbers.total_pnl),
        total_trades=numbers.total_trades,
        wins=numbers.wins,
        losses=numbers.losses,
        win_rate=numbers.win_rate,
        profit_factor=numbers.profit_factor,
        sharpe_ratio=numbers.sharpe_ratio,
        sortino=numbers.sortino,
        calmar=numbers.calmar,
        max_drawdown=numbers.max_drawdown,
        max_drawdown_duration=numbers.max_drawdown_bars,
        annualized_return=numbers.annualised_return,
        volatility=numbers.volatility,
        exposure=numbers.exposure,
        total_fees=quote.cash(numbers.total_fees),
        avg_win=quote.cash(round(numbers.average_win)) if numbers.average_win is not None else None,
        avg_loss=quote.cash(round(numbers.average_loss)) if numbers.average_loss is not None else None,
        largest_win=quote.cash(numbers.largest_win),
        largest_loss=quote.cash(numbers.largest_loss),
    )


def _protection(instrument: Instrument, row: asyncpg.Record) -> models.Protection:
    ticks = row["limit_ticks"] if row["limit_ticks"] is not None else row["stop_ticks"]
    return models.Protection(
        order_id=row["order_id"],
        purpose=row["purpose"],
        price=_price(instrument, ticks),
        trailing_distance=_fraction(row["trail_ppb"]),
    )


def _price(instrument: Instrument, ticks: int | None) -> Decimal | None:
    return None if ticks is None else instrument.price(ticks)


def _fraction(ppb: int | None) -> float | None:
    return None if ppb is None else ppb / PPB


def _signal(row: asyncpg.Record) -> models.Signal:
    return models.Signal(
        id=row["signal_id"],
        symbol=row["symbol"],
        timestamp=moment(row["bar_close_ns"]),
        confidence=row["strength"],
        signal_type=row["action"],
        strategy=row["instance"],
        reason=row["reason"],
        verdict=row["verdict"],
        refusal=row["refusal"],
        order_id=row["order_id"],
    )


def _stopped(row: asyncpg.Record) -> models.StoppedStrategy:
    return models.StoppedStrategy(
        strategy=row["instance"],
        symbol=row["symbol"],
        bar_time=moment(row["bar_close_ns"]),
        reason=row["reason"],
    )


def _fill(instrument: Instrument, row: asyncpg.Record) -> models.Fill:
    return models.Fill(
        id=row["fill_id"],
        timestamp=moment(row["ts_ns"]),
        price=instrument.price(row["ticks"]),
        quantity=instrument.quantity(row["lots"]),
        value=instrument.cash(row["value"]),
        fee=instrument.cash(row["fee"]),
        liquidity=row["liquidity"],
    )


def _checks(content: str) -> list[models.Check]:
    checks: Sequence[Mapping[str, Any]] = json.loads(content)
    return [models.Check(**check) for check in checks]

"""The portfolio stage: hears fills and bars; says positions, and the account's equity once per bar time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from n1v1.bars import BarRow, ClosedBar
from n1v1.events import (
    BarClosed,
    BarsComplete,
    EquityMarked,
    Event,
    FillsComplete,
    OrderFilled,
    PositionChanged,
)
from n1v1.portfolio import ledger
from n1v1.portfolio.ledger import Transaction
from n1v1.portfolio.positions import Position, book_base_fee, book_trade
from n1v1.rounding import notional
from n1v1.saved_messages import known_fields
from n1v1.values import Instrument


class Portfolio:
    """The books of one account. `take_transactions` hands over what has to be posted to the ledger."""

    def __init__(self, *, account: str, instruments: Sequence[Instrument], initial_cash: int) -> None:
        self._account = account
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._initial_cash = initial_cash
        self._cash = initial_cash
        self._fees = 0
        self._equity = self._peak = initial_cash
        self._positions: dict[str, Position] = {}
        self._marks: dict[str, int] = {}
        self._marks_to_come: dict[int, dict[str, int]] = {}
        self._bars: dict[int, BarsComplete] = {}
        self._fills_ns = -1
        self._marked_ns = -1
        self._deposited = False
        self._opening: list[Transaction] = []
        self._unposted: list[OrderFilled] = []
        self.changes = 0
        """Counts fills and marked symbols: while it stays, cash, lots and the symbols that have a mark do."""

    @property
    def cash(self) -> int:
        return self._cash

    @property
    def marks(self) -> Mapping[str, int]:
        """The last close of every symbol that had a bar, in ticks, in the order of their first bars."""
        return self._marks

    @property
    def lots(self) -> dict[str, int]:
        """What is held, for every symbol that is marked and in that order."""
        return {symbol: self._lots(symbol) for symbol in self._marks}

    def handle(self, event: Event) -> list[Event]:
        match event:
            case BarClosed() if event.ts_ns > self._marked_ns and event.symbol in self._instruments:
                self._marks_to_come.setdefault(event.ts_ns, {})[event.symbol] = event.close
            case BarsComplete() if event.ts_ns > self._marked_ns:
                self._bars[event.ts_ns] = event
                return self._mark_what_is_ready()
            case FillsComplete() if event.account == self._account:
                self._fills_ns = max(self._fills_ns, event.ts_ns)
                return self._mark_what_is_ready()
            case OrderFilled() if event.account == self._account:
                return [self._on_fill(event)]
            case _:
                pass
        return []

    def take_transactions(self) -> list[Transaction]:
        """Ledger transactions since the last call, in order."""
        fills, self._unposted = self._unposted, []
        posted = [ledger.fill(filled, self._instruments[filled.symbol]) for filled in fills]
        opening, self._opening = self._opening, []
        return [*opening, *posted]

    def _on_fill(self, filled: OrderFilled) -> PositionChanged:
        sign = filled.side.sign
        position = self._positions.setdefault(filled.symbol, Position())
        book_trade(position, lots=sign * filled.lots, value=sign * filled.value, fee=filled.fee)
        self._cash -= sign * filled.value + filled.fee
        self._fees += filled.fee
        if filled.base_fee_lots:
            base_fee = notional(self._instruments[filled.symbol], ticks=filled.ticks, lots=filled.base_fee_lots)
            book_base_fee(position, filled.base_fee_lots, base_fee)
            self._fees += base_fee
        self.changes += 1
        self._post(filled)
        return PositionChanged(
            id=f"position:{filled.fill_id}",
            ts_ns=filled.ts_ns,
            cause_id=filled.id,
            correlation_id=filled.correlation_id,
            account=self._account,
            symbol=filled.symbol,
            lots=position.lots,
            cost=position.cost,
            realised=position.realised,
            fees=position.fees,
        )

    def _post(self, filled: OrderFilled) -> None:
        if not self._deposited:
            currency = next(iter(self._instruments.values())).quote
            self._opening = [ledger.deposit(self._account, currency, self._initial_cash, ts_ns=filled.ts_ns)]
            self._deposited = True
        self._unposted.append(filled)

    def _mark_what_is_ready(self) -> list[Event]:
        """Mark every bar time that has both its bars and its fills, oldest first."""
        ready = sorted(time for time in self._bars if time <= self._fills_ns)
        return [self._mark(self._bars.pop(time)) for time in ready]

    def mark(self, bars: Sequence[ClosedBar]) -> int:
        """Mark the account at all bars of one time, whose fills have been heard, and answer its equity."""
        marks, symbols = self._marks, len(self._marks)
        for bar in bars:
            marks[bar.symbol] = bar.close
        self.changes += len(marks) - symbols
        self._marked_ns = self._fills_ns = bars[0].ts_ns
        return self._value_account()

    def only_holding(self) -> tuple[str, int, int]:
        """Symbol, cash, and what a tick of its price is worth, when one symbol is marked; symbol '' otherwise."""
        if len(self._marks) != 1:
            return "", 0, 0
        (symbol,) = self._marks
        worth, rest = divmod(self._lots(symbol), self._instruments[symbol].notional_divisor)
        return ("", 0, 0) if rest else (symbol, self._cash, worth)

    def pass_bar(self, bar: BarRow, equity: int) -> None:
        """As `mark` for the bar of the only symbol, at which the account is worth `equity`: no more than before."""
        self._marks[bar.symbol] = bar.close
        self._marked_ns = self._fills_ns = bar.ts_ns
        self._equity = equity

    def _mark(self, bars: BarsComplete) -> EquityMarked:
        self._marks.update(self._marks_to_come.pop(bars.ts_ns, {}))
        self._marked_ns = bars.ts_ns
        self._value_account()
        return self.marked(bars)

    def _value_account(self) -> int:
        equity = self._cash
        for symbol, position in self._positions.items():
            if position.lots:
                equity += self._value(symbol)
        self._equity = equity
        if equity > self._peak:
            self._peak = equity
        return equity

    def marked(self, bars: BarsComplete) -> EquityMarked:
        """The last marks. bars: the watermark that they follow from."""
        symbols = sorted(set(self._marks) | set(self._positions))
        return EquityMarked(
            id=f"equity:{self._account}:{bars.ts_ns}",
            ts_ns=bars.ts_ns,
            cause_id=bars.id,
            correlation_id=bars.correlation_id,
            account=self._account,
            cash=self._cash,
            equity=self._equity,
            peak=self._peak,
            fees=self._fees,
            positions=tuple((symbol, self._lots(symbol), self._marks.get(symbol, 0)) for symbol in symbols),
        )

    def _lots(self, symbol: str) -> int:
        position = self._positions.get(symbol)
        return position.lots if position else 0

    def _value(self, symbol: str) -> int:
        ticks = self._marks.get(symbol, 0)
        return notional(self._instruments[symbol], ticks=ticks, lots=self._lots(symbol))

    def snapshot(self) -> dict[str, Any]:
        return {
            "cash": self._cash,
            "fees": self._fees,
            "peak": self._peak,
            "positions": {symbol: asdict(position) for symbol, position in self._positions.items()},
            "marks": dict(self._marks),
            "marks_to_come": [[time, dict(marks)] for time, marks in self._marks_to_come.items()],
            "bars": [asdict(bars) for bars in self._bars.values()],
            "fills_ns": self._fills_ns,
            "marked_ns": self._marked_ns,
            "deposited": self._deposited,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        self._cash, self._fees, self._peak = saved["cash"], saved["fees"], saved["peak"]
        self._positions = {symbol: Position(**entry) for symbol, entry in saved["positions"].items()}
        self._marks = dict(saved["marks"])
        self._marks_to_come = {int(time): dict(marks) for time, marks in saved["marks_to_come"]}
        bars = [
            BarsComplete(**{**known_fields(BarsComplete, entry), "symbols": tuple(entry["symbols"])})
            for entry in saved["bars"]
        ]
        self._bars = {entry.ts_ns: entry for entry in bars}
        self._fills_ns, self._marked_ns = saved["fills_ns"], saved["marked_ns"]
        self._deposited = saved["deposited"]
        self._opening, self._unposted = [], []

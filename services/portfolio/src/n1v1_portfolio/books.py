"""Rows of the portfolio's tables: exact amounts as NUMERIC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from n1v1.events import EquityMarked, Event, PositionChanged
from n1v1.portfolio.ledger import Transaction
from n1v1.values import Instrument
from n1v1_common.storage.journal import Effect

_LEDGER = "INSERT INTO ledger (transaction_id, entry, ts_ns, account, asset, amount) {rows}"
_LEDGER_TYPES = ("text", "integer", "bigint", "text", "text", "numeric")

_POSITION = """
INSERT INTO positions (account, symbol, quantity, cost, realised, fees, ts_ns) {rows}
ON CONFLICT (account, symbol) DO UPDATE SET quantity = EXCLUDED.quantity, cost = EXCLUDED.cost,
    realised = EXCLUDED.realised, fees = EXCLUDED.fees, ts_ns = EXCLUDED.ts_ns
"""

_POSITION_TYPES = ("text", "text", "numeric", "numeric", "numeric", "numeric", "bigint")

OTHER_ASSET_UNIT = Decimal("1e-8")

_EQUITY = "INSERT INTO equity (account, ts_ns, cash, equity, peak, fees) {rows}"
_EQUITY_TYPES = ("text", "bigint", "numeric", "numeric", "numeric", "numeric")


class Books:
    """Turns what the stage did into rows. All instruments share the quantum of the account's currency."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._instruments: Mapping[str, Instrument] = {i.symbol: i for i in instruments}
        self._quantum = instruments[0].quantum
        self._unit_of_asset = {i.base: i.lot_size for i in instruments} | {i.quote: i.quantum for i in instruments}

    def effects(self, transactions: Sequence[Transaction], events: Sequence[Event]) -> Sequence[Effect]:
        ledger = [row for transaction in transactions for row in self._ledger_rows(transaction)]
        newest = {event.symbol: event for event in events if isinstance(event, PositionChanged)}
        positions = [self._position_row(event) for event in newest.values()]
        equity = [self._equity_row(event) for event in events if isinstance(event, EquityMarked)]
        return (
            Effect(_LEDGER, _LEDGER_TYPES, ledger),
            Effect(_POSITION, _POSITION_TYPES, positions),
            Effect(_EQUITY, _EQUITY_TYPES, equity),
        )

    def _ledger_rows(self, transaction: Transaction) -> list[tuple[str, int, int, str, str, Decimal]]:
        return [
            (
                transaction.id,
                number,
                transaction.ts_ns,
                entry.account,
                entry.asset,
                entry.amount * self._unit_of_asset.get(entry.asset, OTHER_ASSET_UNIT),
            )
            for number, entry in enumerate(transaction.entries)
        ]

    def _position_row(self, event: PositionChanged) -> tuple[str, str, Decimal, Decimal, Decimal, Decimal, int]:
        return (
            event.account,
            event.symbol,
            self._instruments[event.symbol].quantity(event.lots),
            self._cash(event.cost),
            self._cash(event.realised),
            self._cash(event.fees),
            event.ts_ns,
        )

    def _equity_row(self, event: EquityMarked) -> tuple[str, int, Decimal, Decimal, Decimal, Decimal]:
        cash, equity, peak, fees = (self._cash(n) for n in (event.cash, event.equity, event.peak, event.fees))
        return (event.account, event.ts_ns, cash, equity, peak, fees)

    def _cash(self, quanta: int) -> Decimal:
        return quanta * self._quantum

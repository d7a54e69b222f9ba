"""The account as risk sees it: cash, positions, and what the open orders may still do with both.

The arithmetic is `account`'s; here is which record belongs to which symbol and which order to which symbol.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from n1v1.events import EquityMarked, OrderFilled
from n1v1.ids import OrderId
from n1v1.kernels import Record, new_record
from n1v1.risk import account as accounts
from n1v1.risk.account import ACCOUNT, PARTED_ENTRY, PARTED_EXIT, PURPOSES, SYMBOL
from n1v1.risk.halts import Scope
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.protections import unlock
from n1v1.risk.records import symbol_record
from n1v1.risk.saved import restored_record, saved_record
from n1v1.values import Instrument, Purpose


class AccountBook:
    """state, symbols, limits: the records that kernels read and write. Their owner is this book."""

    def __init__(self, instruments: Sequence[Instrument], policy: RiskPolicy) -> None:
        self.instruments = {instrument.symbol: instrument for instrument in sorted(instruments, key=_symbol_of)}
        self.limits: Record = policy.record()
        self.state: Record = new_record(ACCOUNT)
        self.symbols = {
            symbol: symbol_record(instrument, policy, index=index)
            for index, (symbol, instrument) in enumerate(self.instruments.items())
        }
        self.orders: dict[OrderId, str] = {}
        """Approved and not done, with their symbols."""
        self.entered_by: dict[str, str] = {}
        """The instance that last entered each symbol."""

    @property
    def free_cash(self) -> int:
        """Cash that no order has reserved, in quanta."""
        return accounts.unreserved_cash(self.state)

    @property
    def is_known(self) -> bool:
        """Whether the account has been marked: fills are booked from then on."""
        return bool(self.state.is_known)

    @property
    def holdings(self) -> tuple[int, dict[str, int]]:
        """Cash, and lots by symbol, as the fills have made them."""
        return int(self.state.cash), {symbol: int(record.position.lots) for symbol, record in self.symbols.items()}

    @property
    def reserved_cash(self) -> tuple[int, dict[str, int]]:
        """For all orders together, and by symbol."""
        by_symbol = {symbol: int(record.reserved_cash) for symbol, record in self.symbols.items()}
        return int(self.state.reserved_cash), by_symbol

    def reserved_lots(self, order: OrderId) -> int | None:
        """What an open order may still fill; None for one that is not open, or not ours."""
        symbol = self.orders.get(order)
        return None if symbol is None else int(self.symbols[symbol].reserved_lots)

    def correct(self, mark: EquityMarked, symbols: Collection[str]) -> None:
        """Take portfolio's word for positions, and for cash with them: somebody has looked at why they differ."""
        self.state.cash = mark.cash
        for symbol, lots, ticks in mark.positions:
            if symbol in symbols and symbol in self.symbols:
                accounts.take_over_again(self.state, self.symbols[symbol], self.instruments[symbol], lots, ticks)

    def sum_reserved_anew(self) -> None:
        """Promise to orders together what they were promised one by one."""
        for record in self.symbols.values():
            record.reserved_cash = max(0, record.reserved_cash)
        self.state.reserved_cash = sum(record.reserved_cash for record in self.symbols.values())

    def mark(self, equity: EquityMarked) -> None:
        """Take over portfolio's word on marks.

        Positions and cash come from the first mark and from then on from the fills themselves: a fill may be heard
        before a mark that was made without it.
        """
        is_first = not self.state.is_known
        if is_first:
            accounts.open_account(self.state, equity.cash, equity.equity, equity.peak)
        for symbol, lots, ticks in equity.positions:
            record = self.symbols.get(symbol)
            if record is not None and is_first:
                accounts.take_over(self.state, record, self.instruments[symbol], lots, ticks)
            elif record is not None:
                record.mark_ticks = ticks

    def unlock(self, scope: Scope, now_ns: int) -> bool:
        """Lift what protections have locked, of the account or of one symbol; whether anything was. They lock no
        single strategy."""
        if scope.instance:
            return False
        return unlock(self.symbols[scope.symbol] if scope.symbol else self.state, now_ns)

    def measure_exposure(self) -> None:
        self.state.exposure = sum(
            accounts.symbol_exposure(record, self.instruments[symbol]) for symbol, record in self.symbols.items()
        )

    def reserve(self, order_id: OrderId, symbol: str, decision: Record, ts_ns: int, *, is_parted: bool) -> None:
        """Set aside what an approved order may need. is_parted: it is carried out in parts."""
        record = self.symbols[symbol]
        accounts.reserve(self.state, record, decision, ts_ns)
        if is_parted:
            is_entry = PURPOSES[decision.purpose] is Purpose.ENTRY
            record.has_order = PARTED_ENTRY if is_entry else PARTED_EXIT
        self.orders[order_id] = symbol

    def book(self, fill: OrderFilled) -> None:
        """Turn a fill into position and cash; those before the first mark are in it."""
        symbol = self.symbols.get(fill.symbol)
        if symbol is None or not self.state.is_known:
            return
        accounts.book_fill(
            self.limits,
            self.state,
            symbol,
            self.instruments[fill.symbol],
            side=fill.side.sign,
            lots=fill.lots,
            value=fill.value,
            fee=fill.fee,
            base_fee_lots=fill.base_fee_lots,
            purpose=PURPOSES.index(fill.purpose),
            ts_ns=fill.ts_ns,
            is_reserved=int(fill.order_id in self.orders),
            is_final=int(fill.is_final),
        )
        if not symbol.has_order:
            self.orders.pop(fill.order_id, None)

    def release(self, order: OrderId, ts_ns: int) -> None:
        """Give back what a closed order had reserved; nothing happens when it was given back before."""
        symbol = self.orders.pop(order, None)
        if symbol is not None:
            self._give_back(symbol, ts_ns)

    def give_up_parts(self, symbol: str, ts_ns: int) -> None:
        """Forget an order that is carried out in parts: execution takes back what is left of it for the closing."""
        for order_id in [order_id for order_id, of_symbol in self.orders.items() if of_symbol == symbol]:
            del self.orders[order_id]
        self._give_back(symbol, ts_ns)

    def _give_back(self, symbol: str, ts_ns: int) -> None:
        accounts.release(self.limits, self.state, self.symbols[symbol], self.instruments[symbol], ts_ns)

    def snapshot(self) -> dict[str, Any]:
        return {
            "account": saved_record(self.state, ACCOUNT),
            "symbols": {symbol: saved_record(record, SYMBOL) for symbol, record in self.symbols.items()},
            "orders": dict(self.orders),
            "entered_by": dict(self.entered_by),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.state = restored_record(saved["account"], ACCOUNT)
        for symbol, record in saved["symbols"].items():
            if symbol in self.symbols:
                self.symbols[symbol] = restored_record(record, SYMBOL)
        self.orders = {OrderId(order): symbol for order, symbol in saved["orders"].items()}
        self.entered_by = dict(saved["entered_by"])


def _symbol_of(instrument: Instrument) -> str:
    return instrument.symbol

"""What risk knows of an account: its equity, what it holds, and what is promised to orders that are not done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from n1v1.errors import N1v1Error
from n1v1.events import EquityMarked, OrderApproved, OrderFilled
from n1v1.ids import OrderId
from n1v1.rounding import share
from n1v1.values import PPB, Side


@dataclass(slots=True)
class Reservation:
    """What an open order may still do: lots to come, and for a buy the cash kept for them, in quanta."""

    symbol: str
    side: Side
    lots: int
    cash: int


@dataclass(slots=True)
class AccountView:
    """is_known: the account has been marked at least once."""

    is_known: bool = False
    cash: int = 0
    equity: int = 0
    peak: int = 0
    lots: dict[str, int] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    reservations: dict[OrderId, Reservation] = field(default_factory=dict)

    @property
    def drawdown_ppb(self) -> int:
        """Loss from the highest equity, in parts per billion."""
        return (self.peak - self.equity) * PPB // self.peak if self.peak > 0 else 0

    @property
    def free_cash(self) -> int:
        """Cash that no order has reserved. What a short brought is in it: no margin is kept for buying it back."""
        return self.cash - sum(reservation.cash for reservation in self.reservations.values())

    def held_symbols(self) -> set[str]:
        """Symbols with a position or with an order that may open one."""
        promised = {reservation.symbol for reservation in self.reservations.values()}
        return {symbol for symbol, lots in self.lots.items() if lots} | promised

    def has_order(self, symbol: str) -> bool:
        return any(reservation.symbol == symbol for reservation in self.reservations.values())

    def mark(self, equity: EquityMarked) -> None:
        """Take over portfolio's word on equity and marks.

        Positions and cash come from the first mark and from then on from the fills themselves: a fill may be heard
        before a mark that was made without it.
        """
        if not self.is_known:
            self.cash = equity.cash
            self.lots = {symbol: lots for symbol, lots, _ in equity.positions if lots}
            self.peak = equity.peak
            self.is_known = True
        self.equity, self.peak = equity.equity, max(self.peak, equity.equity)
        self.marks = {symbol: ticks for symbol, _, ticks in equity.positions}

    def forgive(self) -> None:
        """Measure the drawdown from the present equity on: somebody has decided to trade again."""
        self.peak = self.equity

    def reserve(self, order: OrderApproved, *, cash: int) -> None:
        self.reservations[order.order_id] = Reservation(order.symbol, order.side, order.lots, cash)

    def fill(self, fill: OrderFilled) -> None:
        """Turn a part of a reservation into position and cash."""
        if not self.is_known:
            return
        signed = fill.side.sign * fill.lots
        self.lots[fill.symbol] = self.lots.get(fill.symbol, 0) + signed
        self.cash -= fill.side.sign * fill.value + fill.fee
        reservation = self.reservations.get(fill.order_id)
        if reservation is None:
            return
        reservation.cash -= share(reservation.cash, fraction_ppb=min(PPB, fill.lots * PPB // reservation.lots))
        reservation.lots -= fill.lots
        if fill.is_final or reservation.lots <= 0:
            self.release(fill.order_id)

    def release(self, order: OrderId) -> None:
        """Give back what a closed order had reserved; nothing happens when it was given back before."""
        self.reservations.pop(order, None)

    def snapshot(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> AccountView:
        try:
            reservations = {
                OrderId(order): Reservation(entry["symbol"], Side(entry["side"]), entry["lots"], entry["cash"])
                for order, entry in saved["reservations"].items()
            }
            lots, marks = dict(saved["lots"]), dict(saved["marks"])
            return cls(**{**saved, "lots": lots, "marks": marks, "reservations": reservations})
        except (KeyError, TypeError, ValueError) as error:
            raise N1v1Error(f"the saved state of risk is not readable: {error}") from error

"""Orders that belong together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from n1v1_exchange_simulator.matching.orders import MatchedOrder
from n1v1_exchange_simulator.matching.wallets import Hold
from n1v1_exchange_simulator.venue import ListKind, OrderList, OrderStatus


@dataclass(slots=True, kw_only=True, eq=False)
class Family:
    """A list of orders. Its legs share one hold, and what one of them fills the others give up.

    is_ending: what the end of one order means for the others has been done. is_told: so has been that it is over.
    """

    kind: ListKind
    name: str
    account: str
    symbol: str
    accepted_ns: int
    hold: Hold
    working: MatchedOrder | None = None
    legs: list[MatchedOrder] = field(default_factory=list)
    is_ending: bool = False
    is_told: bool = False

    @property
    def orders(self) -> tuple[MatchedOrder, ...]:
        return tuple(self.legs) if self.working is None else (self.working, *self.legs)

    @property
    def is_done(self) -> bool:
        return not any(order.is_open for order in self.orders)

    def open_legs(self, besides: MatchedOrder | None = None) -> Iterator[MatchedOrder]:
        return (leg for leg in self.legs if leg.is_open and leg is not besides)

    def alive_lots(self, leg: MatchedOrder) -> int:
        """What the working order has filled for a leg: in the end, all that the leg asks for."""
        if self.working is None or self.working.status is OrderStatus.FILLED:
            return leg.lots
        return min(leg.lots, self.working.filled_lots)

    def as_told(self) -> OrderList:
        orders = self.orders
        return OrderList(
            number=orders[0].number,
            kind=self.kind,
            name=self.name,
            account=self.account,
            symbol=self.symbol,
            order_numbers=tuple(order.number for order in orders),
            accepted_ns=self.accepted_ns,
            is_done=self.is_done,
        )

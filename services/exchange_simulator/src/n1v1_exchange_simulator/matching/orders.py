"""What a matching venue remembers of an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from n1v1.values import OrderType, Side
from n1v1_exchange_simulator.matching.wallets import Hold
from n1v1_exchange_simulator.venue import OPEN_STATUSES, NewOrder, OrderStatus, SelfTradePrevention

if TYPE_CHECKING:
    from n1v1_exchange_simulator.matching.lists import Family

STOPS = frozenset(OrderType) - {OrderType.MARKET, OrderType.LIMIT}
"""The types that wait until the last price reaches their stop."""
PROFIT_TAKERS = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})


@dataclass(slots=True, kw_only=True, eq=False)
class MatchedOrder:
    """A `KnownOrder`, and what only the engine looks at.

    open_lots: what may fill now. Of a leg, what its working order has filled and no leg has taken.
    shown_lots: of these, what the book shows. ahead_lots: recorded lots at its price that come before it.
    waits_for_stop: neither triggered nor pending. best_ticks: the price that a trailing stop was last moved for.
    is_due: about to enter the book, once the order that is being matched has finished.
    """

    number: int
    account: str
    request: NewOrder
    self_trade_prevention: SelfTradePrevention
    hold: Hold
    accepted_ns: int
    lots: int
    stop_ticks: int | None
    list_number: int | None = None
    family: Family | None = None
    status: OrderStatus = OrderStatus.NEW
    is_working: bool = False
    filled_lots: int = 0
    prevented_lots: int = 0
    value_quanta: int = 0
    updated_ns: int = 0
    working_ns: int | None = None
    open_lots: int = 0
    shown_lots: int = 0
    ahead_lots: int = 0
    waits_for_stop: bool = False
    best_ticks: int | None = None
    is_due: bool = False
    is_resting: bool = False

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def is_buy(self) -> bool:
        return self.request.side is Side.BUY

    @property
    def limit_ticks(self) -> int | None:
        return self.request.limit_ticks

    @property
    def is_stop(self) -> bool:
        return self.request.type in STOPS

    @property
    def is_leg(self) -> bool:
        """Whether it shares its quantity and its hold with other orders of a list."""
        return self.family is not None and self.family.working is not self

    def next_slice(self) -> int:
        """What the book shows of it when it comes to the end of the queue."""
        iceberg = self.request.iceberg_lots
        return min(iceberg, self.open_lots) if iceberg else self.open_lots

    def contents(self) -> tuple[object, ...]:
        """Everything about it, for comparing two venues."""
        return (
            self.number,
            self.account,
            repr(self.request),
            self.list_number,
            self.status,
            self.is_working,
            self.lots,
            self.filled_lots,
            self.prevented_lots,
            self.value_quanta,
            self.stop_ticks,
            self.accepted_ns,
            self.updated_ns,
            self.working_ns,
            self.open_lots,
            self.shown_lots,
            self.ahead_lots,
            self.hold.amount,
        )

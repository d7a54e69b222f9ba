"""What the simulated venue remembers of an order and of an execution. Ids count up from 1 per venue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from n1v1.ids import ClientOrderId, TradeId, VenueOrderId
from n1v1.values import Liquidity, OrderType, Side, TimeInForce


class OrderState(StrEnum):
    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


@dataclass(slots=True, kw_only=True)
class VenueOrder:
    """One accepted order; only the venue changes it.

    locked: what is set aside for it while it is open, in quanta of the quote for BUY and in lots for SELL.
    value and fee: quanta of everything filled so far.
    """

    number: int
    account: str
    client_order_id: ClientOrderId
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    lots: int
    limit_ticks: int | None
    locked: int
    accepted_ns: int
    updated_ns: int
    state: OrderState = OrderState.OPEN
    filled_lots: int = 0
    value: int = 0
    fee: int = 0

    @property
    def venue_order_id(self) -> VenueOrderId:
        return VenueOrderId(str(self.number))

    @property
    def is_open(self) -> bool:
        return self.state is OrderState.OPEN

    @property
    def remaining_lots(self) -> int:
        return self.lots - self.filled_lots


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """One execution. value and fee in quanta of the quote currency."""

    number: int
    order_number: int
    client_order_id: ClientOrderId
    account: str
    symbol: str
    side: Side
    lots: int
    ticks: int
    value: int
    fee: int
    liquidity: Liquidity
    ts_ns: int

    @property
    def trade_id(self) -> TradeId:
        return TradeId(str(self.number))

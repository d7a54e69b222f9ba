"""What execution needs of a venue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from n1v1.errors import N1v1Error
from n1v1.events import SubmitOrder, SubmitOrderList, TickerSeen, VenueAccepted, VenueFilled, VenueRejected, VenueReport
from n1v1.execution.orders import Order
from n1v1.ids import ClientOrderId, TradeId, VenueOrderId
from n1v1.rounding import notional
from n1v1.values import Instrument, Liquidity, Side


class VenueTrouble(N1v1Error):
    """The venue cannot be reached or does not answer. Whether it heard the request is not known."""


class VenueNotUsable(N1v1Error):
    """The venue cannot be traded on as it is configured. Starting again changes nothing."""


@dataclass(frozen=True, slots=True)
class TradeMark:
    """Up to where the executions of a symbol are known: by number where the venue counts them, else by time."""

    number: int = 0
    ts_ns: int = 0


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that the venue has open. client_order_id: empty when somebody else gave it none."""

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    symbol: str


@dataclass(frozen=True, slots=True)
class OwnTrade:
    """An execution of the account, as the venue lists it. client_order_id: empty where the venue does not say.

    number: grows with every trade of a symbol where the venue counts them, else 0. moved: by asset, what it has changed
    in the account's balances.
    """

    symbol: str
    trade_id: TradeId
    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId
    ts_ns: int
    number: int = 0
    moved: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commission:
    """quote_quanta, base_lots, other (1e-8 of other_asset): at most one of them for one execution, as a rule."""

    quote_quanta: int = 0
    base_lots: int = 0
    other: int = 0
    other_asset: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as the venue tells it; amounts in units of the instrument."""

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    symbol: str
    trade_id: TradeId
    side: Side
    lots: int
    ticks: int
    commission: Commission
    liquidity: Liquidity
    ts_ns: int

    def report(self, order: Order, instrument: Instrument, *, remaining_lots: int) -> VenueFilled:
        """As an execution of `order`."""
        return VenueFilled(
            ts_ns=self.ts_ns,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            trade_id=self.trade_id,
            side=order.side,
            lots=self.lots,
            ticks=self.ticks,
            value=notional(instrument, ticks=self.ticks, lots=self.lots),
            fee=self.commission.quote_quanta,
            liquidity=self.liquidity,
            remaining_lots=remaining_lots,
            base_fee_lots=self.commission.base_lots,
            other_fee=self.commission.other,
            other_fee_asset=self.commission.other_asset,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate:
    """What a user stream says of one order. Where it says no more than the names, the order is to be asked for.

    total_lots: filled so far, None when it does not say. is_filled: with this execution the order is done.
    """

    client_order_id: ClientOrderId
    symbol: str
    venue_order_id: VenueOrderId
    is_closed: bool = False
    total_lots: int | None = None
    execution: Execution | None = None
    is_filled: bool = False


@dataclass(frozen=True, slots=True)
class Deposit:
    """What the venue says was paid into the account."""

    asset: str
    amount: Decimal


class UserStream(Protocol):
    """Pushed news of our orders. Nothing is replayed: after `connect` everything has to be reconciled."""

    async def connect(self) -> None:
        """Subscribe. Raises VenueTrouble."""

    async def next(self, silence_s: float) -> Sequence[OrderUpdate | Deposit]:
        """The next updates; none when there was silence for so long. Raises VenueTrouble when the stream has ended."""

    async def probe(self) -> None:
        """Raises VenueTrouble unless the stream is alive."""

    async def drop(self) -> None:
        """Forget the connection, whatever state it is in."""


class AccountView(Protocol):
    """What the venue says of the whole account. Every call raises VenueTrouble when it is not answered."""

    async def open_orders(self) -> Sequence[OpenOrder]:
        """Of every symbol that we trade."""

    async def trades_after(self, symbol: str, last: TradeMark) -> Sequence[OwnTrade]:
        """Every execution after the last one known, oldest first, whoever ordered it."""

    async def name_of(self, symbol: str, venue_order_id: VenueOrderId) -> ClientOrderId:
        """The client order id of an order that we have only the venue's number of; empty when it has none."""

    async def newest_trade(self, symbol: str) -> TradeMark:
        """Where a history begins that was made before us."""

    async def balances(self) -> Mapping[str, Decimal]:
        """Free and locked together, by asset."""


class BestPrices(Protocol):
    """What market_data says of a book's best prices."""

    async def newest(self, symbol: str) -> TickerSeen | None:
        """None: nobody has said any yet."""


class OrderGateway(Protocol):
    """One account at one venue. Every call has a time limit and raises VenueTrouble when it passes."""

    @property
    def takes_pairs(self) -> bool:
        """Whether a stop and a target can be sent as one list, of which one ends the other (OCO)."""
        ...

    async def submit(self, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        """Send an order, once. VenueTrouble leaves it in doubt: it may or may not exist."""

    async def submit_list(self, orders: SubmitOrderList) -> Sequence[VenueAccepted] | VenueRejected:
        """Send orders that belong together, once and as one request: the venue takes all of them or none.

        Without a working order they are an OCO.
        """

    async def cancel(self, order: Order) -> None:
        """Take an order back, and with a leg the whole list. May be repeated.

        Whether it succeeded is what `find` says of the orders: one may have been filled meanwhile.
        """

    async def find(self, order: Order) -> Sequence[VenueReport]:
        """Everything the venue knows of an order by its client order id: accepted, executions, closed.

        Empty: the venue has never seen it.
        """

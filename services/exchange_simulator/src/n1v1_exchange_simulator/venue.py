"""What a venue is to those who speak for it: commands in, reports out, and questions in between.

Two venues answer to this: `bars` fills orders from recorded bars with the kernels of the backtest; `matching` is an
order book with price-time priority, over recorded trades or depth. The protocol layer does not know which it has.

Prices are ticks, quantities lots, cash quanta, times nanoseconds UTC: see `n1v1.values`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from n1v1.simulation.holdings import Balance
from n1v1.values import Instrument, OrderType, Side, TimeInForce
from n1v1_exchange_simulator.market_events import DepthSnapshot, MarketEvent


class SelfTradePrevention(StrEnum):
    """What happens instead of a trade between two orders of one account. The newer order's mode counts."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"


class OrderStatus(StrEnum):
    PENDING_NEW = "PENDING_NEW"  # waits for the working order of its list
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"  # by self-trade prevention


OPEN_STATUSES = frozenset({OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class ListKind(StrEnum):
    OCO = "OCO"
    OTO = "OTO"
    OTOCO = "OTOCO"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order as a client asks for it. Either `lots` or, for MARKET orders, `spend_quanta` of the quote currency.

    stop_ticks, trail_ppb, trail_step_ppb, expires_ns, is_post_only, reduces_only: as in `n1v1.events.SubmitOrder`.
    iceberg_lots: how much of it the book shows at a time. self_trade_prevention: None is the symbol's default.
    strategy_id, strategy_type: the client's own, given back unchanged.
    """

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    lots: int = 0
    spend_quanta: int = 0
    limit_ticks: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    stop_ticks: int | None = None
    trail_ppb: int | None = None
    trail_step_ppb: int = 0
    expires_ns: int | None = None
    iceberg_lots: int = 0
    is_post_only: bool = False
    reduces_only: bool = False
    self_trade_prevention: SelfTradePrevention | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrderList:
    """Orders that belong together. name: the client's own for it. working: None for an OCO.

    pending: by number; of two, the stop is first. What they do is told in `n1v1.events.SubmitOrderList`.
    """

    kind: ListKind
    name: str
    working: NewOrder | None
    pending: tuple[NewOrder, ...]

    @property
    def orders(self) -> tuple[NewOrder, ...]:
        return self.pending if self.working is None else (self.working, *self.pending)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The venue's no, in Binance's words: an ordinary value. Nothing has changed and no number was used up."""

    code: int
    reason: str


class KnownOrder(Protocol):
    """An order that the venue accepted, as it is at this moment. Read only; the same object for as long as it lives."""

    @property
    def number(self) -> int:
        """Counts up from 1 per venue."""

    @property
    def account(self) -> str: ...
    @property
    def request(self) -> NewOrder:
        """As it was sent, with its client order id."""

    @property
    def list_number(self) -> int | None: ...
    @property
    def status(self) -> OrderStatus: ...
    @property
    def is_working(self) -> bool:
        """Whether it is in the book, or was until it ended: not a stop that still waits, nor a pending order."""

    @property
    def lots(self) -> int:
        """What it asks for now: an amendment makes it smaller; an order by quote amount has what it has filled."""

    @property
    def filled_lots(self) -> int: ...
    @property
    def prevented_lots(self) -> int: ...
    @property
    def value_quanta(self) -> int:
        """Of everything that it has filled."""

    @property
    def stop_ticks(self) -> int | None:
        """Of a trailing stop: where it is now."""

    @property
    def self_trade_prevention(self) -> SelfTradePrevention: ...
    @property
    def accepted_ns(self) -> int: ...
    @property
    def updated_ns(self) -> int: ...
    @property
    def working_ns(self) -> int | None:
        """When it came into the book; None before."""

    @property
    def is_open(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One side of an execution. number: counts per symbol; both sides have the same one.

    commission: in the unit of `commission_asset`: lots of the base, quanta of the quote, 1e-8 of any other.
    """

    number: int
    order_number: int
    list_number: int | None
    account: str
    symbol: str
    side: Side
    lots: int
    ticks: int
    value_quanta: int
    commission: int
    commission_asset: str
    is_maker: bool
    ts_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreventedMatch:
    """A trade between two orders of one account that did not happen. number: counts per symbol."""

    number: int
    symbol: str
    account: str
    taker_number: int
    maker_number: int
    maker_symbol: str
    ticks: int
    taker_lots: int
    maker_lots: int
    mode: SelfTradePrevention
    ts_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderList:
    """number: that of its first order. is_done: none of its orders is open any more."""

    number: int
    kind: ListKind
    name: str
    account: str
    symbol: str
    order_numbers: tuple[int, ...]
    accepted_ns: int
    is_done: bool = False


class ReportKind(StrEnum):
    """Binance's execution types."""

    NEW = "NEW"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    TRADE = "TRADE"
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"


class ExpiryReason(StrEnum):
    NONE = ""
    UNFILLED_IOC_QUANTITY_EXPIRED = "UNFILLED_IOC_QUANTITY_EXPIRED"
    UNFILLED_FOK_ORDER_EXPIRED = "UNFILLED_FOK_ORDER_EXPIRED"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    OCO_TRIGGER = "OCO_TRIGGER"
    OTO_PHASE_ONE_EXPIRED = "OTO_PHASE_ONE_EXPIRED"
    EXCHANGE_CANCELED = "EXCHANGE_CANCELED"
    GOOD_TILL_DATE = "GOOD_TILL_DATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """One thing that happened to one order, with its totals just after it.

    number: counts every report of the venue from 1, the same after a restart. cancel_name: the client's own id for
    its cancel. previous_name: what an amended order was called before. balances: the account's assets that may have
    changed, as they are then.
    """

    number: int
    ts_ns: int
    account: str
    kind: ReportKind
    order: KnownOrder
    status: OrderStatus
    is_working: bool
    filled_lots: int
    value_quanta: int
    trade: Trade | None = None
    prevented: PreventedMatch | None = None
    prevented_lots: int = 0
    cancel_name: str = ""
    previous_name: str = ""
    expiry: ExpiryReason = ExpiryReason.NONE
    balances: tuple[tuple[str, Balance], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """A list began (is_done False) or all of its orders are closed."""

    ts_ns: int
    account: str
    order_list: OrderList


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceReport:
    """A deposit or a withdrawal; change is negative for the latter."""

    ts_ns: int
    account: str
    asset: str
    change: int
    balance: Balance


Report = OrderReport | ListReport | BalanceReport


class Venue(Protocol):
    """Accounts, orders and the market they trade in. One owner calls it, and the order of the calls is its history.

    Commands answer `Refused` or every report of what they did, in order. Everything is done when a call returns.
    """

    @property
    def instruments(self) -> Mapping[str, Instrument]: ...

    @property
    def clock_ns(self) -> int:
        """The venue's time: that of the last market event."""

    # commands
    def open_account(self, account: str, balances: Mapping[str, int]) -> None:
        """balances: units by asset (lots of a base asset, quanta of a quote currency)."""

    def deposit(self, account: str, asset: str, change: int) -> Sequence[Report] | Refused: ...

    def place(self, account: str, order: NewOrder) -> Sequence[Report] | Refused: ...

    def test(self, account: str, order: NewOrder) -> Refused | None:
        """What `place` would refuse; changes nothing."""

    def place_list(self, account: str, orders: NewOrderList) -> Sequence[Report] | Refused: ...

    def cancel(self, account: str, symbol: str, number: int, *, name: str = "") -> Sequence[Report] | Refused:
        """Cancel an order and what ends with it. name: the client's own id for the cancel."""

    def cancel_list(self, account: str, symbol: str, number: int, *, name: str = "") -> Sequence[Report] | Refused: ...

    def amend(
        self, account: str, symbol: str, number: int, *, lots: int, client_order_id: str
    ) -> Sequence[Report] | Refused:
        """Make an order smaller; it keeps its place in the queue. client_order_id: what it is called from now on."""

    def set_trading(self, symbol: str, *, is_open: bool) -> Sequence[Report]:
        """Closed: no new orders, and nothing trades; orders that rest stay and can be cancelled."""

    def set_fees(self, symbol: str, *, maker_ppb: int, taker_ppb: int) -> Sequence[Report]:
        """From the next execution on."""

    # questions
    def order(self, account: str, symbol: str, number: int) -> KnownOrder | None: ...

    def named(self, account: str, symbol: str, client_order_id: str) -> KnownOrder | None:
        """The newest order of that name, open or not. A name may be used again once its order is closed."""

    def open_orders(self, account: str, symbol: str | None = None) -> Sequence[KnownOrder]:
        """By arrival."""

    def orders(self, account: str, symbol: str) -> Sequence[KnownOrder]:
        """Every order ever accepted, by arrival. May grow while it is held: each unnamed order counts them."""

    def lists(self, account: str) -> Sequence[OrderList]:
        """By arrival, as they are now."""

    def trades(self, account: str, symbol: str) -> Sequence[Trade]:
        """By number."""

    def prevented(self, account: str, symbol: str) -> Sequence[PreventedMatch]: ...

    def balances(self, account: str) -> Mapping[str, Balance]:
        """By asset, in its units. Raises UnknownName for an account that was never opened."""

    def accounts(self) -> Sequence[str]: ...

    def fee_rates_ppb(self, symbol: str) -> tuple[int, int]:
        """(maker, taker)."""

    def is_open(self, symbol: str) -> bool:
        """Whether it trades."""

    def state_hash(self) -> str:
        """Equal for two venues when accounts, orders, executions, last prices, fees and what is closed are equal."""


class ReplayedVenue(Venue, Protocol):
    """A venue whose market is recorded: what `Exchange` drives."""

    def apply_step(self, events: Sequence[MarketEvent]) -> Sequence[Report]:
        """Let recorded events of one moment happen, move the clock there, and answer what became of orders.

        Over bars: all bars that close at that time. Over trades and depth: usually one event.
        """

    def pass_time(self, ts_ns: int) -> Sequence[Report]:
        """Nothing is recorded until `ts_ns`, but orders end whose time is over. Over bars time passes with bars alone:
        then this does nothing."""

    def take_public(self) -> Sequence[MarketEvent]:
        """What everybody may see of what commands and events have done since this was last asked, in order: recorded
        trades and those of clients, changes of the book. See `MarketListener`."""

    def book(self, symbol: str, levels: int) -> DepthSnapshot:
        """The best levels of each side, as `PublicMarket.book`."""

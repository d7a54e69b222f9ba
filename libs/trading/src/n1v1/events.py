"""Everything that can happen. One frozen class per event, in the order of the flow.

Every event says when it happened in market time (`ts_ns`, UTC), what it is called (`id`, derived), what caused it
(`cause_id`) and which bar started it all (`correlation_id`). Wall-clock times, schema versions and trace contexts
belong to the envelope of a message and are not known here: they may differ between two equal runs.

The `...Complete` events are watermarks: "I have finished everything up to bar time t". A replay advances on them,
and a live day records them, so that it can be replayed to the same decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from n1v1.ids import ClientOrderId, FillId, OrderId, SignalId, TradeId, VenueOrderId
from n1v1.risk.halts import THE_ACCOUNT, Halt, Operation, Scope
from n1v1.risk.reasons import Check, RefusalReason
from n1v1.styles import Plan, Style
from n1v1.values import Liquidity, OrderType, Purpose, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    id: str
    ts_ns: int
    cause_id: str = ""
    correlation_id: str = ""


# --- market_data -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BarClosed(Event):
    """A finished bar; `ts_ns` is its close. Prices in ticks, volume in lots of the base asset."""

    symbol: str
    timeframe: str
    open_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFound(Event):
    """Bars that should exist and do not: from `first_open_ns` up to, not including, `ts_ns`."""

    symbol: str
    timeframe: str
    first_open_ns: int
    missing_bars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsComplete(Event):
    """Every bar that closes at `ts_ns` has been published; `symbols` are those that had one."""

    symbols: tuple[str, ...]
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayEnded(Event):
    """The dataset has no further bar, and everything up to `ts_ns` is settled. steps: bar times played."""

    steps: int


Level = tuple[int, int]
"""(ticks, lots): what rests at a price. No lots: the level is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSeen(Event):
    """Two others have traded. trade_id: the venue's. is_buyer_maker: the seller took."""

    symbol: str
    trade_id: str
    ticks: int
    lots: int
    is_buyer_maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSnapshot(Event):
    """The best levels of a book, best first. update_id: the venue's number of this state; 0 where it has none."""

    symbol: str
    update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookChanged(Event):
    """Levels that are now so. The first change after a snapshot may begin before it; each further one begins where
    the last ended, or a MarketDataLost lies between and a new snapshot follows."""

    symbol: str
    first_update_id: int
    last_update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerSeen(Event):
    """The best prices of a book and what rests there. None: nobody bids or asks, or the venue does not say."""

    symbol: str
    bid_ticks: int | None
    bid_lots: int | None
    ask_ticks: int | None
    ask_lots: int | None
    last_ticks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate(Event):
    """What longs pay shorts at the next funding, as a fraction of the position. next_ns: when; 0: not said."""

    symbol: str
    rate_ppb: int
    next_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkPrice(Event):
    """The venue's fair price of one unit of the base asset, in quanta: it is finer than a tick."""

    symbol: str
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDataLost(Event):
    """Trades, book changes or prices of `channel` that happened and were not passed on. (Lost bars are a GapFound.)

    lost: how many; None: nobody knows. first_id, last_id: the venue's ids of what is lost, where it has any.
    """

    symbol: str
    channel: str
    lost: int | None
    reason: str
    first_id: str = ""
    last_id: str = ""


# --- signals ---------------------------------------------------------------------------------------------------


class Action(StrEnum):
    BUY = "BUY"
    SELL = "SELL"
    CLOSE = "CLOSE"
    MOVE_STOP = "MOVE_STOP"
    """The stop of the position that is held is to stand at the wish's trigger_ticks from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a strategy would like its entry to be. Whatever it leaves open, risk decides by its policy.

    At most one of fraction_ppb (share of equity), value (quanta of the quote currency) and lots says how large.
    stop_ppb, target_ppb, trail_ppb: distances of the protective orders from the price at which it was decided, as
    fractions of that price. limit_ticks: the worst price to enter at; None: a market order.
    trigger_ticks: a stop order enters there, once the price has gone so far in its direction; with limit_ticks a
    stop-limit order. Of MOVE_STOP: where the stop is to stand.
    time_in_force: of an entry with a limit or a trigger; None: as long as risk lets it rest (GTD).
    is_post_only: refused rather than taking. style: how the order is carried out, also that of an exit.
    """

    fraction_ppb: int | None = None
    value: int | None = None
    lots: int | None = None
    stop_ppb: int | None = None
    target_ppb: int | None = None
    trail_ppb: int | None = None
    limit_ticks: int | None = None
    trigger_ticks: int | None = None
    time_in_force: TimeInForce | None = None
    is_post_only: bool = False
    style: Style | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a wish for an order at the market or at a limit, sent at once and whole."""
        return (self.trigger_ticks, self.time_in_force, self.style) == (None, None, None) and not self.is_post_only


NO_WISH = Wish()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRaised(Event):
    """A strategy wants something. strength: 0..1."""

    id: SignalId
    instance: str
    symbol: str
    action: Action
    strength: float
    reason: str
    wish: Wish = NO_WISH


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Why an instance raised no signal on a bar. `values`: the numbers it looked at, in a fixed order."""

    instance: str
    symbol: str
    reason: str
    values: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsComplete(Event):
    """Every strategy of `partition` has seen the bars of `ts_ns`."""

    partition: int
    signals: int
    notes: tuple[Note, ...] = ()


# --- risk ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """Orders at the venue that protect the position of an entry: whichever is done first cancels the other.

    stop_ticks: where a STOP order triggers. target_ticks: where a LIMIT order rests. trail_ppb: the stop follows the
    best price since the entry at this distance (a fraction of that price), in steps of at least trail_step_ppb.
    At least one of stop_ticks, target_ticks and trail_ppb is given.
    """

    stop_ticks: int | None = None
    target_ticks: int | None = None
    trail_ppb: int | None = None
    trail_step_ppb: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderApproved(Event):
    """Permission for exactly one order, and for the orders of its bracket.

    Its exposure is reserved until the order is closed. trigger_ticks: of a STOP or STOP_LIMIT order. plan: how
    execution divides it; None: not at all.
    """

    order_id: OrderId
    signal_id: SignalId
    account: str
    instance: str
    symbol: str
    side: Side
    type: OrderType
    lots: int
    limit_ticks: int | None
    time_in_force: TimeInForce
    reduce_only: bool
    reference_ticks: int
    valid_until_ns: int
    purpose: Purpose = Purpose.ENTRY
    bracket: Bracket | None = None
    checks: tuple[Check, ...] = ()
    trigger_ticks: int | None = None
    is_post_only: bool = False
    plan: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused(Event):
    signal_id: SignalId
    account: str
    instance: str
    symbol: str
    action: Action
    reason: RefusalReason
    detail: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged(Event):
    """The breaker of an account opened (no new exposure) or closed."""

    account: str
    is_open: bool
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskModeChanged(Event):
    """The adaptive policy is stricter or less strict with the account from now on. before, after: names of
    n1v1.risk.adaptive.Mode. reason: what it has counted."""

    account: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltsChanged(Event):
    """What persons, services and stale market data hold back in an account from now on: all of it, not the change."""

    account: str
    halts: tuple[Halt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCarriedOut(Event):
    """Risk's answer to an `OperatorCommand`, which is its cause. has_changed: whether anything is different now.

    until_ns: when the scope will be free again, in market time; 0: when somebody resumes it, or now.
    """

    account: str
    operation: Operation
    scope: Scope
    has_changed: bool
    detail: str
    reason: str
    actor: str
    until_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCommand(Event):
    """A person, or a service that found something wrong, halts, resumes or flattens a scope of an account.

    Its id makes it unique: given again under the same id it is not carried out again. lasts_ns: how long it is to
    hold, in market time from where risk hears it; 0: until the scope is resumed.
    """

    account: str
    operation: Operation
    scope: Scope
    reason: str
    actor: str
    lasts_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerCommand(Event):
    """What a service that found something wrong says: it halts or resumes a scope without an end. `OperatorCommand` can
    say the same in more words."""

    account: str
    open: bool
    reason: str
    actor: str
    scope: Scope = THE_ACCOUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionsComplete(Event):
    """Every signal of bar time `ts_ns` has its verdict."""

    account: str
    approved: int
    refused: int


# --- execution -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(Event):
    order_id: OrderId
    account: str
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSubmitted(OrderEvent):
    """The intent is in the journal; what follows is the venue's word."""

    client_order_id: ClientOrderId
    signal_id: SignalId
    instance: str
    side: Side
    type: OrderType
    lots: int
    purpose: Purpose = Purpose.ENTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAccepted(OrderEvent):
    venue_order_id: VenueOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected(OrderEvent):
    """The venue said no, or the order had expired before it could be sent."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled(OrderEvent):
    """One execution. value and fee in quanta of the quote currency; `is_final` when nothing remains.

    base_fee_lots: commission that the venue took in the base asset, beside `fee`. other_fee: commission in a third
    asset, `other_fee_asset`, in units of 1e-8 of it.
    """

    fill_id: FillId
    trade_id: TradeId
    instance: str
    side: Side
    lots: int
    ticks: int
    value: int
    fee: int
    liquidity: Liquidity
    is_final: bool
    purpose: Purpose = Purpose.ENTRY
    base_fee_lots: int = 0
    other_fee: int = 0
    other_fee_asset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled(OrderEvent):
    """Closed with `remaining_lots` unfilled, because somebody cancelled it."""

    remaining_lots: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExpired(OrderEvent):
    """Closed by the venue with `remaining_lots` unfilled."""

    remaining_lots: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUnknown(OrderEvent):
    """Sent, and no answer: it may or may not exist. Its exposure stays reserved until the venue was asked."""

    client_order_id: ClientOrderId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FillsComplete(Event):
    """Every execution up to `ts_ns` has been published."""

    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersComplete(Event):
    """Every order decided at `ts_ns` has been answered by the venue or given up."""

    account: str
    open_orders: int


# --- portfolio -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChanged(Event):
    """lots: signed. cost: what the open lots cost in quanta, without fees. realised: since the start, without fees."""

    account: str
    symbol: str
    lots: int
    cost: int
    realised: int
    fees: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityMarked(Event):
    """The account at the closes of `ts_ns`, in quanta. equity = cash + value of positions.

    positions: (symbol, lots, mark in ticks) for every symbol that has ever been held or marked, by symbol.
    peak: the highest equity so far.
    """

    account: str
    cash: int
    equity: int
    peak: int
    fees: int
    positions: tuple[tuple[str, int, int], ...] = ()


# --- reporting -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCompleted(Event):
    """A replay has ended and all of it is accounted for. Equal runs have equal hashes; equity in quanta."""

    account: str
    run_hash: str
    orders: int
    fills: int
    equity: int


# --- between execution and a venue (never on the bus) -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOrder:
    """The command to a venue. Sent once; after that the venue is asked, never told again.

    stop_ticks: where a stop or take-profit order triggers. trail_ppb, trail_step_ppb: see `Bracket`.
    expires_ns: the end of a GTD order. is_post_only: rejected rather than taking.
    reduces_only: never larger than the position that it would close.
    """

    client_order_id: ClientOrderId
    symbol: str
    side: Side
    type: OrderType
    lots: int
    limit_ticks: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    stop_ticks: int | None = None
    trail_ppb: int | None = None
    trail_step_ppb: int = 0
    expires_ns: int | None = None
    is_post_only: bool = False
    reduces_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOrderList:
    """Orders that the venue ties together; the command is accepted or rejected as a whole.

    working: when it fills, `pending` come alive for what was filled (one pending order: OTO, two: OTOCO); when it
    ends without a fill they end with it. None: `pending` are alive at once (two: OCO).
    Of two pending orders, what one fills the other gives up; when one is done, the other is cancelled.
    """

    working: SubmitOrder | None
    pending: tuple[SubmitOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    client_order_id: ClientOrderId
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueReport:
    """What a venue says of one of our orders. ts_ns is the venue's own time."""

    ts_ns: int
    client_order_id: ClientOrderId
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccepted(VenueReport):
    venue_order_id: VenueOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRejected(VenueReport):
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFilled(VenueReport):
    """fee in quanta of the quote currency. remaining_lots: what the order may still fill, 0 when it is done.

    base_fee_lots, other_fee, other_fee_asset: as in `OrderFilled`.
    """

    trade_id: TradeId
    side: Side
    lots: int
    ticks: int
    value: int
    fee: int
    liquidity: Liquidity
    remaining_lots: int
    base_fee_lots: int = 0
    other_fee: int = 0
    other_fee_asset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueClosed(VenueReport):
    """The order left the book with a remainder: cancelled by us, or expired by the venue."""

    remaining_lots: int
    expired: bool
    reason: str


VenueCommand = SubmitOrder | SubmitOrderList | CancelOrder


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step of a stage produced: events for everybody and commands for the venue, in order."""

    events: tuple[Event, ...] = ()
    commands: tuple[VenueCommand, ...] = ()

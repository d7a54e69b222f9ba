"""What the simulated venue remembers of an order and of an execution. Ids count up from 1 per venue."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from n1v1.events import SubmitOrder
from n1v1.ids import ClientOrderId, TradeId, VenueOrderId
from n1v1.kernels import Record, new_record
from n1v1.simulation import records
from n1v1.simulation.book import is_alive
from n1v1.values import Liquidity, OrderType, Side, TimeInForce


class OrderState(StrEnum):
    PENDING = "PENDING"  # waits for the working order of its list
    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


STATES = {
    records.PENDING: OrderState.PENDING,
    records.OPEN: OrderState.OPEN,
    records.FILLED: OrderState.FILLED,
    records.CANCELLED: OrderState.CANCELLED,
    records.EXPIRED: OrderState.EXPIRED,
}

BLANK: Record = new_record(records.ORDER)
FIELDS = records.ORDER.names or ()

KINDS = tuple(OrderType)
TIMES_IN_FORCE = tuple(TimeInForce)


@dataclass(slots=True, kw_only=True, eq=False)
class VenueOrder:
    """One accepted order: who sent it, and the record that matching works on. Only the venue changes it."""

    account: str
    client_order_id: ClientOrderId
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    record: Record = field(repr=False)

    @property
    def number(self) -> int:
        return int(self.record.number)

    @property
    def venue_order_id(self) -> VenueOrderId:
        return VenueOrderId(str(self.number))

    @property
    def list_number(self) -> int | None:
        """The number of the first order of its list; None outside of lists."""
        return self.record.list_number or None

    @property
    def state(self) -> OrderState:
        return STATES[self.record.state]

    @property
    def is_open(self) -> bool:
        return bool(is_alive(self.record))

    @property
    def lots(self) -> int:
        return int(self.record.lots)

    @property
    def filled_lots(self) -> int:
        return int(self.record.filled_lots)

    @property
    def remaining_lots(self) -> int:
        return self.lots - self.filled_lots

    @property
    def limit_ticks(self) -> int | None:
        return self.record.limit_ticks or None

    @property
    def stop_ticks(self) -> int | None:
        """Of a trailing stop: where it is now."""
        return self.record.stop_ticks or None

    @property
    def locked(self) -> int:
        """Set aside while it is open: quanta for BUY, lots for SELL. For all legs of a list in the first."""
        return int(self.record.locked)

    @property
    def value(self) -> int:
        """Quanta of everything filled so far, as is the fee."""
        return int(self.record.value)

    @property
    def fee(self) -> int:
        return int(self.record.fee)

    @property
    def accepted_ns(self) -> int:
        return int(self.record.accepted_ns)

    @property
    def updated_ns(self) -> int:
        return int(self.record.updated_ns)

    def contents(self) -> tuple[object, ...]:
        """Everything about it, for comparing two venues."""
        numbers = tuple(getattr(self.record, name) for name in FIELDS)
        return (self.account, self.client_order_id, self.symbol, *numbers)


def new_order(account: str, command: SubmitOrder, *, number: int, list_number: int, is_working: bool) -> VenueOrder:
    """An order as it was sent. `n1v1.simulation.accepting.accept` fills in the rest."""
    record = _blank_record()
    record.number = number
    record.kind = KINDS.index(command.type)
    record.sign = command.side.sign
    record.lots = command.lots
    record.limit_ticks = command.limit_ticks or 0
    record.stop_ticks = command.stop_ticks or 0
    record.trail_ppb = command.trail_ppb or 0
    record.trail_step_ppb = command.trail_step_ppb
    record.time_in_force = TIMES_IN_FORCE.index(command.time_in_force)
    record.is_post_only = int(command.is_post_only)
    record.reduces_only = int(command.reduces_only)
    record.expires_ns = command.expires_ns or 0
    record.list_number = list_number
    record.is_working = int(is_working)
    return VenueOrder(
        account=account,
        client_order_id=command.client_order_id,
        symbol=command.symbol,
        side=command.side,
        type=command.type,
        time_in_force=command.time_in_force,
        record=record,
    )


def _blank_record() -> Record:
    """As `new_record(ORDER)`, which is ten times slower because it asks NumPy for every number."""
    record = type(BLANK)()
    for name in FIELDS:
        setattr(record, name, 0)
    return record


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

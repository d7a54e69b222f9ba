"""The commands of a venue, each as a value: applied to a venue, written into the journal, and read from it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from n1v1.values import OrderType, Side, TimeInForce
from n1v1_exchange_simulator.journal import Record
from n1v1_exchange_simulator.venue import (
    ListKind,
    NewOrder,
    NewOrderList,
    Refused,
    Report,
    SelfTradePrevention,
    Venue,
)

Answer = Sequence[Report] | Refused


class Command(Protocol):
    def apply(self, venue: Venue) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    account: str
    balances: Mapping[str, int]

    def apply(self, venue: Venue) -> Answer:
        venue.open_account(self.account, self.balances)
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    account: str
    asset: str
    change: int

    def apply(self, venue: Venue) -> Answer:
        return venue.deposit(self.account, self.asset, self.change)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    account: str
    order: NewOrder

    def apply(self, venue: Venue) -> Answer:
        return venue.place(self.account, self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceList:
    account: str
    orders: NewOrderList

    def apply(self, venue: Venue) -> Answer:
        return venue.place_list(self.account, self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    account: str
    symbol: str
    number: int
    name: str

    def apply(self, venue: Venue) -> Answer:
        return venue.cancel(self.account, self.symbol, self.number, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelList:
    account: str
    symbol: str
    number: int
    name: str

    def apply(self, venue: Venue) -> Answer:
        return venue.cancel_list(self.account, self.symbol, self.number, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    account: str
    symbol: str
    number: int
    lots: int
    client_order_id: str

    def apply(self, venue: Venue) -> Answer:
        return venue.amend(self.account, self.symbol, self.number, lots=self.lots, client_order_id=self.client_order_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTrading:
    """A market closes, or opens again."""

    symbol: str
    is_open: bool

    def apply(self, venue: Venue) -> Answer:
        return venue.set_trading(self.symbol, is_open=self.is_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFees:
    symbol: str
    maker_ppb: int
    taker_ppb: int

    def apply(self, venue: Venue) -> Answer:
        return venue.set_fees(self.symbol, maker_ppb=self.maker_ppb, taker_ppb=self.taker_ppb)


_COMMANDS: dict[str, type[Any]] = {
    "open_account": OpenAccount,
    "deposit": Deposit,
    "place": Place,
    "place_list": PlaceList,
    "cancel": Cancel,
    "cancel_list": CancelList,
    "amend": Amend,
    "set_trading": SetTrading,
    "set_fees": SetFees,
}
"""Any: their fields differ, and are read back by name."""

_NAMES = {command: name for name, command in _COMMANDS.items()}


def record_of(command: Command) -> Record:
    record: Record = {"do": _NAMES[type(command)]}
    for field in fields(type(command)):  # type: ignore[arg-type]  # every command is a dataclass
        record[field.name] = _written(getattr(command, field.name))
    return record


def command_of(record: Record) -> Command:
    """Raises KeyError, ValueError or TypeError for a record that is none."""
    kind = _COMMANDS[record["do"]]
    given = {field.name: record[field.name] for field in fields(kind)}
    if "order" in given:
        given["order"] = _order(given["order"])
    if "orders" in given:
        given["orders"] = _order_list(given["orders"])
    command: Command = kind(**given)
    return command


def _written(value: Any) -> Any:
    match value:
        case NewOrder():
            return _order_record(value)
        case NewOrderList():
            return {
                "kind": value.kind,
                "name": value.name,
                "working": None if value.working is None else _order_record(value.working),
                "pending": [_order_record(order) for order in value.pending],
            }
    return value


def _order_record(order: NewOrder) -> Record:
    """Only what is not as usual: journals are read by people, too."""
    written = {field.name: getattr(order, field.name) for field in fields(NewOrder)}
    return {name: value for name, value in written.items() if value != _USUAL.get(name, _UNUSUAL)}


def _order(record: Record) -> NewOrder:
    prevention = record.get("self_trade_prevention")
    return NewOrder(
        **{
            **record,
            "side": Side(record["side"]),
            "type": OrderType(record["type"]),
            "time_in_force": TimeInForce(record.get("time_in_force", TimeInForce.GTC)),
            "self_trade_prevention": None if prevention is None else SelfTradePrevention(prevention),
        }
    )


def _order_list(record: Record) -> NewOrderList:
    working = record["working"]
    return NewOrderList(
        kind=ListKind(record["kind"]),
        name=record["name"],
        working=None if working is None else _order(working),
        pending=tuple(_order(order) for order in record["pending"]),
    )


_UNUSUAL = object()
_USUAL = {field.name: field.default for field in fields(NewOrder)}

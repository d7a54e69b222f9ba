"""A venue whose numbers can be worked by hand: a tick is a dollar, a lot a coin, a quantum a cent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from n1v1.values import Instrument, OrderType, Side, TimeInForce
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, MarketEvent, PublicTrade
from n1v1_exchange_simulator.matching import MatchingRules, MatchingVenue
from n1v1_exchange_simulator.venue import (
    KnownOrder,
    ListKind,
    NewOrder,
    NewOrderList,
    OrderReport,
    Refused,
    Report,
)

COIN = Instrument(
    symbol="COIN-USD",
    base="COIN",
    quote="USD",
    tick_size=Decimal(1),
    lot_size=Decimal(1),
    quantum=Decimal(1),
    step_lots=1,
    min_notional=0,
    max_price=Decimal(1_000_000),
    max_quantity=Decimal(1_000_000),
)
OPENING = {"USD": 100_000, "COIN": 1_000}


@dataclass
class Floor:
    """A venue with three accounts, and short words for what they do. Prices are dollars, quantities coins."""

    rules: MatchingRules
    public: list[MarketEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.venue = MatchingVenue([COIN], self.rules, start_ns=1)
        self.venue.listeners.append(self)
        for account in ("ann", "bob", "cat"):
            self.venue.open_account(account, OPENING)
        self.count = 0

    def on_market(self, events: Sequence[MarketEvent]) -> None:
        self.public += events

    def order(self, side: str, lots: int, price: int | None = None, **more: Any) -> NewOrder:
        self.count += 1
        fields: dict[str, Any] = {"type": OrderType.MARKET if price is None else OrderType.LIMIT}
        return NewOrder(
            **{
                "client_order_id": f"order-{self.count}",
                "symbol": COIN.symbol,
                "side": Side(side),
                "lots": lots,
                "limit_ticks": price,
                **fields,
                **more,
            }
        )

    def place(self, account: str, side: str, lots: int, price: int | None = None, **more: Any) -> KnownOrder:
        """Place an order that is accepted."""
        return self.placed(account, side, lots, price, **more)[0]

    def placed(
        self, account: str, side: str, lots: int, price: int | None = None, **more: Any
    ) -> tuple[KnownOrder, list[OrderReport]]:
        reports = self.venue.place(account, self.order(side, lots, price, **more))
        assert not isinstance(reports, Refused), reports
        told = of_orders(reports)
        return told[0].order, told

    def refused(self, account: str, side: str, lots: int, price: int | None = None, **more: Any) -> tuple[int, str]:
        """Place an order that is refused, and see that nothing has changed."""
        before = self.venue.state_hash()
        order = self.order(side, lots, price, **more)
        answer = self.venue.place(account, order)
        assert isinstance(answer, Refused), answer
        assert self.venue.test(account, order) == answer
        assert self.venue.state_hash() == before
        return answer.code, answer.reason

    def place_list(
        self, account: str, kind: str, working: NewOrder | None, *pending: NewOrder
    ) -> tuple[list[KnownOrder], Sequence[Report]]:
        reports = self.venue.place_list(
            account, NewOrderList(kind=ListKind(kind), name="mine", working=working, pending=pending)
        )
        assert not isinstance(reports, Refused), reports
        order_list = self.venue.lists(account)[-1]
        orders = [self.venue.order(account, COIN.symbol, number) for number in order_list.order_numbers]
        return [order for order in orders if order is not None], reports

    def depth(self, bids: Sequence[tuple[int, int]] = (), asks: Sequence[tuple[int, int]] = ()) -> list[OrderReport]:
        """What the market says of some levels."""
        ids = {"first_id": 1, "last_id": 1}
        return of_orders(
            self.venue.apply(DepthChange(ts_ns=1, symbol=COIN.symbol, bids=tuple(bids), asks=tuple(asks), **ids))
        )

    def snapshot(self, bids: Sequence[tuple[int, int]] = (), asks: Sequence[tuple[int, int]] = ()) -> list[OrderReport]:
        return of_orders(
            self.venue.apply(DepthSnapshot(ts_ns=1, symbol=COIN.symbol, last_id=1, bids=tuple(bids), asks=tuple(asks)))
        )

    def print(self, price: int, lots: int, *, seller_took: bool = True) -> list[OrderReport]:
        """A recorded trade."""
        return of_orders(
            self.venue.apply(
                PublicTrade(ts_ns=1, symbol=COIN.symbol, number=1, ticks=price, lots=lots, is_buyer_maker=seller_took)
            )
        )

    def book(self) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        book = self.venue.book(COIN.symbol, 100)
        return book.bids, book.asks

    def coins(self, account: str) -> tuple[int, int]:
        """(free, locked)."""
        return tuple(self.venue.balances(account)["COIN"])  # type: ignore[return-value]  # a Balance has two

    def dollars(self, account: str) -> tuple[int, int]:
        return tuple(self.venue.balances(account)["USD"])  # type: ignore[return-value]  # a Balance has two


def of_orders(reports: Sequence[Report]) -> list[OrderReport]:
    return [report for report in reports if isinstance(report, OrderReport)]


MakeFloor = Callable[..., Floor]


@pytest.fixture(scope="session")
def new_floor() -> MakeFloor:
    """Opens a floor with the rules given. Unless they say otherwise, no book is made of recorded trades."""

    def make(**rules: Any) -> Floor:
        return Floor(MatchingRules(**{"tape_trades": 0, **rules}))

    return make


@pytest.fixture
def floor(new_floor: MakeFloor) -> Floor:
    """Without fees."""
    return new_floor()


IOC, FOK, GTD = TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD

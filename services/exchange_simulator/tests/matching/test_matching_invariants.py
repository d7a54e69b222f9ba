"""Whatever clients and the market do: nothing is lost, locks are what orders need, the public book is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.simulation.rules import SlippageModel
from n1v1.values import OrderType, TimeInForce
from n1v1_exchange_simulator.market_events import DepthChange, PublicTrade
from n1v1_exchange_simulator.matching import Commission, FeeToken
from n1v1_exchange_simulator.venue import (
    ListKind,
    NewOrder,
    NewOrderList,
    OrderReport,
    OrderStatus,
    SelfTradePrevention,
)

Deed = Callable[[Any], object]
"""Something that a client or the market does on a floor. Refusals are as good as anything."""

ACCOUNTS = st.sampled_from(["ann", "bob", "cat"])
SIDES = st.sampled_from(["BUY", "SELL"])
PRICES = st.integers(90, 110)
LOTS = st.integers(1, 30)
LEVELS = st.lists(st.tuples(PRICES, st.integers(0, 20)), max_size=4)


@st.composite
def orders(draw: st.DrawFn) -> Deed:
    account, side, lots, price, stop = draw(st.tuples(ACCOUNTS, SIDES, LOTS, PRICES, PRICES))
    mode = draw(st.sampled_from(list(SelfTradePrevention)))
    more: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"limit_ticks": price},
                {"limit_ticks": price},
                {"limit_ticks": price, "iceberg_lots": 3},
                {"limit_ticks": price, "time_in_force": TimeInForce.IOC},
                {"limit_ticks": price, "time_in_force": TimeInForce.FOK},
                {"limit_ticks": price, "is_post_only": True},
                {"limit_ticks": price, "time_in_force": TimeInForce.GTD, "expires_ns": stop},
                {"limit_ticks": price, "reduces_only": True},
                {"limit_ticks": None},
                {"limit_ticks": None, "lots": 0, "spend_quanta": lots * 60},
                {"limit_ticks": None, "type": OrderType.STOP, "stop_ticks": stop},
                {"limit_ticks": None, "type": OrderType.TAKE_PROFIT, "stop_ticks": stop},
                {"limit_ticks": price, "type": OrderType.STOP_LIMIT, "stop_ticks": stop},
                {"limit_ticks": price, "type": OrderType.TAKE_PROFIT_LIMIT, "stop_ticks": stop},
                {"limit_ticks": None, "type": OrderType.TRAILING_STOP, "trail_ppb": 20_000_000},
                {"limit_ticks": None, "type": OrderType.TAKE_PROFIT, "stop_ticks": stop, "trail_ppb": 20_000_000},
            ]
        )
    )
    if more["limit_ticks"] is not None:
        more = {"type": OrderType.LIMIT, **more}
    return lambda floor: floor.venue.place(
        account, floor.order(side, **{"lots": lots, "self_trade_prevention": mode, **more})
    )


@st.composite
def lists(draw: st.DrawFn) -> Deed:
    account, lots, price, distance = draw(st.tuples(ACCOUNTS, LOTS, PRICES, st.integers(-3, 8)))
    mode = {"self_trade_prevention": draw(st.sampled_from(list(SelfTradePrevention)))}
    ends_in_target = draw(st.booleans())
    kind = draw(st.sampled_from(list(ListKind)))
    reduces_only, is_market = draw(st.tuples(st.booleans(), st.booleans()))
    entry_side = draw(SIDES)
    exit_side, sign = ("SELL", 1) if entry_side == "BUY" else ("BUY", -1)

    def do(floor: Any) -> object:
        reduces = {"reduces_only": reduces_only and exit_side == "SELL", **mode}
        stop = floor.order(exit_side, lots, type=OrderType.STOP, stop_ticks=price - sign * distance, **reduces)
        target = floor.order(exit_side, lots, price + sign * distance, **reduces)
        working = None if kind is ListKind.OCO else floor.order(entry_side, lots, None if is_market else price, **mode)
        pending: tuple[NewOrder, ...] = (stop, target)
        if kind is ListKind.OTO:
            pending = (target,) if ends_in_target else (stop,)
        return floor.venue.place_list(account, NewOrderList(kind=kind, name="", working=working, pending=pending))

    return do


def cancel(account: str, pick: int) -> Deed:
    def do(floor: Any) -> object:
        open_orders = floor.venue.open_orders(account)
        return open_orders and floor.venue.cancel(account, "COIN-USD", open_orders[pick % len(open_orders)].number)

    return do


def amend(account: str, pick: int, lots: int) -> Deed:
    def do(floor: Any) -> object:
        open_orders = floor.venue.open_orders(account)
        if not open_orders:
            return None
        number = open_orders[pick % len(open_orders)].number
        return floor.venue.amend(account, "COIN-USD", number, lots=lots, client_order_id="")

    return do


def depth(bids: list[tuple[int, int]], asks: list[tuple[int, int]], middle: int) -> Deed:
    """Recorded books are never crossed: bids are below the middle, asks above, and what is beyond it goes."""

    def do(floor: Any) -> object:
        below = [(ticks, lots) for ticks, lots in dict(bids).items() if ticks < middle]
        above = [(ticks, lots) for ticks, lots in dict(asks).items() if ticks > middle]
        below += [(ticks, 0) for ticks in range(middle, 111)]
        above += [(ticks, 0) for ticks in range(90, middle + 1)]
        return floor.depth(below, above)

    return do


DEEDS = st.one_of(
    orders(),
    orders(),
    orders(),
    lists(),
    st.builds(cancel, ACCOUNTS, st.integers(0, 20)),
    st.builds(amend, ACCOUNTS, st.integers(0, 20), LOTS),
    st.builds(depth, LEVELS, LEVELS, PRICES),
    st.builds(
        lambda price, lots, seller: lambda floor: floor.print(price, lots, seller_took=seller),
        PRICES,
        LOTS,
        st.booleans(),
    ),
    st.builds(lambda ts_ns: lambda floor: floor.venue.pass_time(ts_ns), st.integers(1, 120)),
    st.builds(lambda is_open: lambda floor: floor.venue.set_trading("COIN-USD", is_open=is_open), st.booleans()),
    st.builds(
        lambda maker, taker: lambda floor: floor.venue.set_fees("COIN-USD", maker_ppb=maker, taker_ppb=taker),
        st.sampled_from([0, 40_000_000]),
        st.sampled_from([0, 60_000_000]),
    ),
)
RULES = st.sampled_from(
    [
        {},
        {"maker_fee_ppb": 10_000_000, "taker_fee_ppb": 20_000_000},
        {"maker_fee_ppb": 30_000_000, "taker_fee_ppb": 20_000_000, "commission": Commission.QUOTE},
        {"taker_fee_ppb": 20_000_000, "fee_token": FeeToken(asset="TOK", price_quanta=7, discount_ppb=0)},
        {"oco_legs_share": True, "queue_shrinks_by_cancels": False},
        {"tape_trades": 3},
        {"min_fee": 9, "commission": Commission.QUOTE},
        {"min_fee": 150, "taker_fee_ppb": 20_000_000},
        {"impact_model": SlippageModel.SQUARE_ROOT, "impact_ppb": 30_000_000},
        {"participation_ppb": 200_000_000, "tape_trades": 3},
        {"participation_ppb": 100_000_000, "impact_model": SlippageModel.LINEAR, "impact_ppb": 30_000_000},
        {"latency_ns": 7, "participation_ppb": 500_000_000},
    ]
)


@settings(max_examples=250, deadline=None)
@given(rules=RULES, deeds=st.lists(DEEDS, min_size=1, max_size=50))
def test_books_locks_and_the_public_view_hold_after_everything(
    new_floor: Any, rules: dict[str, Any], deeds: list[Deed]
) -> None:
    floor = new_floor(**rules)
    for deed in deeds:
        deed(floor)  # that every asset is conserved the venue checks itself, and raises
        check_locks(floor)
        check_orders(floor)
        check_public(floor)


@settings(max_examples=50, deadline=None)
@given(rules=RULES, deeds=st.lists(DEEDS, min_size=1, max_size=50))
def test_the_same_calls_give_the_same_state_and_the_same_reports(
    new_floor: Any, rules: dict[str, Any], deeds: list[Deed]
) -> None:
    one, other = new_floor(**rules), new_floor(**rules)
    for deed in deeds:
        assert repr(deed(one)) == repr(deed(other))
    assert one.venue.state_hash() == other.venue.state_hash()
    assert one.public == other.public


def test_another_execution_gives_another_state(new_floor: Any) -> None:
    one, other = new_floor(), new_floor()
    one.place("ann", "BUY", 5, 100)
    other.place("ann", "BUY", 5, 101)
    assert one.venue.state_hash() != other.venue.state_hash()


def check_locks(floor: Any) -> None:
    for account in floor.venue.accounts():
        holds = {id(order.hold): order.hold for order in floor.venue.open_orders(account)}
        for asset, balance in floor.venue.balances(account).items():
            assert balance.free >= 0
            assert balance.locked == sum(hold.amount for hold in holds.values() if hold.asset == asset)


def check_orders(floor: Any) -> None:
    for account in floor.venue.accounts():
        for order in floor.venue.orders(account, "COIN-USD"):
            trades = [trade for trade in floor.venue.trades(account, "COIN-USD") if trade.order_number == order.number]
            assert order.filled_lots == sum(trade.lots for trade in trades)
            assert order.value_quanta == sum(trade.value_quanta for trade in trades)
            assert order.filled_lots + order.prevented_lots + order.open_lots <= order.lots or not order.is_open
            if order.status is OrderStatus.FILLED:
                assert order.filled_lots + order.prevented_lots == order.lots
            elif order.is_open and order.is_resting:
                assert 0 < order.shown_lots <= order.open_lots
                assert order.ahead_lots >= 0
            if order.is_open and not order.is_leg:
                assert order.open_lots == order.lots - order.filled_lots - order.prevented_lots
                assert order.hold.amount >= (order.open_lots if not order.is_buy else 0)


def check_public(floor: Any) -> None:
    """The book that a listener has put together is the book; it is not crossed; nothing is left out."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    last_id = last_trade = 0
    for event in floor.public:
        if isinstance(event, PublicTrade):
            assert event.number == last_trade + 1
            last_trade = event.number
        elif isinstance(event, DepthChange):
            assert event.first_id == last_id + 1
            last_id = event.last_id
            assert event.last_id - event.first_id + 1 == len(event.bids) + len(event.asks)
            for side, levels in zip(sides, (event.bids, event.asks), strict=True):
                side.update(levels)
    seen = tuple({ticks: lots for ticks, lots in side.items() if lots} for side in sides)
    bids, asks = floor.book()
    assert seen == (dict(bids), dict(asks))
    assert list(bids) == sorted(bids, reverse=True)
    assert list(asks) == sorted(asks)
    if bids and asks and floor.venue.is_open("COIN-USD"):
        assert bids[0][0] < asks[0][0]
    assert floor.venue.book("COIN-USD", 1).last_id == last_id


def test_reports_are_numbered_without_a_gap_and_tell_balances_as_they_are(floor: Any) -> None:
    reports = list(floor.venue.place("ann", floor.order("SELL", 5, 100)))
    reports += floor.venue.place("bob", floor.order("BUY", 9, 100))
    told = [report for report in reports if isinstance(report, OrderReport)]
    assert [report.number for report in told] == list(range(1, len(told) + 1))
    last = {report.account: dict(report.balances) for report in told}
    for account in ("ann", "bob"):
        assert last[account] == floor.venue.balances(account)

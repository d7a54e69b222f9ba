"""Whatever is sent to the venue, nothing comes from nowhere and the same history gives the same venue."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.events import BarClosed, SubmitOrder
from n1v1.ids import ClientOrderId
from n1v1.simulation.orders import OrderState
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import Instrument, OrderType, Side, TimeInForce

HOUR = 3_600_000_000_000
INSTRUMENTS = (
    Instrument(symbol="BTC-USD", base="BTC", quote="USD", min_notional=1),
    Instrument(symbol="ETH-USD", base="ETH", quote="USD", min_notional=1),
)
SYMBOLS = tuple(instrument.symbol for instrument in INSTRUMENTS)
ACCOUNTS = {"main": 30_000_000_000, "other": 777}

prices = st.integers(1, 40_000)
submissions = st.builds(
    SubmitOrder,
    client_order_id=st.sampled_from("abc").map(ClientOrderId),
    symbol=st.sampled_from(SYMBOLS),
    side=st.sampled_from(Side),
    type=st.just(OrderType.LIMIT),
    lots=st.integers(0, 300).map(lambda steps: steps * 1_000_000),
    limit_ticks=prices,
    time_in_force=st.sampled_from(TimeInForce),
)


def as_market(order: SubmitOrder) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=OrderType.MARKET,
        lots=order.lots,
    )


@dataclass(frozen=True)
class Cancel:
    symbol: str
    client_order_id: str


@dataclass(frozen=True)
class Bars:
    """Four prices for each symbol that has a bar."""

    prices: tuple[tuple[str, tuple[int, int, int, int]], ...]


bars = st.dictionaries(st.sampled_from(SYMBOLS), st.tuples(prices, prices, prices, prices), min_size=1).map(
    lambda by_symbol: Bars(tuple(sorted(by_symbol.items())))
)
orders = submissions | submissions.map(as_market)
cancels = st.builds(Cancel, symbol=st.sampled_from(SYMBOLS), client_order_id=st.sampled_from("abc"))
Step = tuple[str, SubmitOrder | Cancel | Bars]
histories = st.lists(st.tuples(st.sampled_from(sorted(ACCOUNTS)), orders | cancels | bars | bars), max_size=40)
rules = st.builds(VenueRules, fee_rate_ppb=st.integers(0, 50_000_000), slippage_ppb=st.integers(0, 50_000_000))


def bars_at(hour: int, described: Bars) -> list[BarClosed]:
    return [
        BarClosed(
            id=f"{symbol}@{hour}",
            ts_ns=hour * HOUR,
            symbol=symbol,
            timeframe="1h",
            open_ns=(hour - 1) * HOUR,
            open=four[0],
            high=max(four),
            low=min(four),
            close=four[3],
            volume=1,
        )
        for symbol, four in described.prices
    ]


def run(rules: VenueRules, history: list[Step], *, checked: bool = False) -> SimulatedVenue:
    venue = SimulatedVenue(INSTRUMENTS, rules)
    for account, cash in ACCOUNTS.items():
        venue.open_account(account, cash)
    for hour, (account, step) in enumerate(history, start=1):
        if isinstance(step, SubmitOrder):
            venue.submit(account, step)
        elif isinstance(step, Cancel):
            venue.cancel_list(account, step.symbol, step.client_order_id)
        else:
            venue.advance(bars_at(hour, step))
        if checked:
            assert_nothing_came_from_nowhere(venue)
    return venue


def assert_nothing_came_from_nowhere(venue: SimulatedVenue) -> None:
    """Balances computed anew from the opening cash, the executions and the open orders."""
    for account, cash in ACCOUNTS.items():
        expected = {"USD": cash, "BTC": 0, "ETH": 0}
        locked = {"USD": 0, "BTC": 0, "ETH": 0}
        for instrument in INSTRUMENTS:
            for trade in venue.trades(account, instrument.symbol):
                expected[instrument.base] += trade.side.sign * trade.lots
                expected["USD"] -= trade.side.sign * trade.value + trade.fee
            for order in venue.open_orders(account, instrument.symbol):
                locked["USD" if order.side is Side.BUY else instrument.base] += order.locked
        balances = venue.balances(account)
        assert {asset: balance.free + balance.locked for asset, balance in balances.items()} == expected
        assert {asset: balance.locked for asset, balance in balances.items()} == locked
        assert all(balance.free >= 0 and balance.locked >= 0 for balance in balances.values())


@settings(max_examples=150, deadline=None)
@given(rules, histories)
def test_balances_follow_from_executions_and_open_orders(rules: VenueRules, history: list[Step]) -> None:
    run(rules, history, checked=True)


@settings(max_examples=100, deadline=None)
@given(rules, histories)
def test_no_order_fills_more_than_it_asked_for_or_at_a_worse_price(rules: VenueRules, history: list[Step]) -> None:
    venue = run(rules, history)
    filled: dict[int, int] = {}
    for account in ACCOUNTS:
        for symbol in SYMBOLS:
            for trade in venue.trades(account, symbol):
                filled[trade.order_number] = filled.get(trade.order_number, 0) + trade.lots
                limit = venue.orders[trade.order_number - 1].limit_ticks
                assert limit is None or (limit - trade.ticks) * trade.side.sign >= 0
    for order in venue.orders:
        assert order.filled_lots == filled.get(order.number, 0) <= order.lots
        assert (order.state is OrderState.FILLED) == (order.filled_lots == order.lots)
        assert order.is_open or order.locked == 0


@settings(max_examples=60, deadline=None)
@given(rules, histories)
def test_the_same_history_gives_the_same_venue(rules: VenueRules, history: list[Step]) -> None:
    assert run(rules, history).state_hash() == run(rules, history).state_hash()

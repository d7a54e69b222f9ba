"""The venue worked by hand: prices in cents, BTC in lots of 1e-8, cash in quanta of 1e-8 USD."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from n1v1.errors import InvalidData, InvalidValue, UnknownName
from n1v1.events import (
    BarClosed,
    SubmitOrder,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.ids import ClientOrderId
from n1v1.simulation.holdings import Balance
from n1v1.simulation.orders import OrderState
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import Instrument, Liquidity, OrderType, Side, TimeInForce

HOUR = 3_600_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")
USD = 100_000_000
FREE_OF_COSTS = VenueRules(fee_rate_ppb=0, slippage_ppb=0)
COINBASE_LIKE = VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=500_000)  # 10 and 5 basis points


def bar(
    hour: int, open_: int, high: int, low: int, close: int, *, symbol: str = "BTC-USD", hours: int = 1
) -> BarClosed:
    """The bar that closes at `hour`; prices in whole dollars."""
    close_ns = hour * HOUR
    return BarClosed(
        id=f"{symbol}@{hour}",
        ts_ns=close_ns,
        symbol=symbol,
        timeframe=f"{hours}h",
        open_ns=close_ns - hours * HOUR,
        open=open_ * 100,
        high=high * 100,
        low=low * 100,
        close=close * 100,
        volume=1,
    )


def flat(hour: int, price: int, *, symbol: str = "BTC-USD") -> BarClosed:
    return bar(hour, price, price, price, price, symbol=symbol)


def order(
    client: str,
    side: Side = Side.BUY,
    *,
    btc: str = "1",
    limit: int | None = None,
    time_in_force: TimeInForce = TimeInForce.GTC,
    symbol: str = "BTC-USD",
) -> SubmitOrder:
    """limit in whole dollars."""
    return SubmitOrder(
        client_order_id=ClientOrderId(client),
        symbol=symbol,
        side=side,
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        lots=BTC.lots(btc),
        limit_ticks=None if limit is None else limit * 100,
        time_in_force=time_in_force,
    )


def venue_at(price: int, *, rules: VenueRules = FREE_OF_COSTS, cash: int = 1_000) -> SimulatedVenue:
    """A venue whose first BTC and ETH bars closed at `price`, with one account 'main' of `cash` dollars."""
    venue = SimulatedVenue([BTC, ETH], rules)
    venue.open_account("main", cash * USD)
    venue.advance([flat(1, price), flat(1, price, symbol="ETH-USD")])
    return venue


def of_main(reports: Sequence[tuple[str, VenueReport]]) -> list[VenueReport]:
    assert all(account == "main" for account, _ in reports)
    return [report for _, report in reports]


def holding_one_btc() -> SimulatedVenue:
    venue = venue_at(100)
    venue.submit("main", order("entry"))
    venue.advance([flat(2, 100)])
    return venue


def test_a_market_order_fills_at_the_next_open_with_slippage_and_a_fee_in_quote() -> None:
    venue = venue_at(100, rules=COINBASE_LIKE)

    accepted = venue.submit("main", order("a", btc="2"))
    (filled,) = of_main(venue.advance([bar(2, 110, 120, 90, 115)]))

    assert isinstance(accepted, VenueAccepted)
    assert (accepted.ts_ns, accepted.venue_order_id) == (HOUR, "1")
    assert isinstance(filled, VenueFilled)
    # 110.00 moved by 5 basis points is 110.055, away from the taker to the cent: 110.06.
    assert filled.ticks == 11_006
    assert filled.value == 22_012 * USD // 100
    assert filled.fee == 22_012_000  # 0.1 % of 220.12 is 0.22012
    assert filled.ts_ns == HOUR
    assert filled.liquidity is Liquidity.TAKER
    assert venue.balances("main")["USD"] == Balance(free=1_000 * USD - filled.value - filled.fee)
    assert venue.balances("main")["BTC"] == Balance(free=BTC.lots("2"))
    assert venue.fees_collected["USD"] == filled.fee


def test_a_market_sell_is_slipped_down_and_pays_its_fee_out_of_the_proceeds() -> None:
    venue = venue_at(100, rules=COINBASE_LIKE)
    venue.submit("main", order("a"))
    venue.advance([flat(2, 100)])
    before = venue.balances("main")["USD"].free

    venue.submit("main", order("b", Side.SELL))
    (filled,) = of_main(venue.advance([flat(3, 100)]))

    assert isinstance(filled, VenueFilled)
    assert filled.ticks == 9_995
    assert filled.fee == 9_995_000
    assert venue.balances("main")["USD"].free == before + 9_995_000_000 - 9_995_000
    assert venue.balances("main")["BTC"] == Balance()


def test_cash_is_locked_at_the_slipped_last_close_plus_fee_and_released_to_the_quantum() -> None:
    venue = venue_at(100, rules=COINBASE_LIKE)

    venue.submit("main", order("a", btc="2"))
    locked = 2 * 10_005_000_000 + 20_010_000
    assert venue.balances("main")["USD"] == Balance(free=1_000 * USD - locked, locked=locked)

    venue.cancel_list("main", "BTC-USD", "a")
    assert venue.balances("main")["USD"] == Balance(free=1_000 * USD)


def test_an_order_waits_for_a_bar_that_opens_after_it_was_sent() -> None:
    venue = venue_at(100)
    venue.advance([flat(2, 100)])
    venue.submit("main", order("a"))

    spanning = bar(3, 50, 120, 50, 100, symbol="ETH-USD", hours=2)
    assert venue.advance([spanning]) == [], "no BTC bar, no fill"
    (filled,) = of_main(venue.advance([flat(4, 104)]))

    assert isinstance(filled, VenueFilled)
    assert filled.ticks == 10_400


def test_a_bar_that_opened_before_the_order_fills_nothing() -> None:
    venue = SimulatedVenue([BTC, ETH], FREE_OF_COSTS)
    venue.open_account("main", 1_000 * USD)
    venue.advance([flat(1, 100), flat(1, 100, symbol="ETH-USD")])
    venue.advance([flat(2, 100)])
    venue.submit("main", order("late", symbol="ETH-USD"))

    assert venue.advance([bar(3, 50, 120, 50, 100, symbol="ETH-USD", hours=2)]) == []
    assert len(venue.open_orders("main")) == 1


def test_symbols_compete_for_the_cash_in_the_order_of_their_names() -> None:
    venue = venue_at(100, cash=240)
    venue.submit("main", order("eth", symbol="ETH-USD"))
    venue.submit("main", order("btc"))

    btc, eth, rest = of_main(venue.advance([flat(2, 130, symbol="ETH-USD"), flat(2, 115)]))

    assert isinstance(btc, VenueFilled)
    assert btc.value == 115 * USD, "the first takes 15 of the 40 that were free"
    assert isinstance(eth, VenueFilled)
    assert eth.lots == ETH.lots("0.96153"), "the second has its own 100 and the last 25: 125 / 130"
    assert isinstance(rest, VenueClosed)
    assert venue.balances("main")["BTC"].free == BTC.lots("1")


def test_a_market_buy_after_a_gap_takes_whole_affordable_steps_and_the_rest_expires() -> None:
    venue = venue_at(100, cash=100)
    venue.submit("main", order("a", btc="1"))

    filled, rest = of_main(venue.advance([flat(2, 300)]))

    assert isinstance(filled, VenueFilled)
    assert filled.lots == BTC.lots("0.33333"), "100 / 300 in steps of 0.00001"
    assert isinstance(rest, VenueClosed)
    assert rest.expired
    assert rest.remaining_lots == BTC.lots("0.66667")
    assert venue.balances("main")["USD"] == Balance(free=100_000)  # 0.001 USD
    known = venue.order("main", "BTC-USD", "a")
    assert known is not None
    assert known.state is OrderState.EXPIRED


def test_the_affordable_part_pays_its_own_rounded_up_fee() -> None:
    venue = venue_at(100, rules=COINBASE_LIKE, cash=101)
    venue.submit("main", order("a", btc="1"))

    filled, _ = of_main(venue.advance([flat(2, 777)]))

    assert isinstance(filled, VenueFilled)
    assert filled.value + filled.fee <= 101 * USD
    step = BTC.step_lots
    dearer = filled.ticks * (filled.lots + step)
    assert dearer + dearer // 1_000 > 101 * USD, "one more step would not have been paid for"


def test_a_resting_limit_fills_at_its_price_only_when_the_bar_trades_through() -> None:
    venue = venue_at(100)
    venue.submit("main", order("a", limit=95))

    assert venue.advance([bar(2, 100, 101, 95, 96)]) == [], "a touch is not a fill"
    (filled,) = of_main(venue.advance([bar(3, 96, 97, 94, 95)]))

    assert isinstance(filled, VenueFilled)
    assert (filled.ticks, filled.liquidity, filled.ts_ns) == (9_500, Liquidity.MAKER, 3 * HOUR)


def test_a_resting_sell_fills_once_the_high_is_above_it() -> None:
    venue = holding_one_btc()
    venue.submit("main", order("b", Side.SELL, limit=110))

    assert venue.advance([bar(3, 100, 110, 99, 105)]) == []
    (filled,) = of_main(venue.advance([bar(4, 105, 111, 104, 105)]))

    assert isinstance(filled, VenueFilled)
    assert filled.ticks == 11_000


def test_a_limit_takes_at_an_open_better_than_its_price() -> None:
    venue = venue_at(100)
    venue.submit("main", order("a", limit=105))

    (filled,) = of_main(venue.advance([flat(2, 101)]))

    assert isinstance(filled, VenueFilled)
    assert (filled.ticks, filled.liquidity) == (10_100, Liquidity.TAKER)
    assert venue.balances("main")["USD"] == Balance(free=899 * USD), "the four dollars of improvement are free again"


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_an_immediate_limit_is_decided_at_the_next_open(time_in_force: TimeInForce) -> None:
    venue = venue_at(100)
    venue.submit("main", order("met", limit=100, time_in_force=time_in_force))
    venue.submit("main", order("missed", limit=99, time_in_force=time_in_force))

    met, missed = of_main(venue.advance([bar(2, 100, 100, 90, 95)]))

    assert isinstance(met, VenueFilled)
    assert met.ticks == 10_000
    assert isinstance(missed, VenueClosed)
    assert missed.expired
    assert missed.remaining_lots == BTC.lots("1")


def test_before_the_first_bar_the_market_is_closed() -> None:
    venue = SimulatedVenue([BTC], FREE_OF_COSTS)
    venue.open_account("main", USD)

    rejected = venue.submit("main", order("a"))

    assert isinstance(rejected, VenueRejected)
    assert (rejected.code, rejected.reason) == (-1013, "Market is closed.")


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        (order("a", symbol="DOGE-USD"), -1121, "Invalid symbol."),
        (order("a", btc="0.000001"), -1013, "Filter failure: LOT_SIZE"),
        (order("a", btc="0"), -1013, "Filter failure: LOT_SIZE"),
        (order("a", btc="901"), -1013, "Filter failure: LOT_SIZE"),
        (order("a", btc="0.09"), -1013, "Filter failure: NOTIONAL"),
        (order("a", limit=0), -1013, "Filter failure: PRICE_FILTER"),
        (order("a", limit=1_000_001), -1013, "Filter failure: PRICE_FILTER"),
        (order("a", btc="10.1"), -2010, "Account has insufficient balance for requested action."),
        (order("a", Side.SELL), -2010, "Account has insufficient balance for requested action."),
    ],
)
def test_a_rejection_has_the_code_and_the_words_of_binance(command: SubmitOrder, code: int, reason: str) -> None:
    venue = venue_at(100)
    before = venue.state_hash()

    rejected = venue.submit("main", command)

    assert isinstance(rejected, VenueRejected)
    assert (rejected.code, rejected.reason) == (code, reason)
    assert venue.state_hash() == before, "a rejected order leaves nothing behind"


def test_a_client_id_is_unique_among_open_orders_only_and_the_newest_answers() -> None:
    venue = venue_at(100)
    venue.submit("main", order("a", limit=90))

    duplicate = venue.submit("main", order("a", limit=91))
    assert isinstance(duplicate, VenueRejected)
    assert (duplicate.code, duplicate.reason) == (-2010, "Duplicate order sent.")

    venue.cancel_list("main", "BTC-USD", "a")
    assert isinstance(venue.submit("main", order("a", limit=92)), VenueAccepted)
    newest = venue.order("main", "BTC-USD", "a")
    assert newest is not None
    assert newest.limit_ticks == 9_200
    assert [known.number for known in venue.orders_named("main", "BTC-USD", "a")] == [2, 1]


def test_a_closed_order_cannot_be_cancelled() -> None:
    venue = holding_one_btc()
    (rejected,) = venue.cancel_list("main", "BTC-USD", "entry")
    assert isinstance(rejected, VenueRejected)
    assert (rejected.code, rejected.reason) == (-2011, "Unknown order sent.")


def test_trades_are_numbered_from_one_and_can_be_read_from_any_number_on() -> None:
    venue = venue_at(100)
    for name in ("a", "b", "c"):
        venue.submit("main", order(name))
    venue.advance([flat(2, 100)])

    assert [trade.number for trade in venue.trades("main", "BTC-USD")] == [1, 2, 3]
    assert [trade.client_order_id for trade in venue.trades("main", "BTC-USD", from_id=3)] == ["c"]
    assert list(venue.trades("main", "ETH-USD")) == []


def test_accounts_do_not_see_each_other() -> None:
    venue = venue_at(100)
    venue.open_account("other", 500 * USD)
    venue.submit("main", order("a", limit=90))

    assert venue.open_orders("other") == ()
    assert venue.order("other", "BTC-USD", "a") is None
    assert venue.order_by_number("other", "BTC-USD", 1) is None
    assert venue.order_by_number("main", "BTC-USD", 1) is not None
    assert venue.balances("other")["USD"] == Balance(free=500 * USD)
    with pytest.raises(UnknownName, match="did you mean 'main'"):
        venue.balances("mian")


@pytest.mark.parametrize(
    "bars",
    [
        [],
        [flat(1, 100)],
        [flat(2, 100), flat(3, 100, symbol="ETH-USD")],
        [flat(2, 100), flat(2, 100)],
        [flat(2, 100, symbol="DOGE-USD")],
        [bar(2, 100, 100, 100, 100, hours=2)],
    ],
    ids=["none", "time goes back", "two times", "a symbol twice", "unknown symbol", "overlaps the last bar"],
)
def test_bars_that_cannot_follow_are_refused_and_change_nothing(bars: list[BarClosed]) -> None:
    venue = venue_at(100)
    before = venue.state_hash()
    with pytest.raises(InvalidData):
        venue.advance(bars)
    assert venue.state_hash() == before


def test_instruments_that_count_one_asset_in_two_units_are_refused() -> None:
    coarse = Instrument(symbol="BTC2-USD", base="BTC", quote="USD", lot_size=BTC.lot_size * 10)
    with pytest.raises(InvalidValue, match="BTC is counted in units of"):
        SimulatedVenue([BTC, coarse], FREE_OF_COSTS)

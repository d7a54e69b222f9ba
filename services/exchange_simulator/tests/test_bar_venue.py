"""The venue over bars: what the backtest's venue does, in the words of `Venue`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from n1v1.errors import InvalidValue, UnknownName
from n1v1.events import BarClosed, SubmitOrder
from n1v1.ids import ClientOrderId
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import Instrument, OrderType, Side, TimeInForce
from n1v1_exchange_simulator.bars import BarVenue
from n1v1_exchange_simulator.market_events import PublicTrade
from n1v1_exchange_simulator.venue import (
    BalanceReport,
    ExpiryReason,
    ListKind,
    ListReport,
    NewOrder,
    NewOrderList,
    OrderReport,
    OrderStatus,
    Refused,
    Report,
    ReportKind,
    SelfTradePrevention,
)

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
COIN = 100_000_000
USD = 100_000_000
HOUR = 3_600_000_000_000
RULES = VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=0)

BUY = NewOrder(client_order_id="buy", symbol="BTC-USD", side=Side.BUY, type=OrderType.MARKET, lots=COIN)
SELL = replace(BUY, client_order_id="sell", side=Side.SELL)
RESTS = replace(BUY, client_order_id="rests", type=OrderType.LIMIT, limit_ticks=90_00)
STOP = replace(SELL, client_order_id="stop", type=OrderType.STOP, stop_ticks=95_00)
TARGET = replace(SELL, client_order_id="target", type=OrderType.LIMIT, limit_ticks=110_00)


def bar(number: int, *, opens: int = 100, high: int = 101, low: int = 99, closes: int = 100) -> BarClosed:
    """Prices in dollars. number: counted from 1."""
    return BarClosed(
        id=f"bar-{number}",
        ts_ns=number * HOUR,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(number - 1) * HOUR,
        open=opens * 100,
        high=high * 100,
        low=low * 100,
        close=closes * 100,
        volume=50 * COIN,
    )


@pytest.fixture
def venue() -> BarVenue:
    """After its first bar, with an account of 1,000 dollars and two coins."""
    venue = BarVenue([BTC], RULES)
    venue.open_account("main", {"USD": 1_000 * USD, "BTC": 2 * COIN})
    venue.apply_step([bar(1)])
    return venue


def kinds(reports: Any) -> list[tuple[Any, ...]]:
    """What happened to which order."""
    assert not isinstance(reports, Refused), reports
    return [
        (report.order.request.client_order_id, report.kind.value, report.status.value)
        if isinstance(report, OrderReport)
        else (report.order_list.name, "done" if report.order_list.is_done else "began")
        for report in reports
        if isinstance(report, OrderReport | ListReport)
    ]


def order_reports(reports: Any) -> list[OrderReport]:
    return [report for report in reports if isinstance(report, OrderReport)]


def test_an_order_is_told_from_its_acceptance_to_its_fill(venue: BarVenue) -> None:
    assert kinds(venue.place("main", BUY)) == [("buy", "NEW", "NEW")]
    (filled,) = order_reports(venue.apply_step([bar(2, opens=102, high=103)]))
    assert (filled.number, filled.kind, filled.status) == (2, ReportKind.TRADE, OrderStatus.FILLED)
    assert (filled.filled_lots, filled.value_quanta) == (COIN, 102 * USD)
    assert filled.trade is not None
    assert (filled.trade.commission, filled.trade.commission_asset) == (102 * USD // 1_000, "USD")
    assert dict(filled.balances)["BTC"].free == 3 * COIN
    assert venue.trades("main", "BTC-USD") == [filled.trade]


def test_a_report_of_the_first_of_two_fills_does_not_know_the_second() -> None:
    """A third of each bar's volume may be ours, so the order needs two bars; each report has its own totals."""
    venue = BarVenue([BTC], replace(RULES, participation_ppb=10_000_000))  # 1 % of 50 coins
    venue.open_account("main", {"USD": 1_000 * USD})
    venue.apply_step([bar(1)])
    venue.place("main", BUY)
    (first,) = order_reports(venue.apply_step([bar(2)]))
    assert (first.status, first.filled_lots, first.value_quanta) == ("PARTIALLY_FILLED", COIN // 2, 50 * USD)
    (second,) = order_reports(venue.apply_step([bar(3, opens=101)]))
    assert (second.status, second.filled_lots, second.value_quanta) == ("FILLED", COIN, 100 * USD + USD // 2)


def test_an_order_by_quote_amount_buys_the_whole_steps_that_it_is_worth_at_the_last_close(venue: BarVenue) -> None:
    venue.place("main", replace(BUY, lots=0, spend_quanta=33_33333333))
    order = venue.named("main", "BTC-USD", "buy")
    assert order is not None
    assert order.lots == 33333000, "33.33 dollars at 100, in steps of 0.00001"
    assert order.request.spend_quanta == 33_33333333, "what the client asked is kept"


def test_before_the_first_bar_the_market_is_closed() -> None:
    venue = BarVenue([BTC], RULES, opens_ns=77)
    venue.open_account("main", {"USD": 1_000 * USD})
    for order in (BUY, replace(BUY, lots=0, spend_quanta=USD)):
        assert venue.place("main", order) == Refused(code=-1013, reason="Market is closed.")
    assert (venue.clock_ns, venue.book("BTC-USD", 5).asks) == (77, ())


def test_an_iceberg_and_self_trade_prevention_are_accepted_and_change_nothing(venue: BarVenue) -> None:
    hidden = replace(RESTS, iceberg_lots=COIN // 10, self_trade_prevention=SelfTradePrevention.EXPIRE_BOTH)
    (accepted,) = order_reports(venue.place("main", hidden))
    assert accepted.order.self_trade_prevention is SelfTradePrevention.EXPIRE_BOTH
    assert venue.prevented("main", "BTC-USD") == ()


def test_an_amended_order_is_smaller_has_another_name_and_needs_less(venue: BarVenue) -> None:
    venue.place("main", RESTS)
    (report,) = order_reports(venue.amend("main", "BTC-USD", 1, lots=COIN // 2, client_order_id="smaller"))
    assert (report.kind, report.previous_name, report.order.lots) == (ReportKind.REPLACED, "rests", COIN // 2)
    assert venue.named("main", "BTC-USD", "rests") is None
    assert venue.named("main", "BTC-USD", "smaller") is report.order
    assert venue.balances("main")["USD"].locked == 45 * USD + 45 * USD // 1_000
    (filled,) = order_reports(venue.apply_step([bar(2, opens=95, high=96, low=89, closes=95)]))
    assert (filled.status, filled.filled_lots, filled.value_quanta) == (OrderStatus.FILLED, COIN // 2, 45 * USD)


def test_both_legs_of_a_list_become_smaller(venue: BarVenue) -> None:
    orders = NewOrderList(kind=ListKind.OCO, name="exit", working=None, pending=(STOP, TARGET))
    venue.place_list("main", orders)
    reports = order_reports(venue.amend("main", "BTC-USD", 2, lots=COIN // 4, client_order_id=""))
    assert [(each.order.number, each.order.lots) for each in reports] == [(1, COIN // 4), (2, COIN // 4)]
    assert venue.balances("main")["BTC"] == (2 * COIN - COIN // 4, COIN // 4)


@pytest.mark.parametrize(
    ("lots", "name", "code"), [(COIN, "", -2038), (2 * COIN, "", -2038), (1, "", -1013), (COIN // 2, "other", -2010)]
)
def test_amendments_that_cannot_be_are_refused(venue: BarVenue, lots: int, name: str, code: int) -> None:
    venue.place("main", RESTS)
    venue.place("main", replace(RESTS, client_order_id="other"))
    before = venue.state_hash()
    answer = venue.amend("main", "BTC-USD", 1, lots=lots, client_order_id=name)
    assert isinstance(answer, Refused)
    assert (answer.code, venue.state_hash()) == (code, before)


def test_bars_fill_nothing_while_the_market_is_closed(venue: BarVenue) -> None:
    venue.place("main", RESTS)
    venue.set_trading("BTC-USD", is_open=False)
    assert venue.apply_step([bar(2, low=80)]) == []
    assert venue.place("main", BUY) == Refused(code=-1013, reason="Market is closed.")
    assert venue.clock_ns == 2 * HOUR
    venue.set_trading("BTC-USD", is_open=True)
    assert kinds(venue.apply_step([bar(3, low=80)])) == [("rests", "TRADE", "FILLED")]


def test_new_fees_are_paid_from_the_next_execution_on(venue: BarVenue) -> None:
    before = venue.state_hash()
    venue.set_fees("BTC-USD", maker_ppb=0, taker_ppb=5_000_000)
    assert venue.state_hash() != before
    venue.place("main", BUY)
    (filled,) = order_reports(venue.apply_step([bar(2)]))
    assert filled.trade is not None
    assert filled.trade.commission == 100 * USD * 5 // 1_000
    assert venue.fee_rates_ppb("BTC-USD") == (0, 5_000_000)


def test_the_book_counts_its_changes_in_numbers_that_every_client_can_hold(venue: BarVenue) -> None:
    venue.apply_step([bar(2)])
    assert venue.book("BTC-USD", 1).last_id == 2


def test_a_test_order_changes_nothing(venue: BarVenue) -> None:
    before = venue.state_hash()
    assert venue.test("main", BUY) is None
    assert venue.test("main", replace(BUY, lots=100 * COIN)) == Refused(
        code=-2010, reason="Account has insufficient balance for requested action."
    )
    assert venue.test("main", replace(BUY, symbol="X-USD")) == Refused(code=-1121, reason="Invalid symbol.")
    assert (venue.state_hash(), venue.orders("main", "BTC-USD")) == (before, [])


@pytest.mark.parametrize("ask", [BarVenue.test, BarVenue.place])
def test_a_refused_order_takes_no_place_in_the_row_of_accounts(ask: Callable[..., Any]) -> None:
    """When the volume of a bar is short, the account that had the first order gets it. A refused one is none."""
    venue = BarVenue([BTC], replace(RULES, participation_ppb=20_000_000))  # 2 % of 50 coins: one coin
    for account in ("late", "early"):
        venue.open_account(account, {"USD": 1_000 * USD})
    venue.apply_step([bar(1)])
    assert ask(venue, "late", replace(BUY, lots=100 * COIN)) is not None
    for account in ("early", "late"):
        venue.place(account, BUY)
    reports = order_reports(venue.apply_step([bar(2)]))
    assert [(report.account, report.status) for report in reports] == [("early", "FILLED")]


def test_a_cancelled_order_is_told_with_the_name_of_the_cancel(venue: BarVenue) -> None:
    venue.place("main", RESTS)
    (cancelled,) = order_reports(venue.cancel("main", "BTC-USD", 1, name="enough"))
    assert (cancelled.kind, cancelled.cancel_name) == (ReportKind.CANCELED, "enough")
    for number in (1, 2):
        assert venue.cancel("main", "BTC-USD", number) == Refused(code=-2011, reason="Unknown order sent.")
    assert venue.open_orders("main") == []


def test_a_stop_works_from_the_bar_that_reaches_it(venue: BarVenue) -> None:
    venue.place("main", replace(STOP, type=OrderType.STOP_LIMIT, limit_ticks=120_00))
    order = venue.named("main", "BTC-USD", "stop")
    assert order is not None
    assert (order.is_working, order.working_ns) == (False, None)
    venue.apply_step([bar(2, low=95, closes=96)])
    assert (order.is_working, order.working_ns, order.status) == (True, 2 * HOUR, OrderStatus.NEW)


def test_what_one_leg_fills_ends_the_other_and_the_list(venue: BarVenue) -> None:
    both = NewOrderList(kind=ListKind.OCO, name="both", working=None, pending=(STOP, TARGET))
    assert kinds(venue.place_list("main", both)) == [
        ("both", "began"),
        ("stop", "NEW", "NEW"),
        ("target", "NEW", "NEW"),
    ]
    assert kinds(venue.apply_step([bar(2, high=111)])) == [
        ("target", "TRADE", "FILLED"),
        ("stop", "CANCELED", "CANCELED"),
        ("both", "done"),
    ]
    (known,) = venue.lists("main")
    assert (known.number, known.order_numbers, known.is_done) == (1, (1, 2), True)
    assert venue.cancel_list("main", "BTC-USD", 1) == Refused(code=-2011, reason="Unknown order sent.")


def test_legs_wait_for_their_entry_and_end_with_it(venue: BarVenue) -> None:
    bracket = NewOrderList(kind=ListKind.OTOCO, name="", working=RESTS, pending=(STOP, TARGET))
    reports = order_reports(venue.place_list("main", bracket))
    assert [report.status for report in reports] == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    assert [report.is_working for report in reports] == [True, False, False]
    assert venue.lists("main")[0].name == "list-1"
    ended = venue.cancel_list("main", "BTC-USD", 1, name="never mind")
    assert {row[0] for row in kinds(ended)} == {"rests", "stop", "target", "list-1"}
    assert kinds(ended)[-1] == ("list-1", "done")


def test_a_list_with_one_order_that_cannot_be_is_refused_whole(venue: BarVenue) -> None:
    wrong = NewOrderList(kind=ListKind.OCO, name="", working=None, pending=(replace(STOP, stop_ticks=120_00), TARGET))
    assert venue.place_list("main", wrong) == Refused(code=-2010, reason="Stop price would trigger immediately.")
    assert (venue.lists("main"), venue.orders("main", "BTC-USD")) == ([], [])


@pytest.mark.parametrize(
    ("time_in_force", "expiry"),
    [
        (TimeInForce.IOC, ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED),
        (TimeInForce.FOK, ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED),
    ],
)
def test_an_order_that_the_open_cannot_fill_expires_with_its_reason(
    venue: BarVenue, time_in_force: TimeInForce, expiry: ExpiryReason
) -> None:
    venue.place("main", replace(RESTS, time_in_force=time_in_force))
    (expired,) = order_reports(venue.apply_step([bar(2)]))
    assert (expired.kind, expired.status, expired.expiry) == (ReportKind.EXPIRED, OrderStatus.EXPIRED, expiry)


def test_deposits_and_withdrawals_move_what_is_free(venue: BarVenue) -> None:
    (paid_in,) = list[Report](venue.deposit("main", "USD", 5 * USD))  # type: ignore[arg-type]  # it is not refused
    assert isinstance(paid_in, BalanceReport)
    assert (paid_in.change, paid_in.balance.free) == (5 * USD, 1_005 * USD)
    assert isinstance(venue.deposit("main", "USD", -2_000 * USD), Refused)
    assert isinstance(venue.deposit("main", "DOGE", 1), Refused)
    venue.deposit("main", "BTC", -2 * COIN)
    assert venue.place("main", SELL) == Refused(
        code=-2010, reason="Account has insufficient balance for requested action."
    )


def test_an_account_opens_with_assets_that_are_traded_here_and_no_debts() -> None:
    venue = BarVenue([BTC], RULES)
    with pytest.raises(UnknownName, match="no asset 'USDT'"):
        venue.open_account("main", {"USDT": 1})
    with pytest.raises(InvalidValue, match="cannot open with -1 of USD"):
        venue.open_account("main", {"USD": -1})
    assert venue.accounts() == ()


def test_a_trade_is_no_news_for_a_venue_over_bars(venue: BarVenue) -> None:
    trade = PublicTrade(ts_ns=5 * HOUR, symbol="BTC-USD", number=1, ticks=1, lots=1, is_buyer_maker=True)
    with pytest.raises(InvalidValue, match="a venue over bars hears of bars only"):
        venue.apply_step([trade])


def test_fills_are_those_of_the_backtest() -> None:
    """The same orders over the same bars, once through each."""
    ours, theirs = BarVenue([BTC], RULES), SimulatedVenue([BTC], RULES)
    ours.open_account("main", {"USD": 1_000 * USD})
    theirs.open_account("main", 1_000 * USD)
    for number in range(1, 30):
        swing = number % 7
        the_bar = bar(number, opens=100 + swing, high=104 + swing, low=97 - swing, closes=101 - swing % 3)
        ours.apply_step([the_bar])
        theirs.advance([the_bar])
        for order in (
            replace(BUY, client_order_id=f"b{number}", lots=COIN // 4),
            replace(SELL, client_order_id=f"s{number}", lots=COIN // 5),
            replace(RESTS, client_order_id=f"r{number}", lots=COIN // 10, limit_ticks=9_500 - number),
        ):
            ours.place("main", order)
            theirs.submit("main", as_in_the_backtest(order))
    assert len(ours.trades("main", "BTC-USD")) > 50
    assert ours.state_hash() == theirs.state_hash()


def as_in_the_backtest(order: NewOrder) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=ClientOrderId(order.client_order_id),
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        lots=order.lots,
        limit_ticks=order.limit_ticks,
    )

"""Every row of docs/simulation.md by an example worked by hand: prices in dollars, bars of one hour, 1,000 USD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from n1v1.errors import InvalidData, InvalidValue
from n1v1.events import (
    BarClosed,
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.ids import ClientOrderId
from n1v1.simulation.latency import lognormal_latencies, measured_latencies
from n1v1.simulation.orders import OrderState
from n1v1.simulation.records import LATENCIES
from n1v1.simulation.rules import IntrabarPath, SlippageModel, TouchRule
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import PPB, Instrument, Liquidity, OrderType, Side, TimeInForce

HOUR = 3_600_000_000_000
USD = 100_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
SHORTABLE = Instrument(symbol="BTC-USD", base="BTC", quote="USD", can_short=True)
FREE = VenueRules(fee_rate_ppb=0, slippage_ppb=0)
ONE_PERCENT = 10_000_000
"""Of a billion."""


def bar(hour: int, open_: float, high: float, low: float, close: float, *, volume: str = "1000") -> BarClosed:
    """The bar of one hour that closes at `hour`."""
    cents = [round(price * 100) for price in (open_, high, low, close)]
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=cents[0],
        high=cents[1],
        low=cents[2],
        close=cents[3],
        volume=BTC.lots(volume),
    )


def flat(hour: int, price: float, *, volume: str = "1000") -> BarClosed:
    return bar(hour, price, price, price, price, volume=volume)


def order(
    name: str,
    side: Side = Side.BUY,
    type_: OrderType = OrderType.MARKET,
    *,
    btc: str = "1",
    limit: float | None = None,
    stop: float | None = None,
    trail: int | None = None,
    time_in_force: TimeInForce = TimeInForce.GTC,
    expires_ns: int | None = None,
    is_post_only: bool = False,
    reduces_only: bool = False,
) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=ClientOrderId(name),
        symbol="BTC-USD",
        side=side,
        type=type_,
        lots=BTC.lots(btc),
        limit_ticks=None if limit is None else round(limit * 100),
        stop_ticks=None if stop is None else round(stop * 100),
        trail_ppb=trail,
        time_in_force=time_in_force,
        expires_ns=expires_ns,
        is_post_only=is_post_only,
        reduces_only=reduces_only,
    )


def protected(
    entry: SubmitOrder, *, stop: float | None = None, target: float | None = None, trail: int | None = None
) -> SubmitOrderList:
    """`entry` with a stop leg and a target leg."""
    away = Side.SELL if entry.side is Side.BUY else Side.BUY
    btc = str(BTC.quantity(entry.lots))
    kind = OrderType.STOP if trail is None else OrderType.TRAILING_STOP
    legs = []
    if stop is not None or trail is not None:
        legs.append(order("stop", away, kind, btc=btc, stop=stop, trail=trail, reduces_only=True))
    if target is not None:
        legs.append(order("target", away, OrderType.LIMIT, btc=btc, limit=target, reduces_only=True))
    return SubmitOrderList(working=entry, pending=tuple(legs))


def venue_at(
    price: float, rules: VenueRules = FREE, *, cash: int = 1_000, instrument: Instrument = BTC
) -> SimulatedVenue:
    """A venue whose first bar closed at `price`."""
    venue = SimulatedVenue([instrument], rules)
    venue.open_account("main", cash * USD)
    venue.advance([flat(1, price)])
    return venue


def holding(
    venue: SimulatedVenue,
    btc: str = "1",
    *,
    stop: float | None = None,
    target: float | None = None,
    trail: int | None = None,
) -> SimulatedVenue:
    """Enter at the open of the second bar, a flat one at 100, with these legs."""
    whole = protected(order("entry", btc=btc), stop=stop, target=target, trail=trail)
    answers = venue.submit_list("main", whole) if whole.pending else [venue.submit("main", order("entry", btc=btc))]
    assert all(isinstance(answer, VenueAccepted) for answer in answers)
    assert [type(report) for _, report in venue.advance([flat(2, 100)])] == [VenueFilled]
    return venue


def told(reports: Sequence[tuple[str, VenueReport]]) -> list[str]:
    """What was reported, as words: 'stop 95.00 x 1 TAKER', 'target closed: ...'."""
    return [_told(report) for _, report in reports]


def _told(report: VenueReport) -> str:
    match report:
        case VenueFilled():
            lots = Decimal(report.lots) / 100_000_000
            return f"{report.client_order_id} {report.ticks / 100:.2f} x {lots.normalize():f} {report.liquidity}"
        case VenueClosed():
            return f"{report.client_order_id} {'expired' if report.expired else 'cancelled'}: {report.reason}"
    raise AssertionError(report)


def only_fill(reports: Sequence[tuple[str, VenueReport]]) -> VenueFilled:
    (fill,) = (report for _, report in reports if isinstance(report, VenueFilled))
    return fill


CANCELLED_TARGET = "target cancelled: another order of its list is done"
CANCELLED_STOP = "stop cancelled: another order of its list is done"


# --- S1 to S5: costs and time ----------------------------------------------------------------------------------------


def test_s1_takers_and_makers_pay_their_own_rate_of_what_was_traded() -> None:
    rules = VenueRules(fee_rate_ppb=1_000_000, maker_fee_rate_ppb=400_000, slippage_ppb=0)
    venue = venue_at(100, rules)
    venue.submit("main", order("taker", btc="2"))
    venue.submit("main", order("maker", type_=OrderType.LIMIT, btc="2", limit=90))

    taker, maker = (report for _, report in venue.advance([bar(2, 100, 100, 89, 95)]))

    assert isinstance(taker, VenueFilled)
    assert isinstance(maker, VenueFilled)
    assert taker.fee == 20_000_000, "0.1 % of 200"
    assert maker.fee == 7_200_000, "0.04 % of 180"


def test_s1_the_minimum_fee_is_paid_by_every_execution_and_never_exceeds_it() -> None:
    venue = venue_at(100, VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=0, min_fee=1 * USD))
    venue.submit("main", order("a", btc="1"))
    assert only_fill(venue.advance([flat(2, 100)])).fee == 1 * USD, "0.1 % would be 0.10"

    venue.submit("main", order("b", Side.SELL, btc="1"))
    sold = only_fill(venue.advance([flat(3, 0.5)]))
    assert sold.fee == sold.value == USD // 2, "a sale is never worth less than nothing"


@pytest.mark.parametrize(
    ("model", "price"),
    [
        (SlippageModel.FIXED, 101.00),  # 1 %
        (SlippageModel.LINEAR, 101.50),  # and a quarter of 2 %: 1 of the 4 BTC that were traded
        (SlippageModel.SQUARE_ROOT, 102.00),  # and half of 2 %: the root of a quarter
    ],
)
def test_s2_and_s3_a_taker_pays_half_the_spread_and_its_own_impact(model: SlippageModel, price: float) -> None:
    impact = 0 if model is SlippageModel.FIXED else 2 * ONE_PERCENT
    rules = VenueRules(fee_rate_ppb=0, slippage_ppb=ONE_PERCENT, slippage_model=model, impact_ppb=impact)
    venue = venue_at(100, rules)
    venue.submit("main", order("a"))
    assert only_fill(venue.advance([flat(2, 100, volume="4")])).ticks == round(price * 100)


def test_s3_there_and_back_at_one_price_costs_the_spread() -> None:
    venue = venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=ONE_PERCENT))
    venue.submit("main", order("there"))
    venue.advance([flat(2, 100)])
    venue.submit("main", order("back", Side.SELL))
    venue.advance([flat(3, 100)])
    assert venue.balances("main")["USD"].free == 998 * USD, "bought at 101, sold at 99"


def test_s4_nothing_fills_at_a_price_that_was_known_when_it_was_decided() -> None:
    venue = venue_at(100)
    venue.submit("main", order("a"))
    fill = only_fill(venue.advance([bar(2, 104, 110, 90, 95)]))
    assert (fill.ticks, fill.ts_ns) == (10_400, 1 * HOUR), "the open after the close at which it was sent"


def test_s5_an_unfinished_bar_is_no_bar() -> None:
    venue = venue_at(100)
    with pytest.raises(InvalidData, match="before the last one closed"):
        venue.advance([replace(flat(2, 100), open_ns=HOUR // 2)])


# --- S6: the order of events within a bar ----------------------------------------------------------------------------


def test_s6_a_bar_that_reaches_stop_and_target_takes_the_stop() -> None:
    venue = holding(venue_at(100), stop=95, target=110)
    assert told(venue.advance([bar(3, 100, 111, 94, 105)])) == ["stop 95.00 x 1 TAKER", CANCELLED_TARGET]
    assert venue.assumptions()["path"].fills == 1
    assert venue.assumptions()["path"].value == 95 * USD


@pytest.mark.parametrize(
    ("path", "opens_at", "first"),
    [
        (IntrabarPath.OHLC, 100, "target"),
        (IntrabarPath.ADAPTIVE, 108, "target"),
        (IntrabarPath.ADAPTIVE, 97, "stop"),
    ],
)
def test_s6_the_path_is_a_rule_that_can_be_chosen(path: IntrabarPath, opens_at: int, first: str) -> None:
    rules = VenueRules(fee_rate_ppb=0, slippage_ppb=0, path=path)
    venue = holding(venue_at(100, rules), stop=95, target=110)
    fill = only_fill(venue.advance([bar(3, opens_at, 111, 94, 105)]))
    assert fill.client_order_id == first
    assert venue.assumptions()["path"].fills == 1, "it was the rule that decided, whatever it said"


def test_s6_only_one_of_both_reached_is_no_matter_of_assumption() -> None:
    venue = holding(venue_at(100), stop=95, target=110)
    assert told(venue.advance([bar(3, 100, 111, 96, 105)])) == ["target 110.00 x 1 MAKER", CANCELLED_STOP]
    assert venue.assumptions()["path"].fills == 0
    assert venue.assumptions()["none"].fills == 2


def test_s6_a_random_path_depends_on_the_seed_and_on_nothing_before() -> None:
    def first_reached(seed: int, bars_before: int) -> str:
        rules = VenueRules(fee_rate_ppb=0, slippage_ppb=0, path=IntrabarPath.RANDOM, seed=seed)
        venue = SimulatedVenue([BTC], rules)
        venue.open_account("main", 1_000 * USD)
        for hour in range(10 - bars_before, 10):
            venue.advance([flat(hour, 100)])
        venue.submit_list("main", protected(order("entry"), stop=95, target=110))
        assert told(venue.advance([flat(10, 100)])) == ["entry 100.00 x 1 TAKER"]
        return only_fill(venue.advance([bar(11, 100, 111, 94, 105)])).client_order_id

    answers = {first_reached(seed, 1) for seed in range(20)}
    assert answers == {"stop", "target"}
    assert all(first_reached(seed, 1) == first_reached(seed, 5) for seed in range(20))


def test_s6_an_entry_within_the_bar_may_be_stopped_there_but_not_paid_out() -> None:
    """Bought at 97 on the way down. The high of 112 may have been before; the low of 96.50 was after."""
    venue = venue_at(100)
    venue.submit_list("main", protected(order("entry", type_=OrderType.LIMIT, limit=97), stop=95, target=110))
    assert told(venue.advance([bar(2, 100, 112, 96.5, 105)])) == ["entry 97.00 x 1 MAKER"]
    assert told(venue.advance([bar(3, 105, 111, 104, 105)])) == ["target 110.00 x 1 MAKER", CANCELLED_STOP]


def test_s6_an_entry_within_the_bar_is_paid_out_if_the_close_is_beyond_its_target() -> None:
    venue = venue_at(100)
    venue.submit_list("main", protected(order("entry", type_=OrderType.LIMIT, limit=97), stop=90, target=110))
    assert told(venue.advance([bar(2, 100, 112, 96, 111)])) == [
        "entry 97.00 x 1 MAKER",
        "target 110.00 x 1 MAKER",
        CANCELLED_STOP,
    ]


def test_s6_a_breakout_entry_is_stopped_by_a_low_that_may_have_been_before() -> None:
    """Bought at 105 on the way up. Whether the low of 94 came before or after, the bar does not say: after."""
    venue = venue_at(100)
    venue.submit_list("main", protected(order("entry", type_=OrderType.STOP, stop=105), stop=95, target=120))
    assert told(venue.advance([bar(2, 100, 106, 94, 100)])) == [
        "entry 105.00 x 1 TAKER",
        "stop 95.00 x 1 TAKER",
        CANCELLED_TARGET,
    ]
    assert venue.assumptions()["path"].fills == 1


def test_s6_a_trailing_stop_moves_on_prices_that_the_path_has_passed() -> None:
    """10 % behind the best price. The low of 95 comes before the high of 120, so it meets the old stop at 90."""
    venue = holding(venue_at(100), trail=10 * ONE_PERCENT)
    assert told(venue.advance([bar(3, 100, 120, 95, 118)])) == []
    moved = venue.order("main", "BTC-USD", "stop")
    assert moved is not None
    assert moved.stop_ticks == 10_800, "120 less 10 %"
    assert told(venue.advance([bar(4, 112, 113, 107, 110)])) == ["stop 108.00 x 1 TAKER"]


def test_s6_a_trailing_stop_that_the_close_falls_back_to_is_hit_in_the_same_bar() -> None:
    venue = holding(venue_at(100), trail=10 * ONE_PERCENT)
    assert told(venue.advance([bar(3, 100, 120, 95, 107)])) == ["stop 108.00 x 1 TAKER"]


def test_s6_a_trailing_stop_with_a_step_waits_for_a_whole_step() -> None:
    entry = order("entry")
    stop = SubmitOrder(
        client_order_id=ClientOrderId("stop"),
        symbol="BTC-USD",
        side=Side.SELL,
        type=OrderType.TRAILING_STOP,
        lots=entry.lots,
        stop_ticks=9_500,
        trail_ppb=10 * ONE_PERCENT,
        trail_step_ppb=5 * ONE_PERCENT,
        reduces_only=True,
    )
    venue = venue_at(100)
    venue.submit_list("main", SubmitOrderList(working=entry, pending=(stop,)))

    def stop_after(*bars: BarClosed) -> int | None:
        for each in bars:
            assert told(venue.advance([each]))[1:] == []
        known = venue.order("main", "BTC-USD", "stop")
        return known.stop_ticks if known is not None else None

    assert stop_after(flat(2, 100)) == 9_500, "its first stop is nearer than 10 %"
    assert stop_after(bar(3, 100, 104.99, 100, 104)) == 9_500, "less than a step"
    assert stop_after(bar(4, 104, 106, 104, 105)) == 9_540, "106 less 10 %"


# --- S7 to S9: gaps, queues and size ---------------------------------------------------------------------------------


def test_s7_a_stop_that_is_reached_fills_at_its_price_and_one_that_is_gapped_at_the_open() -> None:
    rules = VenueRules(fee_rate_ppb=0, slippage_ppb=ONE_PERCENT)
    reached = holding(venue_at(100, rules), stop=95)
    gapped = holding(venue_at(100, rules), stop=95)

    assert told(reached.advance([bar(3, 100, 101, 90, 92)])) == ["stop 94.05 x 1 TAKER"], "95 less 1 %"
    assert told(gapped.advance([bar(3, 90, 101, 89, 92)])) == ["stop 89.10 x 1 TAKER"], "90 less 1 %"
    assert reached.assumptions()["gap"].fills == 0
    assert gapped.assumptions()["gap"].fills == 1


def test_s7_a_stop_limit_that_is_gapped_may_not_fill() -> None:
    venue = holding(venue_at(100))
    venue.submit("main", order("out", Side.SELL, OrderType.STOP_LIMIT, stop=95, limit=94))
    assert told(venue.advance([bar(3, 90, 93, 88, 92)])) == []
    assert told(venue.advance([bar(4, 92, 94.5, 91, 92)])) == ["out 94.00 x 1 MAKER"]


def test_s7_a_stop_limit_that_is_reached_takes_within_its_limit() -> None:
    venue = holding(venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=5 * ONE_PERCENT)), "1")
    venue.submit("main", order("out", Side.SELL, OrderType.STOP_LIMIT, stop=95, limit=94))
    assert told(venue.advance([bar(3, 100, 100, 93, 94)])) == ["out 94.00 x 1 TAKER"], "95 less 5 % is below 94"


def test_s7_an_entry_that_fills_at_the_open_is_protected_within_that_bar() -> None:
    venue = venue_at(100)
    venue.submit_list("main", protected(order("entry"), stop=95, target=110))
    assert told(venue.advance([bar(2, 100, 101, 94, 96)])) == [
        "entry 100.00 x 1 TAKER",
        "stop 95.00 x 1 TAKER",
        CANCELLED_TARGET,
    ]


def test_s7_a_take_profit_order_takes_where_the_price_has_come_to() -> None:
    venue = holding(venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=ONE_PERCENT)))
    venue.submit("main", order("out", Side.SELL, OrderType.TAKE_PROFIT, stop=110))
    assert told(venue.advance([bar(3, 100, 109, 99, 105)])) == []
    assert told(venue.advance([bar(4, 105, 110, 104, 108)])) == ["out 108.90 x 1 TAKER"], "110 less 1 %"


def test_s8_a_touch_is_no_fill_and_is_counted() -> None:
    venue = venue_at(100)
    venue.submit("main", order("a", type_=OrderType.LIMIT, limit=95))
    assert told(venue.advance([bar(2, 100, 101, 95, 96)])) == []
    assert venue.assumptions()["touch_missed"].fills == 1
    assert venue.assumptions()["touch_missed"].value == 95 * USD
    assert told(venue.advance([bar(3, 96, 97, 94.99, 96)])) == ["a 95.00 x 1 MAKER"], "through by one tick"


def test_s8_with_a_queue_model_a_touch_fills_what_is_behind_the_queue() -> None:
    rules = VenueRules(fee_rate_ppb=0, slippage_ppb=0, touch=TouchRule.QUEUE, queue_ppb=75 * ONE_PERCENT)
    venue = venue_at(100, rules)
    venue.submit("main", order("a", type_=OrderType.LIMIT, limit=95, btc="3"))
    assert told(venue.advance([bar(2, 100, 101, 95, 96, volume="8")])) == ["a 95.00 x 2 MAKER"], "a quarter of 8"
    assert venue.assumptions()["touch"].fills == 1
    assert told(venue.advance([bar(3, 100, 101, 94, 96, volume="8")])) == ["a 95.00 x 1 MAKER"]


def test_s9_all_orders_of_a_bar_share_the_cap_and_the_rest_stays_open() -> None:
    venue = venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=0, participation_ppb=10 * ONE_PERCENT))
    venue.submit("main", order("a", btc="3"))
    venue.submit("main", order("b", btc="3"))

    assert told(venue.advance([flat(2, 100, volume="20")])) == ["a 100.00 x 2 TAKER"], "10 % of 20"
    assert told(venue.advance([flat(3, 101, volume="30")])) == ["a 101.00 x 1 TAKER", "b 101.00 x 2 TAKER"]
    assert told(venue.advance([flat(4, 102, volume="0")])) == [], "nothing was traded"
    assert told(venue.advance([flat(5, 103, volume="1000")])) == ["b 103.00 x 1 TAKER"]
    assert venue.assumptions()["participation"].fills == 2


def test_s9_an_immediate_order_expires_with_what_the_cap_leaves_and_a_whole_one_altogether() -> None:
    venue = venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=0, participation_ppb=10 * ONE_PERCENT))
    venue.submit("main", order("whole", btc="3", time_in_force=TimeInForce.FOK))
    venue.submit("main", order("part", btc="3", time_in_force=TimeInForce.IOC))
    assert told(venue.advance([flat(2, 100, volume="20")])) == [
        "whole expired: not fillable as a whole",
        "part 100.00 x 2 TAKER",
        "part expired: not fillable at the open",
    ]


def test_s9_legs_protect_what_the_entry_has_filled_and_no_more() -> None:
    """Two of five are bought when the stop is hit: both are sold, and the rest of the entry is given up."""
    venue = venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=0, participation_ppb=10 * ONE_PERCENT))
    venue.submit_list("main", protected(order("entry", btc="5"), stop=95, target=110))
    assert told(venue.advance([flat(2, 100, volume="20")])) == ["entry 100.00 x 2 TAKER"]
    balance = venue.balances("main")["BTC"]
    assert (balance.free, balance.locked) == (0, BTC.lots("2")), "both legs share one lock"
    assert told(venue.advance([bar(3, 94, 96, 93, 95, volume="0")])) == [
        "entry expired: its position is already being closed"
    ]
    assert told(venue.advance([bar(4, 95, 96, 93, 95, volume="10")])) == ["stop 95.00 x 1 TAKER"]
    assert told(venue.advance([bar(5, 96, 97, 93, 95, volume="100")])) == ["stop 96.00 x 1 TAKER", CANCELLED_TARGET]


def test_s9_what_one_leg_has_filled_the_other_gives_up() -> None:
    venue = holding(
        venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=0, participation_ppb=PPB)), "3", stop=95, target=110
    )
    assert told(venue.advance([bar(3, 100, 111, 99, 105, volume="1")])) == ["target 110.00 x 1 MAKER"]
    stop = venue.order("main", "BTC-USD", "stop")
    assert stop is not None
    assert stop.record.open_lots == BTC.lots("2")
    assert told(venue.advance([bar(4, 100, 101, 94, 96)])) == ["stop 95.00 x 2 TAKER", CANCELLED_TARGET]


# --- S10 to S16 ------------------------------------------------------------------------------------------------------


def test_s10_an_order_takes_effect_at_the_first_bar_that_opens_after_its_latency() -> None:
    venue = venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=0, latency_ns=1))
    venue.submit("main", order("a"))
    assert told(venue.advance([flat(2, 101)])) == [], "it opened a nanosecond too early"
    assert told(venue.advance([flat(3, 102)])) == ["a 102.00 x 1 TAKER"]


def test_s10_a_stop_is_not_there_before_its_latency_has_passed() -> None:
    venue = venue_at(100, VenueRules(fee_rate_ppb=0, slippage_ppb=0, latency_ns=HOUR))
    venue.submit_list("main", protected(order("entry"), stop=95))
    assert told(venue.advance([bar(2, 100, 101, 80, 100)])) == []
    assert told(venue.advance([bar(3, 100, 101, 96, 100)])) == ["entry 100.00 x 1 TAKER"]


def test_s10_latencies_that_are_drawn_differ_by_order_and_never_by_run() -> None:
    """Half of them are an hour, half are three: the bars they wait for differ, and a second venue agrees."""
    rules = VenueRules(fee_rate_ppb=0, slippage_ppb=0, latencies_ns=(HOUR,) * 16 + (3 * HOUR,) * 16, seed=5)

    def fills() -> list[list[str]]:
        venue = venue_at(100, rules)
        for number in range(1, 9):
            venue.submit("main", order(f"o{number}", btc=f"0.{number}"))
        return [told(venue.advance([flat(hour, 100)])) for hour in (2, 3, 4, 5)]

    (none, early, between, late) = fills()
    assert (none, between) == ([], [])
    assert len(early) + len(late) == 8
    assert early
    assert late
    assert fills() == [none, early, between, late]


def test_s10_a_lognormal_latency_has_its_median_and_its_tail() -> None:
    latencies = lognormal_latencies(100_000_000, 0.5)
    assert len(latencies) == LATENCIES
    assert latencies[15] < 100_000_000 < latencies[16]
    assert latencies[-1] == 293_567_000  # 100 ms x e ** (0.5 x 2.15387), of which one order in 64 takes longer


def test_s10_measured_latencies_are_told_by_their_quantiles() -> None:
    assert measured_latencies(range(64)) == tuple(range(1, 64, 2))
    assert measured_latencies([7]) == (7,) * LATENCIES
    with pytest.raises(InvalidValue, match="expected one or more of at least 0 ns"):
        measured_latencies([5, -1])


def test_s11_and_s12_an_order_beyond_the_cash_is_refused_because_nobody_lends() -> None:
    """No borrowing, so neither interest, funding nor liquidation can be due."""
    rejected = venue_at(100).submit("main", order("a", btc="10.00001"))
    assert isinstance(rejected, VenueRejected)
    assert rejected.reason == "Account has insufficient balance for requested action."


@pytest.mark.parametrize(
    ("btc", "reason"),
    [("0.000001", "Filter failure: LOT_SIZE"), ("0.09", "Filter failure: NOTIONAL")],
)
def test_s13_the_filters_of_the_instrument_hold(btc: str, reason: str) -> None:
    rejected = venue_at(100).submit("main", order("a", btc=btc))
    assert isinstance(rejected, VenueRejected)
    assert rejected.reason == reason


@pytest.mark.parametrize(
    ("wrong", "code", "reason"),
    [
        (order("a", Side.SELL, OrderType.STOP, stop=100), -2010, "Stop price would trigger immediately."),
        (order("a", type_=OrderType.STOP, stop=99), -2010, "Stop price would trigger immediately."),
        (order("a", type_=OrderType.TAKE_PROFIT, stop=101), -2010, "Stop price would trigger immediately."),
        (
            order("a", type_=OrderType.LIMIT, limit=100, is_post_only=True),
            -2010,
            "Order would immediately match and take.",
        ),
        (order("a", Side.SELL, reduces_only=True), -2022, "ReduceOnly Order is rejected."),
        (
            order("a", type_=OrderType.STOP),
            -1102,
            "Mandatory parameter 'stopPrice' was not sent, was empty/null, or malformed.",
        ),
        (order("a", stop=99), -1106, "Parameter 'stopPrice' sent when not required."),
        (order("a", time_in_force=TimeInForce.GTD, expires_ns=HOUR), -2010, "Order would expire immediately."),
    ],
)
def test_s14_what_a_real_venue_would_refuse_is_refused(wrong: SubmitOrder, code: int, reason: str) -> None:
    venue = venue_at(100)
    before = venue.state_hash()
    rejected = venue.submit("main", wrong)
    assert isinstance(rejected, VenueRejected)
    assert (rejected.code, rejected.reason) == (code, reason)
    assert venue.state_hash() == before


def test_s14_a_list_is_refused_as_a_whole() -> None:
    venue = venue_at(100)
    before = venue.state_hash()
    answers = venue.submit_list("main", protected(order("entry", btc="11"), stop=95, target=110))
    assert [type(answer) for answer in answers] == [VenueRejected] * 3
    assert venue.state_hash() == before


def test_s14_a_post_only_order_ends_where_it_would_take_and_rests_otherwise() -> None:
    venue = venue_at(100)
    venue.submit("main", order("gapped", type_=OrderType.LIMIT, limit=99, is_post_only=True))
    venue.submit("main", order("rests", type_=OrderType.LIMIT, limit=95, is_post_only=True))
    assert told(venue.advance([bar(2, 98, 99, 96, 97)])) == ["gapped expired: it would have taken, and is post-only"]
    assert told(venue.advance([bar(3, 94, 95, 93, 94)])) == ["rests 95.00 x 1 MAKER"], "it was there before the gap"


def test_s15_a_gap_in_the_data_is_crossed_at_the_next_open_and_never_filled_up() -> None:
    venue = holding(venue_at(100), stop=95)
    assert told(venue.advance([bar(9, 80, 85, 79, 84)])) == ["stop 80.00 x 1 TAKER"], "six bars are missing"


def test_s16_a_range_of_quiet_bars_is_skipped_without_a_difference() -> None:
    """The warm-up of indicators is the strategies' matter; the venue has none: its quiet bars change nothing."""
    few, many = holding(venue_at(100), stop=95, target=110), holding(venue_at(100), stop=95, target=110)
    for hour in range(3, 9):
        assert many.advance([bar(hour, 100, 109.99, 95.01, 100)]) == []
    ending = bar(9, 100, 111, 99, 105)
    assert told(few.advance([ending])) == told(many.advance([ending])) == ["target 110.00 x 1 MAKER", CANCELLED_STOP]


# --- S17 to S22 ------------------------------------------------------------------------------------------------------


def test_s17_orders_compete_for_the_cash_by_arrival() -> None:
    venue = venue_at(100, cash=250)
    venue.submit("main", order("first"))
    venue.submit("main", order("second"))
    assert told(venue.advance([flat(2, 130)])) == [
        "first 130.00 x 1 TAKER",
        "second 130.00 x 0.92307 TAKER",
        "second expired: the open is too far from the last close to pay for",
    ]
    assert venue.assumptions()["affordability"].fills == 1


def test_s17_cash_that_is_locked_cannot_be_spent_again() -> None:
    venue = venue_at(100, cash=150)
    venue.submit("main", order("waits", type_=OrderType.LIMIT, limit=90))
    rejected = venue.submit("main", order("late"))
    assert isinstance(rejected, VenueRejected)
    assert rejected.code == -2010


def test_s18_the_same_history_gives_the_same_venue() -> None:
    def play() -> str:
        venue = holding(venue_at(100), stop=95, target=110)
        venue.advance([bar(3, 100, 111, 94, 105)])
        return venue.state_hash()

    assert play() == play()


def test_s19_an_order_that_ends_at_a_time_does_not_outlive_an_outage() -> None:
    venue = venue_at(100)
    ends = 5 * HOUR
    venue.submit("main", order("a", type_=OrderType.LIMIT, limit=95, time_in_force=TimeInForce.GTD, expires_ns=ends))
    ((_, closed),) = venue.advance([bar(9, 100, 101, 90, 95)])
    assert isinstance(closed, VenueClosed)
    assert (closed.expired, closed.ts_ns, closed.reason) == (True, ends, "its time is over")


def test_s19_an_order_that_ends_within_a_bar_is_good_for_its_open_only() -> None:
    venue = venue_at(100)
    halfway = 2 * HOUR - HOUR // 2
    venue.submit("main", order("a", type_=OrderType.LIMIT, limit=95, time_in_force=TimeInForce.GTD, expires_ns=halfway))
    assert told(venue.advance([bar(2, 100, 101, 90, 95)])) == ["a expired: its time is over"]


def test_s20_what_we_trade_does_not_move_later_prices() -> None:
    rules = VenueRules(fee_rate_ppb=0, slippage_ppb=0, slippage_model=SlippageModel.LINEAR, impact_ppb=50 * ONE_PERCENT)
    venue = venue_at(100, rules)
    venue.submit("main", order("moves it by half"))
    assert only_fill(venue.advance([flat(2, 100, volume="1")])).ticks == 15_000
    venue.submit("main", order("back", Side.SELL))
    assert only_fill(venue.advance([flat(3, 100, volume="1000000")])).ticks == 9_999, "the bar is as recorded"


def test_s21_an_order_is_matched_with_what_it_missed() -> None:
    """A venue that comes back reads its journal: the same commands and bars, so the same orders in the same state."""
    interrupted = holding(venue_at(100), stop=95, target=110)
    again = holding(venue_at(100), stop=95, target=110)
    assert interrupted.state_hash() == again.state_hash()
    missed = [bar(3, 100, 104, 96, 103), bar(4, 103, 104, 94, 95)]
    assert [told(again.advance([each])) for each in missed] == [[], ["stop 95.00 x 1 TAKER", CANCELLED_TARGET]]


def test_s22_an_order_that_only_reduces_is_cut_to_what_is_held() -> None:
    venue = holding(venue_at(100), "1")
    venue.submit("main", order("out", Side.SELL, btc="3", reduces_only=True))
    assert told(venue.advance([flat(3, 100)])) == ["out 100.00 x 1 TAKER"]
    assert venue.balances("main")["BTC"].free == 0


def test_s22_selling_what_is_not_held_is_refused_unless_the_instrument_can_be_shorted() -> None:
    assert isinstance(venue_at(100).submit("main", order("short", Side.SELL)), VenueRejected)
    assert isinstance(venue_at(100, instrument=SHORTABLE).submit("main", order("short", Side.SELL)), VenueAccepted)


def test_s22_a_short_is_backed_by_its_proceeds_and_as_much_again_until_it_is_bought_back() -> None:
    venue = venue_at(100, instrument=SHORTABLE)
    venue.submit_list("main", protected(order("entry", Side.SELL), stop=120, target=80))
    assert told(venue.advance([flat(2, 100)])) == ["entry 100.00 x 1 TAKER"]
    cash = venue.balances("main")["USD"]
    assert (cash.free, cash.locked) == (900 * USD, 200 * USD)
    assert venue.balances("main")["BTC"].free == -BTC.lots("1")

    assert told(venue.advance([bar(3, 100, 101, 79, 90)])) == ["target 80.00 x 1 MAKER", CANCELLED_STOP]
    cash = venue.balances("main")["USD"]
    assert (cash.free, cash.locked) == (1_020 * USD, 0)
    assert venue.balances("main")["BTC"].free == 0


def test_s22_the_worst_of_a_short_comes_first_too() -> None:
    venue = venue_at(100, instrument=SHORTABLE)
    venue.submit_list("main", protected(order("entry", Side.SELL), stop=120, target=80))
    venue.advance([flat(2, 100)])
    assert told(venue.advance([bar(3, 100, 121, 79, 90)])) == ["stop 120.00 x 1 TAKER", CANCELLED_TARGET]


# --- lists -----------------------------------------------------------------------------------------------------------


def test_an_entry_that_ends_without_a_fill_takes_its_legs_with_it() -> None:
    venue = venue_at(100)
    entry = order("entry", type_=OrderType.LIMIT, limit=90, time_in_force=TimeInForce.IOC)
    venue.submit_list("main", protected(entry, stop=80, target=110))
    pending = venue.order("main", "BTC-USD", "target")
    assert pending is not None
    assert pending.state is OrderState.PENDING
    assert told(venue.advance([flat(2, 100)])) == [
        "entry expired: not fillable at the open",
        "stop expired: the order it waited for ended without a fill",
        "target expired: the order it waited for ended without a fill",
    ]


def test_cancelling_one_leg_cancels_its_list_and_frees_what_it_locked() -> None:
    venue = holding(venue_at(100), stop=95, target=110)
    reports = venue.cancel_list("main", "BTC-USD", "target")
    assert [_told(report) for report in reports] == [
        "target cancelled: cancelled by the client",
        "stop cancelled: cancelled by the client",
    ]
    assert venue.balances("main")["BTC"].locked == 0
    assert venue.open_orders("main") == ()


def test_cancelling_a_resting_entry_reports_its_legs_as_expired() -> None:
    venue = venue_at(100)
    venue.submit_list("main", protected(order("entry", type_=OrderType.LIMIT, limit=90), stop=80))
    cancelled, *others = venue.cancel_list("main", "BTC-USD", "entry")
    assert isinstance(cancelled, VenueClosed)
    assert venue.balances("main")["USD"].locked == 0
    assert told([("main", report) for report in others]) == [
        "stop expired: the order it waited for ended without a fill"
    ]


def test_two_orders_without_an_entry_lock_once_and_cancel_each_other() -> None:
    venue = holding(venue_at(100))
    legs = protected(order("unused", btc="1"), stop=95, target=110).pending
    accepted = venue.submit_list("main", SubmitOrderList(working=None, pending=legs))
    assert [type(answer) for answer in accepted] == [VenueAccepted] * 2
    assert venue.balances("main")["BTC"].locked == BTC.lots("1")
    assert told(venue.advance([bar(3, 100, 111, 99, 105)])) == ["target 110.00 x 1 MAKER", CANCELLED_STOP]


def test_legs_of_another_size_than_their_entry_are_refused() -> None:
    legs = protected(order("unused", btc="2"), stop=95).pending
    (first, _) = venue_at(100).submit_list("main", SubmitOrderList(working=order("entry"), pending=legs))
    assert isinstance(first, VenueRejected)
    assert first.code == -1165


def test_rules_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InvalidValue, match="fixed slippage has no impact_ppb"):
        VenueRules(fee_rate_ppb=0, slippage_ppb=0, impact_ppb=1)
    with pytest.raises(InvalidValue, match="participation_ppb must be at least 1"):
        VenueRules(fee_rate_ppb=0, slippage_ppb=0, participation_ppb=0)


def test_a_maker_is_told_from_a_taker() -> None:
    venue = holding(venue_at(100), stop=95, target=110)
    fill = only_fill(venue.advance([bar(3, 100, 111, 99, 105)]))
    assert fill.liquidity is Liquidity.MAKER

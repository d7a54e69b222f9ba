"""Whatever the orders, the bars and the rules of the venue: costs cost, caps cap, and nothing comes from nowhere."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.events import BarClosed, SubmitOrder, SubmitOrderList, VenueFilled, VenueReport
from n1v1.ids import ClientOrderId
from n1v1.simulation.rules import IntrabarPath, SlippageModel, TouchRule
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import PPB, Instrument, OrderType, Side, TimeInForce

HOUR = 3_600_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD", min_notional=1)
CASH = 50_000_000_000_000
STEP = 1_000_000
START = 10_000

limited = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
stopped = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
distances = st.integers(-300, 300)


@dataclass(frozen=True)
class Wanted:
    """An order relative to the last close, because the generator does not know it."""

    side: Side
    type: OrderType
    steps: int
    limit: int
    stop: int
    time_in_force: TimeInForce
    is_post_only: bool
    reduces_only: bool

    def order(self, name: str, last: int, now_ns: int) -> SubmitOrder:
        return SubmitOrder(
            client_order_id=ClientOrderId(name),
            symbol="BTC-USD",
            side=self.side,
            type=self.type,
            lots=self.steps * STEP,
            limit_ticks=max(1, last + self.limit) if self.type in limited else None,
            stop_ticks=max(1, last + self.stop) if self.type in stopped else None,
            trail_ppb=abs(self.stop) * 100_000 + 1 if self.type is OrderType.TRAILING_STOP else None,
            time_in_force=self.time_in_force,
            expires_ns=now_ns + 3 * HOUR // 2 if self.time_in_force is TimeInForce.GTD else None,
            is_post_only=self.is_post_only and self.type is OrderType.LIMIT,
            reduces_only=self.reduces_only,
        )

    def protected(self, name: str, last: int, now_ns: int) -> SubmitOrderList:
        entry = replace(self.order(name, last, now_ns), reduces_only=False)
        away = -self.side.sign
        leg = replace(
            entry,
            side=Side.SELL if self.side is Side.BUY else Side.BUY,
            time_in_force=TimeInForce.GTC,
            trail_ppb=None,
            expires_ns=None,
            is_post_only=False,
            reduces_only=True,
        )
        stop_ticks = max(1, last + away * (abs(self.stop) + 1))
        target_ticks = max(1, last - away * (abs(self.limit) + 1))
        stop = replace(leg, type=OrderType.STOP, stop_ticks=stop_ticks, limit_ticks=None)
        target = replace(leg, type=OrderType.LIMIT, stop_ticks=None, limit_ticks=target_ticks)
        legs = (
            replace(stop, client_order_id=ClientOrderId(f"{name}-stop")),
            replace(target, client_order_id=ClientOrderId(f"{name}-target")),
        )
        return SubmitOrderList(working=entry, pending=legs)


wanted = st.builds(
    Wanted,
    side=st.sampled_from([Side.BUY, Side.BUY, Side.SELL]),
    type=st.sampled_from(OrderType),
    steps=st.integers(1, 2_000),
    limit=distances,
    stop=distances,
    time_in_force=st.sampled_from([TimeInForce.GTC, *TimeInForce]),
    is_post_only=st.booleans(),
    reduces_only=st.booleans(),
)
moves = st.tuples(distances, distances, distances, distances, st.integers(0, 3_000))


@dataclass(frozen=True)
class Step:
    """What is sent at a close, and the bar that follows it."""

    sent: Wanted | None
    is_list: bool
    cancels: int
    move: tuple[int, int, int, int, int]


steps = st.lists(
    st.builds(
        Step,
        sent=st.none() | wanted,
        is_list=st.booleans(),
        cancels=st.integers(0, 30),
        move=moves,
    ),
    max_size=25,
)
rates = st.integers(0, 20_000_000)
rules = st.builds(
    VenueRules,
    fee_rate_ppb=rates,
    maker_fee_rate_ppb=st.none() | rates,
    min_fee=st.sampled_from([0, 10_000_000]),
    slippage_ppb=rates,
    slippage_model=st.just(SlippageModel.FIXED),
    latency_ns=st.sampled_from([0, 1]),
    participation_ppb=st.none() | st.integers(1, PPB),
    path=st.sampled_from(IntrabarPath),
    touch=st.sampled_from(TouchRule),
    queue_ppb=st.integers(0, PPB),
)
rules |= st.builds(
    VenueRules,
    fee_rate_ppb=rates,
    slippage_ppb=rates,
    slippage_model=st.sampled_from([SlippageModel.LINEAR, SlippageModel.SQUARE_ROOT]),
    impact_ppb=rates,
    participation_ppb=st.none() | st.integers(1, PPB),
)


@dataclass
class Play:
    """A venue that plays steps and keeps what it was told, bar by bar."""

    venue: SimulatedVenue
    last: int = START
    hour: int = 1

    @classmethod
    def under(cls, rules: VenueRules) -> Play:
        play = cls(SimulatedVenue([BTC], rules))
        play.venue.open_account("main", CASH)
        play.venue.advance([play.next_bar((0, 0, 0, 0, 1_000))])
        return play

    def next_bar(self, move: tuple[int, int, int, int, int]) -> BarClosed:
        four = [max(1, self.last + distance) for distance in move[:4]]
        self.hour += 1
        return BarClosed(
            id=f"bar:{self.hour}",
            ts_ns=self.hour * HOUR,
            symbol="BTC-USD",
            timeframe="1h",
            open_ns=(self.hour - 1) * HOUR,
            open=four[0],
            high=max(four),
            low=min(four),
            close=four[3],
            volume=move[4] * STEP,
        )

    def send(self, step: Step) -> None:
        name, now_ns = f"o{self.hour}", self.hour * HOUR
        if step.sent is not None and step.is_list:
            self.venue.submit_list("main", step.sent.protected(name, self.last, now_ns))
        elif step.sent is not None:
            self.venue.submit("main", step.sent.order(name, self.last, now_ns))
        self.venue.cancel_list("main", "BTC-USD", f"o{step.cancels}")

    def see(self, bar: BarClosed) -> list[VenueReport]:
        self.last = bar.close
        return [report for _, report in self.venue.advance([bar])]

    def step(self, step: Step) -> list[VenueReport]:
        self.send(step)
        return self.see(self.next_bar(step.move))

    @property
    def equity(self) -> int:
        balances = self.venue.balances("main")
        held = balances["BTC"].free + balances["BTC"].locked
        return balances["USD"].free + balances["USD"].locked + self.last * held // BTC.notional_divisor

    @property
    def position(self) -> int:
        balance = self.venue.balances("main")["BTC"]
        return balance.free + balance.locked


@settings(max_examples=120, deadline=None)
@given(rules, steps)
def test_balances_follow_from_executions_and_locks(rules: VenueRules, history: list[Step]) -> None:
    play = Play.under(rules)
    for step in history:
        play.step(step)
        cash, lots = CASH, 0
        for trade in play.venue.trades("main", "BTC-USD"):
            cash -= trade.side.sign * trade.value + trade.fee
            lots += trade.side.sign * trade.lots
        locked = {side: sum(o.locked for o in play.venue.open_orders("main") if o.side is side) for side in Side}
        balances = play.venue.balances("main")
        assert (balances["USD"].free + balances["USD"].locked, balances["USD"].locked) == (cash, locked[Side.BUY])
        assert (balances["BTC"].free + balances["BTC"].locked, balances["BTC"].locked) == (lots, locked[Side.SELL])


@settings(max_examples=120, deadline=None)
@given(rules, steps)
def test_nobody_earns_where_prices_stand_still(rules: VenueRules, history: list[Step]) -> None:
    play = Play.under(rules)
    for step in history:
        play.step(replace(step, move=(0, 0, 0, 0, step.move[4])))
        assert play.equity <= CASH


@settings(max_examples=120, deadline=None)
@given(rules, steps)
def test_fills_of_a_bar_stay_within_the_cap(rules: VenueRules, history: list[Step]) -> None:
    play = Play.under(rules)
    for step in history:
        filled = sum(report.lots for report in play.step(step) if isinstance(report, VenueFilled))
        if rules.participation_ppb is not None:
            assert filled <= step.move[4] * STEP * rules.participation_ppb // PPB


@settings(max_examples=120, deadline=None)
@given(rules, steps)
def test_an_order_fills_no_more_than_it_asked_for_and_never_beyond_its_limit(
    rules: VenueRules, history: list[Step]
) -> None:
    play = Play.under(rules)
    for step in history:
        play.step(step)
    filled: dict[int, int] = defaultdict(int)
    for trade in play.venue.trades("main", "BTC-USD"):
        filled[trade.order_number] += trade.lots
        limit = play.venue.orders[trade.order_number - 1].limit_ticks
        assert limit is None or (limit - trade.ticks) * trade.side.sign >= 0
    for order in play.venue.orders:
        assert order.filled_lots == filled[order.number] <= order.lots
        assert order.is_open or order.locked == 0


@settings(max_examples=120, deadline=None)
@given(rules, steps)
def test_what_only_reduces_never_makes_a_position_larger_and_legs_never_sell_more_than_their_entry_bought(
    rules: VenueRules, history: list[Step]
) -> None:
    play = Play.under(rules)
    for step in history:
        play.step(step)
        assert play.position >= 0, "long only"
    by_list: dict[int, int] = defaultdict(int)
    for order in play.venue.orders:
        if order.list_number is not None:
            by_list[order.list_number] += order.side.sign * order.filled_lots
        if order.record.reduces_only and order.side is Side.BUY:
            assert order.filled_lots == 0, "there is no short to reduce"
    for number, lots in by_list.items():
        assert lots * play.venue.orders[number - 1].side.sign >= 0


@settings(max_examples=60, deadline=None)
@given(rules, steps, st.integers(0, 25))
def test_bars_that_come_later_change_nothing_that_was_told(rules: VenueRules, history: list[Step], cut: int) -> None:
    whole, part = Play.under(rules), Play.under(rules)
    told = [whole.step(step) for step in history]
    assert [part.step(step) for step in history[:cut]] == told[:cut]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 100), moves), max_size=20),
    st.tuples(rates, rates),
    st.tuples(rates, rates),
)
def test_dearer_trading_never_ends_richer(
    trades: list[tuple[bool, int, tuple[int, int, int, int, int]]], fees: tuple[int, int], slips: tuple[int, int]
) -> None:
    """With enough cash for every order, the same orders fill; only their price differs."""

    def equity(fee: int, slip: int) -> int:
        play = Play.under(VenueRules(fee_rate_ppb=fee, slippage_ppb=slip))
        for buys, size, move in trades:
            side = Side.BUY if buys else Side.SELL
            play.step(Step(sent=replace(MARKET, side=side, steps=size), is_list=False, cancels=0, move=move))
        return play.equity

    assert equity(max(fees), max(slips)) <= equity(min(fees), min(slips))


MARKET = Wanted(
    side=Side.BUY,
    type=OrderType.MARKET,
    steps=1,
    limit=0,
    stop=0,
    time_in_force=TimeInForce.GTC,
    is_post_only=False,
    reduces_only=False,
)

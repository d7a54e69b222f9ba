"""The books worked by hand, and that they balance whatever happens."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import LedgerImbalance
from n1v1.events import BarClosed, EquityMarked, Event, FillsComplete, OrderFilled, PositionChanged
from n1v1.ids import FillId, OrderId, TradeId
from n1v1.pipeline import bars_complete
from n1v1.portfolio import ledger
from n1v1.portfolio.ledger import Entry, Transaction
from n1v1.portfolio.positions import Position, book_trade
from n1v1.portfolio.stage import Portfolio
from n1v1.values import Instrument, Liquidity, Side

HOUR = 3_600_000_000_000
USD = 100_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")


def portfolio(*, cash: int = 10_000) -> Portfolio:
    return Portfolio(account="main", instruments=(BTC, ETH), initial_cash=cash * USD)


def bar(hour: int, cents: int, *, symbol: str = "BTC-USD") -> BarClosed:
    return BarClosed(
        id=f"bar:{symbol}@{hour}",
        ts_ns=hour * HOUR,
        symbol=symbol,
        timeframe="1h",
        open_ns=(hour - 1) * HOUR,
        open=cents,
        high=cents,
        low=cents,
        close=cents,
        volume=1,
    )


def fills_complete(hour: int, *, account: str = "main") -> FillsComplete:
    return FillsComplete(id=f"fills:{hour}", ts_ns=hour * HOUR, account=account)


def fill(
    number: int, side: Side, lots: int, cents: int, *, fee: int = 0, symbol: str = "BTC-USD", account: str = "main"
) -> OrderFilled:
    return OrderFilled(
        id=f"filled:{number}",
        ts_ns=number,
        order_id=OrderId(f"o-{number}"),
        account=account,
        symbol=symbol,
        fill_id=FillId(f"sim:{symbol}:{number}"),
        trade_id=TradeId(str(number)),
        instance="cross",
        side=side,
        lots=lots,
        ticks=cents,
        value=lots * cents // 100,
        fee=fee,
        liquidity=Liquidity.TAKER,
        is_final=True,
    )


def close(stage: Portfolio, hour: int, *bars: BarClosed) -> EquityMarked:
    events: list[Event] = [*bars, bars_complete(hour * HOUR, bars, hour), fills_complete(hour)]
    (marked,) = [said for event in events for said in stage.handle(event)]
    assert isinstance(marked, EquityMarked)
    return marked


fills = st.builds(
    lambda side, steps, cents, fee, symbol: (side, steps * 1_000, cents, fee, symbol),
    st.sampled_from(list(Side)),
    st.integers(1, 10**6),
    st.integers(1, 10**7),
    st.integers(0, 10**9),
    st.sampled_from(["BTC-USD", "ETH-USD"]),
)


def heard(trades: Iterable[tuple[Side, int, int, int, str]]) -> list[OrderFilled]:
    return [
        fill(number, side, lots, cents, fee=fee, symbol=symbol)
        for number, (side, lots, cents, fee, symbol) in enumerate(trades, start=1)
    ]


class TestAverageCost:
    def test_buying_more_adds_up_and_selling_a_part_takes_its_share(self) -> None:
        position = Position()
        book_trade(position, lots=1_000, value=10_000, fee=10)
        book_trade(position, lots=3_000, value=38_000, fee=38)
        assert position == Position(lots=4_000, cost=48_000, realised=0, fees=48)
        # a quarter of 48,000 cost 12,000 and brings 15,000
        book_trade(position, lots=-1_000, value=-15_000, fee=15)
        assert position == Position(lots=3_000, cost=36_000, realised=3_000, fees=63)
        book_trade(position, lots=-3_000, value=-30_000, fee=30)
        assert position == Position(lots=0, cost=0, realised=-3_000, fees=93)

    def test_a_short_earns_when_the_price_falls(self) -> None:
        position = Position()
        book_trade(position, lots=-2_000, value=-20_000, fee=0)
        assert position == Position(lots=-2_000, cost=-20_000)
        book_trade(position, lots=1_000, value=8_000, fee=0)
        assert position == Position(lots=-1_000, cost=-10_000, realised=2_000)

    def test_one_trade_can_close_a_long_and_open_a_short(self) -> None:
        position = Position()
        book_trade(position, lots=1_000, value=10_000, fee=0)
        # 3,000 for 36,000: a third closes the long for 12,000, the rest is short for 24,000
        book_trade(position, lots=-3_000, value=-36_000, fee=5)
        assert position == Position(lots=-2_000, cost=-24_000, realised=2_000, fees=5)

    def test_one_trade_can_close_a_short_and_open_a_long(self) -> None:
        position = Position()
        book_trade(position, lots=-1_000, value=-10_000, fee=0)
        book_trade(position, lots=3_000, value=27_000, fee=0)
        assert position == Position(lots=2_000, cost=18_000, realised=1_000)

    def test_what_does_not_divide_is_booked_against_us(self) -> None:
        long = Position(lots=3, cost=100)
        book_trade(long, lots=-1, value=-40, fee=0)
        assert long == Position(lots=2, cost=66, realised=6)  # a third of 100 is 33.33: it cost 34
        short = Position(lots=-3, cost=-100)
        book_trade(short, lots=1, value=30, fee=0)
        assert short == Position(lots=-2, cost=-67, realised=3)  # it brought 33.33: it brought 33

    @given(st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 1_000)), max_size=30))
    def test_cost_and_profit_account_for_every_quantum(self, trades: list[tuple[int, int]]) -> None:
        position, value, exact = Position(), 0, ExactPosition()
        for lots, price in trades:
            book_trade(position, lots=lots, value=lots * price, fee=1)
            exact.trade(lots, Fraction(price))
            value += lots * price
        assert position.lots == sum(lots for lots, _ in trades)
        assert position.fees == len(trades)
        assert position.cost - position.realised == value
        assert position.realised <= exact.realised
        assert position.realised > exact.realised - 2 * len(trades) - 1
        if position.lots == 0:
            assert position.cost == 0


class ExactPosition:
    """The same rule in fractions."""

    def __init__(self) -> None:
        self.lots, self.average, self.realised = 0, Fraction(0), Fraction(0)

    def trade(self, lots: int, price: Fraction) -> None:
        closing = min(abs(lots), abs(self.lots)) if lots * self.lots < 0 else 0
        self.realised += closing * (price - self.average) * (1 if self.lots > 0 else -1)
        opening = abs(lots) - closing
        if opening and not closing:
            self.average = (self.average * abs(self.lots) + price * opening) / (abs(self.lots) + opening)
        elif opening:
            self.average = price
        self.lots += lots


class TestTheLedger:
    def test_a_fill_moves_base_against_quote_and_pays_the_fee(self) -> None:
        transaction = ledger.fill(fill(1, Side.BUY, 10_000_000, 1_000_000, fee=7), BTC)
        assert transaction.id == "sim:BTC-USD:1"
        assert transaction.entries == (
            Entry("assets:position:BTC-USD", "BTC", 10_000_000),
            Entry("trading:BTC-USD", "BTC", -10_000_000),
            Entry("assets:cash", "USD", -1_000 * USD),
            Entry("trading:BTC-USD", "USD", 1_000 * USD),
            Entry("assets:cash", "USD", -7),
            Entry("expenses:fees", "USD", 7),
        )

    def test_what_does_not_balance_cannot_exist(self) -> None:
        with pytest.raises(LedgerImbalance, match=r"transaction t does not balance: \{'BTC': 1\}"):
            Transaction("t", 1, (Entry("a", "USD", 5), Entry("b", "USD", -5), Entry("a", "BTC", 1)))

    def test_the_deposit_comes_first_and_once(self) -> None:
        stage = portfolio()
        assert stage.take_transactions() == []
        stage.handle(fill(1, Side.BUY, 1_000, 100))
        stage.handle(fill(2, Side.BUY, 1_000, 100))
        assert [t.id for t in stage.take_transactions()] == ["deposit:main", "sim:BTC-USD:1", "sim:BTC-USD:2"]
        assert stage.take_transactions() == []
        stage.handle(fill(3, Side.SELL, 1_000, 100))
        assert [t.id for t in stage.take_transactions()] == ["sim:BTC-USD:3"]

    @given(st.lists(fills, min_size=1, max_size=20))
    def test_it_sums_to_zero_and_agrees_with_the_account(self, trades: list[tuple[Side, int, int, int, str]]) -> None:
        stage = portfolio()
        for filled in heard(trades):
            stage.handle(filled)
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for transaction in stage.take_transactions():
            for entry in transaction.entries:
                sums[entry.account, entry.asset] += entry.amount
        for asset in ("USD", "BTC", "ETH"):
            assert sum(amount for (_, of), amount in sums.items() if of == asset) == 0
        marked = close(stage, 1, bar(1, 100), bar(1, 100, symbol="ETH-USD"))
        assert sums["assets:cash", "USD"] == marked.cash
        assert sums["expenses:fees", "USD"] == marked.fees
        for symbol, lots, _ in marked.positions:
            assert sums[f"assets:position:{symbol}", symbol.removesuffix("-USD")] == lots


class TestEquity:
    def test_worked_by_hand(self) -> None:
        stage = portfolio()
        # 0.1 BTC at 10,000.00 for a fee of 1 dollar; it closes at 10,500.00
        (changed,) = stage.handle(fill(1, Side.BUY, 10_000_000, 1_000_000, fee=USD))
        assert isinstance(changed, PositionChanged)
        assert (changed.lots, changed.cost, changed.realised, changed.fees) == (10_000_000, 1_000 * USD, 0, USD)
        marked = close(stage, 1, bar(1, 1_050_000), bar(1, 50_000, symbol="ETH-USD"))
        assert (marked.cash, marked.equity, marked.fees) == (8_999 * USD, 10_049 * USD, USD)
        assert marked.peak == 10_049 * USD
        assert marked.positions == (("BTC-USD", 10_000_000, 1_050_000), ("ETH-USD", 0, 50_000))
        assert marked.id == f"equity:main:{HOUR}"
        # it is sold at 9,000.00 for a fee of 1 dollar: 900 back
        (sold,) = stage.handle(fill(2, Side.SELL, 10_000_000, 900_000, fee=USD))
        assert isinstance(sold, PositionChanged)
        assert (sold.lots, sold.cost, sold.realised) == (0, 0, -100 * USD)
        marked = close(stage, 2, bar(2, 900_000))
        assert (marked.cash, marked.equity, marked.fees) == (9_898 * USD, 9_898 * USD, 2 * USD)
        assert marked.peak == 10_049 * USD

    @given(st.lists(fills, max_size=20), st.integers(1, 10**7), st.integers(1, 10**7))
    def test_it_is_cash_plus_marked_positions_after_any_fills(
        self, trades: list[tuple[Side, int, int, int, str]], btc: int, eth: int
    ) -> None:
        stage = portfolio()
        for filled in heard(trades):
            stage.handle(filled)
        marked = close(stage, 1, bar(1, btc), bar(1, eth, symbol="ETH-USD"))
        paid = sum(side.sign * lots * cents // 100 + fee for side, lots, cents, fee, _ in trades)
        assert marked.cash == 10_000 * USD - paid
        assert marked.equity == marked.cash + sum(lots * ticks // 100 for _, lots, ticks in marked.positions)
        assert marked.peak == max(10_000 * USD, marked.equity)

    def test_a_symbol_without_a_bar_keeps_its_last_mark(self) -> None:
        stage = portfolio()
        close(stage, 1, bar(1, 1_000_000), bar(1, 50_000, symbol="ETH-USD"))
        marked = close(stage, 2, bar(2, 1_100_000))
        assert marked.positions == (("BTC-USD", 0, 1_100_000), ("ETH-USD", 0, 50_000))

    def test_a_bar_of_a_foreign_symbol_marks_nothing(self) -> None:
        assert close(portfolio(), 1, bar(1, 5, symbol="XRP-USD")).positions == ()


class TestWhenItMarks:
    def test_only_when_bars_and_fills_of_a_time_are_complete(self) -> None:
        for first, second in ((True, False), (False, True)):
            stage = portfolio()
            stage.handle(bar(1, 100))
            events: list[Event] = [bars_complete(HOUR, (), 1), fills_complete(1)]
            assert stage.handle(events[0 if first else 1]) == []
            assert len(stage.handle(events[0 if second else 1])) == 1

    def test_a_time_is_marked_once(self) -> None:
        stage = portfolio()
        close(stage, 1, bar(1, 100))
        assert stage.handle(bars_complete(HOUR, (), 1)) == []
        assert stage.handle(fills_complete(1)) == []

    def test_the_bars_of_the_next_time_do_not_mark_this_one(self) -> None:
        stage = portfolio()
        for hour in (1, 2):
            stage.handle(bar(hour, hour * 100))
            assert stage.handle(bars_complete(hour * HOUR, (), hour)) == []
        (one,) = stage.handle(fills_complete(1))
        assert isinstance(one, EquityMarked)
        assert one.positions == (("BTC-USD", 0, 100),)
        (two,) = stage.handle(fills_complete(2))
        assert isinstance(two, EquityMarked)
        assert two.positions == (("BTC-USD", 0, 200),)

    def test_late_fills_mark_every_time_that_waited_oldest_first(self) -> None:
        stage = portfolio()
        for hour in (2, 1, 3):
            stage.handle(bars_complete(hour * HOUR, (), hour))
        assert [event.ts_ns // HOUR for event in stage.handle(fills_complete(2))] == [1, 2]

    def test_other_accounts_are_not_ours(self) -> None:
        stage = portfolio()
        before = stage.snapshot()
        assert stage.handle(fill(1, Side.BUY, 1_000, 100, account="other")) == []
        assert stage.handle(fills_complete(1, account="other")) == []
        assert stage.snapshot() == before


class TestRestarting:
    @given(st.lists(fills, min_size=1, max_size=8), st.data())
    def test_at_any_point_it_changes_nothing(
        self, trades: list[tuple[Side, int, int, int, str]], data: st.DataObject
    ) -> None:
        events: list[Event] = []
        for hour, filled in enumerate(heard(trades), start=1):
            events += [filled, bar(hour, 100 + hour), bars_complete(hour * HOUR, (), hour), fills_complete(hour)]
        cut = data.draw(st.integers(0, len(events)))
        reference, restarted = portfolio(), portfolio()
        said: list[Event] = []
        booked: list[Transaction] = []
        for position, event in enumerate(events):
            if position == cut:
                booked += restarted.take_transactions()
                saved = json.loads(json.dumps(restarted.snapshot()))
                restarted = portfolio()
                restarted.restore(saved)
            said += restarted.handle(event)
        assert said == [answer for event in events for answer in reference.handle(event)]
        assert booked + restarted.take_transactions() == reference.take_transactions()
        assert restarted.snapshot() == reference.snapshot()

    def test_what_a_later_release_saved_of_the_messages_that_wait_is_left_out(self) -> None:
        later, taken_back = portfolio(), portfolio()
        later.handle(bar(1, 100))
        later.handle(bars_complete(HOUR, (), 1))
        saved = later.snapshot()
        [message] = saved["bars"]
        message["release"] = "next"
        taken_back.restore(saved)
        said = taken_back.handle(fills_complete(1))
        assert [type(event) for event in said] == [EquityMarked]
        assert said == later.handle(fills_complete(1))

    def test_a_snapshot_is_not_changed_by_what_comes_after(self) -> None:
        stage, again = portfolio(), portfolio()
        close(stage, 1, bar(1, 100))
        stage.handle(bar(2, 200))
        stage.handle(fill(1, Side.BUY, 1_000, 100))
        taken = stage.snapshot()
        kept = json.dumps(taken)
        again.restore(taken)
        for one in (stage, again):
            one.handle(bar(2, 300, symbol="ETH-USD"))
            one.handle(fill(2, Side.BUY, 1_000, 100))
            close(one, 2, bar(2, 300))
        assert json.dumps(taken) == kept

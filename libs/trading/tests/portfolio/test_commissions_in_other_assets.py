"""A venue may take its commission in what was bought, or in an asset that is not traded at all."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from n1v1.events import EquityMarked, OrderFilled, PositionChanged
from n1v1.ids import FillId, OrderId, TradeId
from n1v1.pipeline import bars_complete
from n1v1.portfolio import ledger
from n1v1.portfolio.stage import Portfolio
from n1v1.values import Instrument, Liquidity, Side

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ONE = 100_000_000
"""Lots of one BTC, and quanta of one USD."""

BOUGHT = OrderFilled(
    id="filled:1",
    ts_ns=1,
    order_id=OrderId("o-1"),
    account="main",
    symbol="BTC-USD",
    fill_id=FillId("binance:BTC-USD:1"),
    trade_id=TradeId("1"),
    instance="cross",
    side=Side.BUY,
    lots=ONE,
    ticks=10_000,
    value=100 * ONE,
    fee=0,
    liquidity=Liquidity.TAKER,
    is_final=True,
    base_fee_lots=ONE // 1_000,
)


def test_a_commission_of_a_thousandth_in_the_base_asset_leaves_so_much_less_of_it() -> None:
    """100 USD buy one BTC at 100, of which the venue keeps 0.001: worth 0.10 USD, which is the fee."""
    books = Portfolio(account="main", instruments=[BTC], initial_cash=1_000 * ONE)
    (changed,) = books.handle(BOUGHT)
    assert isinstance(changed, PositionChanged)
    assert (changed.lots, changed.cost, changed.realised, changed.fees) == (
        ONE - ONE // 1_000,
        99 * ONE + 9 * ONE // 10,
        0,
        ONE // 10,
    )
    assert books.cash == 900 * ONE


def test_both_kinds_of_commission_are_entries_that_balance() -> None:
    transaction = ledger.fill(replace(BOUGHT, other_fee=75_000, other_fee_asset="BNB"), BTC)
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for entry in transaction.entries:
        sums[entry.account, entry.asset] += entry.amount
    assert sums[ledger.position_account("BTC-USD"), "BTC"] == ONE - ONE // 1_000
    assert sums[ledger.FEES, "BTC"] == ONE // 1_000
    assert sums[ledger.asset_account("BNB"), "BNB"] == -75_000
    assert sums[ledger.FEES, "BNB"] == 75_000


@given(
    trades=st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 50), st.integers(1, 20_000), st.integers(0, 1_000)),
        min_size=1,
        max_size=20,
    )
)
def test_equity_is_what_was_paid_in_and_every_gain_less_every_fee(trades: list[tuple[Side, int, int, int]]) -> None:
    """Marked at the last price: initial + realised + (value - cost) - fees, whatever the fees were taken in."""
    books = Portfolio(account="main", instruments=[BTC], initial_cash=ONE)
    for number, (side, size, ticks, base_fee) in enumerate(trades):
        lots = size * 1_000
        filled = replace(
            BOUGHT,
            id=f"filled:{number}",
            fill_id=FillId(str(number)),
            side=side,
            lots=lots,
            ticks=ticks,
            value=lots * ticks // 100,
            base_fee_lots=base_fee * 100,
        )
        (changed,) = books.handle(filled)
    assert isinstance(changed, PositionChanged)
    books._marks["BTC-USD"] = ticks
    books._value_account()
    marked = books.marked(bars_complete(1, (), 1))
    assert isinstance(marked, EquityMarked)
    value = changed.lots * ticks // 100
    assert marked.equity == ONE + changed.realised + value - changed.cost - changed.fees

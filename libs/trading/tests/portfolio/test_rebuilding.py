"""The books that follow from the ledger are those that the portfolio stage has kept all along."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidData
from n1v1.events import OrderFilled
from n1v1.ids import FillId, OrderId, TradeId
from n1v1.portfolio.ledger import CASH, Entry, Transaction, deposit, fill
from n1v1.portfolio.positions import Position
from n1v1.portfolio.rebuilding import Books, rebuilt
from n1v1.portfolio.stage import Portfolio
from n1v1.values import Instrument, Liquidity, Side

ONE = 100_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD", can_short=True)
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")


def filled(number: int, symbol: str, side: Side, steps: int, ticks: int, base_fee_steps: int = 0) -> OrderFilled:
    instrument = BTC if symbol == "BTC-USD" else ETH
    lots = steps * instrument.step_lots
    value = ticks * lots // instrument.notional_divisor
    return OrderFilled(
        id=f"fill:{number}",
        ts_ns=1_000 + number // 3,
        order_id=OrderId(f"order-{number}"),
        account="main",
        symbol=symbol,
        fill_id=FillId(f"sim:{symbol}:{number}"),
        trade_id=TradeId(str(number)),
        instance="cross",
        side=side,
        lots=lots,
        ticks=ticks,
        value=value,
        fee=0 if base_fee_steps else value // 1_000,
        base_fee_lots=base_fee_steps if base_fee_steps < lots else 0,
        liquidity=Liquidity.TAKER,
        is_final=True,
    )


trades = st.lists(
    st.tuples(
        st.sampled_from(["BTC-USD", "ETH-USD"]),
        st.sampled_from(Side),
        st.integers(1, 500),
        st.integers(1, 5_000_000),
        st.sampled_from([0, 0, 7]),
    ),
    min_size=1,
    max_size=30,
)


@given(trades)
def test_random_trades_give_the_same_books_by_both_ways(moves: list[tuple[str, Side, int, int, int]]) -> None:
    stage = Portfolio(account="main", instruments=[BTC, ETH], initial_cash=10_000 * ONE)
    for number, move in enumerate(moves):
        stage.handle(filled(number, *move))
    books = rebuilt(stage.take_transactions(), [BTC, ETH])
    kept = Books.kept(json.loads(json.dumps(stage.snapshot())))
    assert (books.cash, books.fees, books.positions) == (kept.cash, kept.fees, kept.positions)
    assert books.hash == kept.hash


def test_two_trades_by_hand() -> None:
    """10,000 paid in; 2 BTC for 100 each, fee 0.2; 1 sold for 110, fee 0.11."""
    buy = filled(1, "BTC-USD", Side.BUY, 2 * ONE // BTC.step_lots, 10_000)
    sell = filled(4, "BTC-USD", Side.SELL, ONE // BTC.step_lots, 11_000)
    opening = deposit("main", "USD", 10_000 * ONE, ts_ns=1_000)
    books = rebuilt([opening, fill(buy, BTC), fill(sell, BTC)], [BTC])
    assert books.cash == 10_000 * ONE - 200 * ONE + 110 * ONE - 31_000_000
    assert books.positions == {"BTC-USD": Position(lots=ONE, cost=100 * ONE, realised=10 * ONE, fees=31_000_000)}
    assert books.cash_after == [10_000 * ONE, 10_000 * ONE - 200 * ONE - 20_000_000, books.cash]


@pytest.mark.parametrize(
    "other", [Books(cash=6), Books(cash=5, fees=1), Books(cash=5, positions={"BTC-USD": Position()})]
)
def test_books_that_differ_in_any_amount_have_another_hash(other: Books) -> None:
    assert Books(cash=5).hash == Books(cash=5).hash != other.hash


def test_a_trade_of_a_symbol_that_nobody_knows_is_refused() -> None:
    stranger = fill(filled(1, "ETH-USD", Side.BUY, 1, 1_000), ETH)
    with pytest.raises(InvalidData, match="trades a symbol that the settings do not name"):
        rebuilt([stranger], [BTC])


def test_a_deposit_alone_is_cash() -> None:
    transaction = Transaction("deposit:main", 1, (Entry(CASH, "USD", 7), Entry("equity:deposits", "USD", -7)))
    assert rebuilt([transaction], [BTC]).cash == 7

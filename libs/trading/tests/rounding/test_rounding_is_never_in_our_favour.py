"""Whatever is rounded is rounded against us: compared with exact fractions over the whole range of values."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from n1v1 import rounding
from n1v1.values import PPB, Instrument, Side

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
PENNY = Instrument(  # a cheap coin on a fine price grid: whole coins at 1e-8 dollars
    symbol="PENNY-USD",
    base="PENNY",
    quote="USD",
    tick_size=Decimal("1e-8"),
    lot_size=Decimal(1),
    step_lots=1,
    max_price=Decimal(100),
    max_quantity=Decimal(900_000_000),
)
instruments = st.sampled_from([BTC, PENNY])
ticks = st.integers(1, 10**8)
steps = st.integers(1, 10**7)
cash = st.integers(-(10**6), 10**17)
rates = st.integers(0, PPB)
sides = st.sampled_from(list(Side))


def exact_value(instrument: Instrument, ticks: int, lots: int) -> Fraction:
    return Fraction(ticks * lots, instrument.notional_divisor)


@given(instruments, ticks, steps)
def test_the_value_of_whole_steps_is_exact(instrument: Instrument, ticks: int, steps: int) -> None:
    lots = steps * instrument.step_lots
    assert rounding.notional(instrument, ticks=ticks, lots=lots) == exact_value(instrument, ticks, lots)


@given(ticks, st.integers(-(10**10), 10**10))
def test_the_value_of_any_holding_is_never_more_than_it_is_worth(ticks: int, lots: int) -> None:
    worth = exact_value(BTC, ticks, lots)
    assert worth - 1 < rounding.notional(BTC, ticks=ticks, lots=lots) <= worth


@given(st.integers(0, 10**18), rates)
def test_a_fee_is_never_less_than_its_rate(value: int, rate: int) -> None:
    exact = Fraction(value * rate, PPB)
    assert exact <= rounding.fee(value, rate_ppb=rate) < exact + 1


@given(st.integers(-(10**18), 10**18), rates)
def test_a_share_is_never_more_than_its_fraction(value: int, fraction: int) -> None:
    exact = Fraction(value * fraction, PPB)
    assert exact - 1 < rounding.share(value, fraction_ppb=fraction) <= exact


@given(st.integers(-(10**30), 10**30), st.integers(-(10**18), 10**18).filter(bool))
def test_dividing_up_is_the_ceiling_whatever_the_signs(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert exact <= rounding.divide_up(numerator, denominator) < exact + 1


@given(instruments, cash, ticks)
def test_what_is_affordable_is_paid_for_and_one_step_more_is_not(instrument: Instrument, cash: int, ticks: int) -> None:
    lots = rounding.affordable_lots(instrument, cash_quanta=cash, ticks=ticks)
    assert lots >= 0
    assert lots % instrument.step_lots == 0
    assert exact_value(instrument, ticks, lots) <= max(cash, 0)
    assert exact_value(instrument, ticks, lots + instrument.step_lots) > cash


@given(ticks, rates, sides)
def test_slippage_moves_the_price_against_us(ticks: int, slippage: int, side: Side) -> None:
    slipped = rounding.slipped_price(ticks, side.sign, slippage_ppb=slippage)
    exact = ticks + side.sign * Fraction(ticks * slippage, PPB)
    if side is Side.BUY:
        assert exact <= slipped < exact + 1
    else:
        assert slipped >= 1
        assert exact - 1 < slipped <= (exact if exact > 1 else 1)


@given(instruments, ticks, steps, rates)
def test_buying_and_selling_again_at_one_price_never_earns(
    instrument: Instrument, ticks: int, steps: int, rate: int
) -> None:
    lots = steps * instrument.step_lots
    bought_at = rounding.slipped_price(ticks, Side.BUY.sign, slippage_ppb=rate)
    paid = rounding.notional(instrument, ticks=bought_at, lots=lots)
    received = rounding.notional(
        instrument, ticks=rounding.slipped_price(ticks, Side.SELL.sign, slippage_ppb=rate), lots=lots
    )
    assert received - rounding.fee(received, rate_ppb=rate) <= paid + rounding.fee(paid, rate_ppb=rate)


def test_without_a_price_or_cash_nothing_is_affordable() -> None:
    assert rounding.affordable_lots(BTC, cash_quanta=10**12, ticks=0) == 0
    assert rounding.affordable_lots(BTC, cash_quanta=0, ticks=100) == 0


def test_the_rounding_worked_by_hand() -> None:
    # 0.00001 BTC at 29,123.45 dollars are 0.2912345 dollars: 29,123,450 quanta
    assert rounding.notional(BTC, ticks=2_912_345, lots=1_000) == 29_123_450
    # 10 basis points of 29,123,450 are 29,123.45
    assert rounding.fee(29_123_450, rate_ppb=1_000_000) == 29_124
    # 5 basis points of 29,123.45 are 14.561725: up to 29,138.02 for a buyer, down to 29,108.88 for a seller
    assert rounding.slipped_price(2_912_345, Side.BUY.sign, slippage_ppb=500_000) == 2_913_802
    assert rounding.slipped_price(2_912_345, Side.SELL.sign, slippage_ppb=500_000) == 2_910_888
    # 1,000 dollars buy 0.034336... BTC: 3,433 steps of 0.00001
    assert rounding.affordable_lots(BTC, cash_quanta=100_000_000_000, ticks=2_912_345) == 3_433_000

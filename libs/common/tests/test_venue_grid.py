"""Instruments on the grids that venues say they trade on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidData
from n1v1_common.venue_grid import DECIMAL_PLACES, LARGEST_ORDER, SIGNIFICANT_DIGITS, TICK_SIZE, venue_instrument


def market(tick: Any, step: Any, *, base: Any = None, least: Any = None) -> dict[str, Any]:
    """As ccxt describes one."""
    return {
        "symbol": "BTC/USDT",
        "precision": {"price": tick, "amount": step, "base": base},
        "limits": {"amount": {"min": step, "max": None}, "cost": {"min": least, "max": None}},
    }


def test_bitcoin_as_binance_has_it() -> None:
    made = venue_instrument(
        "BTC-USDT", market(0.01, 0.00001, base=1e-8, least=5.0), TICK_SIZE, last_price=Decimal(65_000)
    )
    assert (made.symbol, made.base, made.quote) == ("BTC-USDT", "BTC", "USDT")
    assert (made.tick_size, made.lot_size) == (Decimal("0.01"), Decimal("0.00000001"))
    assert made.quantity(made.step_lots) == Decimal("0.00001"), "an order's step is the venue's"
    assert made.cash(made.min_notional) == 5
    assert made.ticks("65000.12") == 6_500_012
    assert made.lots("0.00000001") == 1, "a commission in the base asset is finer than a step"


def test_a_coin_of_which_one_buys_millions_is_counted_in_coarser_lots() -> None:
    price = Decimal("0.00001234")
    made = venue_instrument("SHIB-USDT", market(1e-8, 1, base=1e-8, least=1), TICK_SIZE, last_price=price)
    assert made.max_quantity * price >= LARGEST_ORDER
    assert made.quantity(made.step_lots) == 1


def test_digits_behind_the_point_are_a_grid_too() -> None:
    made = venue_instrument("BTC-USDT", market(2, 5, base=8), DECIMAL_PLACES, last_price=Decimal(65_000))
    assert (made.tick_size, made.quantity(made.step_lots)) == (Decimal("0.01"), Decimal("0.00001"))
    assert made.min_notional == 0, "the venue knows no smallest order"


@pytest.mark.parametrize(
    ("tick", "step", "mode", "said"),
    [
        (None, 0.1, TICK_SIZE, "BTC/USDT: size of a tick: the venue does not say"),
        (0.01, 0, TICK_SIZE, "BTC/USDT: step of quantities: expected a positive number, the venue says 0"),
        (5, 5, SIGNIFICANT_DIGITS, "counts in significant digits, which no fixed grid has"),
        (0.05, 0.001, TICK_SIZE, r"BTC-USDT: the venue's tick 0.05 is no power of ten"),
    ],
)
def test_a_venue_without_a_grid_of_ours_is_refused_with_the_reason(tick: Any, step: Any, mode: int, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        venue_instrument("BTC-USDT", market(tick, step), mode, last_price=Decimal(100))


@given(
    tick_places=st.integers(0, 8),
    step=st.sampled_from(["0.00000001", "0.0001", "0.005", "0.25", "1", "5", "100"]),
    base=st.sampled_from([None, "0.00000001", "0.0001"]),
    price=st.decimals("0.00000100", "200000", places=8),
)
def test_whatever_the_grid_its_orders_are_ours_and_our_orders_are_its(
    tick_places: int, step: str, base: str | None, price: Decimal
) -> None:
    tick = Decimal(1).scaleb(-tick_places)
    try:
        made = venue_instrument("BTC-USDT", market(str(tick), step, base=base), TICK_SIZE, last_price=price)
    except InvalidData:
        return
    assert made.tick_size == tick
    assert Decimal(step) % made.lot_size == 0, "an execution is a whole number of lots"
    assert made.quantity(made.step_lots) % Decimal(step) == 0, "an order is a whole number of the venue's steps"

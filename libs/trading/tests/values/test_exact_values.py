"""Values are exact or they are refused: prices in ticks, quantities in lots, cash in quanta."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidValue
from n1v1.timeframes import timeframe_ns
from n1v1.values import INT64_MAX, Instrument, Side, decimal_places, from_units, nearest_ppb, to_ppb, to_units

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
CENT = Decimal("0.01")


def test_the_units_of_a_value_are_exact() -> None:
    assert BTC.ticks("29123.45") == 2_912_345
    assert BTC.lots("0.00001") == 1_000
    assert BTC.quanta("10000") == 1_000_000_000_000
    assert to_units(-3, CENT, what="cash") == -300


def test_units_come_back_with_the_digits_of_their_unit() -> None:
    assert str(BTC.price(100)) == "1.00"
    assert str(BTC.quantity(1)) == "1E-8"
    assert str(BTC.cash(-150_000_000)) == "-1.50000000"


@given(st.integers(-INT64_MAX, INT64_MAX), st.integers(0, 18))
def test_a_value_survives_the_way_to_decimal_and_back(units: int, places: int) -> None:
    unit = Decimal(1).scaleb(-places)
    assert to_units(from_units(units, unit), unit, what="value") == units


@pytest.mark.parametrize("price", ["100.001", "0.0000000001", "1." + "0" * 40 + "1", "92233720368547758.061"])
def test_a_price_off_the_grid_is_refused_however_small_the_difference(price: str) -> None:
    with pytest.raises(InvalidValue, match=r"BTC-USD price .* is not a multiple of 0.01"):
        BTC.ticks(price)


@pytest.mark.parametrize("text", ["nan", "Infinity", "-Infinity", "12,5", "", "0x10"])
def test_what_is_not_a_finite_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="is not a finite number"):
        BTC.ticks(text)


@pytest.mark.parametrize("value", ["92233720368547758.08", "-92233720368547758.08", "1e999999"])
def test_more_units_than_int64_holds_are_refused(value: str) -> None:
    assert to_units("92233720368547758.07", CENT, what="cash") == INT64_MAX
    with pytest.raises(InvalidValue, match=r"too large for exact arithmetic in units of 0.01"):
        to_units(value, CENT, what="cash")


@pytest.mark.parametrize(("unit", "places"), [("1", 0), ("0.1", 1), ("0.010", 2), ("1e-8", 8)])
def test_a_unit_is_a_power_of_ten(unit: str, places: int) -> None:
    assert decimal_places(Decimal(unit)) == places


@pytest.mark.parametrize("unit", ["0.5", "10", "0", "-0.01", "0.011", "NaN", "Infinity"])
def test_a_unit_that_is_no_power_of_ten_is_refused(unit: str) -> None:
    with pytest.raises(InvalidValue, match="expected a power of ten at most 1"):
        decimal_places(Decimal(unit))


def test_a_float_fraction_is_read_as_it_is_written() -> None:
    assert to_ppb(0.1) == 100_000_000
    assert to_ppb("0.000000001") == 1
    with pytest.raises(InvalidValue, match="not a multiple"):
        to_ppb(1 / 3)


@pytest.mark.parametrize("fraction", ["much", float("nan"), float("inf")])
def test_a_fraction_that_is_no_number_is_refused(fraction: str | float) -> None:
    with pytest.raises(InvalidValue, match=r"fraction .* is not a finite number"):
        to_ppb(fraction)


def test_a_computed_fraction_is_taken_to_the_nearest_part_per_billion() -> None:
    assert nearest_ppb(1 / 3) == 333_333_333
    assert nearest_ppb(0.1 + 0.2) == 300_000_000


def test_indicators_see_the_nearest_float_of_a_price() -> None:
    assert BTC.price_float(2_912_345) == 29123.45
    assert BTC.quantity_float(1) == 1e-8


@given(st.integers(1, 10**13))
def test_a_float_price_is_the_float_that_its_decimal_text_names(ticks: int) -> None:
    assert BTC.price_float(ticks) == float(str(BTC.price(ticks)))


def test_buying_and_selling_have_opposite_signs() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


class TestDefiningAnInstrument:
    def test_an_order_that_would_overflow_is_refused_at_definition(self) -> None:
        with pytest.raises(InvalidValue, match="overflows int64"):
            instrument(max_quantity=Decimal(1000))

    def test_the_largest_order_of_the_default_grid_fits(self) -> None:
        largest = BTC.ticks(BTC.max_price) * BTC.lots(BTC.max_quantity)
        assert 0.9 * INT64_MAX < largest <= INT64_MAX

    def test_a_unit_must_be_a_power_of_ten(self) -> None:
        with pytest.raises(InvalidValue, match="power of ten"):
            instrument(tick_size=Decimal("0.05"))

    def test_a_lot_at_one_tick_is_worth_at_most_a_quantum(self) -> None:
        with pytest.raises(InvalidValue, match="one lot at one tick must be worth at most one quantum"):
            instrument(lot_size=Decimal("0.001"), quantum=Decimal("1e-8"))

    def test_a_step_at_one_tick_is_worth_whole_quanta(self) -> None:
        """Otherwise a BUY of 1 lot at 0.99 would be worth nothing, and its SELL at 1.00 one quantum."""
        with pytest.raises(InvalidValue, match=r"BTC-USD: 1 lots at one tick .* must be a multiple of 100"):
            instrument(step_lots=1)

    @pytest.mark.parametrize("name", ["step_lots", "max_price", "max_quantity"])
    @pytest.mark.parametrize("value", [0, -1])
    def test_limits_are_positive(self, name: str, value: int) -> None:
        with pytest.raises(InvalidValue, match=f"BTC-USD: {name} must be positive, got {value}"):
            instrument(**{name: value if name == "step_lots" else Decimal(value)})

    def test_the_smallest_order_value_is_not_negative(self) -> None:
        with pytest.raises(InvalidValue, match="min_notional must not be negative, got -1"):
            instrument(min_notional=-1)

    def test_a_lot_at_a_tick_of_the_default_grid_is_a_hundredth_of_a_quantum(self) -> None:
        assert BTC.notional_divisor == 100


def instrument(**changes: Decimal | int) -> Instrument:
    return Instrument(symbol="BTC-USD", base="BTC", quote="USD", **changes)  # type: ignore[arg-type]  # any field by name


@pytest.mark.parametrize(
    ("name", "seconds"), [("1s", 1), ("15m", 900), ("4h", 14_400), ("1d", 86_400), ("2w", 1_209_600)]
)
def test_a_timeframe_is_a_count_and_a_unit(name: str, seconds: int) -> None:
    assert timeframe_ns(name) == seconds * 1_000_000_000


@pytest.mark.parametrize("name", ["", "h", "0h", "-1h", "1.5h", "4H", "4 h", "1M", "²h", "٣m"])
def test_anything_else_is_no_timeframe(name: str) -> None:
    with pytest.raises(InvalidValue, match="expected a timeframe such as '1m', '4h' or '1d'"):
        timeframe_ns(name)

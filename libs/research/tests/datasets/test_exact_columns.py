"""Columns become whole units exactly as `to_units` has it for one value at a time, or the value is named."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidData, InvalidValue
from n1v1.values import to_units
from n1v1_research.datasets.exact import Units, places_needed, units_of
from n1v1_research.datasets.moments import moment_ns, zone_named
from n1v1_research.datasets.time_columns import TimeUnit, moments_of

CENT = Decimal("0.01")


def column(values: list[object], kind: object = None) -> object:
    return pa.chunked_array([pa.array(values, kind)])


def one_at_a_time(texts: list[str], unit: Decimal) -> tuple[list[int], set[int]]:
    """What `to_units` makes of each text, and the rows that it refuses or that are negative."""
    values, refused = [], set()
    for row, text in enumerate(texts):
        try:
            units = to_units(text, unit, what="price")
        except InvalidValue:
            units = -1
        if units < 0:
            refused.add(row)
        values.append(max(units, 0))
    return values, refused


def assert_as_one_at_a_time(found: Units, texts: list[str], unit: Decimal) -> None:
    values, refused = one_at_a_time(texts, unit)
    assert set(found.complaints) == refused
    assert found.values.dtype == np.int64
    assert [value for row, value in enumerate(found.values.tolist()) if row not in refused] == [
        value for row, value in enumerate(values) if row not in refused
    ]


near_the_grid = st.builds(
    lambda units, places, ulps: float(np.nextafter(units / 10.0**places, np.inf) if ulps else units / 10.0**places),
    st.integers(0, 10**17),
    st.integers(0, 9),
    st.booleans(),
)


@given(st.lists(st.floats() | near_the_grid, max_size=30), st.integers(0, 8))
def test_a_float_counts_as_its_shortest_decimal_form(values: list[float], places: int) -> None:
    unit = Decimal(1).scaleb(-places)
    found = units_of(column(list(values), pa.float64()), unit, what="price")
    assert_as_one_at_a_time(found, [repr(value) for value in values], unit)


decimals = st.decimals(min_value=-10, max_value=10**13, places=9) | st.decimals(
    min_value=0, max_value=10**7, places=2, allow_nan=False
)


@given(st.lists(decimals, max_size=30), st.integers(0, 8), st.booleans())
def test_a_text_counts_as_the_decimal_it_is(values: list[Decimal], places: int, in_exponent_form: bool) -> None:
    unit = Decimal(1).scaleb(-places)
    texts = [f"{value:E}" if in_exponent_form else f"{value:f}" for value in values]
    found = units_of(column(list(texts), pa.string()), unit, what="price")
    assert_as_one_at_a_time(found, texts, unit)


@given(st.lists(st.integers(-5, 10**6), max_size=10))
def test_whole_numbers_need_no_point(values: list[int]) -> None:
    found = units_of(column(list(values), pa.int64()), CENT, what="price")
    assert_as_one_at_a_time(found, [str(value) for value in values], CENT)


def test_single_precision_is_read_by_its_own_shortest_form() -> None:
    found = units_of(column([0.1, 16777.25], pa.float32()), CENT, what="price")
    assert (found.values.tolist(), found.complaints) == ([10, 1_677_725], {})


@pytest.mark.parametrize(
    ("value", "kind", "complaint"),
    [
        ("", pa.string(), "high is missing"),
        (None, pa.string(), "high is missing"),
        (None, pa.float64(), "high 'nan' is not a number"),
        (float("inf"), pa.float64(), "high 'inf' is not a number"),
        (-0.5, pa.float64(), "high -0.5 is negative"),
        ("1,5", pa.string(), "high '1,5' is not a number"),
        ("1.005", pa.string(), "high 1.005 is not a multiple of 0.01"),
        (0.1 + 0.2, pa.float64(), "high 0.30000000000000004 is not a multiple of 0.01"),
        (
            "92233720368547758.08",
            pa.string(),
            "high 92233720368547758.08 is too large for exact arithmetic in units of 0.01",
        ),
    ],
)
def test_what_cannot_be_converted_is_quoted(value: object, kind: object, complaint: str) -> None:
    found = units_of(column(["1.5" if kind == pa.string() else 1.5, value], kind), CENT, what="high")
    assert (found.values.tolist()[0], found.complaints) == (150, {1: complaint})


def test_rounding_goes_half_to_even_and_is_counted() -> None:
    found = units_of(column(["1.005", "1.015", "1.02"]), CENT, what="price", rounds=True)
    assert (found.values.tolist(), found.complaints, found.rounded) == ([100, 102, 102], {}, 2)


@pytest.mark.parametrize(
    ("values", "places"),
    [
        (["1", "2.50", "3.125000"], 3),
        (["100", "200"], 0),
        (["1e-8"], 8),
        ([1.5, 2.25], 2),
        ([0.1 + 0.2, 1.2147000000000001], 4),  # noise of float arithmetic is no finer grid
        (["1.5", "ten", ""], 1),
        ([float("nan"), 1.5], 1),
    ],
)
def test_the_grid_is_the_coarsest_that_all_values_lie_on(values: list[object], places: int) -> None:
    assert places_needed([column(values)], at_most=10) == places


NOON_NS = 1_577_880_000_000_000_000  # 2020-01-01T12:00:00Z


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([1_577_880_000], "auto"),
        ([1_577_880_000.0], "auto"),
        (["1577880000"], "s"),
        ([1_577_880_000_000], "auto"),
        ([1_577_880_000_000_000], "us"),
        ([NOON_NS], "auto"),
        (["2020-01-01T12:00:00Z"], "auto"),
        (["2020-01-01 12:00"], "auto"),
        (["2020-01-01T13:00:00+01:00"], "iso"),
        ([datetime(2020, 1, 1, 12, tzinfo=UTC)], "auto"),
        ([datetime(2020, 1, 1, 12)], "auto"),
    ],
)
def test_every_usual_form_of_a_time_is_the_same_moment(values: list[object], unit: TimeUnit) -> None:
    found = moments_of(column(values), unit, UTC)
    assert (found.values.tolist(), found.complaints) == ([NOON_NS], {})


@pytest.mark.parametrize("values", [["2020-07-01 14:00"], [datetime(2020, 7, 1, 14)]])
def test_a_time_without_an_offset_is_in_the_zone_that_was_declared(values: list[object]) -> None:
    found = moments_of(column(values), "auto", ZoneInfo("Europe/Berlin"))
    assert found.values.tolist() == [moment_ns("2020-07-01T12:00:00Z")]


@pytest.mark.parametrize("local", ["2020-03-29 02:30", "2020-10-25 02:30"])
def test_a_local_time_that_the_clocks_skip_or_repeat_is_refused(local: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for values in ([local], [datetime.fromisoformat(local)]):
        assert "skipped or repeated" in moments_of(column(list(values)), "auto", berlin).complaints[0]


def test_missing_and_unreadable_times_are_named_by_row() -> None:
    found = moments_of(column(["2020-01-01", None, "soon"]), "auto", UTC)
    assert found.complaints == {1: "time is missing", 2: "'soon' is not a time such as 2020-01-01T04:00:00Z"}
    assert moments_of(column([datetime(2020, 1, 1), None]), "auto", UTC).complaints == {1: "time is missing"}


def test_parts_of_a_second_are_kept() -> None:
    assert moment_ns("2020-01-01T12:00:00.000001Z") == NOON_NS + 1_000


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(InvalidData, match="'Berlin' is not a time zone such as"):
        zone_named("Berlin")

"""Bars as columns, and as events made from them."""

from __future__ import annotations

import numpy as np
import pytest

from n1v1.errors import InvalidValue
from n1v1_research.datasets import Bars, Dataset, load
from n1v1_research.datasets.columns import COLUMN_NAMES


@pytest.fixture(scope="module")
def whole() -> Dataset:
    return load("coinbase-4h")


def columns_of(bars: Bars) -> list[list[int]]:
    return [getattr(bars, name).tolist() for name in COLUMN_NAMES]


def test_the_bundled_data_keeps_its_id(whole: Dataset) -> None:
    assert whole.id == "e48d0682d2eb592dfdc295f773631c2a62f367c7af7c76d5eac08e3778f9cacb"


def test_columns_hold_what_the_events_say(whole: Dataset) -> None:
    columns, events = whole.columns("BTC-USD"), whole.bars["BTC-USD"]
    assert len(columns) == len(events) == 14_509
    assert [columns.close_ns[-1], columns.high[-1]] == [events[-1].ts_ns, events[-1].high]
    assert columns_of(Bars.of_events(events)) == columns_of(columns)


def test_columns_are_contiguous_integers_that_nobody_can_change(whole: Dataset) -> None:
    columns = whole.columns("ETH-USD")
    for name in COLUMN_NAMES:
        column = getattr(columns, name)
        assert (column.dtype, column.flags.c_contiguous) == (np.int64, True)
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_what_was_given_can_be_written_without_changing_the_bars() -> None:
    given = [np.array([1, 2], dtype=np.int64) for _ in COLUMN_NAMES]
    bars = Bars(*given)
    given[0][0] = 99
    assert bars.open_ns.tolist() == [1, 2]


def test_columns_of_different_lengths_are_no_bars() -> None:
    columns = [np.arange(3 if name == "volume" else 2, dtype=np.int64) for name in COLUMN_NAMES]
    with pytest.raises(InvalidValue, match=r"of one length, got .*'volume': 3"):
        Bars(*columns)


def test_the_text_behind_the_id_does_not_depend_on_how_it_is_cut(whole: Dataset) -> None:
    columns = whole.columns("BTC-USD")
    lines = b"".join(columns.canonical_text()).decode().splitlines()
    bar = whole.bars["BTC-USD"][10_000]
    assert lines[10_000] == f"{bar.open_ns},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}"
    assert len(lines) == len(columns)


def test_steps_can_be_counted_without_making_events(whole: Dataset) -> None:
    assert whole.total_steps == len(list(whole.steps()))
    assert whole.close_times.tolist() == [close_ns for close_ns, _ in whole.steps()]

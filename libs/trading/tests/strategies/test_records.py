"""A record keeps what a NumPy structured type keeps, to the bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from n1v1.kernels import load_record, new_record, store_record

INNER = np.dtype([("value", "f8"), ("count", "i8")])
LAYOUT = np.dtype([("fast", INNER), ("slow", INNER), ("is_long", "?"), ("window", "f8", (3,)), ("last", "f8")])


def test_a_new_record_is_zero_in_every_field() -> None:
    record = new_record(LAYOUT)
    assert (record.fast.value, record.slow.count, record.is_long, record.last) == (0.0, 0, False, 0.0)
    assert record.window.tolist() == [0.0, 0.0, 0.0]


def test_two_records_share_nothing() -> None:
    one, other = new_record(LAYOUT), new_record(LAYOUT)
    one.fast.count, one.window[0] = 5, 5.0
    assert one.slow.count == 0
    assert (other.fast.count, other.window[0]) == (0, 0.0)


@given(st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.lists(st.floats(), min_size=3, max_size=3))
def test_a_record_survives_storing_to_the_bit(value: float, count: int, is_long: bool, window: list[float]) -> None:
    record = new_record(LAYOUT)
    record.fast.value, record.slow.count, record.is_long = value, count, is_long
    record.window[:] = window
    stored = np.zeros((), LAYOUT)
    store_record(record, stored)
    again = new_record(LAYOUT)
    load_record(again, np.frombuffer(stored.tobytes(), LAYOUT).reshape(()))
    stored_again = np.zeros((), LAYOUT)
    store_record(again, stored_again)
    assert stored_again.tobytes() == stored.tobytes()
    assert again.slow.count == count
    assert again.is_long is is_long


def test_a_loaded_record_can_be_written_to() -> None:
    record = new_record(LAYOUT)
    load_record(record, np.frombuffer(bytes(LAYOUT.itemsize), LAYOUT).reshape(()))
    record.window[1] = 2.0
    assert record.window.tolist() == [0.0, 2.0, 0.0]

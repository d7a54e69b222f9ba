"""A record that was saved as text is the same again, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import N1v1Error
from n1v1.kernels import new_record, store_record
from n1v1.risk.account import ACCOUNT, SYMBOL
from n1v1.risk.saved import restored_record, saved_record

LAYOUT = np.dtype(
    [
        ("first", "i8"),
        ("inner", np.dtype([("ring", "f8", (3,)), ("count", "i8")])),
        ("weight", "f8"),
        ("ring", "i8", (2,)),
    ]
)
integers = st.integers(-(2**63), 2**63 - 1)


@given(integers, integers, st.floats(), st.lists(st.floats(), min_size=3, max_size=3), st.tuples(integers, integers))
def test_it_is_the_bytes_of_the_structured_type(
    first: int, count: int, weight: float, ring: list[float], last: tuple[int, int]
) -> None:
    record = new_record(LAYOUT)
    record.first, record.weight, record.inner.count = first, weight, count
    record.inner.ring[:], record.ring[:] = ring, last
    again = restored_record(saved_record(record, LAYOUT), LAYOUT)
    stored, restored = np.zeros((), LAYOUT), np.zeros((), LAYOUT)
    store_record(record, stored)
    store_record(again, restored)
    assert restored.tobytes() == stored.tobytes()


@pytest.mark.parametrize("layout", [ACCOUNT, SYMBOL])
def test_what_is_not_used_costs_nothing(layout: np.dtype[np.void]) -> None:
    saved = saved_record(new_record(layout), layout)
    assert saved.endswith(":")
    assert restored_record(saved, layout) is not None


def test_the_bytes_of_another_layout_are_not_read_as_this_one() -> None:
    older = np.dtype([*((name, ACCOUNT[name]) for name in ACCOUNT.names or ()), ("newer", "i8")])
    with pytest.raises(N1v1Error, match="got one that another version saved"):
        restored_record(saved_record(new_record(older), older), ACCOUNT)


@pytest.mark.parametrize("wrong", ["", "!", None, "{mark}!", "{mark}" + "AAAA" * 20_000])
def test_what_is_no_record_is_refused(wrong: str | None) -> None:
    mark = saved_record(new_record(ACCOUNT), ACCOUNT)
    with pytest.raises(N1v1Error, match="expected a"):
        restored_record(wrong and wrong.format(mark=mark), ACCOUNT)


def test_other_numbers_cannot_be_saved() -> None:
    layout = np.dtype([("small", "i4")])
    with pytest.raises(N1v1Error, match="small: expected 8-byte numbers, got int32"):
        saved_record(new_record(layout), layout)

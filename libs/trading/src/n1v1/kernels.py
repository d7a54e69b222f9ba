"""Kernels: the functions that compute numbers, each of which exists once.

A kernel is plain Python over scalars and records, restricted to what a compiler understands. The services and the
event-driven engine call it as it is; a compiled driver may compile the very same function. Its operations are IEEE
double arithmetic in the written order, so both give the same bits.

A record has the fields of a NumPy structured type. A compiled driver keeps it in an array; called as plain Python, a
kernel gets an object with the same fields, because reading an attribute of one takes 20 ns and of np.record 1.5 µs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")

Record = Any
"""Fields by attribute, as a NumPy structured type lays them out. NumPy knows them, the type checker does not."""

KERNELS: list[Callable[..., Any]] = []
"""Every kernel, in the order of definition: what a compiled driver has to compile."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Marks a function as a kernel. The function itself stays as it is."""
    KERNELS.append(function)
    return function


def new_record(layout: np.dtype[Any]) -> Record:
    """A record of that layout with every number zero. A kernel writes floats to float fields, ints to int fields."""
    record = _record_type(layout)()
    load_record(record, np.zeros((), layout))
    return record


def load_record(record: Record, stored: NDArray[np.void]) -> None:
    """Set every field of `record` to what `stored`, an array without dimensions, holds."""
    layout = stored.dtype
    for name in layout.names or ():
        field = stored[name]
        if field.dtype.names:
            setattr(record, name, new_record(field.dtype))
            load_record(getattr(record, name), field)
        else:
            setattr(record, name, field.copy() if field.ndim else field.item())


def store_record(record: Record, stored: NDArray[np.void]) -> None:
    """The reverse of `load_record`."""
    for name in stored.dtype.names or ():
        field = stored[name]
        if field.dtype.names:
            store_record(getattr(record, name), field)
        else:
            field[...] = getattr(record, name)


@cache
def _record_type(layout: np.dtype[Any]) -> type[Any]:
    return type("PlainRecord", (), {"__slots__": layout.names})

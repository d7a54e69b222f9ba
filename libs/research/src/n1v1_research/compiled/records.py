"""Records inside compiled code: on the stack, where the compiler may keep their fields in registers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import from_dtype
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from n1v1.errors import N1v1Error

_FIELD_TYPES = {bool: "?", int: "i8", float: "f8"}


def local_record(layout: np.dtype[Any]) -> Any:
    """A function for compiled code: a record of that layout, all zeros, that lives until the caller returns.

    A record in an array has an address that anything might write to, so each of its fields is loaded and stored on
    every bar. A record on the stack whose fields are read and written in one function stays in registers: twice as fast
    for two averages. (Fields that are arrays keep it in memory.)
    """
    record_type = from_dtype(layout)

    @intrinsic
    def new(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kept = context.get_data_type(record_type)
            return cgutils.alloca_once(builder, kept, zfill=True)  # type: ignore[no-untyped-call]  # as numba has it

        return record_type(), generate

    return new


def record_of(values: NamedTuple) -> NDArray[np.void]:
    """A NamedTuple of numbers and booleans as an array of one record: what compiled code takes for it.

    Raises N1v1Error for a value of another type.
    """
    fields = []
    for name, value in zip(values._fields, values, strict=True):
        if type(value) not in _FIELD_TYPES:
            raise N1v1Error(f"{type(values).__name__}.{name} is {value!r}; compiled code takes numbers and booleans")
        fields.append((name, _FIELD_TYPES[type(value)]))
    return np.array([tuple(values)], dtype=np.dtype(fields))

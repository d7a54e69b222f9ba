"""Records inside compiled code: on the stack, where the compiler may keep their fields in registers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import from_dtype, types
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


def local_copy(layout: np.dtype[Any]) -> Any:
    """A function for compiled code: a copy of a record of that layout, as `local_record` makes an empty one.

    Nothing else can write to it, so what is computed from its fields alone is computed once, outside of the loop.
    """
    record_type = from_dtype(layout)

    @intrinsic
    def copy(typing_context: Any, original: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kept = cgutils.alloca_once(builder, context.get_data_type(record_type))  # type: ignore[no-untyped-call]  # as numba has it
            cgutils.memcpy(builder, kept, arguments[0], context.get_constant(types.uintp, 1))  # type: ignore[no-untyped-call]  # as numba has it
            return kept

        return record_type(record_type), generate

    return copy


def records_of(*rows: NamedTuple) -> NDArray[np.void]:
    """NamedTuples of one kind, of numbers and booleans, as an array of records: what compiled code takes for them.

    Raises N1v1Error for a value of another type.
    """
    return np.array([tuple(row) for row in rows], dtype=_layout(rows[0]))


def _layout(values: NamedTuple) -> np.dtype[Any]:
    fields = []
    for name, value in zip(values._fields, values, strict=True):
        if type(value) not in _FIELD_TYPES:
            raise N1v1Error(f"{type(values).__name__}.{name} is {value!r}; compiled code takes numbers and booleans")
        fields.append((name, _FIELD_TYPES[type(value)]))
    return np.dtype(fields)

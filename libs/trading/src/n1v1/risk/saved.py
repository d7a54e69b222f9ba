"""Records as text: what a stage saves of its state, after every step."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from functools import cache
from operator import attrgetter
from typing import Any

import numpy as np

from n1v1.errors import N1v1Error
from n1v1.kernels import Record, load_record, new_record


def saved_record(record: Record, layout: np.dtype[Any]) -> str:
    """The layout's mark and the record's bytes without the zeros at their end: rings that are not used cost nothing."""
    pieces = []
    for form, get, count in _pieces(layout):
        values = get(record)
        if not form:
            pieces.append(values.tobytes())
        else:
            pieces.append(form.pack(*values) if count > 1 else form.pack(values))
    while pieces and pieces[-1] == bytes(len(pieces[-1])):  # far quicker than stripping a window of zeros
        pieces.pop()
    return f"{_mark_of(layout)}:{base64.b64encode(b''.join(pieces).rstrip(bytes(1))).decode()}"


def restored_record(saved: object, layout: np.dtype[Any]) -> Record:
    """Raises N1v1Error when that is no record of the layout."""
    mark, _, text = saved.partition(":") if isinstance(saved, str) else ("", "", "")
    if not text and not mark:
        raise N1v1Error(f"expected a saved record, got {saved!r}")
    if mark != _mark_of(layout):
        raise N1v1Error(
            f"expected a record of the layout {_mark_of(layout)}, got one that another version saved: {mark}"
        )
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise N1v1Error(f"expected a saved record, got {saved!r}") from error
    if len(raw) > layout.itemsize:
        raise N1v1Error(f"expected a record of at most {layout.itemsize} bytes, got {len(raw)}")
    record = new_record(layout)
    load_record(record, np.frombuffer(raw.ljust(layout.itemsize, b"\0"), layout).reshape(()))
    return record


@cache
def _mark_of(layout: np.dtype[Any]) -> str:
    """Changes with every name, order and type in the layout: bytes say nothing about what they were."""
    return f"{zlib.crc32(repr(layout.descr).encode()):08x}"


@cache
def _pieces(layout: np.dtype[Any]) -> list[tuple[struct.Struct | None, attrgetter[Any], int]]:
    """How to take a record apart: runs of numbers, to be packed together, and arrays (None).

    NumPy would take 2 µs for every number. Raises N1v1Error for a layout of anything but 8-byte numbers.
    """
    pieces: list[tuple[struct.Struct | None, attrgetter[Any], int]] = []
    run: list[tuple[str, str]] = []
    for name, kind, is_array in (*_leaves(layout, ""), ("", "", True)):
        if not is_array:
            run.append((name, kind))
            continue
        if run:
            form = struct.Struct("<" + "".join(kind for _, kind in run))
            pieces.append((form, attrgetter(*(name for name, _ in run)), len(run)))
            run = []
        if name:
            pieces.append((None, attrgetter(name), 1))
    return pieces


def _leaves(layout: np.dtype[Any], prefix: str) -> list[tuple[str, str, bool]]:
    """(path, struct's letter, whether it is an array) of every field, in the order of memory."""
    found = []
    for name in layout.names or ():
        field = layout[name]
        if field.names:
            found += _leaves(field, f"{prefix}{name}.")
        elif field.base.kind in "if" and field.base.itemsize == 8:
            found.append((prefix + name, "q" if field.base.kind == "i" else "d", bool(field.shape)))
        else:
            raise N1v1Error(f"{prefix}{name}: expected 8-byte numbers, got {field}")
    return found

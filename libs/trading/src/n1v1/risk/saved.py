"""Records as text: what a stage saves of its state."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from n1v1.errors import N1v1Error
from n1v1.kernels import Record, load_record, new_record, store_record


def saved_record(record: Record, layout: np.dtype[Any]) -> str:
    """The record's bytes without the zeros at their end: rings that are not used cost nothing."""
    stored = np.zeros((), layout)
    store_record(record, stored)
    return base64.b64encode(stored.tobytes().rstrip(b"\0")).decode()


def restored_record(saved: object, layout: np.dtype[Any]) -> Record:
    """Raises N1v1Error when that is no record of the layout."""
    try:
        raw = base64.b64decode(str(saved), validate=True)
    except binascii.Error as error:
        raise N1v1Error(f"expected a saved record, got {saved!r}") from error
    if len(raw) > layout.itemsize:
        raise N1v1Error(f"expected a record of at most {layout.itemsize} bytes, got {len(raw)}")
    record = new_record(layout)
    load_record(record, np.frombuffer(raw.ljust(layout.itemsize, b"\0"), layout).reshape(()))
    return record

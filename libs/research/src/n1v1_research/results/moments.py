"""Times as text: UTC, to the second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def iso_texts(times_ns: NDArray[np.int64]) -> list[str]:
    """2020-01-01T04:00:00Z for each time."""
    texts: list[str] = np.datetime_as_string(_seconds(times_ns), timezone="UTC").tolist()
    return texts


def iso_text(ts_ns: int) -> str:
    return iso_texts(np.array([ts_ns]))[0]


def minute_texts(times_ns: NDArray[np.int64]) -> list[str]:
    """2020-01-01 04:00 for each time, as tables and plotly both read it."""
    texts = np.datetime_as_string(_seconds(times_ns).astype("datetime64[m]"))
    return [text.replace("T", " ") for text in texts.tolist()]


def minute_text(ts_ns: int) -> str:
    return minute_texts(np.array([ts_ns]))[0]


def _seconds(times_ns: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return (np.asarray(times_ns, dtype=np.int64) // 1_000_000_000).astype("datetime64[s]")

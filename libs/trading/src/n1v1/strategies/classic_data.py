"""What a classic strategy is shown: frames of closed bars, by symbol and by timeframe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

COLUMNS = pd.Index(["open", "high", "low", "close", "volume"])


class Window:
    """The last `size` bars in two arrays, filled from the left; once full, the newest bars move to the front."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._times = np.zeros(2 * size, dtype=np.int64)
        self._rows = np.zeros((2 * size, len(COLUMNS)), dtype=np.float64)
        self._end = 0

    def append(self, close_ns: int, values: Sequence[float]) -> None:
        """values: in the order of the columns."""
        if self._end == len(self._times):
            self._times[: self._size] = self._times[self._size :]
            self._rows[: self._size] = self._rows[self._size :]
            self._end = self._size
        self._times[self._end] = close_ns
        self._rows[self._end] = values
        self._end += 1

    def copies(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Close times and rows, oldest first, for somebody who may write to them."""
        kept = slice(max(0, self._end - self._size), self._end)
        return self._times[kept].copy(), self._rows[kept].copy()

    def frame(self) -> pd.DataFrame:
        """One row per bar, index the close time in UTC."""
        times, rows = self.copies()
        index = pd.DatetimeIndex(times.view("datetime64[ns]"), tz="UTC")
        return pd.DataFrame(rows, columns=COLUMNS.copy(), index=index)

    def save(self) -> list[list[float]]:
        times, rows = self.copies()
        return [[time, *row] for time, row in zip(times.tolist(), rows.tolist(), strict=True)]

    def load(self, saved: Sequence[Sequence[float]]) -> None:
        self._end = 0
        for close_ns, *values in saved:
            self.append(int(close_ns), values)


class MarketFrames(dict[str, pd.DataFrame]):
    """Frames by symbol; whatever a dict has not, the one frame of all symbols answers, which has a column `symbol`.

    So `for symbol, frame in data.items()`, `data.groupby("symbol")`, `data["close"]` and `data.empty` all work.
    """

    def __init__(self, frames: Mapping[str, pd.DataFrame]) -> None:
        super().__init__(frames)
        self._joined: pd.DataFrame | None = None

    @property
    def joined(self) -> pd.DataFrame:
        """All frames below one another. Made when it is first asked for, and kept, so that columns can be added."""
        if self._joined is None:
            self._joined = pd.concat([frame.assign(symbol=symbol) for symbol, frame in self.items()])
        return self._joined

    @property
    def empty(self) -> bool:
        return all(frame.empty for frame in self.values())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling ask for these before there is anything to join
            raise AttributeError(name)
        return getattr(self.joined, name)

    def __missing__(self, key: Any) -> Any:
        return self.joined[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, pd.DataFrame):
            super().__setitem__(key, value)
        else:
            self.joined[key] = value


class MarketTable(MarketFrames):
    """For strategies that were written for one frame: as long as that has rows, iterated and copied as that is."""

    def __len__(self) -> int:
        return len(self.joined)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.joined.columns)

    def copy(self) -> Any:
        return self.joined.copy()

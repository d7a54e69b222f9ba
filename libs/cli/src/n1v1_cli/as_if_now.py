"""Recorded bars moved into the present, for bots that take old data for an outage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from n1v1.timeframes import timeframe_ns
from n1v1_cli.errors import WrongOption
from n1v1_research.datasets import Dataset
from n1v1_research.datasets.store import Store


def stored_as_if_now(dataset: Dataset, store: Path, *, history: int, now_ns: int) -> tuple[str, int]:
    """Its id in `store`, and when bar number `history` opens: at the last full bar's end before `now_ns`.

    Raises WrongOption when there are not so many bars.
    """
    opens = dataset.columns(dataset.symbols[0]).open_ns
    if history >= len(opens):
        raise WrongOption(f"--now {history}: {dataset.name} has {len(opens):,} bars, and one must be left to come")
    length_ns = timeframe_ns(dataset.timeframe)
    begins_ns = now_ns // length_ns * length_ns
    moved = _moved(dataset, by_ns=begins_ns - int(opens[history]))
    entry, _ = Store(store).add(moved, origin={"moved from": dataset.id}, now_ns=now_ns)
    return entry.id, begins_ns


def _moved(dataset: Dataset, *, by_ns: int) -> Dataset:
    columns = {symbol: dataset.columns(symbol) for symbol in dataset.symbols}
    series = {
        symbol: replace(bars, open_ns=bars.open_ns + by_ns, close_ns=bars.close_ns + by_ns)
        for symbol, bars in columns.items()
    }
    return Dataset(f"{dataset.name}-now", dataset.timeframe, dataset.instruments, series)

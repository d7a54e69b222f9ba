"""What our rows should reach, as ratios to the rows beside them where that can be said."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from bench.peers.measure import Workload
from bench.peers.results import Results, speeds_of, table
from bench.report import Aim


@dataclass(frozen=True, slots=True)
class Wanted:
    """ours, theirs: runners; without theirs the aim is a speed. bars: of the task; None: whatever was run."""

    name: str
    workload: Workload
    ours: str
    theirs: str | None
    aim: Aim
    bars: int | None = None


WANTED = (
    Wanted("scan / vectorbt[rust]", "one-symbol", "n1v1_scan", "vectorbt_rust", Aim(">=", 3)),
    Wanted("scan / numba by hand", "one-symbol", "n1v1_scan", "numba", Aim(">=", 0.25)),
    Wanted("scan of 20 symbols, bars/s", "portfolio", "n1v1_scan", None, Aim(">=", 30_000_000)),
    Wanted("sweep, pairs/s", "sweep", "n1v1_scan", None, Aim(">=", 5_000)),
    Wanted("engine, 100,000 bars, bars/s", "one-symbol", "n1v1_engine", None, Aim(">=", 200_000), 100_000),
    Wanted("engine, 1,000,000 bars, bars/s", "one-symbol", "n1v1_engine", None, Aim(">=", 200_000), 1_000_000),
)
"""Chosen from what the peers reached when the compiled engine was begun."""


def aims(results: Results) -> str:
    """A section of the table; empty when nothing of it was measured."""
    rows = list(_rows(results))
    return f"## Aims\n\n{table(('measured',), ('value', 'aim', ''), rows)}" if rows else ""


def _rows(results: Results) -> Iterator[tuple[str, ...]]:
    for wanted in WANTED:
        ours = _speed(results, wanted, wanted.ours)
        theirs = _speed(results, wanted, wanted.theirs) if wanted.theirs else 1.0
        if ours is None or theirs is None:
            continue
        value = ours / theirs
        verdict = "met" if wanted.aim.is_met(value) else "missed"
        yield wanted.name, f"{value:,.0f}" if value >= 100 else f"{value:.2f}", str(wanted.aim), verdict


def _speed(results: Results, wanted: Wanted, runner: str) -> float | None:
    """The median of the task that fills at the next open, as ours does; a wrong or half result has no speed."""
    meant = (runner, wanted.workload, "next-open")
    for (peer, task), answers in results.answers.items():
        is_meant = (peer.runner, task.workload, task.convention) == meant and wanted.bars in (None, task.bars)
        if is_meant and results.verdict(peer, task).agrees:
            return statistics.median(speeds_of(answers))
    return None

"""The matrix as a table, and as a page."""

from __future__ import annotations

import html
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from chaos.cells import Cell
from chaos.run import Outcome

HEADINGS = ("Victim", "Disturbance", "Runs", "Differences", "Recovery p50", "Recovery p99", "Failing seeds")

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>n1v1 under faults</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d9dee5 }}
td:nth-child(n+3), th:nth-child(n+3) {{ text-align: right; font-variant-numeric: tabular-nums }}
tr.bad td {{ background: #fde8e6 }}
</style>
<h1>n1v1 under faults</h1>
<p>{runs} runs of {bar_times} bar times each, {disturbances} disturbances, {differences} differences. Each run must end
with the hash of an undisturbed one, and with the venue's own list of trades equal to the ledger. A run is repeated by
<code>make chaos ARGS="--only VICTIM --first-seed SEED"</code>.</p>
<table><tr>{headings}</tr>{rows}</table></html>
"""


def rows_of(outcomes: Iterable[Outcome]) -> list[tuple[bool, Sequence[str]]]:
    """(all well, texts) for each cell, in the order in which they were run."""
    by_cell: dict[Cell, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_cell[outcome.cell].append(outcome)
    return [_row(cell, ran) for cell, ran in by_cell.items()]


def _row(cell: Cell, ran: Sequence[Outcome]) -> tuple[bool, Sequence[str]]:
    failing = [outcome.seed for outcome in ran if outcome.differences]
    recovered = sorted(seconds for outcome in ran for seconds in outcome.recovered_s)
    return not failing, (
        cell.victim,
        cell.disturbance,
        str(len(ran)),
        str(len(failing)),
        f"{statistics.median(recovered):.2f} s" if recovered else "",
        f"{recovered[min(len(recovered) - 1, int(len(recovered) * 0.99))]:.2f} s" if recovered else "",
        ", ".join(str(seed) for seed in failing),
    )


def print_matrix(console: Console, outcomes: Sequence[Outcome]) -> None:
    table = Table(box=SIMPLE_HEAD)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in HEADINGS[:2] else "right")
    for is_well, texts in rows_of(outcomes):
        table.add_row(*texts, style=None if is_well else "red")
    console.print(table)


def write_page(path: Path, outcomes: Sequence[Outcome], *, bar_times: int, disturbances: int) -> None:
    rows = "".join(
        f"<tr{'' if is_well else ' class=bad'}>{''.join(f'<td>{html.escape(text)}</td>' for text in texts)}</tr>"
        for is_well, texts in rows_of(outcomes)
    )
    page = PAGE.format(
        runs=len(outcomes),
        bar_times=bar_times,
        disturbances=disturbances,
        differences=sum(bool(outcome.differences) for outcome in outcomes),
        headings="".join(f"<th>{heading}</th>" for heading in HEADINGS),
        rows=rows,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)

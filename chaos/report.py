"""The matrix as a table, and as a page."""

from __future__ import annotations

import html
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from chaos.cells import KILL, Cell, Market, Point
from chaos.run import Outcome

RECOVERY = ("p50", "p99")

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>n1v1 under faults</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; max-width: 88rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }}
th, td {{ text-align: right; padding: .25rem .5rem; border-bottom: 1px solid #e3e7ec; vertical-align: bottom }}
th {{ font-weight: 600; font-size: 12px }}
th:nth-child(-n+2), td:nth-child(-n+2) {{ text-align: left }}
td {{ white-space: nowrap }} th {{ position: sticky; top: 0; background: #fff }}
tr.first td {{ border-top: 2px solid #b9c2cd }}
td.good {{ background: #e9f6ec }} td.bad {{ background: #fbd9d5; font-weight: 600 }} td.none {{ color: #b3bac3 }}
td.missed {{ background: #fff5d6 }}
li {{ margin-bottom: .5rem }} code {{ background: #f1f3f6; padding: .1rem .3rem; border-radius: 3px }}
</style>
<h1>n1v1 under faults</h1>
<p>{summary}. Rows are who was disturbed and how, columns the moment. A number is how many drills were run there; after
a bar, how many of them ended with a difference. Recovery is the time from the end of the disturbance until everybody
trades again: every process is ready, and a bar time that none of them had begun is settled.</p>
<p>After each drill, at a standstill of the market: every signal, decision, order, fill and mark is that of an
undisturbed run (equal hash, also from reporting's tables); the venue's orders, trades and balances are ours; no trade
is booked twice; no entry is larger than allowed, no order filled beyond its approval; every position has its stop or
its exit at the venue; execution has not halted the account over something it could not explain. Where the breaker's
flag was out of reach (valkey) orders are refused on purpose, and by the clock the market does not wait: there all but
the first is checked.</p>
{failures}
<table><tr>{headings}</tr>{rows}</table></html>
"""


@dataclass(frozen=True, slots=True)
class Count:
    """Of one field of the table."""

    runs: int = 0
    differences: int = 0
    missed: int = 0

    @property
    def text(self) -> str:
        if not self.runs and not self.missed:
            return "·"
        return f"{self.runs}|{self.differences}" + (f" ({self.missed} not reached)" if self.missed else "")

    @property
    def style(self) -> str:
        if self.differences:
            return "bad"
        return "good" if self.runs else "missed" if self.missed else "none"


@dataclass(frozen=True, slots=True)
class Row:
    victim: str
    disturbance: str
    counts: Mapping[Point, Count]
    recovered_s: Sequence[float]

    @property
    def recovery(self) -> tuple[str, ...]:
        """p50 and p99, in words."""
        if not self.recovered_s:
            return ("", "")
        ordered = sorted(self.recovered_s)
        at_99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return (f"{statistics.median(ordered):.2f} s", f"{at_99:.2f} s")


def rows_of(outcomes: Iterable[Outcome]) -> list[Row]:
    by_row: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_row[outcome.cell.victim, _disturbance(outcome.cell)].append(outcome)
    return [_row(victim, disturbance, ran) for (victim, disturbance), ran in by_row.items()]


def _disturbance(cell: Cell) -> str:
    return cell.disturbance if cell.market is Market.IN_LOCKSTEP else f"{cell.disturbance}, {cell.market}"


def _row(victim: str, disturbance: str, ran: Sequence[Outcome]) -> Row:
    counts = {point: _count([outcome for outcome in ran if outcome.cell.point is point]) for point in Point}
    recovered = [outcome.recovered_s for outcome in ran if outcome.recovered_s is not None]
    return Row(victim, disturbance, counts, recovered)


def _count(ran: Sequence[Outcome]) -> Count:
    reached = [outcome for outcome in ran if outcome.is_reached]
    return Count(len(reached), sum(bool(outcome.differences) for outcome in reached), len(ran) - len(reached))


def summary_of(outcomes: Sequence[Outcome]) -> str:
    reached = [outcome for outcome in outcomes if outcome.is_reached]
    kills = sum(outcome.cell.disturbance == KILL for outcome in reached)
    differences = sum(bool(outcome.differences) for outcome in reached)
    missed = len(outcomes) - len(reached)
    told = f"{len(reached)} runs, {kills} of them kills, {differences} differences"
    return told + (f"; {missed} moments were not reached" if missed else "")


def command_for(outcome: Outcome) -> str:
    """What repeats a drill."""
    cell = outcome.cell
    names = (cell.victim, cell.disturbance, cell.point, cell.market)
    only = " ".join(f"--only '{name}'" for name in names)
    return f'make chaos ARGS="{only} --first-seed {outcome.seed} --from-bar {outcome.bar_time}"'


def print_matrix(console: Console, outcomes: Sequence[Outcome]) -> None:
    table = Table(box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    for heading in ("Victim", "Disturbance", *Point, *RECOVERY):
        table.add_column(heading, justify="left" if heading in ("Victim", "Disturbance") else "right")
    for row in rows_of(outcomes):
        is_bad = any(count.differences for count in row.counts.values())
        counts = [count.text for count in row.counts.values()]
        table.add_row(row.victim, row.disturbance, *counts, *row.recovery, style="red" if is_bad else None)
    console.print(table)
    for outcome in outcomes:
        if outcome.differences:
            console.print(f"{outcome.cell}, seed {outcome.seed}: {'; '.join(outcome.differences)}", style="red")
            console.print(f"  {command_for(outcome)}", soft_wrap=True)


def write_page(path: Path, outcomes: Sequence[Outcome]) -> None:
    headings = "".join(f"<th>{heading}</th>" for heading in ("Victim", "Disturbance", *Point, *RECOVERY))
    rows, victim = [], None
    for row in rows_of(outcomes):
        rows.append(_html_row(row, is_first=row.victim != victim))
        victim = row.victim
    page = PAGE.format(
        summary=summary_of(outcomes), failures=_failures(outcomes), headings=headings, rows="".join(rows)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)


def _html_row(row: Row, *, is_first: bool) -> str:
    counts = "".join(f"<td class={count.style}>{html.escape(count.text)}</td>" for count in row.counts.values())
    names = f"<td>{html.escape(row.victim) if is_first else ''}</td><td>{html.escape(row.disturbance)}</td>"
    recovery = "".join(f"<td>{text}</td>" for text in row.recovery)
    return f"<tr{' class=first' if is_first else ''}>{names}{counts}{recovery}</tr>"


def _failures(outcomes: Sequence[Outcome]) -> str:
    failed = [outcome for outcome in outcomes if outcome.differences]
    items = "".join(
        f"<li>{html.escape(f'{outcome.cell}, seed {outcome.seed}: ' + '; '.join(outcome.differences))}<br>"
        f"<code>{html.escape(command_for(outcome))}</code></li>"
        for outcome in failed
    )
    return f"<h2>Differences</h2><ul>{items}</ul>" if failed else ""

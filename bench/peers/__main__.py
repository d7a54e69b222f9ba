"""python -m bench.peers [--quick] [--only NAME ...] [--workloads ...] [--time-limit SECONDS]"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bench.peers import data, plan
from bench.peers.aims import aims
from bench.peers.environments import BUILD, Unavailable, python_of
from bench.peers.measure import Answer, Task, Workload
from bench.peers.plan import PEERS, REFERENCE, Job, Peer
from bench.peers.process import answer
from bench.peers.results import TITLES, Results

FULL_BARS = 1_000_000
QUICK_BARS = 20_000
DATA = BUILD / "bars.npz"

Pythons = dict[str | None, Path | Unavailable]


@dataclass(frozen=True, slots=True)
class Choice:
    peers: tuple[Peer, ...]
    workloads: tuple[Workload, ...]
    most_bars: int
    time_limit_s: float


def main() -> None:
    chosen, console = _choice(), Console(stderr=True, highlight=False)
    data.write(DATA, chosen.most_bars)
    pythons = _pythons((*chosen.peers, REFERENCE), console)
    results = measured(chosen, pythons, console)
    parts = ["# The same backtest by other libraries", _machine(), *results.sections(), aims(results)]
    table = "\n\n".join(part for part in parts if part) + "\n"
    (BUILD / "table.md").write_text(table, encoding="utf-8")
    (BUILD / "results.json").write_text(json.dumps(results.as_json(), indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table)
    for disagreement in results.disagreements():
        console.print(f"[red]disagrees:[/] {disagreement}")
    sys.exit(bool(results.disagreements()))


def measured(chosen: Choice, pythons: Pythons, console: Console) -> Results:
    results = Results()
    for number, jobs in enumerate(plan.rounds(chosen.peers, chosen.workloads, chosen.most_bars), start=1):
        for job in jobs:
            _refer(job.task, pythons[REFERENCE.environment], chosen, results)
            if (job.peer, job.task) in results.missing:
                continue  # it said why in the first round
            console.print(f"round {number}: {job.peer.title}, {job.task.workload}, {job.task.bars:,} bars")
            results.add(job.peer, job.task, _answer(job, pythons[job.peer.environment], chosen))
    return results


def _refer(task: Task, python: Path | Unavailable, chosen: Choice, results: Results) -> None:
    """What the reference says of the task, asked once."""
    if task in results.references:
        return
    said = _answer(Job(REFERENCE, task, repeats=0), python, chosen)
    if isinstance(said, Answer):
        results.references[task] = said


def _answer(job: Job, python: Path | Unavailable, chosen: Choice) -> Answer | Unavailable:
    return python if isinstance(python, Unavailable) else answer(job, python, DATA, chosen.time_limit_s)


def _pythons(peers: tuple[Peer, ...], console: Console) -> Pythons:
    """By the name of the environment; None is the one that runs this."""
    pythons: Pythons = {None: Path(sys.executable)}
    for name in dict.fromkeys(peer.environment for peer in peers if peer.environment):
        console.print(f"environment {name}")
        pythons[name] = found = python_of(name)
        if isinstance(found, Unavailable):
            console.print(f"[yellow]{name}: {found.reason}[/]")
    return pythons


def _machine() -> str:
    python = f"Python {platform.python_version()} unless a peer needs a newer"
    return f"{platform.platform()}, {os.cpu_count()} cores, {python}."


def _choice() -> Choice:
    parser = argparse.ArgumentParser(prog="bench.peers")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_BARS:,} bars, one round: shows that all works")
    parser.add_argument("--only", nargs="+", choices=[peer.runner for peer in PEERS], metavar="PEER")
    parser.add_argument("--workloads", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--time-limit", type=float, default=600, metavar="SECONDS", help="of one process")
    given = parser.parse_args()
    peers = tuple(peer for peer in PEERS if not given.only or peer.runner in given.only)
    if given.quick:
        peers = tuple(replace(peer, rounds=1, repeats=min(peer.repeats, 1)) for peer in peers)
    most_bars = QUICK_BARS if given.quick else FULL_BARS
    return Choice(peers, tuple(given.workloads), most_bars, given.time_limit)


if __name__ == "__main__":
    main()

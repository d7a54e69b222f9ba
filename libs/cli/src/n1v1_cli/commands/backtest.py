"""n1v1 backtest: the whole system in this process, without servers. The same run as the demo gives the same hash."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n1v1_cli import sample_run
from n1v1_cli.options import add_settings_options, load_settings

if TYPE_CHECKING:
    from n1v1.events import Event


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "backtest",
        help="run strategies over recorded data in this process",
        description="Runs the stages of the system in this process, event by event, over recorded bars. By default "
        "it repeats the demo's run, and ends with the demo's hash.",
    )
    add_settings_options(parser)
    parser.add_argument("--full", action="store_true", help="all recorded years (2016 to 2022) instead of 2020 to 2022")
    parser.add_argument(
        "--results", type=Path, default=Path("results/backtest"), metavar="FOLDER", help="for the report"
    )


def run(args: argparse.Namespace) -> int:
    from n1v1.run_hash import from_events
    from n1v1_cli.in_process import events
    from n1v1_cli.run_table import print_run

    settings = load_settings(args, sample_run.settings_of(full=args.full)).settings
    dataset = sample_run.dataset_of(settings)
    began = time.monotonic()
    records = from_events(_shown(events(settings, dataset), total=len(list(dataset.steps()))))
    seconds = time.monotonic() - began
    bars = sum(len(bars) for _, bars in dataset.steps())
    result = sample_run.result_of(records, settings, dataset, driver="in process, event by event")
    print_run(result, sample_run.write_report(result, args.results))
    print(f"{bars:,} bars in {seconds:.1f} s, {bars / seconds:,.0f} bars/s")
    return 0


def _shown(happening: Iterator[Event], *, total: int) -> Iterator[Event]:
    """The same events, with a progress bar that follows the bar times."""
    from rich.progress import Progress

    from n1v1.events import BarsComplete

    with Progress(transient=True) as progress:
        task = progress.add_task("backtest", total=total)
        for event in happening:
            if isinstance(event, BarsComplete) and event.sequence % 50 == 0:
                progress.update(task, completed=event.sequence)
            yield event

"""n1v1 demo: recorded years through the real services on real servers, and what came of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from n1v1_cli import sample_run
from n1v1_cli.options import add_settings_options, load_settings, state_dir_of

FOLDER = "demo"


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "demo",
        help="replay years of BTC and ETH through the whole system, with a report",
        description="Starts NATS, Valkey, PostgreSQL and every service, replays recorded bars through the simulated "
        "venue in lockstep, prints what came of it and writes a report. The same data and settings give the same "
        "run hash, every time.",
    )
    add_settings_options(parser)
    parser.add_argument("--full", action="store_true", help="all recorded years (2016 to 2022) instead of 2020 to 2022")
    parser.add_argument("--results", type=Path, default=Path("results/demo"), metavar="FOLDER", help="for the files")


def run(args: argparse.Namespace) -> int:
    """Raises ReplayStopped, StackFailed, CommandError: see `replayed`."""
    from n1v1_cli.replay import replayed
    from n1v1_cli.run_table import print_run
    from n1v1_common.settings.core import check_strategies

    args.overrides.append("environment.mode=paper")  # whatever a settings file says: a replay never trades real money
    loaded = load_settings(args, sample_run.settings_of(full=args.full))
    dataset = sample_run.dataset_of(loaded.settings)
    check_strategies(loaded.settings, dataset.instruments[0])
    result = replayed(loaded, dataset, state_dir_of(loaded) / FOLDER)
    print_run(result, result.save(args.results))
    return 0

"""n1v1 backtest: strategies over recorded bars, and what came of it. Without --strategy it repeats the demo's run."""

from __future__ import annotations

import argparse
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n1v1_cli import sample_run
from n1v1_cli.options import add_settings_options, load_settings

if TYPE_CHECKING:
    from n1v1_common.settings.load import Loaded
    from n1v1_research.datasets import Dataset
    from n1v1_research.results import RunResult

SERVICES = "services"
"""The engine that is no engine of this process: the whole stack, as `n1v1 demo` starts it."""

STATE_FOLDER = "backtest"
"""Below the state folder, for the servers of that stack."""

FORMATS = "json,csv,html"

OBJECTS_BETWEEN_COLLECTIONS = 100_000


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "backtest",
        help="run strategies over recorded data in this process",
        description="Runs strategies over recorded bars and writes results.json, the tables and a report. Without "
        "--strategy and --data it repeats the demo's run, and ends with the demo's hash.",
    )
    _add_what(parser)
    _add_how(parser)
    add_settings_options(parser)


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-s",
        "--strategy",
        metavar="NAME",
        action="append",
        default=[],
        help="a strategy (ema_cross, EMACrossStrategy), a file.py or a file.py:Class; may be given several times",
    )
    parser.add_argument(
        "-p",
        "--params",
        metavar="PARAMS",
        action="append",
        default=[],
        help="""parameters, as in --params '{"fast_ema": 5}' or --params fast_ema=5; of several strategies with """
        "the name before: ema_cross.fast_ema=5",
    )
    parser.add_argument("--data", metavar="NAME|PATH", help="a dataset by name, a folder or a file of bars")
    parser.add_argument("--symbols", metavar="A,B", help="of the dataset (all)")
    parser.add_argument("--timeframe", metavar="4h", help="length of a bar; recorded ones are joined for it")
    parser.add_argument("--start", metavar="DATE", help="first bar, UTC (the first recorded)")
    parser.add_argument("--end", metavar="DATE", help="end, exclusive, UTC (the last recorded)")
    parser.add_argument("--full", action="store_true", help="without --strategy: 2016 to 2022 instead of 2020 to 2022")
    parser.add_argument("--cash", metavar="AMOUNT", help="what the account starts with, in quote currency")
    parser.add_argument("--fee", metavar="FRACTION", help="of the traded value: 0.001 is 0.1 %%")
    parser.add_argument("--slippage", metavar="FRACTION", help="of the price, against the taker")


def _add_how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help="scan (compiled), pipeline (event by event) or services (the whole stack): equal results",
    )
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        help="again at other costs, with slower orders, along another path",
    )
    parser.add_argument("--risk-free-rate", metavar="FRACTION", type=float, help="a year, for Sharpe and alpha (0.02)")
    parser.add_argument("--format", metavar="A,B", default=FORMATS, help=f"of json, csv, parquet, html ({FORMATS})")
    parser.add_argument(
        "--results", type=Path, default=Path("results/backtest"), metavar="FOLDER", help="for the files"
    )


def run(args: argparse.Namespace) -> int:
    """Raises N1v1Error or CommandError: the run cannot be made; SettingsError: it was asked for wrongly."""
    # Nearly all that is allocated here stays until the end, so looking for garbage every 700 objects, as Python does,
    # finds nothing and takes a tenth of a short run.
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    from n1v1_cli.run_table import print_run
    from n1v1_research.results.files import checked_formats

    formats = checked_formats(args.format.split(","))
    check_engine(args.engine)
    loaded, dataset = loaded_with_dataset(args)
    result = play(loaded, dataset, args)
    written = result.save(args.results, formats)
    print_run(result, written)
    return 0


def check_engine(name: str | None) -> None:
    """Raises UnknownName with the nearest name."""
    from n1v1.errors import UnknownName, nearest
    from n1v1_research.backtest.engines import ENGINES

    known = (*ENGINES, SERVICES)
    if name is not None and name not in known:
        raise UnknownName(f"no engine is called {name!r}{nearest(name, known)}")


def loaded_with_dataset(args: argparse.Namespace) -> tuple[Loaded, Dataset]:
    """The settings that the options lead to, and the bars they name. What the bars say beats what nobody has set."""
    from n1v1_cli.backtest_settings import overrides_of
    from n1v1_cli.datasets import chosen_dataset, settings_from

    never_live = "environment.mode=paper" if args.engine == SERVICES else "environment.mode=backtest"
    args.overrides = [*args.overrides, *overrides_of(args), never_live]
    is_sample = not args.strategy and not args.data
    defaults = sample_run.settings_of(full=args.full) if is_sample else sample_run.OWN_RUN
    dataset = chosen_dataset(load_settings(args, defaults), may_resample=args.engine != SERVICES)
    return load_settings(args, [*defaults, *settings_from(dataset)]), dataset


def play(loaded: Loaded, dataset: Dataset, args: argparse.Namespace) -> RunResult:
    from n1v1.performance import RISK_FREE_RATE
    from n1v1_cli.in_process import configuration_of
    from n1v1_cli.progress import shown_progress
    from n1v1_research.backtest.backtester import Backtester
    from n1v1_research.backtest.engines import DEFAULT_ENGINE
    from n1v1_research.backtest.usual import usual_engine

    if args.engine == SERVICES:
        from n1v1_cli.options import state_dir_of
        from n1v1_cli.replay import replayed

        return replayed(loaded, dataset, state_dir_of(loaded) / STATE_FOLDER)
    name = args.engine or usual_engine(dataset)
    if name != args.engine and name != DEFAULT_ENGINE:
        print("Nothing is compiled yet, which takes a minute, once: --engine scan or make setup. Going event by event.")
    backtester = Backtester(
        configuration_of(loaded.settings, dataset),
        dataset,
        engine=name,
        title=sample_run.title_of(loaded.settings, dataset),
        risk_free_rate=RISK_FREE_RATE if args.risk_free_rate is None else args.risk_free_rate,
    )
    with shown_progress(total=dataset.total_steps) as progress:
        return backtester.run(progress, sensitivity=args.sensitivity)

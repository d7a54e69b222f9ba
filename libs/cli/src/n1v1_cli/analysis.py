"""What the commands that analyse a strategy share: which strategy, on which bars."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from n1v1_cli.errors import CommandError
from n1v1_cli.options import add_settings_options, load_settings

if TYPE_CHECKING:
    from n1v1_research.datasets import Dataset


@dataclass(frozen=True)
class Subject:
    """name: as it was given. strategy: the class that the registry found."""

    name: str
    strategy: type[Any]
    parameters: dict[str, Any]
    dataset: Dataset


def add_subject_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-s",
        "--strategy",
        metavar="NAME",
        required=True,
        help="a strategy (ema_cross, EMACrossStrategy), a file.py or a file.py:Class",
    )
    parser.add_argument(
        "-p",
        "--params",
        metavar="PARAMS",
        action="append",
        default=[],
        help="""parameters, as in --params '{"fast_ema": 5}' or --params fast_ema=5""",
    )
    parser.add_argument("--data", "--dataset", metavar="NAME|PATH", default="coinbase-4h", help="default: coinbase-4h")
    parser.add_argument("--symbols", metavar="A,B", help="of the dataset (all)")
    parser.add_argument("--timeframe", metavar="4h", help="length of a bar; recorded ones are joined for it")
    parser.add_argument("--start", metavar="DATE", help="first bar, UTC (the first recorded)")
    parser.add_argument("--end", metavar="DATE", help="end, exclusive, UTC (the last recorded)")
    parser.add_argument("--limit", metavar="BARS", type=int, help="the last BARS bars of each symbol only")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_settings_options(parser)


def subject_of(args: argparse.Namespace) -> Subject:
    """Raises N1v1Error for a strategy or a dataset that is not there, WrongOption for parameters that are none."""
    from n1v1.strategies import registry
    from n1v1_cli.backtest_settings import parameters_in
    from n1v1_research.datasets import load

    if args.limit is not None and args.limit < 1:
        raise CommandError(f"--limit: expected at least 1 bar, got {args.limit}")
    parameters: dict[str, Any] = {}
    for text in args.params:
        parameters |= parameters_in(text)
    symbols = args.symbols.split(",") if args.symbols else None
    store = load_settings(args).settings.datasets_dir
    dataset = load(args.data, symbols=symbols, start=args.start, end=args.end, store=store)
    if args.timeframe and args.timeframe != dataset.timeframe:
        dataset = dataset.resampled(args.timeframe)
    return Subject(args.strategy, registry.find(args.strategy), parameters, dataset)


def markets(subject: Subject, limit: int | None) -> Iterator[tuple[Any, Any]]:
    """(bars, instrument) of every symbol. limit: the last so many bars."""
    for symbol in subject.dataset.symbols:
        bars = subject.dataset.bars[symbol]
        yield bars[-limit:] if limit else bars, subject.dataset.instrument(symbol)

"""n1v1 data: recorded bars for backtests and replays. Import files, list what there is, check it, look at it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n1v1_cli.errors import CommandError
from n1v1_cli.options import add_settings_options, load_settings

if TYPE_CHECKING:
    from n1v1_research.datasets import Dataset
    from n1v1_research.datasets.grids import Grid
    from n1v1_research.datasets.importing import Imported
    from n1v1_research.datasets.sources import Reading
    from n1v1_research.datasets.store import Store
    from n1v1_research.datasets.stored import Entry

BAD_ROWS_SHOWN = 20
SHORT_ID = 12


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "data",
        help="recorded bars: import, list, verify, show, export",
        description="Datasets of recorded bars. An imported one is known by its name, its id or the beginning of its "
        "id wherever a dataset is named (n1v1 backtest, market.dataset).",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_import(actions)
    listing = actions.add_parser("list", help="every dataset, imported and bundled")
    listing.add_argument("--json", action="store_true", help="for programs")
    verify = actions.add_parser("verify", help="whether what is stored is what was imported")
    verify.add_argument("names", nargs="*", metavar="NAME", help="name or id; default: every imported dataset")
    show = actions.add_parser("show", help="a page with a chart of every symbol, its gaps and the facts")
    show.add_argument("name", metavar="NAME", help="name, id or path of a dataset")
    show.add_argument("--symbol", action="append", help="only this one; may be given several times")
    show.add_argument("--output", type=Path, metavar="FILE", help="default: results/data/NAME.html")
    show.add_argument("--open", action="store_true", help="in the browser")
    export = actions.add_parser("export", help="the bars of a dataset as CSV, Parquet or Feather")
    export.add_argument("name", metavar="NAME", help="name, id or path of a dataset")
    export.add_argument(
        "file", metavar="FILE", help="ends in .csv, .csv.gz, .parquet or .feather; {symbol} in it: each"
    )
    export.add_argument("--symbol", help="of a dataset that has several")
    for action in actions.choices.values():
        add_settings_options(action)


def _add_import(actions: Any) -> None:
    parser = actions.add_parser(
        "import",
        help="check files of bars and keep them as a dataset",
        description="CSV (.csv, .csv.gz), Parquet and Feather. Every bad row is named, and nothing is stored when "
        "there is one. Several files of one symbol must follow one another in time.",
        epilog="n1v1 data import btc.csv --symbol BTC-USD --timeframe 1m   or   "
        "n1v1 data import BTC-USD=btc.parquet ETH-USD=eth.parquet --timeframe 1h --name majors",
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="[SYMBOL=]FILE", help="a file of bars of one symbol")
    add("--symbol", metavar="BASE-QUOTE", help="of the files that are given without one, as in BTC-USD")
    add("--timeframe", required=True, help="length of a bar: 1m, 15m, 4h, 1d")
    add("--name", help="default, for one symbol: the symbol and the timeframe, as in BTC-USD-1m")
    add("--timestamp", choices=("open", "close"), default="open", help="what a row's time is (default: open)")
    add("--columns", metavar="OURS=THEIRS,...", default="", help="time=ts,open=o,... for what is not called as usual")
    add(
        "--no-header", action="store_true", help="CSV without header: columns are numbers from 1, as in time=1,volume=6"
    )
    add("--delimiter", default=",", help="of a CSV file (default: a comma)")
    add("--timezone", default="UTC", help="of times without an offset, as in Europe/Berlin (default: UTC)")
    add(
        "--unit",
        choices=("auto", "s", "ms", "us", "ns", "iso"),
        default="auto",
        help="of times (default: by their size)",
    )
    add(
        "--tick-size",
        metavar="SIZE",
        default="",
        help="a power of ten such as 0.01, or SYMBOL=SIZE,... (default: inferred)",
    )
    add("--lot-size", metavar="SIZE", default="", help="likewise, of volumes")
    add(
        "--min-notional",
        metavar="AMOUNT",
        default="",
        help="smallest order (default: 10 in dollars and the like, else 0)",
    )
    add("--round", action="store_true", help="round what is finer than the grid, half to even, instead of refusing it")
    add("--drop-last", action="store_true", help="leave out the last row, whose bar was not over yet")
    add("--skip-bad-rows", action="store_true", help="leave out bad rows instead of refusing the file")


def run(args: argparse.Namespace) -> int:
    """Raises CommandError: used wrongly; and what the datasets raise: InvalidData, UnknownName."""
    actions = {"import": _import, "list": _list, "verify": _verify, "show": _show, "export": _export}
    return actions[args.action](args)


def _store(args: argparse.Namespace) -> Store:
    from n1v1_research.datasets.store import Store

    return Store(load_settings(args).settings.datasets_dir)


# --- import ----------------------------------------------------------------------------------------------------


def _import(args: argparse.Namespace) -> int:
    from n1v1_research.datasets.importing import import_files
    from n1v1_research.datasets.load import bundled
    from n1v1_research.datasets.store import check_name

    files = _files_by_symbol(args.files, args.symbol)
    name = check_name(args.name or _name_of(files, args.timeframe))
    if name in bundled():
        raise CommandError(f"{name} is the name of a bundled dataset; choose another with --name")
    now_ns = time.time_ns()
    reading = _reading(args)
    imported = import_files(
        files, name=name, timeframe=args.timeframe, reading=reading, grids=_grids(args, files), now_ns=now_ns
    )
    store = _store(args)
    before = store.names().get(name)
    entry, is_new = store.add(imported.dataset, origin=_origin(imported, reading), now_ns=now_ns)
    _print_imported(imported, entry)
    print(f"{name}: {entry.id[:SHORT_ID]}, {'stored' if is_new else 'was stored before; the same is kept once'}")
    if before not in (None, entry.id):
        print(f"{name} stood for {before[:SHORT_ID]} before, which is still there under its id")
    return 0


def _files_by_symbol(given: Sequence[str], symbol: str | None) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for word in given:
        before, separator, after = word.partition("=")
        if separator and not Path(word).exists():
            files.setdefault(before, []).append(Path(after))
        elif symbol is None:
            raise CommandError(f"of which symbol is {word}? Say --symbol BTC-USD, or BTC-USD={word}")
        else:
            files.setdefault(symbol, []).append(Path(word))
    return files


def _name_of(files: Mapping[str, Sequence[Path]], timeframe: str) -> str:
    if len(files) > 1:
        raise CommandError("several symbols: choose a name for the dataset with --name")
    return f"{next(iter(files))}-{timeframe}"


def _reading(args: argparse.Namespace) -> Reading:
    from n1v1_research.datasets.sources import FIELDS, Reading

    columns = dict(_pairs(args.columns, "--columns"))
    if unknown := [ours for ours in columns if ours not in FIELDS]:
        raise CommandError(f"--columns: expected one of {', '.join(FIELDS)} before '='; got {unknown[0]!r}")
    if len(args.delimiter) != 1:
        raise CommandError(f"--delimiter: expected one character; got {args.delimiter!r}")
    return Reading(
        columns=columns,
        has_header=not args.no_header,
        delimiter=args.delimiter,
        time_unit=args.unit,
        timezone=args.timezone,
        stamps=args.timestamp,
        rounds=args.round,
        drops_last=args.drop_last,
        skips_bad_rows=args.skip_bad_rows,
    )


def _grids(args: argparse.Namespace, symbols: Mapping[str, object]) -> dict[str, Grid]:
    from n1v1_research.datasets.grids import Grid

    ticks = _by_symbol(args.tick_size, symbols, "--tick-size")
    lots = _by_symbol(args.lot_size, symbols, "--lot-size")
    smallest = _by_symbol(args.min_notional, symbols, "--min-notional")
    return {symbol: Grid(ticks.get(symbol), lots.get(symbol), smallest.get(symbol)) for symbol in symbols}


def _by_symbol(text: str, symbols: Mapping[str, object], option: str) -> dict[str, Decimal]:
    """0.01 for every symbol, or BTC-USD=0.01,ETH-USD=0.001."""
    if not text:
        return {}
    given = dict(_pairs(text, option)) if "=" in text else dict.fromkeys(symbols, text)
    if unknown := [symbol for symbol in given if symbol not in symbols]:
        raise CommandError(f"{option}: there is no file of {unknown[0]}")
    try:
        return {symbol: Decimal(size) for symbol, size in given.items()}
    except InvalidOperation:
        raise CommandError(f"{option}: expected a number such as 0.01, or SYMBOL=NUMBER,...; got {text!r}") from None


def _pairs(text: str, option: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, text.split(",")):
        name, separator, value = part.partition("=")
        if not (separator and name and value):
            raise CommandError(f"{option}: expected NAME=VALUE,NAME=VALUE; got {part!r}")
        yield name.strip(), value.strip()


def _origin(imported: Imported, reading: Reading) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "files": [asdict(source) for source in imported.sources],
        "reading": asdict(reading),
        "skipped_rows": [str(bad_row) for bad_row in imported.skipped],
        "rounded_values": imported.rounded,
    }


def _print_imported(imported: Imported, entry: Entry) -> None:
    from n1v1_research.datasets.chart import time_text

    for series in entry.series:
        instrument = series.instrument
        smallest = f"{instrument.cash(instrument.min_notional).normalize():f}"
        period = f"{time_text(series.first_open_ns)} to {time_text(series.last_close_ns)} UTC"
        missing = f"{_count(series.gaps, 'gap')}, {_count(series.missing_bars, 'bar')} missing"
        print(f"{instrument.symbol}: {_count(series.bars, 'bar')} of {entry.timeframe}, {period}; {missing}")
        print(
            f"  tick {instrument.tick_size:f} {instrument.quote}, lot {instrument.lot_size:f} {instrument.base}, "
            f"smallest order {smallest} {instrument.quote}"
        )
    if imported.rounded:
        print(f"{_count(imported.rounded, 'value')} finer than the grid, rounded to it (--round)")
    if imported.skipped:
        were = "was" if len(imported.skipped) == 1 else "were"
        print(f"{_count(len(imported.skipped), 'bad row')} {were} left out (--skip-bad-rows):")
        for bad_row in imported.skipped[:BAD_ROWS_SHOWN]:
            print(f"  {bad_row}")
        if (hidden := len(imported.skipped) - BAD_ROWS_SHOWN) > 0:
            print(f"  ... and {hidden:,} more; all of them are in {entry.folder / 'dataset.json'}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


# --- list and verify -------------------------------------------------------------------------------------------


def _list(args: argparse.Namespace) -> int:
    from n1v1.errors import InvalidData
    from n1v1_research.datasets.stored import entry_of

    store = _store(args)
    names: dict[str, list[str]] = {}
    for name, dataset_id in store.names().items():
        names.setdefault(dataset_id, []).append(name)
    rows, damaged = list(_bundled_rows()), []
    for folder in store.folders():
        try:
            rows.append(_imported_row(entry_of(folder), names.get(folder.name, [])))
        except InvalidData as problem:
            damaged.append(str(problem))
    rows.sort(key=lambda row: str(row["name"]))
    if args.json:
        import json

        print(json.dumps({"datasets": rows, "damaged": damaged}, indent=2))
    else:
        _print_rows(rows)
        print("\n".join(f"damaged: {problem}" for problem in damaged), end="\n" if damaged else "")
    return 1 if damaged else 0


def _bundled_rows() -> Iterator[dict[str, Any]]:
    from n1v1_research.datasets.load import BUNDLED, bundled, load

    for name in bundled():
        dataset = load(name)
        bars = [dataset.columns(symbol) for symbol in dataset.symbols]
        yield {
            "name": name,
            "from": "bundled",
            "id": dataset.id,
            "symbols": list(dataset.symbols),
            "timeframe": dataset.timeframe,
            "first_open_ns": int(min(series.open_ns[0] for series in bars)),
            "last_close_ns": int(max(series.close_ns[-1] for series in bars)),
            "bars": sum(map(len, bars)),
            "gaps": len(dataset.gaps),
            "bytes": sum(file.stat().st_size for file in (BUNDLED / name).iterdir()),
        }


def _imported_row(entry: Entry, names: Sequence[str]) -> dict[str, Any]:
    return {
        "name": ", ".join(names) or f"(was {entry.name})",
        "from": "imported",
        "id": entry.id,
        "symbols": [series.instrument.symbol for series in entry.series],
        "timeframe": entry.timeframe,
        "first_open_ns": min(series.first_open_ns for series in entry.series),
        "last_close_ns": max(series.last_close_ns for series in entry.series),
        "bars": entry.bars,
        "gaps": sum(series.gaps for series in entry.series),
        "bytes": entry.size_bytes,
    }


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.markup import escape

    from n1v1_cli.tables import print_table
    from n1v1_research.datasets.chart import time_text

    columns = ("name", "id", "symbols", "timeframe", "first (UTC)", "last (UTC)", "bars", "gaps", "size", "from")
    cells = [
        (
            escape(row["name"]),
            row["id"][:SHORT_ID],
            ", ".join(row["symbols"]),
            row["timeframe"],
            time_text(row["first_open_ns"]),
            time_text(row["last_close_ns"]),
            f"{row['bars']:,}",
            f"{row['gaps']:,}",
            f"{row['bytes'] / 1e6:.1f} MB",
            row["from"],
        )
        for row in rows
    ]
    print_table(columns, cells, numbers=("bars", "gaps", "size"))


def _verify(args: argparse.Namespace) -> int:
    from n1v1_research.datasets.stored import alterations

    store = _store(args)
    folders = [store.folder_of(name) for name in args.names] if args.names else list(store.folders())
    if not folders:
        print("nothing has been imported yet: n1v1 data import --help")
    is_whole = True
    for folder in folders:
        found = alterations(folder)
        is_whole = is_whole and not found
        names = [name for name, dataset_id in store.names().items() if dataset_id == folder.name]
        print(
            f"{', '.join(names) or 'without a name'} {folder.name[:SHORT_ID]}: {'altered' if found else 'as imported'}"
        )
        for alteration in found:
            print(f"  {alteration}")
    return 0 if is_whole else 1


# --- show and export -------------------------------------------------------------------------------------------


def _show(args: argparse.Namespace) -> int:
    from n1v1_research.datasets.chart import write
    from n1v1_research.datasets.load import load

    store = _store(args)
    dataset = load(args.name, symbols=args.symbol, store=store.folder)
    path = args.output or Path("results/data") / f"{dataset.name}.html"
    entry = store.find(args.name)
    write(dataset, path, facts=_facts(entry) if entry else {"Origin": "bundled, or read from its file"})
    print(path.absolute())
    if args.open:
        import webbrowser

        webbrowser.open(path.absolute().as_uri())
    return 0


def _facts(entry: Entry) -> dict[str, str]:
    from n1v1_research.datasets.chart import time_text

    files = entry.origin["files"]
    options = {name: value for name, value in entry.origin["reading"].items() if value not in ({}, False, None)}
    return {
        "Id of the whole dataset": entry.id,
        "Imported": f"{time_text(entry.imported_ns)} UTC",
        **{
            f"File of {file['symbol']}": f"{file['name']}, {file['rows']:,} rows, SHA-256 {file['sha256']}"
            for file in files
        },
        "Options": ", ".join(f"{name} {value}" for name, value in options.items()),
        "Rows left out": f"{len(entry.origin['skipped_rows']):,}",
        "Values rounded": f"{entry.origin['rounded_values']:,}",
    }


def _export(args: argparse.Namespace) -> int:
    from n1v1_research.datasets.export import export
    from n1v1_research.datasets.load import load

    dataset = load(args.name, symbols=[args.symbol] if args.symbol else None, store=_store(args).folder)
    for symbol, path in _destinations(dataset, args.file):
        export(dataset.columns(symbol), dataset.instrument(symbol), path)
        print(f"{path.absolute()}: {len(dataset.columns(symbol)):,} bars of {symbol}")
    return 0


def _destinations(dataset: Dataset, file: str) -> list[tuple[str, Path]]:
    if len(dataset.symbols) > 1 and "{symbol}" not in file:
        symbols = ", ".join(dataset.symbols)
        raise CommandError(
            f"{dataset.name} has {symbols}: choose one with --symbol, or write {{symbol}} in the file name"
        )
    return [(symbol, Path(file.replace("{symbol}", symbol))) for symbol in dataset.symbols]

"""python -m chaos.soak: hours of market at speed, and what grows with them. Ends with 1 when something grows that must
not, when an invariant is broken, or when a process had to be started again."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from chaos import books, venue
from chaos.growth import Growth, Soak, cells_of
from chaos.invariants import differences, twice, unprotected
from chaos.replay import RunningReplay, running
from chaos.sampling import Measure, Sample, What, values_of
from chaos.soak_page import write_page
from n1v1.values import Instrument
from n1v1_cli.stack.stack import announce_nothing
from n1v1_common.instruments import instruments_of
from n1v1_research import datasets
from n1v1_research.datasets.dataset import Dataset
from n1v1_research.datasets.store import Store
from n1v1_research.datasets.synthetic import bootstrapped

PAGE = Path("results/soak.html")
DATASET = "soak"
SYMBOLS = ("BTC-USD", "ETH-USD")
BARS = 10_000
"""Minutes, drawn so that they end where they began: the market goes round and round, and its prices hardly jump."""
SAMPLES = 120
SAMPLE_EVERY_S = 60.0
TOLD_EVERY = 10
CHECK_EVERY_S = 600.0
STANDSTILL_WITHIN_S = 60.0

MINUTES = (
    f"market.dataset={DATASET}",
    f"market.symbols={','.join(SYMBOLS)}",
    "market.timeframe=1m",
    "market.start=2022-01-01",
    "market.end=2030-01-01",
)
"""Of `store_market`."""
# A position is entered or left whenever the direction changes, stop and target are near, and larger orders fill in
# parts. It is a small part of the account and costs little, so that after a day of it there is still something to trade
# with. Traced as by default.
TRADING = (
    "strategies.active_strategies=ema_cross",
    'strategies.strategy_config={"ema_cross": {"fast_ema": 1, "slow_ema": 2, "position_size": 0.01,'
    ' "stop_loss_pct": 0.002, "take_profit_pct": 0.003}}',
    "account.initial_balance=10000000",
    "exchange.fee_rate_bps=0.1",
    "exchange.slippage_bps=0",
    "exchange.max_participation=0.2",
    "risk_management.max_drawdown=1",
    "risk_management.max_daily_drawdown=1",
    "telemetry.sample_ratio=0.01",
)


async def soak(hours: float, console: Console, page: Path) -> Soak:
    """The page is written anew every ten minutes, so that a long run can be looked at.

    Raises ServerMissing where servers cannot run.
    """
    seconds = hours * 3600
    result = Soak()
    async with _market() as replay:
        await replay.until_settled(1)
        began = time.monotonic()
        every_s, check_s = min(SAMPLE_EVERY_S, seconds / SAMPLES), CHECK_EVERY_S
        while (now_s := time.monotonic() - began) < seconds:
            await _sample(replay, result, now_s, console)
            if now_s >= check_s:
                check_s = now_s + CHECK_EVERY_S
                await _check(replay, result)
                write_page(page, result)
            await _pause(replay, began + len(result.samples) * every_s)
        await _sample(replay, result, time.monotonic() - began, console)
        await _check(replay, result)
    return result


async def _sample(replay: RunningReplay, result: Soak, now_s: float, console: Console) -> None:
    result.samples.append(Sample(now_s, await values_of(replay)))
    if (len(result.samples) - 1) % TOLD_EVERY == 0:
        bar_times = result.samples[-1].values[Measure(What.BAR_TIMES, "settled")]
        memory = sum(value for measure, value in result.samples[-1].values.items() if measure.what is What.MEMORY)
        console.print(f"{now_s / 60:.1f} min: {bar_times:,.0f} bar times, {memory:,.0f} MB", highlight=False)


async def _pause(replay: RunningReplay, until: float) -> None:
    """A stack that fails meanwhile ends the run with its reason."""
    failed = asyncio.ensure_future(replay.stack.failed())
    await asyncio.wait([failed], timeout=max(0.0, until - time.monotonic()))
    if failed.done():
        raise failed.result()
    failed.cancel()


async def _check(replay: RunningReplay, result: Soak) -> None:
    """The market is held meanwhile."""
    result.checks += 1
    async with replay.standstill(within_s=STANDSTILL_WITHIN_S):
        result.problems += await _broken(replay, result)
    crashes = replay.stack.supervisor.crashes
    result.problems += [f"{name} was started again {count} times" for name, count in crashes.items() if count]
    values = [sample.values[Measure(What.BAR_TIMES, "settled")] for sample in result.samples[-2:]]
    if len(values) == 2 and values[0] == values[1]:
        result.problems.append(f"the market stands at bar time {values[0]:,.0f}")


async def _broken(replay: RunningReplay, result: Soak) -> list[str]:
    """What was compared once and can change no more is not compared again."""
    settings = replay.settings
    opening = {settings.account.quote_currency: settings.account.initial_balance}
    ours = await books.statement(replay.stack.urls.postgres, opening=opening, since=result.since)
    theirs = await venue.statement(settings, since=result.since)
    result.since = result.since.after(theirs)
    bases = [instrument.base for instrument in instruments_of(settings)]
    return [*differences(ours, theirs), *twice(ours), *twice(theirs), *unprotected(theirs, bases)]


@asynccontextmanager
async def _market() -> AsyncIterator[RunningReplay]:
    with tempfile.TemporaryDirectory(prefix="n1v1-soak-") as name:
        folder = Path(name)
        store_market(folder / "datasets")
        settings = (*MINUTES, *TRADING, "replay.loop=true", f"paths.datasets_dir={folder / 'datasets'}")
        async with running(folder / "state", *settings, announce=announce_nothing) as replay:
            yield replay


def store_market(folder: Path, *, bars: int = BARS) -> None:
    """Two markets, drawn from a day of recorded minutes with a seed of their own each."""
    source = datasets.load("binance-1m")
    [recorded] = source.instruments
    series, instruments = {}, []
    for seed, instrument in enumerate(_instruments(recorded), 1):
        series[instrument.symbol] = bootstrapped(source, bars, seed).columns(recorded.symbol)
        instruments.append(instrument)
    store = Store(folder)
    dataset = Dataset(DATASET, source.timeframe, tuple(instruments), series)
    entry, _ = store.add(dataset, origin={"drawn from": source.name}, now_ns=0)
    store.name(DATASET, entry.id)


def _instruments(like: Instrument) -> Iterator[Instrument]:
    for symbol in SYMBOLS:
        base, quote = symbol.split("-")
        yield replace(like, symbol=symbol, base=base, quote=quote)


def print_growths(console: Console, growths: Sequence[Growth]) -> None:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for heading in ("", "Of", "After warm-up", "At the end", "An hour", "Limit", ""):
        table.add_column(heading, justify="left" if heading in ("", "Of") else "right")
    for growth in growths:
        style = "red" if growth.is_too_much else None
        table.add_row(*cells_of(growth), style=style)
    console.print(table)


def main() -> int:
    args = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    result = asyncio.run(soak(args.hours, console, args.page))
    growths = result.growths()
    print_growths(console, growths)
    for problem in result.problems:
        console.print(problem, style="red", soft_wrap=True)
    console.print(result.summary)
    write_page(args.page, result)
    console.print(f"Page {args.page.absolute()}", soft_wrap=True)
    return 1 if result.problems or any(growth.is_too_much for growth in growths) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.soak", description=__doc__)
    parser.add_argument("--hours", type=_hours, default=2.0, metavar="H", help="how long, in parts as well (2)")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help=f"the measures as a page ({PAGE})")
    return parser.parse_args()


def _hours(text: str) -> float:
    hours = float(text)
    if not hours > 0:
        raise argparse.ArgumentTypeError(f"expected more than 0 hours, got {text}")
    return hours


if __name__ == "__main__":
    sys.exit(main())

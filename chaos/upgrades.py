"""python -m chaos.upgrades: every service is asked to end and started again, one after the other, round after round,
while the market goes on. Ends with 1 when the run is not that of services which nobody touched."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from chaos.replay import RunningReplay, pid_of, running
from chaos.run import Drill, Undisturbed
from chaos.soak import MINUTES, TRADING, store_market
from n1v1_cli.stack.service import Service
from n1v1_cli.stack.stack import announce_nothing

ORDER = ("reporting", "portfolio", "execution", "risk", "signals", "market_data", "exchange_simulator")
"""Who hears comes before who says, so that a new field or message always has a reader. docs/upgrading.md."""
DRAINED_WITHIN_S = 15.0
CHECK_EVERY_S = 600.0
BAR_TIMES_A_SECOND = 30
"""More than any machine settles, so that the market does not end before the run."""
WORKERS = ("signals.partitions=7", "signals.worker_count=2")
"""ETH-USD is in partition 2, so with signals-0; BTC-USD in 5, with signals-1."""


@dataclass(frozen=True, slots=True)
class Restart:
    """drained_s: from SIGTERM to its end. ready_s: from there until it is ready again. positions: open at the time."""

    name: str
    exit_code: int
    drained_s: float
    ready_s: float
    positions: int


@dataclass
class Upgrades:
    """differences: from the run of services that nobody touched, and what else must not be, in words."""

    restarts: list[Restart] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    rounds: int = 0
    bar_times: int = 0

    @property
    def summary(self) -> str:
        held = sum(restart.positions > 0 for restart in self.restarts)
        return (
            f"{self.rounds} rounds, {len(self.restarts)} restarts, {held} of them with positions open;"
            f" {self.bar_times} bar times, {len(self.differences)} differences"
        )


def in_order(replay: RunningReplay) -> list[str]:
    """Names of the service's processes; those of several workers one after the other."""
    services = [each for each in replay.stack.supervisor.processes.values() if isinstance(each, Service)]
    rank = {f"n1v1_{name}": number for number, name in enumerate(ORDER)}
    return [service.name for service in sorted(services, key=lambda service: rank[service.spec.module])]


async def restart(replay: RunningReplay, name: str) -> Restart:
    """SIGTERM, and wait until it is ready again. Raises TimeoutError when it does not drain."""
    positions = await _open_positions(replay)
    process = replay.stack.process(name)
    began = time.monotonic()
    os.kill(pid_of(replay.stack, name), signal.SIGTERM)
    exit_code = await asyncio.wait_for(process.wait(), DRAINED_WITHIN_S)
    drained = time.monotonic()
    await replay.stack.until_restarted(name)
    return Restart(name, exit_code, drained - began, time.monotonic() - drained, positions)


async def _open_positions(replay: RunningReplay) -> int:
    connection = await asyncpg.connect(replay.stack.urls.postgres)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM portfolio.positions WHERE quantity <> 0"))
    finally:
        await connection.close()


async def upgrade(seconds: float, every_s: float, console: Console) -> Upgrades:
    """A round begins each `every_s`; the market never waits for one. Raises ServerMissing where servers cannot run."""
    result = Upgrades()
    async with _market(int(seconds * BAR_TIMES_A_SECOND) + BAR_TIMES_A_SECOND) as (replay, expected):
        drill = Drill(replay, expected)
        began = time.monotonic()
        check_s = CHECK_EVERY_S
        while (now_s := time.monotonic() - began) < seconds:
            await _round(replay, result)
            if now_s > check_s:
                check_s += CHECK_EVERY_S
                result.differences += await drill.check()
            console.print(f"{now_s / 60:.1f} min: {result.summary}", highlight=False)
            await asyncio.sleep(max(0.0, began + result.rounds * every_s - time.monotonic()))
        result.differences += await drill.check()
        result.bar_times = await replay.bar_times()
    return result


async def _round(replay: RunningReplay, result: Upgrades) -> None:
    for name in in_order(replay):
        restarted = await restart(replay, name)
        result.restarts.append(restarted)
        if restarted.exit_code:
            result.differences.append(f"{name} ended with {restarted.exit_code} when it was asked to")
    settled = await replay.bar_times()
    await replay.until_settled(settled + 1)
    result.rounds += 1
    result.bar_times = settled


@asynccontextmanager
async def _market(bars: int) -> AsyncIterator[tuple[RunningReplay, Undisturbed]]:
    with tempfile.TemporaryDirectory(prefix="n1v1-upgrades-") as name:
        folder = Path(name)
        store_market(folder / "datasets", bars=bars)
        settings = (*MINUTES, *TRADING, *WORKERS, f"paths.datasets_dir={folder / 'datasets'}")
        async with running(folder / "state", *settings, announce=announce_nothing) as replay:
            yield replay, Undisturbed.of(*settings)


def print_restarts(console: Console, restarts: Sequence[Restart]) -> None:
    by_name: dict[str, list[Restart]] = defaultdict(list)
    for each in restarts:
        by_name[each.name].append(each)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for heading in ("Service", "Restarts", "Positions open", "Drained p50", "worst", "Ready p50", "worst"):
        table.add_column(heading, justify="left" if heading == "Service" else "right")
    for name, own in by_name.items():
        held = sum(each.positions > 0 for each in own)
        drained, ready = [each.drained_s for each in own], [each.ready_s for each in own]
        times = [f"{value:.2f} s" for all_ in (drained, ready) for value in (statistics.median(all_), max(all_))]
        table.add_row(name, str(len(own)), str(held), *times)
    console.print(table)


def main() -> int:
    args = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    result = asyncio.run(upgrade(args.minutes * 60, args.every, console))
    print_restarts(console, result.restarts)
    for difference in result.differences:
        console.print(difference, style="red", soft_wrap=True)
    console.print(result.summary)
    return 1 if result.differences else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.upgrades", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, metavar="M", help="how long (60)")
    parser.add_argument("--every", type=float, default=60.0, metavar="S", help="seconds from round to round (60)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""The benchmark: rounds in which the product and its floor take turns on the same servers."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import layer, pipeline, product
from bench.floor import Chain, Phase, Servers
from bench.layer import LayerRound
from bench.pipeline import EngineRounds
from bench.product import Run
from bench.report import Aim, Figure, Ratio, Report, percentile
from n1v1_cli.stack.plan import SERVICES
from n1v1_cli.stack.stack import Stack

RESULTS = Path("results/bench-flow.json")
MS = 1000.0

FIVE_HOPS = ((), ("redis", "postgres"), ("postgres",), ())
"""driver -> signals -> risk -> execution -> portfolio -> driver: one read and two transactions on the way."""

SAME_WORK = (
    ("postgres",),  # execution: fills of the bar time
    ("postgres", "redis"),  # portfolio: equity, and its hot copy
    ("postgres",),  # risk: the decision
    ("postgres", "redis", "postgres"),  # execution: the order in the journal, the flag, the venue's answer
    ("postgres",),  # execution, a bar later: the fill
    ("postgres",),  # portfolio: the ledger
)
"""Every hop and transaction between a bar and its fill in the ledger as the product has them, without the venue."""

WITHOUT_MARKET_DATA = tuple(service for service in SERVICES if service != "market_data")
SPEAKS_OR_COMPILES = ("market_data", "signals", "execution")
WIDTH = 150
"""Narrower tables would be wrapped; a terminal wraps whole lines, a file does not mind."""
MEMORY_AIM_MIB = 120
MEMORY_AIM_LARGE_MIB = 220


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each part of a round does."""

    rounds: int
    bar_times: int
    flood_bar_times: int
    lockstep_bar_times: int
    floor_messages: int
    floor_flood_messages: int
    layer_rounds: int
    layer_messages: int


FULL = Sizes(3, 250, 1500, 400, 300, 1500, 5, 4000)
QUICK = Sizes(1, 40, 200, 40, 50, 200, 1, 500)


@dataclass(slots=True)
class Measured:
    """What the rounds found, in their order."""

    traced: list[Run] = field(default_factory=list)
    untraced: list[Run] = field(default_factory=list)
    floods: list[Run] = field(default_factory=list)
    lockstep: list[Run] = field(default_factory=list)
    chains: list[Phase] = field(default_factory=list)
    same_work: list[Phase] = field(default_factory=list)
    chain_floods: list[Phase] = field(default_factory=list)
    second_starts_s: list[float] = field(default_factory=list)
    layers: list[LayerRound] = field(default_factory=list)


class Benchmark:
    def __init__(self, sizes: Sizes, progress: Progress) -> None:
        self._sizes = sizes
        self._progress = progress
        self._task = progress.add_task("", total=4 * sizes.rounds + 1)
        self.measured = Measured()

    async def run(self) -> None:
        for number in range(1, self._sizes.rounds + 1):
            await self._one_at_a_time(number)
            await self._second_start(number)
            await self._without_tracing(number)
            await self._flood(number)
        await self._lockstep()

    def _now(self, what: str, number: int = 0) -> None:
        of = f"round {number} of {self._sizes.rounds}: " if number else ""
        self._progress.update(self._task, description=of + what)

    async def _one_at_a_time(self, number: int) -> None:
        self._now("an order a bar, then the floor", number)
        sizes = self._sizes
        async with product.running(product.overrides_for(sizes.bar_times, *product.TRADES_EVERY_BAR)) as (
            stack,
            ready_s,
        ):
            self.measured.traced.append(await product.replayed(stack, ready_s))
            servers = _servers_of(stack)
            self.measured.chains.append(await _chain(servers, "hops", FIVE_HOPS, sizes.floor_messages))
            self.measured.same_work.append(await _chain(servers, "work", SAME_WORK, sizes.floor_messages // 2))
            if number == 1:
                self._now("the bus layer", number)
                self.measured.layers = await layer.rounds(
                    servers.nats, count=sizes.layer_rounds, messages=sizes.layer_messages
                )
        self._progress.advance(self._task)

    async def _second_start(self, number: int) -> None:
        self._now("a second start", number)
        overrides = product.overrides_for(self._sizes.bar_times, *product.TRADES_EVERY_BAR)
        async with product.running(overrides, fresh=False) as (_, ready_s):
            self.measured.second_starts_s.append(ready_s)
        self._progress.advance(self._task)

    async def _without_tracing(self, number: int) -> None:
        self._now("the same without spans", number)
        overrides = product.overrides_for(self._sizes.bar_times, *product.TRADES_EVERY_BAR, "telemetry.sample_ratio=0")
        async with product.running(overrides) as (stack, ready_s):
            self.measured.untraced.append(await product.replayed(stack, ready_s))
        self._progress.advance(self._task)

    async def _flood(self, number: int) -> None:
        self._now("a backlog, then the floor with 64 in flight", number)
        sizes = self._sizes
        overrides = product.overrides_for(sizes.flood_bar_times)
        async with product.running(overrides, services=WITHOUT_MARKET_DATA) as (stack, ready_s):
            run = await product.flooded(stack, ready_s, bar_times=sizes.flood_bar_times)
            self.measured.floods.append(run)
            phase = await _chain(_servers_of(stack), "flood", FIVE_HOPS, sizes.floor_flood_messages, in_flight=64)
            self.measured.chain_floods.append(phase)
        self._progress.advance(self._task)

    async def _lockstep(self) -> None:
        self._now("lockstep with the default strategies")
        async with product.running(product.overrides_for(self._sizes.lockstep_bar_times)) as (stack, ready_s):
            self.measured.lockstep.append(await product.replayed(stack, ready_s))
        self._progress.advance(self._task)


def _servers_of(stack: Stack) -> Servers:
    return Servers(stack.urls.nats, stack.urls.redis, stack.urls.postgres)


async def _chain(
    servers: Servers, name: str, effects: Sequence[tuple[str, ...]], messages: int, *, in_flight: int = 1
) -> Phase:
    """One phase of a chain of its own, after a warm-up of a tenth."""
    async with Chain(servers, name, effects) as chain:
        await chain.run(messages=max(in_flight, messages // 10), in_flight=in_flight)
        return await chain.run(messages=messages, in_flight=in_flight)


# --- what it says ----------------------------------------------------------------------------------------------


def report_of(measured: Measured, engine: EngineRounds, machine: Mapping[str, object]) -> Report:
    return Report(machine, ratios_of(measured), [*_speeds(measured, engine), *_memory(measured), *_hops(measured)])


def ratios_of(measured: Measured) -> list[Ratio]:
    latencies = [[MS * s for s in product.fill_latencies_s(run.messages)] for run in measured.traced]
    floors = [[MS * s for s in phase.latencies_s] for phase in measured.chains]
    same_work = [[MS * s for s in phase.latencies_s] for phase in measured.same_work]
    p50s = [percentile(each, 50) for each in latencies]
    layers, traced, untraced = measured.layers, measured.traced, measured.untraced
    return [
        Ratio("bar to fill in the ledger, p50", "ms", p50s, [percentile(each, 50) for each in floors], Aim("<=", 2.0)),
        Ratio(
            "bar to fill in the ledger, p99",
            "ms",
            [percentile(each, 99) for each in latencies],
            [percentile(each, 99) for each in floors],
            Aim("<=", 3.0),
        ),
        Ratio(
            "p50 against a floor of the same hops and transactions, without a venue",
            "ms",
            p50s,
            [percentile(each, 50) for each in same_work],
        ),
        Ratio(
            "CPU a message handled, one order at a time",
            "us",
            [run.cpu_per_delivery_us for run in traced],
            [phase.cpu_per_delivery_us for phase in measured.chains],
            Aim("<=", 2.5),
        ),
        Ratio(
            "CPU a message handled, with a backlog",
            "us",
            [run.cpu_per_delivery_us for run in measured.floods],
            [phase.cpu_per_delivery_us for phase in measured.chain_floods],
            Aim("<=", 2.5),
        ),
        Ratio(
            "messages handled a second, with a backlog",
            "1/s",
            [run.deliveries_per_s for run in measured.floods],
            [phase.deliveries_per_s for phase in measured.chain_floods],
            Aim(">=", 0.5),
        ),
        Ratio(
            "CPU of a hop: bus layer against a lean pull loop",
            "us",
            [each.ours_us for each in layers],
            [each.lean_us for each in layers],
            Aim("<=", 1.3),
        ),
        Ratio(
            "CPU of a hop: a span for each of 64 messages against none",
            "us",
            [each.with_telemetry_us for each in layers],
            [each.ours_us for each in layers],
        ),
        Ratio(
            "CPU a message handled: every order traced against none",
            "us",
            [run.cpu_per_delivery_us for run in traced],
            [run.cpu_per_delivery_us for run in untraced],
            Aim("<=", 1.6),
        ),
    ]


def _speeds(measured: Measured, engine: EngineRounds) -> list[Figure]:
    fresh = [run.ready_s for run in (*measured.traced, *measured.untraced, *measured.lockstep)]
    return [
        Figure("start to ready, in an empty folder", "s", fresh, Aim("<=", 5.0)),
        Figure("start to ready, the second time", "s", measured.second_starts_s, Aim("<=", 5.0)),
        Figure("lockstep, 2 symbols, default strategies", "bars/s", [run.bars_per_s for run in measured.lockstep]),
        Figure("lockstep, 1 symbol, an order a bar", "bars/s", [run.bars_per_s for run in measured.traced]),
        Figure("in-process engine, 2 symbols", "bars/s", engine.bars_per_s),
    ]


def _memory(measured: Measured) -> list[Figure]:
    figures = []
    for service in SERVICES:
        aim = Aim("<=", MEMORY_AIM_LARGE_MIB if service in SPEAKS_OR_COMPILES else MEMORY_AIM_MIB)
        started = [run.before.resident_mib[service] for run in measured.traced]
        worked = [run.after.resident_mib[service] for run in measured.traced]
        figures.append(Figure(f"memory of {service}, after its start", "MiB", started, aim))
        figures.append(Figure(f"memory of {service}, after a run", "MiB", worked, aim))
    return figures


def _hops(measured: Measured) -> list[Figure]:
    """Where the time of a bar goes: from its publication until each message was stored. And where the CPU goes."""
    found: dict[str, list[float]] = defaultdict(list)
    for run in measured.traced:
        for name, latencies in product.hop_latencies_s(run.messages).items():
            found[f"after the bar, p50: {name}"].append(MS * percentile(latencies, 50))
        bars = run.bars_per_s * run.seconds
        for service in SERVICES:
            found[f"CPU a bar of {service}"].append(MS * run.cpu_of(service) / bars)
    return [Figure(name, "ms", values) for name, values in found.items()]


def _machine() -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "load_at_start": os.getloadavg(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute to see that everything works; proves nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    args = parser.parse_args()
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    machine = _machine()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        benchmark = Benchmark(QUICK if args.quick else FULL, progress)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(benchmark.run())
    engine = pipeline.measure(rounds=1 if args.quick else pipeline.ROUNDS)
    report = report_of(benchmark.measured, engine, {**machine, "load_at_end": os.getloadavg()})
    report.print(console)
    report.write(args.results)
    shutil.rmtree(product.STATE, ignore_errors=True)
    console.print(f"written to {args.results}")

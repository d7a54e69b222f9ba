"""A whole replay through the real services: started, watched, asked for its records, stopped."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n1v1_cli import sample_run
from n1v1_cli.errors import CommandError

if TYPE_CHECKING:
    from n1v1.run_hash import RunRecords
    from n1v1_cli.stack.events import Event
    from n1v1_cli.stack.stack import Stack
    from n1v1_common.settings.load import Loaded
    from n1v1_research.datasets import Dataset
    from n1v1_research.results import RunResult

ENGINE = "services"
POLL_S = 0.5
STALLED_AFTER_S = 120.0
"""Longer than any restart and any order in doubt may take; a run that stands still for so long says so and ends."""


class ReplayStopped(CommandError):
    """Somebody stopped it. exit_code: 130 for Ctrl-C."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("stopped; nothing is left running")
        self.exit_code = exit_code


def replayed(loaded: Loaded, dataset: Dataset, state_dir: Path) -> RunResult:
    """Run the whole replay in a fresh state folder.

    Raises:
        ReplayStopped: by a signal.
        StackFailed: a service crashed again and again; with the end of its log.
        CommandError: the run stood still, or a strategy raised.
    """
    from n1v1_cli.stack.interrupts import run_until_interrupted

    began, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    kept: list[RunRecords] = []

    async def main() -> int:
        kept.append(await _records(loaded, dataset, state_dir))
        return 0

    exit_code = run_until_interrupted(main())
    if not kept:
        raise ReplayStopped(exit_code)
    return sample_run.result_of(
        kept[0], loaded, dataset, engine=ENGINE, started_at=started_at, seconds=time.monotonic() - began
    )


async def _records(loaded: Loaded, dataset: Dataset, state_dir: Path) -> RunRecords:
    from n1v1.run_hash import RunRecords
    from n1v1_cli.stack.stack import Stack

    forget(state_dir)
    with Display(dataset) as display:
        async with Stack(loaded, state_dir, announce=display.tell) as stack:
            await stack.ready()
            display.started()
            await _unless_failed(stack, _watch(stack, dataset, display))
            answer = await asyncio.to_thread(_ask, stack.url("reporting"), "run", {"full": "true"})
    refuse_stopped_strategies(answer)
    return RunRecords.from_json(answer["records"])


def forget(state_dir: Path) -> None:
    """Empty the folder of the last replay, unless one is running in it."""
    from n1v1_cli.stack.folder import stack_is_running

    if not state_dir.exists():
        return
    if stack_is_running(state_dir):
        raise CommandError(f"a replay is running from {state_dir}; wait for it or stop it")
    shutil.rmtree(state_dir)


def refuse_stopped_strategies(answer: Mapping[str, Any]) -> None:
    """A run in which a strategy raised is no result. Raises CommandError with what it raised, and when."""
    stopped = answer.get("stopped_strategies") or []
    if stopped:
        lines = [f"  {one['strategy']} on {one['symbol']} at {one['bar_time']}: {one['reason']}" for one in stopped]
        raise CommandError("\n".join(["a strategy raised, so the run is no result:", *lines]))


async def _unless_failed(stack: Stack, work: Any) -> None:
    """Wait for `work`, or raise the failure that ends the stack before it."""
    working, failing = asyncio.ensure_future(work), asyncio.ensure_future(stack.failed())
    try:
        await asyncio.wait([working, failing], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise failing.result()
        working.result()
    finally:
        working.cancel()
        failing.cancel()


async def _watch(stack: Stack, dataset: Dataset, display: Display) -> None:
    """Return once the last bar time has settled and reporting has read everything."""
    last_ns, seen, since = max(close_ns for close_ns, _ in dataset.steps()), None, time.monotonic()
    while True:
        await asyncio.sleep(POLL_S)
        try:
            progress = await asyncio.to_thread(_ask, stack.url("reporting"), "progress", {})
        except (CommandError, LookupError):
            progress = None  # reporting is being restarted: the supervisor has announced it
        if progress is not None and progress != seen:
            seen, since = progress, time.monotonic()
            display.show(progress)
            if _nanoseconds(progress["settled_time"]) >= last_ns and progress["lag_messages"] == 0:
                return
        if time.monotonic() - since > STALLED_AFTER_S:
            raise CommandError(
                f"nothing has moved for {STALLED_AFTER_S:.0f} s; the logs are in {stack.state_dir / 'logs'}"
            )


def _ask(url: str, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    from n1v1_cli.reporting_api import ask

    return ask(url, path, parameters)


def _nanoseconds(moment: str | None) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(moment).timestamp()) * 1_000_000_000 if moment else -1


class Display:
    """The progress bar, and above it whatever the supervisor has to say that is not routine."""

    def __init__(self, dataset: Dataset) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} bars"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bars_after = [0, *accumulate(len(bars) for _, bars in dataset.steps())]
        total = self._bars_after[-1]
        period = f"{dataset.name}, {', '.join(dataset.symbols)}: {total:,} bars of {dataset.timeframe}"
        self._console.print(f"replaying {period} through seven services")
        self._task = self._progress.add_task("starting", total=total, figures="")
        self._began = time.monotonic()
        self._is_stopping = False

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self) -> None:
        self._began = time.monotonic()
        self._progress.update(self._task, description="replaying")

    def tell(self, event: Event) -> None:
        from n1v1_cli.stack.events import What

        if event.what in (What.CRASHED, What.RESTARTING, What.GAVE_UP):
            self._console.print(f"[red]{event}[/]", markup=True)
        elif event.what is What.STARTING:
            self._progress.update(self._task, figures=f"{event.name} …")
        elif event.what is What.STOPPING and not self._is_stopping:
            self._is_stopping = True
            self._progress.update(self._task, description="stopping")

    def show(self, progress: Mapping[str, Any]) -> None:
        bars = self._bars_after[int(progress["bars"])]
        rate = bars / max(time.monotonic() - self._began, 1e-9)
        equity = float(progress["equity"] or 0)
        figures = f"{progress['orders']} orders  {progress['fills']} fills  equity {equity:,.2f}  {rate:,.0f} bars/s"
        self._progress.update(self._task, completed=bars, figures=figures)

"""n1v1 status: what runs from the state folder, how it is, and what is halted."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n1v1_cli import halted, locking
from n1v1_cli.errors import CommandError, NoStack

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from n1v1_cli.stack.record import ProcessRecord, StackRecord
    from n1v1_common.config_lock import ConfigLock

EXIT_NOT_READY = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. memory_mb: resident, None where the system does not tell."""

    name: str
    state: str
    pid: int | None
    url: str
    restarts: int
    memory_mb: float | None
    detail: str


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "status",
        help="what runs, where, since when, and how it is",
        description="Exit code 0 when everything is ready, 3 when something is not, 1 when nothing runs.",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Raises NoStack when nothing runs."""
    from n1v1_cli.stack.folder import default_state_dir, stack_is_running
    from n1v1_cli.stack.record import read_record

    state_dir = default_state_dir()
    record = read_record(state_dir)
    if record is None or not stack_is_running(state_dir):
        raise NoStack(state_dir)
    rows, halts, lock = asyncio.run(_look(record))
    if args.json:
        print(json.dumps(_as_json(record, rows, halts, lock), indent=2))
    else:
        _print_table(record, rows)
        _print_lock(lock)
        _print_halts(halts)
    return 0 if all(row.state == "ready" for row in rows) else EXIT_NOT_READY


async def _look(record: StackRecord) -> tuple[list[Row], list[halted.Row] | str, ConfigLock | str]:
    """The processes, what is halted, and the lock of the settings; or why one is not known."""
    from n1v1_cli.bus import settings_of_stack
    from n1v1_common.bus.errors import BusError

    rows, settings = await look_at(record), settings_of_stack(record)
    try:
        return rows, await halted.look_at_halts(settings), await locking.look(settings)
    except (CommandError, BusError) as error:
        return rows, str(error), str(error)


async def look_at(record: StackRecord) -> list[Row]:
    """Ask every service how it is now."""
    return list(await asyncio.gather(*(_row(process) for process in record.processes)))


async def _row(process: ProcessRecord) -> Row:
    state, detail = process.state, ""
    if process.url and state == "ready":
        state, detail = await _readiness(process.url)
    memory_mb = resident_mb(process.pid) if process.pid else None
    return Row(process.name, state, process.pid, process.url, process.crashes, memory_mb, detail)


async def _readiness(url: str) -> tuple[str, str]:
    from n1v1_cli.stack import http
    from n1v1_cli.stack.readiness import explain

    try:
        answer = await http.get(f"{url}/readyz")
    except OSError as error:
        return "no answer", str(error) or type(error).__name__
    return ("ready" if answer.status == 200 else "not ready"), explain(answer.body)


def resident_mb(pid: int) -> float | None:
    """Resident memory in MB of 10^6 bytes; None where /proc does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
    return None if kilobytes is None else round(kilobytes * 1024 / 1e6, 1)


def _as_json(
    record: StackRecord, rows: list[Row], halts: list[halted.Row] | str, lock: ConfigLock | str
) -> dict[str, object]:
    """halted, config_hash: null where that is not known."""
    head = asdict(record)
    head.pop("processes")
    known = None if isinstance(halts, str) else [asdict(halt) for halt in halts]
    config_hash = None if isinstance(lock, str) else lock.hash
    return {**head, "processes": [asdict(row) for row in rows], "halted": known, "config_hash": config_hash}


def _print_lock(lock: ConfigLock | str) -> None:
    if isinstance(lock, str):
        print(f"which settings are locked is not known: {lock}")
    else:
        last = lock.history[-1]
        print(f"locked to settings {last.hash[:12]} since {last.at}, by {last.actor}: {last.reason}")


def _print_halts(halts: list[halted.Row] | str) -> None:
    if isinstance(halts, str):
        print(f"whether anything is halted is not known: {halts}")
    elif halts:
        print(table(halted.table_lines(halts)))
    else:
        print("nothing is halted")


def _print_table(record: StackRecord, rows: list[Row]) -> None:
    lines = [["service", "state", "pid", "url", "restarts", "memory MB", "detail"]]
    for row in rows:
        memory = "" if row.memory_mb is None else f"{row.memory_mb:.0f}"
        lines.append([row.name, row.state, str(row.pid or ""), row.url, str(row.restarts), memory, row.detail])
    print(f"{record.mode} mode, started {record.started_at}, state in {record.state_dir}")
    print(table(lines, right_aligned=(2, 4, 5)))


def table(lines: Sequence[Sequence[str]], *, right_aligned: Collection[int] = ()) -> str:
    """Columns as wide as their content: a long line wraps in the terminal but is whole in a pipe."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    shown = []
    for line in lines:
        cells = [
            cell.rjust(width) if column in right_aligned else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)

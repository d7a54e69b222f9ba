"""n1v1 up: the servers and services of one state folder, kept running."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n1v1_cli import sample_run
from n1v1_cli.errors import CommandError
from n1v1_cli.options import add_settings_options, load_settings, state_dir_of

if TYPE_CHECKING:
    from n1v1_cli.stack.stack import Stack
    from n1v1_common.settings.load import Loaded
    from n1v1_common.settings.model import Settings

# Recorded bars as if they came from a venue, an hour in a second, over and over.
PAPER_DEFAULTS = (*sample_run.TRADING, "replay.mode=scaled", "replay.loop=true")

SUPERVISOR_LOG = "supervisor.log"
DETACHED_READY_WITHIN_S = 120.0
POLL_S = 0.05


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "up",
        help="start servers and services and keep them running",
        description="Starts NATS, Valkey, PostgreSQL and the services, restarts what crashes, and stops everything "
        "on Ctrl-C. Paper trading on recorded data unless the settings say otherwise.",
    )
    add_settings_options(parser)
    parser.add_argument("-d", "--detach", action="store_true", help="return when everything is ready; n1v1 down stops")
    parser.add_argument("--speed", type=float, metavar="X", help="recorded seconds per second (replay.speed)")
    parser.add_argument(
        "--new-settings",
        metavar="REASON",
        help="the account trades by these settings from now on, and why; without it they must be those of before",
    )


def run(args: argparse.Namespace) -> int:
    from n1v1_common.instruments import instruments_of
    from n1v1_common.settings.core import check_strategies

    if args.speed is not None:
        args.overrides.append(f"replay.speed={args.speed}")
    loaded = load_settings(args, PAPER_DEFAULTS)
    state_dir = state_dir_of(loaded)
    settings = loaded.settings if loaded.settings.is_simulated else with_venues_grids(loaded, state_dir)
    check_strategies(settings, instruments_of(settings)[0])
    if args.detach:
        return detach(state_dir, args)
    from n1v1_cli.stack.interrupts import run_until_interrupted

    return run_until_interrupted(keep_up(loaded, state_dir, new_settings=args.new_settings))


def with_venues_grids(loaded: Loaded, state_dir: Path) -> Settings:
    """Ask the live venue on which grids it trades, before anything counts in them; the settings as services see them.

    Raises CommandError with what it said, when it cannot be asked or its grid is not that of this folder any more.
    """
    from n1v1_common.servers.folders import prepare_folder
    from n1v1_common.settings.service import SETTINGS_VARIABLE, dump_for_service

    settings_file = prepare_folder(state_dir / "run") / "settings-instruments.json"
    settings = dump_for_service(loaded, settings_file, {"paths.state_dir": state_dir})
    asked = subprocess.run(
        [sys.executable, "-m", "n1v1_market_data.adapters.venue_instruments"],
        env={**os.environ, SETTINGS_VARIABLE: str(settings_file)},
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        raise CommandError(f"{settings.venue} could not be asked for its instruments: {asked.stderr.strip()}")
    print(asked.stdout, end="", flush=True)
    return settings


async def keep_up(loaded: Loaded, state_dir: Path, *, new_settings: str | None = None) -> int:
    """Runs until it is cancelled. Raises StackFailed when the stack cannot go on."""
    from n1v1_cli.stack.stack import Stack

    started = time.monotonic()
    async with Stack(loaded, state_dir, announce=_tell, new_settings=new_settings) as stack:
        await stack.ready()
        print(summary(stack, seconds=time.monotonic() - started), flush=True)
        raise await stack.failed()


def summary(stack: Stack, *, seconds: float) -> str:
    """What stands on the screen while the stack runs."""
    services = [process for process in stack.record().processes if process.url]
    width = max((len(process.name) for process in services), default=0)
    lines = [f"  {process.name:<{width}}  {process.url}" for process in services]
    return "\n".join([f"ready after {seconds:.1f} s; Ctrl-C stops everything", *lines])


def detach(state_dir: Path, args: argparse.Namespace) -> int:
    """Start the same command in the background and return when its stack is ready.

    Raises:
        CommandError: it ended, or was not ready in time; with what it said.
    """
    from n1v1_cli.stack.folder import stack_is_running
    from n1v1_common.servers.folders import prepare_folder
    from n1v1_common.servers.process import rotate_log, tail

    if stack_is_running(state_dir):
        raise CommandError(f"a stack already runs from {state_dir}; see it with n1v1 status, stop it with n1v1 down")
    log = prepare_folder(state_dir / "logs") / SUPERVISOR_LOG
    rotate_log(log)
    with log.open("ab") as output:
        background = subprocess.Popen(
            [sys.executable, "-m", "n1v1_cli", *foreground_words(args)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    record = _wait_until_ready(state_dir, background)
    if record is None:
        raise CommandError(f"the stack did not start:\n{tail(log)}")
    print(f"ready, in the background (process {background.pid}); n1v1 status shows it, n1v1 down stops it")
    return 0


def foreground_words(args: argparse.Namespace) -> list[str]:
    """The command line of the same `up` without --detach."""
    files = [word for file in args.config for word in ("-c", str(file.absolute()))]
    overrides = [word for override in args.overrides for word in ("--set", override)]
    reason = ["--new-settings", args.new_settings] if args.new_settings is not None else []
    return ["up", *files, *overrides, *reason]


def _wait_until_ready(state_dir: Path, background: subprocess.Popen[bytes]) -> object | None:
    from n1v1_cli.stack.record import read_record

    deadline = time.monotonic() + DETACHED_READY_WITHIN_S
    while background.poll() is None and time.monotonic() < deadline:
        record = read_record(state_dir)
        if record is not None and record.pid == background.pid and record.is_ready:
            return record
        time.sleep(POLL_S)
    with contextlib.suppress(ProcessLookupError):
        background.terminate()
    background.wait()
    return None


def _tell(event: object) -> None:
    clock = time.strftime("%H:%M:%S")
    print(f"{clock}  {event}", flush=True)

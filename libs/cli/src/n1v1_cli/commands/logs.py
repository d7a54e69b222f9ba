"""n1v1 logs: what a service or server wrote."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from n1v1_cli.errors import CommandError

POLL_S = 0.1


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "logs",
        help="the log of one service or server",
        description="Also answers when nothing runs: logs stay until the third start after.",
    )
    parser.add_argument("service", help="its name, as n1v1 status shows it")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as it grows, until Ctrl-C")
    parser.add_argument("-n", "--lines", type=_count, default=40, metavar="N", help="the last N lines (40)")


def run(args: argparse.Namespace) -> int:
    """Raises CommandError, with the nearest name, when there is no such log."""
    from n1v1_cli.stack.folder import default_state_dir
    from n1v1_common.servers.process import tail

    log = log_of(args.service, default_state_dir() / "logs")
    position = log.stat().st_size
    if args.lines and (shown := tail(log, args.lines)):
        print(shown, flush=True)
    if args.follow:
        follow(log, position)
    return 0


def log_of(name: str, folder: Path) -> Path:
    log = folder / f"{name}.log"
    if log.exists():
        return log
    from difflib import get_close_matches

    known = sorted(path.stem for path in folder.glob("*.log"))
    if not known:
        raise CommandError(f"there are no logs in {folder}: nothing was started there yet")
    nearest = get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(known)}"
    raise CommandError(f"there is no log of {name!r}; {hint}")


def follow(log: Path, position: int) -> None:
    """Print what is added; a log that was rotated is read from its start."""
    file = log.open(encoding="utf-8", errors="replace")
    file.seek(position)
    while True:
        if text := file.read():
            sys.stdout.write(text)
            sys.stdout.flush()
        elif log.exists() and log.stat().st_ino != os.fstat(file.fileno()).st_ino:
            file.close()
            file = log.open(encoding="utf-8", errors="replace")
        else:
            time.sleep(POLL_S)


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("expected 0 or more lines")
    return count

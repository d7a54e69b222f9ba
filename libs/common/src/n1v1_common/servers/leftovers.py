"""A server whose parent was killed still runs for a moment: wait for its end before starting the next."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

CLEAN_END_S = 10.0


def command_of(pid: int) -> str:
    """The command line of a running process; empty when there is none."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    ps = ["/bin/ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(ps, capture_output=True, check=False, text=True).stdout.strip()


def recorded_pid(pid_file: Path) -> int | None:
    """The process id on the first line of a file; None when there is no such file or line."""
    try:
        return int(pid_file.read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


async def wait_for_leftover(pid_file: Path, *, program: str) -> None:
    """Return once the `program` that `pid_file` names is gone, ending it after CLEAN_END_S.

    A number that now belongs to something else is not touched. The caller holds the folder's lock, so
    whatever still runs from it is nobody's.
    """
    pid = recorded_pid(pid_file)
    if pid is None:
        return
    for number, seconds in ((signal.SIGTERM, CLEAN_END_S), (signal.SIGKILL, 5.0)):
        if program not in command_of(pid):
            break
        os.kill(pid, number)
        await _gone(pid, program, seconds)


async def _gone(pid: int, program: str, seconds: float) -> None:
    for _ in range(int(seconds / 0.05)):
        if program not in command_of(pid):
            return
        await asyncio.sleep(0.05)

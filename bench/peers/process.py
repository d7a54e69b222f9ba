"""One runner, one process, one answer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.peers.environments import ROOT, Unavailable
from bench.peers.measure import Answer, Task
from bench.peers.plan import Job

_SHOWN_OF_A_FAILURE = 300


def answer(job: Job, python: Path, data: Path, time_limit_s: float) -> Answer | Unavailable:
    """Unavailable: the runner failed or took too long, and how."""
    command = [str(python), "-m", f"bench.peers.run_{job.peer.runner}", str(data), *_arguments(job)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=time_limit_s, check=False)
    except subprocess.TimeoutExpired:
        return Unavailable(f"stopped after {time_limit_s:g} s")
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-_SHOWN_OF_A_FAILURE:]
        return Unavailable(f"failed with exit code {done.returncode}: {said}")
    return _read(done.stdout.splitlines()[-1])


def _arguments(job: Job) -> Sequence[str]:
    task = job.task
    named = {
        "workload": task.workload,
        "convention": task.convention,
        "bars": task.bars,
        "symbols": task.symbols,
        "pairs": task.pairs,
        "repeats": job.repeats,
    }
    return [part for name, value in named.items() for part in (f"--{name}", str(value))]


def _read(line: str) -> Answer:
    said = json.loads(line)
    said["task"] = Task(**said["task"])
    said["seconds"], said["equities"] = tuple(said["seconds"]), tuple(said["equities"])
    return Answer(**said)

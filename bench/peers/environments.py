"""An environment for each peer under build/peers: made once, made again when its requirements change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "peers"
REQUIREMENTS = Path(__file__).parent
TIME_LIMIT_S = 600

_OLDEST_PYTHON = re.compile(r"^# python >= (\d+)\.(\d+)$", re.MULTILINE)
_STAMP = "requirements.txt"
_SHOWN_OF_A_FAILURE = 300


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a peer cannot be measured on this machine."""

    reason: str


def python_of(name: str) -> Path | Unavailable:
    """The interpreter of the environment `name`, installed if need be from requirements-<name>.txt."""
    wanted = (REQUIREMENTS / f"requirements-{name}.txt").read_text(encoding="utf-8")
    folder = BUILD / name
    python, stamp = folder / "bin" / "python", folder / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    base = _base_python(wanted)
    if isinstance(base, Unavailable):
        return base
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.prefix) / "bin" / "uv"
    requirements = REQUIREMENTS / f"requirements-{name}.txt"
    made: list[Path | str] = [base, "-m", "venv", "--without-pip", folder]
    install: list[Path | str] = [uv, "pip", "install", "--quiet", "--compile-bytecode"]
    filled = [*install, "--python", python, "-r", requirements]
    if failure := _failure_of(made) or _failure_of(filled):
        return Unavailable(f"not installed: {failure}")
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _base_python(requirements: str) -> Path | Unavailable:
    """The first Python that is new enough: the one that runs this, then those on PATH and in pyenv."""
    stated = _OLDEST_PYTHON.search(requirements)
    oldest = (int(stated[1]), int(stated[2])) if stated else (3, 11)
    if sys.version_info[:2] >= oldest:
        return Path(sys.executable)
    for candidate in _other_pythons():
        is_new_enough = f"import sys; sys.exit(sys.version_info[:2] < {oldest})"
        if _failure_of([candidate, "-c", is_new_enough]) is None:
            return candidate
    return Unavailable(f"needs Python {oldest[0]}.{oldest[1]} or newer, and none was found")


def _other_pythons() -> Iterator[Path]:
    names = ("python3.12", "python3.13")
    yield from (Path(found) for name in names if (found := shutil.which(name)))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for name in names:
        yield from sorted(pyenv.glob(f"versions/*/bin/{name}"))


def _failure_of(command: Sequence[Path | str]) -> str | None:
    """What a command that failed said last."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"{command[0]} took longer than {TIME_LIMIT_S} s"
    if done.returncode == 0:
        return None
    return " ".join((done.stderr or done.stdout).split())[-_SHOWN_OF_A_FAILURE:] or f"exit code {done.returncode}"

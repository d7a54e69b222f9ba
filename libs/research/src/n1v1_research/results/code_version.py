"""Which code made a result."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve()
CHANGED = "-dirty"


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """commit: of the checkout that the code runs from, None when it runs from an installed package.

    is_changed: the checkout has changes that were never committed.
    """

    package: str
    commit: str | None
    is_changed: bool


@cache
def code_version() -> CodeVersion:
    described = _described()
    commit = described.removesuffix(CHANGED) if described else None
    return CodeVersion(version("n1v1"), commit, described is not None and described.endswith(CHANGED))


def _described() -> str | None:
    """The commit, with CHANGED behind it or not; None where this file is under no version control.

    An installed package may lie within a checkout of something else, which does not track it.
    """
    if _git("ls-files", "--error-unmatch", HERE.name) is None:
        return None
    return _git("describe", "--always", "--abbrev=40", "--exclude=*", f"--dirty={CHANGED}")


def _git(*words: str) -> str | None:
    """What git answers about this folder; None when it refuses, or is not installed."""
    try:
        done = subprocess.run(["git", *words], cwd=HERE.parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None

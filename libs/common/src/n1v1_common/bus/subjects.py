"""Subjects: tokens joined by dots; `*` stands for one token, a final `>` for one or more."""

from __future__ import annotations

import re

KEY = re.compile(r"[-/_=a-zA-Z0-9]+(\.[-/_=a-zA-Z0-9]+)*")


def check_key(key: str) -> str:
    """A key of a bucket is a subject without wildcards; raises ValueError for anything else."""
    if KEY.fullmatch(key) is None:
        raise ValueError(f"{key!r} is no key: letters, digits and -/_= in tokens joined by dots")
    return key


def matches(pattern: str, subject: str) -> bool:
    wanted = pattern.split(".")
    given = subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))

"""Subjects: tokens joined by dots; `*` stands for one token, a final `>` for one or more."""

from __future__ import annotations


def matches(pattern: str, subject: str) -> bool:
    wanted = pattern.split(".")
    given = subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))

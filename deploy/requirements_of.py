"""Prints the part of requirements.lock that some members need, hashes included.

    python deploy/requirements_of.py requirements.lock libs/common services/risk setuptools

An argument is a member's folder or the name of a requirement. What is needed is found in the lock itself: below
each requirement uv notes which others asked for it ("# via"). Standard library only, as it runs before anything
is installed.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Locked:
    text: str
    """Version, marker and hashes, as they stand in the lock."""
    asked_for_by: frozenset[str]


def normalised(requirement: str) -> str:
    """The name in a requirement: `redis[hiredis]>=7.0` -> `redis`."""
    name = re.match(r"[\w.-]+", requirement)
    if name is None:
        sys.exit(f"no name in the requirement {requirement!r}")
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def locked_requirements(lock: str) -> dict[str, Locked]:
    found = {}
    for text in re.split(r"\n(?=\w)", lock):
        via = re.findall(r"^    #(?: via|  ) +([\w.-]+)", text, re.MULTILINE)
        found[normalised(text)] = Locked(text.rstrip(), frozenset(map(normalised, via)))
    return found


def named_by(wanted: Iterable[str], members: Mapping[str, Path]) -> Iterator[str]:
    """Requirements from outside that members name, and the members that those need."""
    waiting, seen = list(wanted), set()
    while waiting:
        name = normalised(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        if name in members:
            waiting += tomllib.loads(members[name].read_text(encoding="utf-8"))["project"]["dependencies"]
        else:
            yield name


def with_what_they_need(names: Iterable[str], locked: Mapping[str, Locked]) -> set[str]:
    needed = set(names)
    if unknown := needed - locked.keys():
        sys.exit(f"not in the lock: {', '.join(sorted(unknown))}")
    while more := {name for name, one in locked.items() if one.asked_for_by & needed} - needed:
        needed |= more
    return needed


def main() -> None:
    lock, *wanted = sys.argv[1:]
    root = Path(lock).parent
    members = {
        normalised(tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"]): path
        for path in (*root.glob("libs/*/pyproject.toml"), *root.glob("services/*/pyproject.toml"))
    }
    names_of_folders = {str(path.parent.relative_to(root)): name for name, path in members.items()}
    locked = locked_requirements(Path(lock).read_text(encoding="utf-8"))
    names = named_by((names_of_folders.get(argument.rstrip("/"), argument) for argument in wanted), members)
    for name in sorted(with_what_they_need(names, locked)):
        sys.stdout.write(locked[name].text + "\n")


if __name__ == "__main__":
    main()

"""The port: values with versions and ages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Value: TypeAlias = "bytes | Json"
"""Money goes in as text: a float would round it."""

VERSION_MAX = 2**63 - 1

KEY_PREFIX = "n1v1:"
"""What keys begin with in a Redis, which may hold others' as well."""


@dataclass(frozen=True, slots=True)
class Versioned:
    value: Value
    version: int
    age_ms: int
    """Since it was written, by the server's clock, so that the clocks of writer and reader do not matter."""


class HotState(Protocol):
    async def put(self, key: str, value: Value, *, version: int) -> bool:
        """Writes unless a value of this or a later version is there; says whether it wrote.

        version: 0 to VERSION_MAX, rising with what the value is derived from (a stream sequence, as a rule), so
        that an old owner that wakes up, or a redelivered message, cannot take a value back in time.

        Raises:
            StateUnavailable
        """
        ...

    async def get(self, key: str, *, max_age_ms: int | None = None) -> Versioned:
        """The value, at most max_age_ms old (None: of any age).

        Raises:
            MissingState, StaleState, StateUnavailable
        """
        ...

    async def check(self) -> str | None:
        """For health: None when a read would work, otherwise why not."""
        ...


def encoded(value: Value) -> tuple[str, bytes]:
    """How a value is stored: `b` for bytes as they are, `j` for JSON."""
    if isinstance(value, bytes):
        return "b", value
    return "j", json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def decoded(kind: str, stored: bytes) -> Value:
    if kind == "b":
        return stored
    value: Json = json.loads(stored)
    return value


def check_version(version: int) -> None:
    if not 0 <= version <= VERSION_MAX:
        raise ValueError(f"a version is between 0 and {VERSION_MAX}, not {version}")

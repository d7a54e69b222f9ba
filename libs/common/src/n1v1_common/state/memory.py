"""Hot state within one process: for the engine in one process, and for tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from n1v1_common.state.errors import MissingState, StaleState
from n1v1_common.state.hot_state import Value, Versioned, check_version, decoded, encoded


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Held:
    kind: str
    stored: bytes
    version: int
    written_ms: int


class MemoryHotState:
    """clock_ms: what tells the age; tests move it."""

    def __init__(self, clock_ms: Callable[[], int] = _monotonic_ms) -> None:
        self._clock_ms = clock_ms
        self._held: dict[str, _Held] = {}

    async def put(self, key: str, value: Value, *, version: int) -> bool:
        check_version(version)
        held = self._held.get(key)
        if held is not None and held.version >= version:
            return False
        # Stored as the real one stores it, so that a caller cannot change a value after it was written.
        self._held[key] = _Held(*encoded(value), version, self._clock_ms())
        return True

    async def get(self, key: str, *, max_age_ms: int | None = None) -> Versioned:
        held = self._held.get(key)
        if held is None:
            raise MissingState(key)
        age_ms = self._clock_ms() - held.written_ms
        if max_age_ms is not None and age_ms > max_age_ms:
            raise StaleState(key, age_ms=age_ms, max_age_ms=max_age_ms)
        return Versioned(decoded(held.kind, held.stored), held.version, age_ms)

    async def check(self) -> str | None:
        return None

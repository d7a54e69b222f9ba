"""Whether a service can do its work: a named check for everything that it depends on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Check = Callable[[], Awaitable[str | None]]
"""Answers None when all is well, otherwise why not in a few words. What it raises counts as a reason, too."""

CHECK_TIMEOUT_S = 2.0
"""Probes of Kubernetes and compose give up after a few seconds; the answer must come before that."""

OK = "ok"


@dataclass(frozen=True, slots=True)
class HealthReport:
    is_ready: bool
    details: Mapping[str, str]
    """For each check `ok`, or why not."""


class Health:
    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._has_started = False
        self._is_draining = False

    def register(self, name: str, check: Check) -> None:
        assert name not in self._checks, f"two health checks are called {name}"
        self._checks[name] = check

    def mark_started(self) -> None:
        """From now on the service is ready whenever its checks pass."""
        self._has_started = True

    def mark_draining(self) -> None:
        self._is_draining = True

    async def report(self) -> HealthReport:
        """Runs all checks side by side; none takes longer than CHECK_TIMEOUT_S."""
        answers = await asyncio.gather(*(_answer(check) for check in self._checks.values()))
        details = dict(zip(self._checks, answers, strict=True))
        if not self._has_started:
            details["service"] = "starting"
        elif self._is_draining:
            details["service"] = "draining"
        return HealthReport(all(answer == OK for answer in details.values()), details)


async def _answer(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check() or OK
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:g} s"
    except Exception as error:  # noqa: BLE001 - whatever a driver raises here is the answer that was asked for
        return f"{type(error).__name__}: {error}"

"""What a service's main is given."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from n1v1_common.lifecycle.health import Health
from n1v1_common.lifecycle.probes import Probes
from n1v1_common.lifecycle.run_file import remove_run_file, write_run_file
from n1v1_common.settings.model import Settings
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import Tracing

log = structlog.get_logger(__name__)

Work = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class ServiceContext:
    service: str
    """One of the seven names."""
    instance: str
    """The same, or with a number where several workers run: signals-2."""
    settings: Settings
    tracing: Tracing
    metrics: Metrics = field(default_factory=Metrics)
    health: Health = field(default_factory=Health)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service is to stop: take no new work, finish what was begun, return."""

    @property
    def probes(self) -> Probes:
        return Probes(self.instance, self.health, self.metrics, self.settings.monitoring.prometheus_enabled)

    def ready(self) -> None:
        """Says that the start is over. /readyz then answers by the health checks."""
        self.health.mark_started()
        log.info("ready")

    def drain(self) -> None:
        """Asks the service to stop; /readyz says no from now on, so that nobody sends new work."""
        self.health.mark_draining()
        self.draining.set()

    def announce(self, host: str, port: int) -> None:
        """Writes where this service answers HTTP. Only a service with a server of its own calls it."""
        write_run_file(
            self.settings.paths.state_dir, service=self.service, instance=self.instance, host=host, port=port
        )

    def withdraw(self) -> None:
        remove_run_file(self.settings.paths.state_dir, self.instance)

    async def run_tasks(self, *works: Work, background: tuple[Work, ...] = ()) -> None:
        """Runs the works side by side until each has returned; what one of them raises ends all of them.

        works: watch `draining` and return when they have finished what they began.
        background: has nothing to finish (tickers, relays) and is cancelled after the last work returned.
        """
        async with asyncio.TaskGroup() as group:
            behind = [group.create_task(work) for work in background]
            in_front = [group.create_task(work) for work in works]
            if in_front:
                await asyncio.wait(in_front)
            else:
                await self.draining.wait()
            for task in behind:
                task.cancel()

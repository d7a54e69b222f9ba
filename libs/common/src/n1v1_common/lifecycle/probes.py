"""The answers to /healthz, /readyz and /metrics, for whichever HTTP server gives them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from n1v1_common.lifecycle.health import OK, Health
from n1v1_common.lifecycle.memory import resident_bytes
from n1v1_common.telemetry.metrics import Metrics

PATHS = ("/healthz", "/readyz", "/metrics")

JSON = "application/json"
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Probes:
    service: str
    health: Health
    metrics: Metrics
    has_metrics: bool = True

    async def answer(self, path: str) -> Answer:
        """path: one of PATHS."""
        match path:
            case "/healthz":
                return self.live()
            case "/readyz":
                return await self.ready()
            case "/metrics":
                return self.exposition()
            case _:
                raise ValueError(path)

    def live(self) -> Answer:
        """200 for as long as the event loop turns; restarting is for a loop that does not."""
        return _json(HTTPStatus.OK, {"service": self.service, "status": "live"})

    async def ready(self) -> Answer:
        """200 when every check passes, otherwise 503; the body names each dependency and why not."""
        report = await self.health.report()
        self.metrics.gauge("n1v1_service_ready").set(report.is_ready)
        for name, answer in report.details.items():
            self.metrics.gauge("n1v1_dependency_up", dependency=name).set(answer == OK)
        status = HTTPStatus.OK if report.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        said = {"service": self.service, "ready": report.is_ready, "checks": dict(report.details)}
        return _json(status, said)

    def exposition(self) -> Answer:
        """The metrics as Prometheus reads them; 404 when monitoring.prometheus_enabled is false."""
        if not self.has_metrics:
            return _json(HTTPStatus.NOT_FOUND, {"error": "monitoring.prometheus_enabled is false"})
        self.metrics.gauge("n1v1_process_resident_bytes").set(resident_bytes())
        return Answer(HTTPStatus.OK, PROMETHEUS_TEXT, self.metrics.exposition())


def _json(status: HTTPStatus, said: dict[str, object]) -> Answer:
    return Answer(status, JSON, json.dumps(said).encode() + b"\n")

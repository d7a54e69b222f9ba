"""Health checks, and the answers of the three probes."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

import pytest

from n1v1_common.lifecycle import health as health_module
from n1v1_common.lifecycle.health import Health
from n1v1_common.lifecycle.probes import Answer, Probes
from n1v1_common.telemetry.metrics import Metrics


async def _well() -> str | None:
    return None


async def _unwell() -> str | None:
    return "replication is 40 s behind"


async def _broken() -> str | None:
    raise ConnectionRefusedError("no server")


async def _silent() -> str | None:
    await asyncio.Event().wait()
    return None


def _body(answer: Answer) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(answer.body)
    return parsed


def _probes(health: Health, *, has_metrics: bool = True) -> Probes:
    return Probes("risk", health, Metrics(), has_metrics)


async def test_a_service_is_not_ready_before_its_start_is_over_and_not_while_it_drains() -> None:
    health = Health()
    health.register("nats", _well)
    starting = await _probes(health).ready()
    assert starting.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert _body(starting)["checks"] == {"nats": "ok", "service": "starting"}
    health.mark_started()
    assert (await _probes(health).ready()).status is HTTPStatus.OK
    health.mark_draining()
    assert _body(await _probes(health).ready())["checks"]["service"] == "draining"


async def test_each_dependency_says_why_the_service_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "CHECK_TIMEOUT_S", 0.05)
    health = Health()
    health.mark_started()
    for name, check in {"nats": _well, "postgres": _unwell, "redis": _broken, "venue": _silent}.items():
        health.register(name, check)
    probes = _probes(health)
    answer = await probes.ready()
    assert answer.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert _body(answer) == {
        "service": "risk",
        "ready": False,
        "checks": {
            "nats": "ok",
            "postgres": "replication is 40 s behind",
            "redis": "ConnectionRefusedError: no server",
            "venue": "no answer within 0.05 s",
        },
    }
    text = probes.exposition().body.decode()
    assert 'n1v1_dependency_up{dependency="redis"} 0.0' in text
    assert "n1v1_service_ready 0.0" in text


async def test_a_service_is_alive_even_when_nothing_that_it_needs_is_there() -> None:
    health = Health()
    health.register("redis", _broken)
    assert (await _probes(health).answer("/healthz")).status is HTTPStatus.OK


async def test_metrics_hold_the_memory_of_the_process_and_can_be_turned_off() -> None:
    answer = await _probes(Health()).answer("/metrics")
    [line] = [each for each in answer.body.decode().splitlines() if each.startswith("n1v1_process_resident_bytes ")]
    assert float(line.split()[1]) > 10e6
    off = await _probes(Health(), has_metrics=False).answer("/metrics")
    assert off.status is HTTPStatus.NOT_FOUND

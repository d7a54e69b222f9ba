"""How a service leaves the bus that it has opened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from n1v1.events import BarsComplete
from n1v1_common import config_lock
from n1v1_common.bus.api import ConsumerSpec, Outgoing
from n1v1_common.bus.nats import NatsBus
from n1v1_common.bus.testing import NatsServer, nats_server_binary
from n1v1_common.codec.codec import subject_filter
from n1v1_common.install import install_bus
from n1v1_common.lifecycle import ServiceContext
from n1v1_common.settings.load import load
from n1v1_common.stage.opening import opened_bus
from n1v1_common.streams import MARKET_DATA
from n1v1_common.telemetry.tracing import configure_tracing

pytestmark = pytest.mark.servers

SPEC = ConsumerSpec(MARKET_DATA.name, "risk", (subject_filter(BarsComplete),))


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ServiceContext]:
    if nats_server_binary() is None:
        pytest.skip("no nats-server")
    server = NatsServer(tmp_path)
    server.start()
    tracing = configure_tracing(service="risk", spans_dir=tmp_path)
    settings = load((), {}, (f"paths.state_dir={tmp_path}", f"bus.url={server.url}")).settings
    yield ServiceContext("risk", "risk", settings, tracing)
    tracing.shutdown()
    server.kill()


async def take_one_and_fail(context: ServiceContext) -> None:
    await install_bus(context.settings)
    async with opened_bus(context) as bus:
        await bus.publish([Outgoing(subject_filter(BarsComplete), b"", "1")])
        batch = await anext(await bus.consume(SPEC))
        raise ZeroDivisionError(f"with {len(batch)} message in hand")


async def test_who_fails_with_messages_in_hand_does_not_wait_for_anybody_to_finish_them(
    context: ServiceContext,
) -> None:
    """A drain would wait for ten seconds: so long a service was gone after every lost database connection."""
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(5):
            await take_one_and_fail(context)
    bus = await NatsBus.connect(context.settings.bus.url, name="risk")
    assert len(await anext(await bus.consume(SPEC, start_seq=1))) == 1
    await bus.close()


async def test_a_service_does_not_go_on_without_its_watches(
    context: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    await install_bus(context.settings)
    monkeypatch.setattr(config_lock, "go_on_proving", fail)
    async with opened_bus(context), asyncio.timeout(5):
        await context.draining.wait()

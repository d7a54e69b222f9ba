"""Three NATS servers as one: whatever one of them knew, the others know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from n1v1_common.access import ADMIN
from n1v1_common.bus.api import BusError, ConsumerSpec, Outgoing, StreamSpec
from n1v1_common.bus.nats import NatsBus
from n1v1_common.install import install_bus
from n1v1_common.servers import Durability, EmbeddedServers
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Bus, Settings
from n1v1_common.stage.opening import bus_url
from n1v1_common.streams import ALL_BUCKETS, ALL_STREAMS, TRADING

pytestmark = pytest.mark.servers

BARS = StreamSpec("BARS", ("bars.>",), "for tests", max_age_s=3600, max_bytes=64 * 1024 * 1024)
NATS_ONLY = {"valkey", "postgres"}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[EmbeddedServers]:
    async with EmbeddedServers(tmp_path, durability=Durability.PROCESS, nodes=3, without=NATS_ONLY) as running:
        yield running


def bars(numbers: range) -> list[Outgoing]:
    return [Outgoing("bars.x", b"%d" % number, f"m{number}") for number in numbers]


@pytest.mark.timeout(300)
async def test_what_was_acknowledged_is_there_without_any_one_node_and_more_can_be_stored(
    cluster: EmbeddedServers,
) -> None:
    bus = await NatsBus.connect(cluster.urls.nats, name="test", replicas=3)
    await bus.declare([BARS])
    stored = 0
    for node in cluster.nats_nodes:
        await bus.publish(bars(range(stored, stored + 10)), retry_for_s=60)
        node.kill()
        await node.wait()
        await bus.publish(bars(range(stored + 10, stored + 20)), retry_for_s=60)
        stored += 20
        assert [found.data for found in await bus.read("BARS")] == [b"%d" % number for number in range(stored)]
        await node.start()
    await bus.drain()


@pytest.mark.timeout(120)
async def test_a_stream_that_had_one_copy_gets_more_and_keeps_them(cluster: EmbeddedServers) -> None:
    for replicas, expected in ((1, 1), (3, 3), (1, 3)):
        bus = await NatsBus.connect(cluster.urls.nats, name="test", replicas=replicas)
        await bus.declare([BARS])
        info = await bus._connection.api("STREAM.INFO.BARS")
        assert info["config"]["num_replicas"] == expected
        await bus.drain()


@pytest.mark.timeout(120)
async def test_everything_of_the_system_is_kept_three_times(cluster: EmbeddedServers) -> None:
    """Also what a single server need not sync."""
    await install_bus(Settings(bus=Bus(url=cluster.urls.nats, replicas=3)))
    bus = await NatsBus.connect(cluster.urls.nats, name="test")
    consumer = ConsumerSpec(TRADING.name, "test", tuple(TRADING.subjects))
    await (await bus.consume(consumer)).close()
    names = [*(stream.name for stream in ALL_STREAMS), *(f"KV_{bucket.bucket}" for bucket in ALL_BUCKETS)]
    infos = [await bus._connection.api(f"STREAM.INFO.{name}") for name in names]
    infos.append(await bus._connection.api(f"CONSUMER.INFO.{TRADING.name}.{consumer.durable}"))
    assert [len(info["cluster"]["replicas"]) for info in infos] == [2] * len(infos), "beside the leader"
    await bus.drain()


@pytest.mark.timeout(120)
async def test_a_user_has_its_rights_on_every_node(cluster: EmbeddedServers) -> None:
    await install_bus(Settings(bus=Bus(url=cluster.urls.nats, replicas=3)))
    told = cluster.settings_of("signals")
    assert told["bus.url"].split(",") == [f"nats://127.0.0.1:{node.port}" for node in cluster.nats_nodes]
    settings = load([], {}, [f"{key}={value}" for key, value in told.items()]).settings
    for url in bus_url(settings).split(","):
        bus = await NatsBus.connect(url, name="test", ack_timeout_s=1.0)
        await bus.publish([Outgoing("signals.v1.raised.x", b"", f"allowed at {url}")])
        with pytest.raises(BusError):
            await bus.publish([Outgoing("execution.v1.order.x", b"", "refused")], retry_for_s=0)
        await bus.drain()
    assert cluster.settings_of(ADMIN)["bus.replicas"] == "3"


async def test_no_user_can_join_as_a_node_which_could_do_everything(cluster: EmbeddedServers) -> None:
    worker = cluster.settings_of("signals")
    assert b"Authorization Violation" in await joined(cluster, worker["bus.user"], worker["bus.password"])
    assert b"Authorization Violation" in await joined(cluster, ADMIN, worker["bus.password"])
    assert b"PONG" in await joined(cluster, ADMIN, cluster.nats.password)


async def joined(cluster: EmbeddedServers, user: str, password: str) -> bytes:
    """What a node answers to one that says it is another."""
    node = cluster.nats._node
    assert node is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", node.ports[0])
    try:
        await reader.readline()  # INFO
        connect = {"verbose": False, "pedantic": False, "user": user, "pass": password, "name": "x", "cluster": "n1v1"}
        writer.write(f"CONNECT {json.dumps(connect)}\r\nPING\r\n".encode())
        async with asyncio.timeout(10):
            while not (line := await reader.readline()).startswith((b"-ERR", b"PONG")):
                assert line, "neither refused nor answered"
            return line
    finally:
        writer.close()

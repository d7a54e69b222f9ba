"""n1v1 halt and resume against a real bus on which a risk stage answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from n1v1.events import BreakerCommand
from n1v1.risk.stage import Risk
from n1v1_cli.main import main
from n1v1_common.bus.api import ConsumerSpec, Outgoing
from n1v1_common.bus.nats import NatsBus
from n1v1_common.bus.testing import NatsServer, nats_server_binary
from n1v1_common.codec.codec import subject_filter
from n1v1_common.instruments import instruments_of
from n1v1_common.settings.core import policy_of
from n1v1_common.settings.load import load
from n1v1_common.stage.opening import codec_of
from n1v1_common.streams import ALL_STREAMS, TRADING

pytestmark = pytest.mark.servers


async def answer_commands(bus: NatsBus, count: int) -> None:
    """What the risk service does with a command, without its database."""
    settings = load([], {}, []).settings
    codec = codec_of(settings)
    risk = Risk(account="main", instruments=instruments_of(settings), policy=policy_of(settings))
    subscription = await bus.consume(ConsumerSpec(TRADING.name, "risk", (subject_filter(BreakerCommand),), max_batch=1))
    for _ in range(count):
        [delivery] = await anext(subscription)
        for event in risk.handle(codec.decode(delivery.subject, delivery.data)[0]):
            subject, data = codec.encode(event)
            await bus.publish([Outgoing(subject, data, event.id)])
        await subscription.ack([delivery])


async def test_risk_answers_a_halt_and_a_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if nats_server_binary() is None:
        pytest.skip("no nats-server in this environment")
    server = NatsServer(tmp_path)
    server.start()
    try:
        bus = await NatsBus.connect(server.url, name="risk")
        await bus.declare(ALL_STREAMS)
        risk = asyncio.create_task(answer_commands(bus, 2))
        for command, state in (("halt", "halted"), ("resume", "trading")):
            assert await asyncio.to_thread(main, [command, "--reason", "drill", "--set", f"bus.url={server.url}"]) == 0
            assert f"account main is {state}: drill" in capsys.readouterr().out
        await risk
        await bus.drain()
    finally:
        server.kill()

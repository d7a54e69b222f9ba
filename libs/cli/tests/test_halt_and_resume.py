"""n1v1 halt, resume and flatten against a real bus on which a risk stage answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from n1v1.events import BreakerChanged, HaltsChanged, OperatorCommand
from n1v1.risk.halts import Halt, Scope
from n1v1.risk.stage import Risk
from n1v1_cli import operating
from n1v1_cli.halted import Row, look_at_halts, rows_of
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


@asynccontextmanager
async def a_bus(folder: Path) -> AsyncIterator[tuple[NatsServer, NatsBus]]:
    if nats_server_binary() is None:
        pytest.skip("no nats-server in this environment")
    server = NatsServer(folder)
    server.start()
    try:
        bus = await NatsBus.connect(server.url, name="risk")
        await bus.declare(ALL_STREAMS)
        yield server, bus
        await bus.drain()
    finally:
        server.kill()


async def answer_commands(bus: NatsBus) -> None:
    """What the risk service does with commands, without its database."""
    settings = load([], {}, []).settings
    codec = codec_of(settings)
    risk = Risk(account="main", instruments=instruments_of(settings), policy=policy_of(settings))
    spec = ConsumerSpec(TRADING.name, "risk", (subject_filter(OperatorCommand),), max_batch=1)
    subscription = await bus.consume(spec)
    async for [delivery] in subscription:
        for event in risk.handle(codec.decode(delivery.subject, delivery.data)[0]):
            subject, data = codec.encode(event)
            await bus.publish([Outgoing(subject, data, event.id)])
        await subscription.ack([delivery])


@pytest.mark.servers
async def test_risk_answers_each_command_and_the_log_says_what_is_halted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_bus(tmp_path) as (server, bus):
        answering = asyncio.create_task(answer_commands(bus))

        async def say(*words: str) -> str:
            command = [*words, "--reason", "drill", "--actor", "ann", "--set", f"bus.url={server.url}"]
            assert await asyncio.to_thread(main, command) == 0
            return capsys.readouterr().out.strip()

        assert await say("halt") == "account main is halted: drill (ann), until resumed"
        assert await say("halt") == (
            "nothing changed in account main: halted before: the account by ann: drill (until resumed)"
        )
        assert await say("resume") == "account main is trading: drill (ann)"
        assert await say("resume", "--symbol", "BTC-USD") == (
            "nothing changed in BTC-USD in account main: nothing halts BTC-USD by hand"
        )
        flattened = await say("flatten", "--strategy", "ema_cross", "--symbol", "BTC-USD", "--id", "once")
        assert flattened == (
            "ema_cross on BTC-USD in account main is being flattened: drill (ann), no position to close now; "
            "entries are held back until resumed"
        )
        assert await say("resume", "--strategy", "ema_cross", "--symbol", "BTC-USD") != ""
        assert await say("flatten", "--strategy", "ema_cross", "--symbol", "BTC-USD", "--id", "once") == flattened
        settings = load([], {}, [f"bus.url={server.url}"]).settings
        assert await look_at_halts(settings) == [], "given twice under one name it is carried out once"
        assert "BTC-USD in account main is halted" in await say("halt", "--symbol", "BTC-USD", "--for", "2h")
        [row] = await look_at_halts(settings)
        assert (row.what, row.by, row.reason) == ("BTC-USD", "ann", "drill")
        answering.cancel()


@pytest.mark.servers
async def test_without_risk_the_command_is_kept_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "ANSWER_WITHIN_S", 0.1)
    async with a_bus(tmp_path) as (server, bus):
        command = ["halt", "--reason", "drill", "--set", f"bus.url={server.url}"]
        assert await asyncio.to_thread(main, command) == operating.EXIT_NO_ANSWER
        assert "will be carried out when risk is back" in capsys.readouterr().out
        kept = await bus.last_message(TRADING.name, subject_filter(OperatorCommand))
        assert kept is not None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--symbol", "BTC-USDT"], "--symbol: 'BTC-USDT' is not traded here; did you mean BTC-USD?"),
        (["--strategy", "ema_cros"], "--strategy: 'ema_cros' is not traded here; did you mean ema_cross?"),
        (["--for", "soon"], "--for: expected a time such as 30m, 4h or 1d, got 'soon'"),
        (["--id", "a b"], "--id: expected at most 64 letters, digits, - _ or ., got 'a b'"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_sent(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["halt", "--reason", "drill", *words, "--set", "bus.url=nats://127.0.0.1:1"]) == 2
    assert complaint in capsys.readouterr().err


def test_the_breaker_has_a_row_when_it_opened_by_itself() -> None:
    tripped = BreakerChanged(id="b", ts_ns=0, account="main", is_open=True, reason="drawdown", actor="risk")
    assert rows_of(None, tripped) == [
        Row("the account", "circuit breaker", "drawdown", "1970-01-01T00:00:00Z", "", False)
    ]
    by_hand = BreakerChanged(id="b", ts_ns=0, account="main", is_open=True, reason="drill", actor="ann")
    halt = Halt(scope=Scope(), reason="drill", actor="ann", since_ns=0, until_ns=3_600_000_000_000)
    halts = HaltsChanged(id="h", ts_ns=0, account="main", halts=(halt,))
    assert rows_of(halts, by_hand) == [
        Row("the account", "ann", "drill", "1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z", False)
    ]

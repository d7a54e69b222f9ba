"""A stack of real servers and fake services: what is started, what is written down, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from n1v1_cli.stack.events import What
from n1v1_cli.stack.folder import stack_is_running
from n1v1_cli.stack.record import read_record
from n1v1_cli.stack.stack import Stack
from n1v1_common.servers import FolderInUse, PortTaken
from n1v1_common.servers.ports import free_port
from n1v1_common.settings.load import Loaded, load

pytestmark = pytest.mark.servers


def settings(*overrides: str) -> Loaded:
    return load([], {}, ["servers.durability=process", *overrides])


async def test_the_default_stack_is_three_servers_and_seven_services(fake_services: Path, state_dir: Path) -> None:
    async with Stack(settings(), state_dir) as stack:
        await stack.ready()
        record = read_record(state_dir)
        assert record is not None
        assert record.is_ready
        assert [process.name for process in record.processes if process.kind == "server"] == [
            "nats",
            "valkey",
            "postgres",
        ]
        assert {process.state for process in record.processes} == {"ready"}
        started = (state_dir / "started").read_text().split()
        assert len(started) == 7
        for needs_the_venue in ("execution", "market_data"):
            assert started.index("exchange_simulator") < started.index(needs_the_venue)
        assert stack_is_running(state_dir)
        told = json.loads((state_dir / "run" / "settings-admin.json").read_text())
        assert record.settings == str(state_dir / "run" / "settings.json")
        assert told["bus"]["url"] == f"nats://127.0.0.1:{stack.urls.nats.rpartition(':')[2]}"
        assert told["postgres"]["dsn"] == stack.urls.postgres
        assert told["redis"]["url"] == stack.urls.redis
        assert told["exchange"]["rest_url"] == stack.url("exchange_simulator")
        assert {path.stat().st_mode & 0o777 for path in (state_dir / "run").glob("settings*.json")} == {0o600}
        assert stack.urls.postgres not in (state_dir / "stack.json").read_text(), "passwords stay out of it"
    assert read_record(state_dir) is None
    assert not stack_is_running(state_dir)


async def test_every_signal_worker_is_a_process_told_its_own_index(fake_services: Path, state_dir: Path) -> None:
    workers = settings("signals.partitions=3", "signals.worker_count=3")
    async with Stack(workers, state_dir, services=("signals",)) as stack:
        await stack.ready()
        assert sorted((state_dir / "started").read_text().split()) == ["signals-0", "signals-1", "signals-2"]


async def test_a_killed_service_comes_back_under_the_same_url(fake_services: Path, state_dir: Path) -> None:
    async with Stack(settings(), state_dir, services=("reporting",)) as stack:
        await stack.ready()
        url = stack.url("reporting")
        for name in ("reporting", "valkey"):
            stack.kill(name)
            assert await stack.process(name).wait() == -9
        for name in ("reporting", "valkey"):
            await stack.until_restarted(name)
        assert stack.url("reporting") == url
        record = read_record(state_dir)
        assert record is not None
        assert {process.name: process.crashes for process in record.processes} == {
            "nats": 0,
            "valkey": 1,
            "postgres": 0,
            "reporting": 1,
        }
        assert [event.name for event in stack.events if event.what is What.CRASHED] == ["reporting", "valkey"]


async def test_a_second_stack_in_the_same_folder_is_told_who_holds_it(fake_services: Path, state_dir: Path) -> None:
    async with Stack(settings(), state_dir, services=()) as stack:
        with pytest.raises(FolderInUse, match="in use by process"):
            await Stack(settings(), state_dir, services=()).__aenter__()
        assert all(server.is_running for server in stack.supervisor.processes.values())


async def test_a_taken_service_port_is_named_with_its_setting(fake_services: Path, state_dir: Path) -> None:
    async with Stack(settings(), state_dir, services=("reporting",)) as stack:
        await stack.ready()
        port = stack.url("reporting").rpartition(":")[2]
        other = Stack(settings(f"services.risk.port={port}"), state_dir.with_name("other"), services=("risk",))
        with pytest.raises(PortTaken, match=f"port {port} .*services.risk.port"):
            await other.__aenter__()


async def test_a_server_named_in_the_settings_is_not_started_here(fake_services: Path, state_dir: Path) -> None:
    elsewhere = f"redis.url=redis://127.0.0.1:{free_port()}/0"
    async with Stack(settings(elsewhere), state_dir, services=()) as stack:
        assert list(stack.supervisor.processes) == ["nats", "postgres"]

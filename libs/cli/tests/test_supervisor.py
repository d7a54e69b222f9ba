"""The supervisor with real processes, which are small fake services."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from n1v1_cli.stack.events import Event, What
from n1v1_cli.stack.service import Service, ServiceSpec
from n1v1_cli.stack.supervisor import RestartLimit, StackFailed, Supervisor
from n1v1_common.servers.leftovers import command_of

FAST = RestartLimit(backoff_s=0.01)


def specs(state_dir: Path, *names: str, after: dict[str, Sequence[str]] | None = None) -> list[ServiceSpec]:
    """Fake services, told of their state folder and to take any port."""
    settings = state_dir / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    services = {name: {"port": 0} for name in names}
    settings.write_text(
        json.dumps(
            {
                "paths": {"state_dir": str(state_dir)},
                "signals": {"worker_count": 1},
                "services": services,
            }
        )
    )
    env = {"N1V1_SETTINGS": str(settings)}
    return [ServiceSpec(name=name, module=f"n1v1_{name}", env=env, after=(after or {}).get(name, ())) for name in names]


@asynccontextmanager
async def supervised(
    services: Sequence[Service], *, limit: RestartLimit = FAST
) -> AsyncIterator[tuple[Supervisor, list[Event]]]:
    events: list[Event] = []
    after = {service.name: service.spec.after for service in services}
    supervisor = Supervisor(services, announce=events.append, after=after, limit=limit)
    supervisor.start()
    try:
        yield supervisor, events
    finally:
        await supervisor.stop()


def said(events: Sequence[Event], what: What) -> list[str]:
    return [event.name for event in events if event.what is what]


async def until(events: Sequence[Event], what: What, name: str) -> Event:
    """The first event of this kind about `name`, once it has happened."""
    async with asyncio.timeout(20):
        while True:
            for event in events:
                if event.what is what and event.name == name:
                    return event
            await asyncio.sleep(0.01)


async def test_services_start_after_those_they_wait_for_and_stop_in_reverse(
    fake_services: Path, tmp_path: Path
) -> None:
    names = ("risk", "execution", "market_data")
    order: dict[str, Sequence[str]] = {"execution": ("risk",), "market_data": ("execution",)}
    services = [Service(spec, tmp_path) for spec in specs(tmp_path, *names, after=order)]
    async with supervised(services) as (supervisor, events):
        await supervisor.ready()
        assert (tmp_path / "started").read_text().split() == list(names)
        assert said(events, What.READY) == list(names)
        assert all(service.url for service in services)
    assert said(events, What.STOPPED) == list(reversed(names))
    assert [service.returncode for service in services] == [0, 0, 0]


async def test_a_killed_service_is_announced_with_its_log_and_started_again(
    fake_services: Path, tmp_path: Path
) -> None:
    services = [Service(spec, tmp_path) for spec in specs(tmp_path, "risk", "portfolio")]
    async with supervised(services) as (supervisor, events):
        await supervisor.ready()
        first_pid, untouched_pid = services[0].pid, services[1].pid
        services[0].kill()
        crash = await until(events, What.CRASHED, "risk")
        assert crash.returncode == -signal.SIGKILL
        assert str(crash) == "risk was ended by SIGKILL. The end of its log:\n    risk begins"
        await supervisor.is_ready["risk"].wait()
        assert services[0].pid != first_pid
        assert services[1].pid == untouched_pid
        assert supervisor.crashes == {"risk": 1, "portfolio": 0}
    assert services[0].log.read_text() == "risk begins\n" * 2, "both lives in one log"


async def test_a_service_that_keeps_crashing_ends_the_stack_with_the_last_40_lines_of_its_log(
    fake_services: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("N1V1_FAKE_EXIT_RISK", "1")
    services = [Service(spec, tmp_path) for spec in specs(tmp_path, "portfolio", "risk")]
    async with supervised(services) as (supervisor, events):
        with pytest.raises(StackFailed, match="risk crashed 5 times within 60 s") as failure:
            await supervisor.ready()
    assert len(said(events, What.CRASHED)) == 5
    assert len(said(events, What.RESTARTING)) == 4
    shown = str(failure.value).splitlines()[1:]
    assert [line.strip() for line in shown] == [f"complaint {number}" for number in range(20, 60)]


@pytest.mark.parametrize("code", [2, 3])
async def test_wrong_settings_or_a_taken_port_are_not_tried_again(
    fake_services: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setenv("N1V1_FAKE_EXIT_RISK", str(code))
    async with supervised([Service(spec, tmp_path) for spec in specs(tmp_path, "risk")]) as (supervisor, events):
        with pytest.raises(StackFailed, match=f"ended with exit code {code}"):
            await supervisor.ready()
    assert len(said(events, What.CRASHED)) == 1


async def test_a_service_that_never_gets_ready_says_what_it_waits_for(
    fake_services: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("N1V1_FAKE_UNREADY_RISK", "yes")
    [spec] = specs(tmp_path, "risk")
    async with supervised([Service(spec, tmp_path, ready_within_s=1.0)]) as (supervisor, _):
        with pytest.raises(StackFailed, match="risk was not ready within 1 s: starting"):
            await supervisor.ready()


async def test_a_service_that_ignores_sigterm_is_killed_at_its_deadline(
    fake_services: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("N1V1_FAKE_STUBBORN_RISK", "yes")
    [spec] = specs(tmp_path, "risk")
    service = Service(spec, tmp_path, stop_within_s=0.2)
    async with supervised([service]) as (supervisor, _):
        await supervisor.ready()
    assert service.returncode == -signal.SIGKILL


async def test_every_start_of_the_stack_begins_a_new_log_and_keeps_three_old_ones(
    fake_services: Path, tmp_path: Path
) -> None:
    for _ in range(5):
        async with supervised([Service(spec, tmp_path) for spec in specs(tmp_path, "risk")]) as (supervisor, _):
            await supervisor.ready()
    logs = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert logs == ["risk.log", "risk.log.1", "risk.log.2", "risk.log.3"]
    assert (tmp_path / "logs" / "risk.log").read_text() == "risk begins\n"


def test_the_pause_before_a_restart_doubles_up_to_its_limit() -> None:
    limit = RestartLimit(backoff_s=0.1, backoff_s_max=5.0)
    assert [limit.pause_s(crashes) for crashes in (1, 2, 3, 10)] == [0.1, 0.2, 0.4, 5.0]


SUPERVISE_UNTIL_KILLED = dedent("""
    import asyncio, json, sys
    from pathlib import Path
    from n1v1_cli.stack.service import Service, ServiceSpec
    from n1v1_cli.stack.supervisor import Supervisor

    async def main():
        state_dir = Path(sys.argv[1])
        spec = ServiceSpec(name="risk", module="n1v1_risk", env={"N1V1_SETTINGS": str(state_dir / "settings.json")})
        service = Service(spec, state_dir)
        supervisor = Supervisor([service], announce=lambda event: None)
        supervisor.start()
        await supervisor.ready()
        print(service.pid, flush=True)
        await supervisor.failed()

    asyncio.run(main())
""")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux only")
async def test_no_service_outlives_a_supervisor_killed_with_kill_9(fake_services: Path, tmp_path: Path) -> None:
    specs(tmp_path, "risk")
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISE_UNTIL_KILLED, str(tmp_path), stdout=subprocess.PIPE, env=os.environ
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert "n1v1_risk" in command_of(pid)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(10):
        while command_of(pid):  # noqa: ASYNC110 (another process sets no event)
            await asyncio.sleep(0.02)


class LosesACancellation:
    """A process whose start ends as if nothing had happened when it is cancelled, as wait_for may on Python 3.11."""

    name = "stubborn"
    pid = None
    returncode = None
    is_running = False
    log = Path("stubborn.log")

    async def start(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def wait(self) -> int:
        await asyncio.Event().wait()
        return 0

    async def stop(self) -> int | None:
        return None

    def kill(self) -> None: ...


async def test_a_lost_cancellation_does_not_keep_the_stack_from_stopping() -> None:
    supervisor = Supervisor([LosesACancellation()], announce=lambda event: None)
    supervisor.start()
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await supervisor.stop()

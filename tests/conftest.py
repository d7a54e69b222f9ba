"""The replay of `chaos.replay` as fixtures, against embedded servers or containers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from chaos.replay import RunningReplay, in_process, replay_settings, running

from n1v1.run_hash import RunRecords
from n1v1_common.servers import ServerMissing


@pytest.fixture(scope="session")
def expected() -> RunRecords:
    """What every replay has to end with."""
    return in_process(replay_settings().settings)


@pytest.fixture(scope="session")
def expected_of() -> Callable[..., RunRecords]:
    """What a replay with more settings has to end with."""
    return lambda *more: in_process(replay_settings(*more).settings)


StartReplay = Callable[..., AbstractAsyncContextManager[RunningReplay]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=("embedded", "containers"),
        default="embedded",
        help="servers of the replays: those from wheels, or the official images in containers of their own",
    )


@pytest.fixture
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """Settings that point at the servers; none for the embedded ones, which the stack starts itself."""
    if request.config.getoption("--backend") == "embedded":
        yield ()
        return
    with _containers() as settings:
        yield settings


@contextmanager
def _containers() -> Iterator[tuple[str, ...]]:
    """NATS, Redis and PostgreSQL as deploy/compose.yml names them. Skips, with the reason, without a Docker engine."""
    from docker.errors import DockerException
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    def url(scheme: str, container: DockerContainer, port: int, path: str = "") -> str:
        return f"{scheme}{container.get_container_host_ip()}:{container.get_exposed_port(port)}{path}"

    try:
        nats = DockerContainer("nats:2.12-alpine").with_command("-js").with_exposed_ports(4222)
        redis = DockerContainer("redis:8").with_exposed_ports(6379)
        postgres = DockerContainer("postgres:18").with_env("POSTGRES_PASSWORD", "test").with_exposed_ports(5432)
        with nats, redis, postgres:
            wait_for_logs(nats, "Server is ready", timeout=30)
            wait_for_logs(redis, "Ready to accept connections", timeout=30)
            wait_for_logs(postgres, "ready to accept connections", timeout=60)
            yield (
                f"bus.url={url('nats://', nats, 4222)}",
                f"redis.url={url('redis://', redis, 6379, '/0')}",
                f"postgres.dsn={url('postgresql://postgres:test@', postgres, 5432, '/postgres')}",
            )
    except DockerException as error:
        pytest.skip(f"no Docker engine: {error}")


@pytest.fixture
def start_replay(tmp_path: Path, servers: tuple[str, ...]) -> StartReplay:
    """Opens a stack of its own that replays; more settings as KEY=VALUE."""

    @asynccontextmanager
    async def start(*more: str) -> AsyncIterator[RunningReplay]:
        try:
            async with running(tmp_path / "state", *servers, *more) as replay:
                yield replay
        except ServerMissing as missing:
            pytest.skip(str(missing))

    return start

"""One replay of 150 bar times, in process and through the running stack, and what each of them did."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from n1v1.events import Event, OrdersComplete, ReplayEnded
from n1v1.run_hash import RunRecords, from_events
from n1v1_cli.in_process import events
from n1v1_cli.stack import http
from n1v1_cli.stack.stack import Stack
from n1v1_common.bus.api import ConsumerSpec
from n1v1_common.bus.errors import BusUnavailable
from n1v1_common.bus.nats import NatsBus
from n1v1_common.codec.codec import subject_filter
from n1v1_common.servers import ServerMissing
from n1v1_common.settings.load import Loaded, load
from n1v1_common.settings.model import Settings
from n1v1_common.stage.opening import bus_url, codec_of
from n1v1_common.streams import MARKET_DATA, TRADING
from n1v1_research import datasets

# Quick averages, so that there is something to trade on in 25 days; stops and targets so near that most are hit, and
# so far that some positions are left by a signal while both still wait.
REPLAY = (
    "market.start=2021-01-01",
    "market.end=2021-01-26",
    "servers.durability=process",
    "telemetry.sample_ratio=0",
    "strategies.active_strategies=ema_cross,my_breakout",
    'strategies.strategy_config={"ema_cross": {"fast_ema": 3, "slow_ema": 8, "position_size": 0.4,'
    ' "stop_loss_pct": 0.04, "take_profit_pct": 0.05}}',
    "risk_management.max_position_size=0.4",
    "risk_management.max_drawdown=0.5",
    "risk_management.circuit_breaker_enabled=false",
    "exchange.recv_window_ms=1000",
    "exchange.absence_margin_ms=500",
)


def replay_settings(*more: str) -> Loaded:
    return load([], {}, [*REPLAY, *more])


@dataclass(frozen=True)
class RunningReplay:
    """A stack that replays. `events`: everything on the trading stream so far."""

    stack: Stack
    settings: Settings
    bus: NatsBus

    async def bar_times(self) -> int:
        """How many bar times are settled."""
        last = await self.bus.last_message(TRADING.name, subject_filter(OrdersComplete))
        if last is None:
            return 0
        settled_ns = codec_of(self.settings).decode(last.subject, last.data)[0].ts_ns
        first = next(iter(datasets.load(**dataset_of(self.settings)).steps()))[0]
        return int((settled_ns - first) // (4 * 3_600_000_000_000)) + 1

    async def until_ended(self, *, within_s: float = 60.0) -> None:
        async def ended() -> bool:
            return await self.bus.last_message(MARKET_DATA.name, subject_filter(ReplayEnded)) is not None

        await self._until(ended, within_s)

    async def until_settled(self, bar_times: int, *, within_s: float = 60.0) -> None:
        async def settled() -> bool:
            return await self.bar_times() >= bar_times

        await self._until(settled, within_s)

    async def _until(self, look: Callable[[], Awaitable[bool]], within_s: float) -> None:
        """Poll until it is so; a stack that fails meanwhile fails the test with the reason."""
        failed = asyncio.ensure_future(self.stack.failed())
        deadline = time.monotonic() + within_s
        try:
            while not await _answered(look):
                assert not failed.done(), str(failed.result())
                assert time.monotonic() < deadline, f"only {await self.bar_times()} bar times in {within_s} s"
                await asyncio.sleep(0.05)
        finally:
            failed.cancel()

    async def events(self) -> list[Event]:
        """Every event on the trading stream, repeated ones included."""
        codec = codec_of(self.settings)
        position = await self.bus.stream_position(TRADING.name)
        spec = ConsumerSpec(TRADING.name, "test", tuple(TRADING.subjects))
        subscription = await self.bus.consume(spec, start_seq=1)
        heard: list[Event] = []
        async for batch in subscription:
            heard += [codec.decode(delivery.subject, delivery.data)[0] for delivery in batch]
            await subscription.ack(batch)
            if batch[-1].seq >= position.last_seq:
                break
        await subscription.close()
        return heard

    async def reported(self, wanted_hash: str, *, within_s: float = 10.0) -> dict[str, Any]:
        """What reporting says of the run, once it has caught up; the last answer when it never does."""
        deadline = time.monotonic() + within_s
        while True:
            answer = await http.get(f"{self.stack.url('reporting')}/api/v1/run")
            run: dict[str, Any] = json.loads(answer.body)
            if run["hash"] == wanted_hash or time.monotonic() > deadline:
                return run
            await asyncio.sleep(0.1)


async def _answered(look: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await look()
    except BusUnavailable:  # the server was killed by the test
        return False


def dataset_of(settings: Settings) -> dict[str, Any]:
    market = settings.market
    return {
        "name_or_path": market.dataset or datasets.DEFAULT_DATASET,
        "symbols": market.symbols,
        "start": market.start,
        "end": market.end,
    }


def in_process(settings: Settings) -> RunRecords:
    """The records of the same replay through the engine in this process."""
    return from_events(events(settings, datasets.load(**dataset_of(settings))))


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
            async with Stack(replay_settings(*servers, *more), tmp_path / "state", announce=print) as stack:
                await stack.ready()
                settings = stack.plan.settings
                bus = await NatsBus.connect(bus_url(settings), name="test")
                try:
                    yield RunningReplay(stack, settings, bus)
                finally:
                    await bus.drain()
        except ServerMissing as missing:
            pytest.skip(str(missing))

    return start

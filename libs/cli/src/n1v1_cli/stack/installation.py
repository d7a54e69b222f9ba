"""What a stack needs in its servers before the services start: streams, schemas, roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from n1v1_cli.errors import UsedWithOtherSettings
from n1v1_common.access.table import owners_of_schemas

if TYPE_CHECKING:
    from n1v1_common.servers import EmbeddedServers
    from n1v1_common.settings.model import Settings


@asynccontextmanager
async def preparing() -> AsyncIterator[None]:
    """Load the client of the bus, a quarter of a second, while the servers start."""
    loading = asyncio.create_task(asyncio.to_thread(_load))
    try:
        yield
    finally:
        await loading


async def install(settings: Settings, servers: EmbeddedServers, *, new_settings: str | None = None) -> None:
    """settings: of the administrator. new_settings: why these, if the folder was used with others.

    In servers of somebody else's every service has the rights of whom the settings name, so that it installs its own
    tables; streams are declared in any case.

    Raises UsedWithOtherSettings, BusError or StorageError.
    """
    from n1v1_common.config_lock import SettingsDiffer
    from n1v1_common.install import install_bus, install_schema

    works = [install_bus(settings, new_settings=new_settings)]
    if servers.postgres in servers.all:
        dsns = {service: servers.settings_of(service)["postgres.dsn"] for service in owners_of_schemas()}
        works += [install_schema(servers.postgres.url, service, dsn) for service, dsn in dsns.items()]
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as errors:
        differing = errors.subgroup(SettingsDiffer)
        if differing is None:
            raise
        raise UsedWithOtherSettings(str(differing.exceptions[0])) from None


def _load() -> None:
    import n1v1_common.install  # noqa: F401  # for its imports

"""Makes what services need and may not make themselves: streams and buckets, schemas, roles and their grants. Locks
the settings that decide.

`n1v1 up` does it with the servers it starts. Elsewhere it is run before the service, in the service's own image, as
the administrator:  python -m n1v1_common.install. Run again, it changes what has changed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from n1v1_common import config_lock
from n1v1_common.access.database import grant
from n1v1_common.bus.errors import BusError
from n1v1_common.bus.nats import NatsBus
from n1v1_common.config_lock import SettingsDiffer
from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.model import Settings
from n1v1_common.settings.service import load_service_settings
from n1v1_common.stage.opening import bus_url
from n1v1_common.storage.database import migrate, open_connection
from n1v1_common.storage.errors import StorageError
from n1v1_common.streams import ALL_BUCKETS, ALL_STREAMS
from n1v1_common.user_name import user_name

SERVICE_VARIABLE = "N1V1_SERVICE"


async def install_bus(settings: Settings, *, new_settings: str | None = None) -> None:
    """Streams and buckets, and the lock of the settings.

    settings: of the administrator. new_settings: why the account's are from now on these, if others are locked.
    Raises SettingsDiffer; BusUnavailable, StreamMismatch.
    """
    bus, actor = await NatsBus.connect(bus_url(settings), name="install", replicas=settings.bus.replicas), user_name()
    try:
        await bus.declare(ALL_STREAMS, ALL_BUCKETS)
        if new_settings is None:
            await config_lock.lock(bus, settings, actor=actor)
        else:
            await config_lock.lock_anew(bus, settings, actor=actor, reason=new_settings)
    finally:
        await bus.drain()


async def install_schema(owner_dsn: str, service: str, dsn: str) -> None:
    """Migrate the schema of a service and let the role that `dsn` names work in it."""
    await migrate(owner_dsn, service, migrations_of(service))
    owner = await open_connection(owner_dsn)
    try:
        await grant(owner, service, dsn)
    finally:
        await owner.close()


def migrations_of(service: str) -> list[Path]:
    """The service's own, found without importing it; none when it has none, or is not installed here."""
    package = find_spec(f"n1v1_{service}")
    places = package.submodule_search_locations if package else None
    return [folder for place in places or () if (folder := Path(place) / "migrations").is_dir()]


async def _install(service: str) -> None:
    settings = load_service_settings(os.environ, service=service)
    await install_bus(settings)
    if settings.postgres.owner_dsn is not None:
        await install_schema(
            settings.postgres.owner_dsn.get_secret_value(), service, settings.postgres.dsn.get_secret_value()
        )


def main() -> int:
    service = os.environ.get(SERVICE_VARIABLE, "")
    try:
        asyncio.run(_install(service))
    except (ConfigError, BusError, StorageError, SettingsDiffer) as error:
        sys.stderr.write(f"not installed: {error}\n")
        return 1
    sys.stdout.write(f"installed: streams, and what {service or 'no service'} needs\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

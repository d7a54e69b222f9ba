"""The settings that an account is locked to, seen and changed by hand."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from n1v1_cli.bus import connected, settings_of
from n1v1_cli.errors import CommandError

if TYPE_CHECKING:
    from n1v1_common.config_lock import ConfigLock
    from n1v1_common.settings.model import Settings

EXIT_DIFFERENT = 3


def run(args: argparse.Namespace) -> int:
    """Raises CommandError or NoStack: no bus, nothing locked there, or somebody else locks at the same moment."""
    from n1v1_common.settings.deciding import deciding, differences

    settings = settings_of(args, as_admin=True)
    lock = asyncio.run(_lock(settings, actor=args.actor, reason=args.reason))
    print(f"account {settings.account.id} is locked to settings {lock.hash}")
    for entry in lock.history:
        print(f"  {entry.at}  {entry.hash[:12]}  {entry.actor}: {entry.reason}")
    found = [
        f"{key}: {our or 'the default'} here, {their or 'the default'} there"
        for key, our, their in differences(deciding(settings), lock.settings)
    ]
    print("\n".join(["these differ:", *found]) if found else "these are the same")
    return EXIT_DIFFERENT if found else 0


async def look(settings: Settings) -> ConfigLock:
    """Raises CommandError when the bus does not answer or nothing is locked, BusError."""
    return await _lock(settings, actor="", reason=None)


async def _lock(settings: Settings, *, actor: str, reason: str | None) -> ConfigLock:
    from n1v1_common.bus.api import RevisionConflict
    from n1v1_common.config_lock import NotLocked, lock_anew, locked
    from n1v1_common.streams import CONFIG_LOCK

    bus = await connected(settings)
    try:
        if reason is None:
            return await locked(await bus.key_value(CONFIG_LOCK), settings.account.id)
        return await lock_anew(bus, settings, actor=actor, reason=reason)
    except NotLocked as error:
        raise CommandError(str(error)) from None
    except RevisionConflict:
        raise CommandError("somebody else locked settings at this moment; look at them first") from None
    finally:
        await bus.drain()

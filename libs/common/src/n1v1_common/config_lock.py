"""The settings of an account are locked: who has others does not trade on it.

The first installation puts the settings that decide (settings/deciding.py) into the bucket CONFIG_LOCK, where only the
administrator writes. Every service that is on the bus compares its own with them before it begins, and goes on doing
so: when they are changed on purpose, by name and with a reason, everybody ends and starts anew, and who does not have
the new ones stays away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

import structlog

from n1v1_common.bus.api import Bus, BusClosed, BusError, KeyValue, RevisionConflict
from n1v1_common.lifecycle.errors import CannotStart
from n1v1_common.settings.deciding import deciding, differences, hash_of
from n1v1_common.settings.model import Settings
from n1v1_common.streams import CONFIG_LOCK

log = structlog.get_logger()

LOOK_EVERY_S = 5.0
FIRST_REASON = "the first installation"


@dataclass(frozen=True, slots=True)
class Locking:
    """hash: of the settings that were locked. at: ISO 8601, UTC."""

    hash: str
    actor: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class ConfigLock:
    """settings: as JSON by dotted key, defaults left out. history: who has locked what, oldest first, never empty."""

    settings: Mapping[str, str]
    history: tuple[Locking, ...]

    @property
    def hash(self) -> str:
        return self.history[-1].hash

    def encoded(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def decoded(cls, data: bytes) -> ConfigLock:
        """What a later release has added is left out."""
        tree, known = json.loads(data), [field.name for field in fields(Locking)]
        history = (Locking(**{name: entry[name] for name in known}) for entry in tree["history"])
        return cls(tree["settings"], tuple(history))


class NotLocked(CannotStart):
    def __init__(self, account: str) -> None:
        super().__init__(f"no settings are locked for account {account}; python -m n1v1_common.install locks them")


class SettingsDiffer(CannotStart):
    """Says which, and who has locked the others."""

    def __init__(self, account: str, ours: Mapping[str, str], lock: ConfigLock) -> None:
        last = lock.history[-1]
        found = [
            f"{key} is {our or 'the default'} here and {their or 'the default'} there"
            for key, our, their in differences(ours, lock.settings)
        ]
        super().__init__(
            f"account {account} is locked to other settings ({last.hash[:12]}, by {last.actor} at {last.at}: "
            f"{last.reason}): {'; '.join(found)}"
        )


async def lock(bus: Bus, settings: Settings, *, actor: str) -> ConfigLock:
    """Lock the settings of the account if none are locked yet; of several who try at once one succeeds.

    Raises SettingsDiffer for others than those that are locked, BusError.
    """
    bucket, account = await bus.key_value(CONFIG_LOCK), settings.account.id
    ours = _locked(settings, None, actor=actor, reason=FIRST_REASON)
    try:
        await bucket.put(account, ours.encoded(), expected_revision=0)
    except RevisionConflict:
        return await prove(bucket, settings)
    return ours


async def lock_anew(bus: Bus, settings: Settings, *, actor: str, reason: str) -> ConfigLock:
    """Lock these settings, whatever was locked before. Raises RevisionConflict when somebody else does so, BusError."""
    bucket, account = await bus.key_value(CONFIG_LOCK), settings.account.id
    entry = await bucket.get(account)
    before = ConfigLock.decoded(entry.value) if entry is not None else None
    ours = _locked(settings, before, actor=actor, reason=reason)
    await bucket.put(account, ours.encoded(), expected_revision=entry.revision if entry is not None else 0)
    return ours


async def locked(bucket: KeyValue, account: str) -> ConfigLock:
    """Raises NotLocked, BusError."""
    entry = await bucket.get(account)
    if entry is None:
        raise NotLocked(account)
    return ConfigLock.decoded(entry.value)


async def prove(bucket: KeyValue, settings: Settings) -> ConfigLock:
    """Raises NotLocked, SettingsDiffer, BusError."""
    lock, ours = await locked(bucket, settings.account.id), deciding(settings)
    if hash_of(ours) != lock.hash:
        raise SettingsDiffer(settings.account.id, ours, lock)
    return lock


async def go_on_proving(bucket: KeyValue, settings: Settings, drain: Callable[[], None]) -> None:
    """Call `drain` once the lock is not that of these settings any more. Until then this does not return, but with the
    bus."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await prove(bucket, settings)
        except BusClosed:
            return
        except BusError as error:
            log.warning("the lock of the settings cannot be looked up", reason=str(error))
        except CannotStart as error:
            log.warning("the settings were changed for everybody", reason=str(error))
            drain()
            return


def _locked(settings: Settings, before: ConfigLock | None, *, actor: str, reason: str) -> ConfigLock:
    values = deciding(settings)
    locking = Locking(hash_of(values), actor, reason, datetime.now(UTC).isoformat(timespec="seconds"))
    return ConfigLock(values, (*(before.history if before is not None else ()), locking))

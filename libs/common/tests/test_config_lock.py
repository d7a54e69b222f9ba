"""Who has other settings than those that are locked does not trade."""

from __future__ import annotations

import asyncio
import json

import pytest

from n1v1_common import config_lock
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.config_lock import ConfigLock, Locking, NotLocked, SettingsDiffer, lock, lock_anew, prove
from n1v1_common.settings.deciding import NOT_DECIDING, deciding, hash_of
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings
from n1v1_common.settings.tree import dotted, fields, sections
from n1v1_common.streams import ALL_BUCKETS, CONFIG_LOCK


def settings_with(*overrides: str) -> Settings:
    return load((), {}, overrides).settings


@pytest.fixture
async def bus() -> MemoryBus:
    bus = MemoryBus(MemoryServer())
    await bus.declare((), ALL_BUCKETS)
    return bus


def test_what_does_not_decide_exists() -> None:
    assert {dotted(key) for key in (*fields(), *sections())} >= NOT_DECIDING


@pytest.mark.parametrize(
    "override",
    [
        "environment.log_level=debug",
        "signals.worker_count=2",
        "replay.speed=7",
        "exchange.api_key=k",
        "bus.url=nats://n",
    ],
)
def test_where_and_how_it_runs_does_not_decide(override: str) -> None:
    more = ("signals.partitions=2",)
    assert hash_of(deciding(settings_with(*more, override))) == hash_of(deciding(settings_with(*more)))


@pytest.mark.parametrize(
    "override",
    [
        "risk_management.max_position_size=0.07",
        "market.symbols=BTC-USD",
        "exchange.fee_rate_bps=11",
        "signals.partitions=3",
        'strategies.strategy_config={"ema_cross": {"fast_ema": 5}}',
        "strategies.files=a/mine.py",
    ],
)
def test_what_is_traded_decides(override: str) -> None:
    assert hash_of(deciding(settings_with(override))) != hash_of(deciding(settings_with()))


def test_a_strategy_file_may_lie_elsewhere_and_decimals_may_be_written_otherwise() -> None:
    here = settings_with("strategies.files=/here/mine.py", "risk_management.max_position_size=0.10")
    there = settings_with("strategies.files=/there/mine.py", "risk_management.max_position_size=0.1")
    assert deciding(here) == deciding(there)


def test_no_secret_is_in_what_decides() -> None:
    settings = settings_with("exchange.api_key=hush", "exchange.api_secret=hush", "redis.url=redis://:hush@h/0")
    assert "hush" not in str(deciding(settings))


async def test_of_many_who_lock_at_once_one_does_and_the_others_find_his(bus: MemoryBus) -> None:
    locks = await asyncio.gather(*(lock(bus, settings_with(), actor=f"installer {n}") for n in range(20)))
    assert len({found.history for found in locks}) == 1
    (locking,) = locks[0].history
    assert locking.hash == hash_of(deciding(settings_with()))


async def test_other_settings_are_refused_by_name(bus: MemoryBus) -> None:
    await lock(bus, settings_with(), actor="ann")
    with pytest.raises(SettingsDiffer) as refused:
        await lock(bus, settings_with("risk_management.max_position_size=0.07"), actor="bob")
    assert 'risk_management.max_position_size is "0.07" here and the default there' in str(refused.value)
    assert "by ann at" in str(refused.value)


async def test_accounts_are_locked_apart(bus: MemoryBus) -> None:
    await lock(bus, settings_with(), actor="ann")
    other = settings_with("account.id=other", "risk_management.max_position_size=0.07")
    await lock(bus, other, actor="ann")
    await prove(await bus.key_value(CONFIG_LOCK), other)


def test_what_a_later_release_has_added_to_the_lock_is_left_out() -> None:
    entry = {"hash": "a1", "actor": "ann", "reason": "r", "at": "t"}
    later = {"settings": {}, "history": [entry | {"host": "h"}], "signature": "s"}
    assert ConfigLock.decoded(json.dumps(later).encode()) == ConfigLock({}, (Locking(**entry),))


async def test_nobody_trades_before_something_is_locked(bus: MemoryBus) -> None:
    with pytest.raises(NotLocked, match="account main"):
        await prove(await bus.key_value(CONFIG_LOCK), settings_with())


async def test_a_change_on_purpose_is_kept_with_its_reason_and_ends_who_has_others(
    bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_lock, "LOOK_EVERY_S", 0.01)
    old, new = settings_with(), settings_with("risk_management.max_position_size=0.07")
    await lock(bus, old, actor="ann")
    bucket, has_drained = await bus.key_value(CONFIG_LOCK), asyncio.Event()
    proving = asyncio.create_task(config_lock.go_on_proving(bucket, old, has_drained.set))
    await asyncio.sleep(0.05)
    assert not has_drained.is_set()
    changed = await lock_anew(bus, new, actor="bob", reason="smaller positions")
    async with asyncio.timeout(5):
        await has_drained.wait()
        await proving
    assert [(entry.actor, entry.reason) for entry in changed.history] == [
        ("ann", "the first installation"),
        ("bob", "smaller positions"),
    ]
    assert (await prove(bucket, new)).hash == hash_of(deciding(new))
    with pytest.raises(SettingsDiffer, match="smaller positions"):
        await prove(bucket, old)

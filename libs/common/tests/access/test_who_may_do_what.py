"""Every user of the embedded servers, and what the servers refuse it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from redis.exceptions import NoPermissionError

from n1v1.events import BreakerChanged
from n1v1_common.access import ACCESS, ADMIN, OPERATOR
from n1v1_common.access.bus import bus_permissions
from n1v1_common.access.table import owners_of_schemas, users_of_hot_state, users_of_the_bus
from n1v1_common.bus.subjects import matches
from n1v1_common.codec import Codec, Undecodable
from n1v1_common.codec.codec import subject_filter
from n1v1_common.codec.table import CARRIED, Carried
from n1v1_common.install import install_bus, install_schema
from n1v1_common.instruments import instruments_of
from n1v1_common.servers import Durability, EmbeddedServers, ServerMissing
from n1v1_common.settings.model import Bus, Settings
from n1v1_common.state import redis_state
from n1v1_common.state.errors import MissingState, StateUnavailable
from n1v1_common.streams import ALL_STREAMS, STRATEGY_STATE

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="module")]

NOBODY_MAY = "nobody.may.say.this"
REFUSED_WITHIN_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    folder = tmp_path_factory.mktemp("state")
    try:
        async with EmbeddedServers(folder, durability=Durability.PROCESS, signal_partitions=2) as running:
            await install_bus(Settings(bus=Bus(url=running.urls.nats)))
            for service in owners_of_schemas():
                await install_schema(running.postgres.url, service, running.settings_of(service)["postgres.dsn"])
            yield running
    except ServerMissing as missing:
        pytest.skip(str(missing))


async def refused(servers: EmbeddedServers, user: str, *, publish: str = "", subscribe: str = "") -> bool:
    """Whether the bus refuses it. What is refused to everybody comes last: when that is refused, all has been said."""
    complaints: asyncio.Queue[str] = asyncio.Queue()

    async def complain(error: Exception) -> None:
        complaints.put_nowait(str(error).lower())

    client = await connected(servers, user, error_cb=complain)
    try:
        if publish:
            await client.publish(publish, b"")
        if subscribe:
            await client.subscribe(subscribe)
        await client.publish(NOBODY_MAY)
        heard = 0
        async with asyncio.timeout(REFUSED_WITHIN_S):
            while NOBODY_MAY not in await complaints.get():
                heard += 1
        return heard > 0
    finally:
        await client.close()


async def connected(servers: EmbeddedServers, user: str, **options: Any) -> Client:  # Any: those of nats.connect
    told = servers.settings_of(user)
    return await nats.connect(
        told["bus.url"],
        user=told["bus.user"],
        password=told["bus.password"],
        inbox_prefix=f"_INBOX.{user}".encode(),
        **options,
    )


async def test_every_message_is_said_by_exactly_one_user() -> None:
    for carried in CARRIED:
        subject = subject_filter(carried.event).replace("*", "x")
        speakers = [
            user
            for user in users_of_the_bus()
            if any(matches(p, subject) for p in bus_permissions(user, signal_partitions=1).publish)
        ]
        assert len(speakers) == 1, (subject, speakers)


@pytest.mark.parametrize("carried", CARRIED, ids=lambda carried: carried.event.__name__)
async def test_the_bus_lets_nobody_say_what_another_has_to_say(servers: EmbeddedServers, carried: Carried) -> None:
    subject = subject_filter(carried.event).replace("*", "0")
    refusals = {user: await refused(servers, user, publish=subject) for user in users_of_the_bus()}
    assert list(refusals.values()).count(False) == 1, refusals


@pytest.mark.parametrize("user", users_of_the_bus())
async def test_nobody_may_change_streams_or_look_into_inboxes_of_others(servers: EmbeddedServers, user: str) -> None:
    for stream in (*(spec.name for spec in ALL_STREAMS), f"KV_{STRATEGY_STATE.bucket}"):
        for request in ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE"):
            assert await refused(servers, user, publish=f"$JS.API.STREAM.{request}.{stream}"), request
        assert await refused(servers, user, publish=f"$JS.API.CONSUMER.CREATE.{stream}.stranger")
        assert await refused(servers, user, publish=f"$JS.API.DIRECT.GET.{stream}")
    assert await refused(servers, user, subscribe="_INBOX.>")
    assert await refused(servers, user, subscribe=">")


async def test_a_signals_worker_hears_nothing_but_bars(servers: EmbeddedServers) -> None:
    for subject in ("market_data.v1.>", "risk.v1.>", "execution.v1.>", "control.v1.>", "$KV.>"):
        assert await refused(servers, "signals", subscribe=subject)
    assert await refused(servers, "signals", publish="$JS.API.CONSUMER.CREATE.TRADING.signals")
    assert await refused(servers, "signals", publish="$JS.API.CONSUMER.MSG.NEXT.TRADING.risk")
    assert await refused(servers, "signals", publish="$JS.API.STREAM.MSG.GET.TRADING")
    assert await refused(servers, "signals", publish="$JS.ACK.TRADING.risk.1.1.1.1.1")
    assert await refused(servers, "signals", publish="$KV.STRATEGY_STATE.somebody/0")
    assert not await refused(servers, "signals", publish="$JS.API.CONSUMER.INFO.MARKET_DATA.signals-1")
    assert await refused(servers, "signals", publish="$JS.API.CONSUMER.INFO.MARKET_DATA.signals-2"), "two partitions"


async def test_a_worker_cannot_have_the_server_say_for_it_what_it_may_not_say(servers: EmbeddedServers) -> None:
    """The server sends its answers to any reply subject, whether or not the requester may publish there. So bytes that
    a worker stored and had sent to it bare, the reply being the subject of the breaker, would be believed."""
    codec = Codec(instruments_of(Settings()))
    forgery = BreakerChanged(id="forged", ts_ns=1, account="main", is_open=False, reason="", actor="nobody")
    subject, forged = codec.encode(forgery)
    assert codec.decode(subject, forged), "whoever hears it believes it"
    snapshots = "$KV.STRATEGY_STATE.signals/0"
    worker, admin = await connected(servers, "signals"), await connected(servers, ADMIN)
    await worker.request(snapshots, forged, timeout=REFUSED_WITHIN_S)
    stored = await admin.jetstream().get_last_msg("KV_STRATEGY_STATE", snapshots)
    assert stored.data == forged, "the worker may keep what it likes"
    for request in bus_permissions("signals", signal_partitions=2).publish:
        body = forged
        if request.startswith("$JS.API"):
            body = json.dumps({"last_by_subj": snapshots} if ".GET." in request else {"batch": 1}).encode()
        await worker.publish(request.replace("*", "0").replace(">", "0"), body, reply=subject)
    await worker.flush()
    await worker.close()
    said = await everything_on(admin, subject)
    assert said, "the server's own words do arrive there; a stage puts them aside"
    for data in said:
        with pytest.raises(Undecodable):
            codec.decode(subject, data)
    await admin.close()


async def everything_on(client: Client, subject: str) -> list[bytes]:
    found: list[bytes] = []
    reader = await client.jetstream().pull_subscribe(subject, stream="TRADING")
    while True:
        try:
            found += [message.data for message in await reader.fetch(64, timeout=0.5)]
        except TimeoutError:
            return found


@pytest.mark.parametrize("service", owners_of_schemas())
async def test_a_service_works_in_its_own_tables_and_sees_no_others(servers: EmbeddedServers, service: str) -> None:
    connection = await asyncpg.connect(servers.settings_of(service)["postgres.dsn"])
    try:
        await connection.execute(f"INSERT INTO {service}.inbox VALUES ('here', now())")
        await connection.execute(f"DELETE FROM {service}.inbox WHERE msg_id = 'here'")
        others = [schema for schema in owners_of_schemas() if schema != service]
        for statement in (
            *(f"SELECT * FROM {other}.inbox" for other in others),
            *(f"INSERT INTO {other}.inbox VALUES ('there', now())" for other in others),
            f"DROP TABLE {service}.inbox",
            f"ALTER TABLE {service}.inbox DISABLE TRIGGER ALL",
            f"DELETE FROM {service}.schema_migrations",
            f"TRUNCATE {service}.outbox",
            f"CREATE TABLE {service}.mine (one int)",
            "CREATE TABLE public.mine (one int)",
            "CREATE TEMPORARY TABLE mine (one int)",
            "CREATE ROLE another",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("table", ["ledger", "event_log"])
async def test_ledger_and_event_log_can_only_be_added_to(servers: EmbeddedServers, table: str) -> None:
    connection = await asyncpg.connect(servers.settings_of("portfolio")["postgres.dsn"])
    try:
        for right, may in (
            ("SELECT", True),
            ("INSERT", True),
            ("UPDATE", False),
            ("DELETE", False),
            ("TRUNCATE", False),
        ):
            found = await connection.fetchval("SELECT has_table_privilege($1, $2)", f"portfolio.{table}", right)
            assert found is may, right
        for statement in (f"DELETE FROM portfolio.{table}", f"TRUNCATE portfolio.{table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("user", users_of_hot_state())
async def test_a_flag_is_set_by_risk_alone(servers: EmbeddedServers, user: str) -> None:
    access = ACCESS[user]
    async with redis_state.client_at(servers.settings_of(user)["redis.url"], timeout_s=5.0) as client:
        state = redis_state.RedisHotState(client)
        for key in ("breaker:main", "equity:main", "rate:binance:default", "anything"):
            if key.startswith(access.writes_keys):
                await state.put(key, {"is_open": False, "reason": ""}, version=1)
                continue
            with pytest.raises(StateUnavailable, match=r"(?i)permission"):
                await state.put(key, {"is_open": False, "reason": ""}, version=9)
            if key.startswith(access.reads_keys or ("none",)):
                with contextlib.suppress(MissingState):  # risk may not have come by yet
                    await state.get(key)
            else:
                with pytest.raises(StateUnavailable, match=r"(?i)permission"):
                    await state.get(key)
        for command in (
            ("FLUSHALL",),
            ("CONFIG", "GET", "*"),
            ("ACL", "LIST"),
            ("DEL", "n1v1:breaker:main"),
            ("KEYS", "*"),
        ):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*command)  # type: ignore[no-untyped-call]  # untyped in redis-py


@pytest.mark.parametrize("user", ["signals", "market_data", "exchange_simulator", OPERATOR])
async def test_who_has_no_tables_is_not_told_where_they_are(servers: EmbeddedServers, user: str) -> None:
    assert "postgres.dsn" not in servers.settings_of(user)


async def test_a_signals_worker_is_told_of_the_bus_alone(servers: EmbeddedServers) -> None:
    assert set(servers.settings_of("signals")) == {"bus.url", "bus.user", "bus.password"}

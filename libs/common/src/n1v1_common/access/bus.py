"""The table of access as permissions of NATS users.

A service consumes under durables of its own, which it may place anew: where it goes on is in its own tables. So it
may create and delete these, by name, and nothing else of the JetStream API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from n1v1.pipeline import HEARS
from n1v1_common.access.table import ACCESS, ADMIN, Access, users_of_the_bus
from n1v1_common.bus.api import BucketSpec, StreamSpec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import ALL_STREAMS, CONFIG_LOCK, STRATEGY_STATE, stream_of


@dataclass(frozen=True, slots=True)
class BusPermissions:
    """Subjects with wildcards; whatever matches none of them is refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def bus_permissions(user: str, *, signal_partitions: int) -> BusPermissions:
    access = ACCESS[user]
    inbox = f"_INBOX.{user}.>"  # answers; and the sign of life that a connection sends to itself
    publish = [*(f"{beginning}.>" if "." in beginning else f"{beginning}.v1.>" for beginning in access.speaks), inbox]
    if access.stage or access.consumes:
        publish.append(f"dead_letters.v1.{user}")
    publish += [f"$JS.API.STREAM.INFO.{stream.name}" for stream in _measured(access)]
    publish += [f"$JS.API.STREAM.MSG.GET.{stream.name}" for stream in access.looks_up]
    for stream, durable in durables(user, signal_partitions=signal_partitions):
        publish += _of_durable(stream.name, durable)
    if access.keeps_strategy_state:
        publish += _of_snapshots(user, signal_partitions)
    publish += _looked_up(CONFIG_LOCK)
    return BusPermissions(tuple(publish), (inbox, *access.taps))


def durables(user: str, *, signal_partitions: int) -> list[tuple[StreamSpec, str]]:
    """The durables of a user: one on each stream that it consumes, for signals one for each partition."""
    access = ACCESS[user]
    names = [f"{user}-{n}" for n in range(signal_partitions)] if access.keeps_strategy_state else [user]
    return [(stream, name) for stream in _consumed(access) for name in names]


def authorization(passwords: Mapping[str, str], *, signal_partitions: int) -> str:
    """The block of nats-server's configuration with every user.

    passwords: of every user of the bus and the administrator, as they stand in the file: quoted, or a $VARIABLE.
    """
    users = [f"{{ user: {ADMIN}, password: {passwords[ADMIN]} }}"]
    for user in users_of_the_bus():
        allowed = bus_permissions(user, signal_partitions=signal_partitions)
        users.append(
            f"{{ user: {user}, password: {passwords[user]}, permissions: {{\n"
            f"    publish: {_listed(allowed.publish)}\n"
            f"    subscribe: {_listed(allowed.subscribe)}\n"
            "  } }"
        )
    return "authorization { users: [\n  " + "\n  ".join(users) + "\n] }\n"


def _listed(subjects: tuple[str, ...]) -> str:
    return "[\n" + "".join(f"      {json.dumps(subject)}\n" for subject in subjects) + "    ]"


def _consumed(access: Access) -> list[StreamSpec]:
    heard = [stream_of(subject_filter(event)) for event in HEARS.get(access.stage, ())]
    return list(dict.fromkeys([*heard, *access.consumes]))


def _measured(access: Access) -> list[StreamSpec]:
    """Streams whose length it asks for. A stage with a journal makes good what any of them has lost."""
    if access.stage and access.has_schema:
        return list(ALL_STREAMS)
    return list(dict.fromkeys([*_consumed(access), *access.looks_up]))


def _of_durable(stream: str, durable: str) -> Iterator[str]:
    for request in ("CREATE", "DELETE", "INFO", "MSG.NEXT"):
        yield f"$JS.API.CONSUMER.{request}.{stream}.{durable}"
    yield f"$JS.ACK.{stream}.{durable}.>"
    yield f"$JS.ACK.*.*.{stream}.{durable}.>"  # with the domain and the account's hash before the stream


def _of_snapshots(user: str, signal_partitions: int) -> list[str]:
    keys = [f"$KV.{STRATEGY_STATE.bucket}.{user}/{partition}" for partition in range(signal_partitions)]
    return [*_looked_up(STRATEGY_STATE), *keys]


def _looked_up(bucket: BucketSpec) -> list[str]:
    return [f"$JS.API.STREAM.{request}.KV_{bucket.bucket}" for request in ("INFO", "MSG.GET")]

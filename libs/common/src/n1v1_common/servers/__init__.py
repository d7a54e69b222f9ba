"""Embedded servers: NATS JetStream, Valkey and PostgreSQL from wheels, as child processes on loopback."""

from n1v1_common.servers.embedded import EmbeddedServers, Urls
from n1v1_common.servers.errors import (
    FolderInUse,
    PortTaken,
    ServerError,
    ServerFailed,
    ServerMissing,
    StateFolderUnusable,
    WrongOwner,
)
from n1v1_common.servers.server import Durability, EmbeddedServer

__all__ = [
    "Durability",
    "EmbeddedServer",
    "EmbeddedServers",
    "FolderInUse",
    "PortTaken",
    "ServerError",
    "ServerFailed",
    "ServerMissing",
    "StateFolderUnusable",
    "Urls",
    "WrongOwner",
]

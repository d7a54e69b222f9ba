"""Loopback ports."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from n1v1_common.servers.errors import PortTaken

LOOPBACK = "127.0.0.1"
LOWEST = 10_000
FIRST_OUTGOING = 32_768
"""Linux's default; elsewhere it is higher."""
TRIES = 100

_given: set[int] = set()
"""By this process: a plan asks for many before anybody listens on the first."""
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port that was free a moment ago. Another program may be faster than the server: then try another.

    Below those that outgoing connections are given, where that leaves room: while a server is restarted, which its
    neighbours do not wait for, one of their connections may otherwise take its port, and keep it.
    """
    below = first_outgoing_port()
    for _ in range(TRIES if below > LOWEST else 0):
        port = LOWEST + secrets.randbelow(below - LOWEST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    return _any_free_port()


def first_outgoing_port() -> int:
    return int(_RANGE.read_text().split()[0]) if _RANGE.exists() else FIRST_OUTGOING


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def claim_port(server: str, port: int) -> int:
    """`port` itself when it is free, a free one for 0.

    Raises:
        PortTaken: `port` was given and somebody listens there.
    """
    if port == 0:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTaken(server, port) from error
    return port

"""Loopback ports."""

from __future__ import annotations

import socket

from n1v1_common.servers.errors import PortTaken

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that was free a moment ago. Another program may be faster than the server: then try another."""
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

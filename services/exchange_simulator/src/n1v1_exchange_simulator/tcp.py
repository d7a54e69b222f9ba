"""What a WebSocket library and an HTTP library do not offer."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import cast

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with RST instead of FIN; what waits to be written is lost."""
    # On a duplicate, because event loops hand out a socket that cannot be changed.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    # A cast, because uvloop's transports do not derive from asyncio's.
    cast(asyncio.WriteTransport, transport).abort()

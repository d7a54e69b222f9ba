"""Why a service does not start, or leaves. Answered with one sentence and an exit code, not with a traceback."""

from __future__ import annotations


class CannotStart(Exception):
    """The machine does not give what the service needs; starting again without a change will not help."""


class PortTaken(CannotStart):
    def __init__(self, host: str, port: int, service: str) -> None:
        super().__init__(
            f"port {port} on {host} is taken by another process; "
            f"free it, or set services.{service}.port to another one (0 takes any that is free)"
        )
        self.port = port


class StateFolderUnusable(CannotStart):
    """The state folder cannot be written to: read-only, full, or not ours."""


class Superseded(Exception):
    """Another process has taken this one's place. Starting again would take it back, so nobody does: exit code 4."""

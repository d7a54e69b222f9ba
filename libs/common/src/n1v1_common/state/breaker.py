"""The flag that halts an account, as every worker reads it. When in doubt the account is halted."""

from __future__ import annotations

from dataclasses import dataclass

from n1v1_common.state.errors import StateError
from n1v1_common.state.hot_state import HotState


@dataclass(frozen=True, slots=True)
class Halt:
    """Whether an account may take new exposure, and why not."""

    is_open: bool
    """An open breaker stops the flow: True is halted."""
    reason: str
    """Empty while trading goes on."""


class BreakerFlags:
    """risk writes, everybody reads. version: the stream sequence of the event that changed the breaker."""

    def __init__(self, state: HotState) -> None:
        self._state = state

    async def open(self, account: str, *, reason: str, version: int) -> bool:
        """Halts the account; False when a later change is already known."""
        return await self._state.put(_key(account), {"is_open": True, "reason": reason}, version=version)

    async def close(self, account: str, *, version: int) -> bool:
        """Lets the account trade; False when a later change is already known."""
        return await self._state.put(_key(account), {"is_open": False, "reason": ""}, version=version)

    async def is_open(self, account: str, *, max_age_ms: int | None = None) -> Halt:
        """Fails closed: a flag that is missing, unreadable, too old or not understood halts, and says so."""
        try:
            held = await self._state.get(_key(account), max_age_ms=max_age_ms)
        except StateError as error:
            return Halt(is_open=True, reason=f"breaker state unknown: {error}")
        match held.value:
            case {"is_open": bool(is_open), "reason": str(reason)}:
                return Halt(is_open, reason)
            case _:
                return Halt(is_open=True, reason=f"breaker state not understood (version {held.version})")


def _key(account: str) -> str:
    return f"breaker:{account}"

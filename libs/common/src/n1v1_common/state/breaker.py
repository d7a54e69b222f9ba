"""The flag that halts an account, as every worker reads it. When in doubt the account is halted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from n1v1.risk.halts import Halt as ScopedHalt
from n1v1.risk.halts import Scope
from n1v1_common.state.errors import StateError
from n1v1_common.state.hot_state import HotState, Json


@dataclass(frozen=True, slots=True)
class Halt:
    """Whether new exposure may be taken, and why not."""

    is_open: bool
    """An open breaker stops the flow: True is halted."""
    reason: str
    """Empty while trading goes on."""
    is_known: bool = True
    """False: nobody can tell, so it is halted."""


class BreakerFlags:
    """risk writes, everybody reads. version: rises with every change of the breaker and of what is halted."""

    def __init__(self, state: HotState) -> None:
        self._state = state

    async def open(self, account: str, *, reason: str, version: int) -> bool:
        """Halts the account; False when a later change is already known."""
        return await self._state.put(_key(account), {"is_open": True, "reason": reason}, version=version)

    async def close(self, account: str, *, version: int, halts: Iterable[ScopedHalt] = ()) -> bool:
        """Lets the account trade, but for parts of it; False when a later change is already known."""
        parts: Json = [[halt.scope.instance, halt.scope.symbol, str(halt)] for halt in halts]
        value: Json = {"is_open": False, "reason": "", "halts": parts}
        return await self._state.put(_key(account), value, version=version)

    async def is_open(
        self, account: str, *, instance: str = "", symbol: str = "", max_age_ms: int | None = None
    ) -> Halt:
        """Whether the account, or this strategy or symbol in it, is halted.

        Fails closed: a flag that is missing, unreadable, too old or not understood halts, and says so.
        """
        try:
            held = await self._state.get(_key(account), max_age_ms=max_age_ms)
        except StateError as error:
            return Halt(is_open=True, reason=f"breaker state unknown: {error}", is_known=False)
        match held.value:
            case {"is_open": True, "reason": str(reason)}:
                return Halt(is_open=True, reason=reason)
            case {"is_open": False, "halts": list(parts)}:
                return _first(parts, instance, symbol)
            case {"is_open": False}:
                return Halt(is_open=False, reason="")
            case _:
                reason = f"breaker state not understood (version {held.version})"
                return Halt(is_open=True, reason=reason, is_known=False)


def _first(parts: Iterable[Json], instance: str, symbol: str) -> Halt:
    """The first part that covers strategy and symbol."""
    for part in parts:
        match part:
            case [str(of_instance), str(of_symbol), str(words)]:
                if Scope(instance=of_instance, symbol=of_symbol).covers(instance, symbol):
                    return Halt(is_open=True, reason=words)
            case _:
                return Halt(is_open=True, reason=f"a halt that is not understood: {part!r}", is_known=False)
    return Halt(is_open=False, reason="")


def _key(account: str) -> str:
    return f"breaker:{account}"

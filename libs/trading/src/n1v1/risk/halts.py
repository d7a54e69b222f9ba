"""What persons and services have halted: the account, a strategy, a symbol, or one of them on the other.

A halt holds back entries of its scope, never an exit; one that `closes` has positions of its scope closed as well. It
lasts until somebody resumes the scope, or until a moment of market time: the same messages then lead to the same
decisions in every replay, and a stack that hears no market does not let a halt run out.

The circuit breaker is another matter: it opens and closes by what the account has lost (n1v1.risk.breaker).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

MARKET = "market data"
"""The actor of halts that end by themselves, when the market is heard again."""


class Operation(StrEnum):
    """What an operator may want of a scope."""

    HALT = "HALT"
    RESUME = "RESUME"
    FLATTEN = "FLATTEN"


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Scope:
    """Strategy instance and symbol; an empty field stands for all of them."""

    instance: str = ""
    symbol: str = ""

    @property
    def is_account(self) -> bool:
        return not self.instance and not self.symbol

    def covers(self, instance: str, symbol: str) -> bool:
        return self.instance in ("", instance) and self.symbol in ("", symbol)

    def __str__(self) -> str:
        if self.is_account:
            return "the account"
        return " on ".join(part for part in (self.instance, self.symbol) if part)


THE_ACCOUNT = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """since_ns, until_ns: market time; until_ns 0: until somebody resumes the scope. command_id: what asked for it."""

    scope: Scope
    reason: str
    actor: str
    since_ns: int
    until_ns: int = 0
    closes: bool = False
    command_id: str = ""

    def outlasts(self, other: Halt) -> bool:
        return other.until_ns != 0 and (self.until_ns == 0 or self.until_ns > other.until_ns)

    def __str__(self) -> str:
        return f"{self.scope} by {self.actor}: {self.reason} ({until_in_words(self.until_ns)})"


def until_in_words(until_ns: int) -> str:
    if not until_ns:
        return "until resumed"
    return f"until {datetime.fromtimestamp(until_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC of market time"


class Halts:
    """Those in force: one for each scope, and one for each symbol whose market data is stale."""

    def __init__(self) -> None:
        self._by_scope: dict[Scope, Halt] = {}
        self._stale: dict[str, Halt] = {}

    def __bool__(self) -> bool:
        return bool(self._by_scope or self._stale)

    @property
    def in_force(self) -> tuple[Halt, ...]:
        """The widest first."""
        stale = (self._stale[symbol] for symbol in sorted(self._stale))
        return (*(self._by_scope[scope] for scope in sorted(self._by_scope)), *stale)

    @property
    def of_account(self) -> Halt | None:
        return self._by_scope.get(Scope())

    def of(self, scope: Scope) -> Halt | None:
        return self._by_scope.get(scope)

    def put(self, halt: Halt) -> bool:
        """Answers False when the scope is halted for at least as long already, and what it closes is being closed."""
        there = self._by_scope.get(halt.scope)
        if there is not None:
            if not halt.outlasts(there) and (there.closes or not halt.closes):
                return False
            until_ns = there.until_ns if there.outlasts(halt) else halt.until_ns
            halt = replace(halt, until_ns=until_ns, closes=halt.closes or there.closes)
        self._by_scope[halt.scope] = halt
        return True

    def lift(self, scope: Scope) -> Halt | None:
        """The halt of exactly this scope is over; None when there was none."""
        return self._by_scope.pop(scope, None)

    def end_due(self, now_ns: int) -> list[Halt]:
        """End those whose time is over."""
        over = [halt for halt in self._by_scope.values() if halt.until_ns and halt.until_ns <= now_ns]
        for halt in over:
            del self._by_scope[halt.scope]
        return over

    def put_stale(self, halt: Halt) -> bool:
        if halt.scope.symbol in self._stale:
            return False
        self._stale[halt.scope.symbol] = halt
        return True

    def lift_stale(self, symbol: str) -> bool:
        return self._stale.pop(symbol, None) is not None

    def holding_back(self, instance: str, symbol: str) -> Halt | None:
        """The widest halt that holds back the entries of a strategy on a symbol."""
        return next((halt for halt in self.in_force if halt.scope.covers(instance, symbol)), None)

    @property
    def closes(self) -> bool:
        return any(halt.closes for halt in self._by_scope.values())

    def closes_position(self, instance: str, symbol: str) -> bool:
        return any(halt.closes and halt.scope.covers(instance, symbol) for halt in self._by_scope.values())

    def snapshot(self) -> list[dict[str, Any]]:
        return [asdict(halt) for halt in self.in_force]

    def restore(self, saved: Sequence[Mapping[str, Any]]) -> None:
        halts = [Halt(**{**entry, "scope": Scope(**entry["scope"])}) for entry in saved]
        self._by_scope = {halt.scope: halt for halt in halts if halt.actor != MARKET}
        self._stale = {halt.scope.symbol: halt for halt in halts if halt.actor == MARKET}

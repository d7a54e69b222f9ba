"""What persons and services order: halt, resume, flatten. Each is carried out at once and answered in any case."""

from __future__ import annotations

from n1v1.events import BreakerCommand, CommandCarriedOut, Event, OperatorCommand, OrderApproved
from n1v1.risk.account_book import AccountBook
from n1v1.risk.brakes import Brakes
from n1v1.risk.closings import Closings
from n1v1.risk.halts import Operation


class Commands:
    def __init__(self, book: AccountBook, brakes: Brakes, closings: Closings) -> None:
        self._book = book
        self._brakes = brakes
        self._closings = closings

    def obey(self, command: OperatorCommand, decided_ns: int) -> list[Event]:
        """decided_ns: the last bar time that was decided, -1 before the first. Somebody waits for the answer."""
        scope = command.scope
        if scope.symbol and scope.symbol not in self._book.instruments:
            there = ", ".join(self._book.instruments)
            return [self._answer(command, f"no such instrument; there are {there}", has_changed=False)]
        if command.operation is Operation.RESUME:
            return self._resume(command, decided_ns)
        said = self._brakes.halt(command, decided_ns if decided_ns >= 0 else command.ts_ns)
        if command.operation is Operation.HALT:
            before = f"halted before: {self._brakes.halts.of(scope)}"
            return [*said, self._answer(command, "" if said else before, has_changed=bool(said))]
        closings = self._closings.after(command, decided_ns)
        symbols = ", ".join(order.symbol for order in closings if isinstance(order, OrderApproved))
        detail = f"closing {symbols}" if symbols else "no position to close now"
        return [*said, *closings, self._answer(command, detail, has_changed=bool(said or closings))]

    def _resume(self, command: OperatorCommand, decided_ns: int) -> list[Event]:
        """Of exactly this scope: the halt, and what protections have locked."""
        scope = command.scope
        said = self._brakes.resume(command)
        is_unlocked = self._book.unlock(scope, decided_ns)
        detail = "" if said else f"nothing halts {scope} by hand"
        if is_unlocked:
            detail = f"what a protection had locked of {scope} is free"
        return [*said, self._answer(command, detail, has_changed=bool(said) or is_unlocked)]

    def _answer(self, command: OperatorCommand, detail: str, *, has_changed: bool) -> CommandCarriedOut:
        halt = self._brakes.halts.of(command.scope)
        return CommandCarriedOut(
            id=f"carried_out:{command.id}",
            ts_ns=command.ts_ns,
            cause_id=command.id,
            correlation_id=command.correlation_id,
            account=command.account,
            operation=command.operation,
            scope=command.scope,
            has_changed=has_changed,
            detail=detail,
            reason=command.reason,
            actor=command.actor,
            until_ns=halt.until_ns if halt is not None else 0,
        )


def in_more_words(command: BreakerCommand) -> OperatorCommand:
    """The same command as an operator would give it."""
    return OperatorCommand(
        id=command.id,
        ts_ns=command.ts_ns,
        cause_id=command.cause_id,
        correlation_id=command.correlation_id,
        account=command.account,
        operation=Operation.HALT if command.open else Operation.RESUME,
        scope=command.scope,
        reason=command.reason,
        actor=command.actor,
    )

"""What persons and services order: halt, resume, flatten. Each is carried out at once and answered in any case."""

from __future__ import annotations

from collections.abc import Sequence

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
            return [self._answer(command, [], f"no such instrument; there are {there}")]
        if command.operation is Operation.RESUME:
            said = self._brakes.resume(command)
            return [*said, self._answer(command, said, "" if said else f"nothing halts {scope} by hand")]
        said = self._brakes.halt(command, decided_ns if decided_ns >= 0 else command.ts_ns)
        if command.operation is Operation.HALT:
            before = f"halted before: {self._brakes.halts.of(scope)}"
            return [*said, self._answer(command, said, "" if said else before)]
        closings = self._closings.after(command, decided_ns)
        symbols = ", ".join(order.symbol for order in closings if isinstance(order, OrderApproved))
        detail = f"closing {symbols}" if symbols else "no position to close now"
        return [*said, *closings, self._answer(command, [*said, *closings], detail)]

    def _answer(self, command: OperatorCommand, said: Sequence[Event], detail: str) -> CommandCarriedOut:
        halt = self._brakes.halts.of(command.scope)
        return CommandCarriedOut(
            id=f"carried_out:{command.id}",
            ts_ns=command.ts_ns,
            cause_id=command.id,
            correlation_id=command.correlation_id,
            account=command.account,
            operation=command.operation,
            scope=command.scope,
            has_changed=bool(said),
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

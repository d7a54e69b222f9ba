"""What does not agree, and what it halts: the symbol that it concerns, or the account when nobody can say which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from n1v1.events import BreakerCommand, HaltsChanged
from n1v1.ids import digest
from n1v1.risk.halts import MARKET, Scope

ACTOR = "execution"


@dataclass(frozen=True, slots=True)
class Difference:
    """Between the ledger, our orders and fills, and the venue.

    kind: order, trade, balance or ledger. symbol: empty when it cannot be pinned to one. about: what it is a
    difference of, such as an order's number or an asset; amount: how much. what: all of it in words, with the numbers.
    Two that are equal are the same difference, seen twice.
    """

    kind: str
    symbol: str
    what: str = field(compare=False)
    about: str = ""
    amount: Decimal = Decimal(0)

    def saved(self) -> dict[str, Any]:
        return asdict(self) | {"amount": str(self.amount)}

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Difference:
        return cls(**{**saved, "amount": Decimal(saved["amount"])})


class Suspicions:
    """Differences that have halted something, by symbol ('' for the account), until somebody has resumed it.

    Risk halts and resumes; here is known what for. A suspicion whose halt risk has not said yet is not over because
    risk says something else.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._found: dict[str, list[Difference]] = {}
        self._halted: set[str] = set()
        """What somebody has halted, whoever it was, by risk's last word."""
        self._in_force: set[str] = set()
        self._commands = 0

    def against(self, symbol: str) -> str:
        """Why nothing new may be ordered on a symbol; empty when nothing is suspicious."""
        found = [*self._found.get("", ()), *self._found.get(symbol, ())]
        return "; ".join(difference.what for difference in found)

    def add(self, differences: Iterable[Difference], ts_ns: int) -> list[BreakerCommand]:
        """The halts that follow: one for each symbol that was not suspicious before."""
        new: dict[str, list[Difference]] = {}
        for difference in differences:
            if difference.symbol not in self._found:
                new.setdefault(difference.symbol, []).append(difference)
        self._found |= new
        self._in_force |= new.keys() & self._halted
        return [self._halt(symbol, ts_ns) for symbol in new]

    def _halt(self, symbol: str, ts_ns: int) -> BreakerCommand:
        self._commands += 1
        reason = "; ".join(difference.what for difference in self._found[symbol])
        return BreakerCommand(
            id=f"halt:{self._account}:{symbol}:{self._commands}:{digest(reason, ts_ns)}",
            ts_ns=ts_ns,
            account=self._account,
            open=True,
            scope=Scope(symbol=symbol),
            reason=f"what we have and what the venue has differ: {reason}",
            actor=ACTOR,
        )

    def hear(self, changed: HaltsChanged) -> list[Difference]:
        """Risk's word on what is halted. Answers the differences that somebody has looked at, and resumed."""
        by_hand = [halt.scope for halt in changed.halts if halt.actor != MARKET]
        self._halted = {scope.symbol for scope in by_hand if not scope.instance}
        resumed = [self._found.pop(symbol) for symbol in sorted(self._in_force - self._halted)]
        self._in_force = self._found.keys() & self._halted
        return [difference for found in resumed for difference in found]

    def snapshot(self) -> dict[str, Any]:
        return {
            "found": [difference.saved() for found in self._found.values() for difference in found],
            "halted": sorted(self._halted),
            "in_force": sorted(self._in_force),
            "commands": self._commands,
        }

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """None: a state of before they were kept."""
        saved = saved or {"found": (), "halted": (), "in_force": (), "commands": 0}
        self._found = {}
        for difference in restored(saved["found"]):
            self._found.setdefault(difference.symbol, []).append(difference)
        self._halted, self._in_force = set(saved["halted"]), set(saved["in_force"])
        self._commands = int(saved["commands"])


def restored(saved: Sequence[Mapping[str, Any]]) -> list[Difference]:
    return [Difference.restored(entry) for entry in saved]

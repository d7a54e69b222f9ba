"""What verdicts follow from: a signal, a bar time, a command, or that market data stopped coming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from n1v1 import ids
from n1v1.events import EquityMarked, Event, SignalRaised
from n1v1.ids import SignalId
from n1v1.risk import account as accounts

OWN_SIGNALS = {accounts.TIME_EXIT: "time_exit", accounts.FLATTEN: "flatten", accounts.REGIME_EXIT: "regime_exit"}
"""What stands for the instance in the signal id of an order that no strategy asked for."""


class Moment(NamedTuple):
    """A bar time whose equity is known: what its `EquityMarked` is called, without the event."""

    account: str
    ts_ns: int

    @property
    def id(self) -> str:
        return f"equity:{self.account}:{self.ts_ns}"

    @property
    def correlation_id(self) -> str:
        return f"@{self.ts_ns // 1_000_000_000}"


class Stale(NamedTuple):
    """That the bars of a symbol stopped coming, or came again; ts_ns: the close of the last one."""

    symbol: str
    ts_ns: int

    @property
    def id(self) -> str:
        return f"market:{self.symbol}:{self.ts_ns}"

    @property
    def correlation_id(self) -> str:
        return ids.correlation_id(self.symbol, self.ts_ns)


@dataclass(frozen=True, slots=True)
class Cause:
    """What an order follows from: a signal, or the bar time itself."""

    ts_ns: int
    cause_id: str
    correlation_id: str
    signal_id: SignalId
    instance: str
    symbol: str

    @classmethod
    def of_signal(cls, signal: SignalRaised) -> Cause:
        return cls(signal.ts_ns, signal.id, signal.correlation_id, signal.id, signal.instance, signal.symbol)

    @classmethod
    def of_moment(cls, moment: EquityMarked | Moment, symbol: str, purpose: int, *, entered_by: str | None) -> Cause:
        """A closing of our own, such as a time exit. entered_by: the instance whose position it closes."""
        own = OWN_SIGNALS[purpose]
        return cls(
            ts_ns=moment.ts_ns,
            cause_id=moment.id,
            correlation_id=ids.correlation_id(symbol, moment.ts_ns),
            signal_id=ids.signal_id(own, symbol, moment.ts_ns),
            instance=entered_by or own,
            symbol=symbol,
        )

    @classmethod
    def of_flattening(cls, cause: Event, symbol: str, ts_ns: int, *, entered_by: str | None) -> Cause:
        """A closing that a halt wants, after a command or whatever else has happened since the bar time ts_ns."""
        own = OWN_SIGNALS[accounts.FLATTEN]
        return cls(
            ts_ns=ts_ns,
            cause_id=cause.id,
            correlation_id=ids.correlation_id(symbol, ts_ns),
            signal_id=ids.signal_id(f"{own}-{ids.digest(cause.id, length=8)}", symbol, ts_ns),
            instance=entered_by or own,
            symbol=symbol,
        )

"""The signals stage: hears bars, says signals, and a watermark with a note for every bar without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from n1v1 import ids
from n1v1.bars import ClosedBar
from n1v1.errors import InvalidValue
from n1v1.events import BarClosed, BarsComplete, Event, Note, SignalRaised, SignalsComplete
from n1v1.strategies import registry
from n1v1.strategies.base import Runner, Verdict
from n1v1.values import Instrument

STOPPED = "stopped: "
"""How the note of a strategy that raised begins, on the bar that did it and on every bar after it."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One configured strategy. name: unique in the system; strategy: what the registry finds; parameters: its own."""

    name: str
    strategy: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Signals:
    """Every instance on every symbol of one partition.

    A strategy that raises is stopped for good on that symbol: its last note says what it raised, and `failures`
    keeps the exception for whoever logs it. The others go on.

    notes: whether the watermark says why there is no signal. Explaining every quiet bar costs more than deciding it;
    signals are the same either way.
    """

    def __init__(
        self,
        *,
        instances: Sequence[Instance],
        instruments: Sequence[Instrument],
        timeframe: str,
        partition: int = 0,
        notes: bool = True,
    ) -> None:
        if len({instance.name for instance in instances}) != len(instances):
            raise InvalidValue(f"instances need different names, got {sorted(i.name for i in instances)}")
        self._timeframe = timeframe
        self._partition = partition
        self._explains = notes
        self._runners: dict[tuple[str, str], Runner] = {
            (instance.name, instrument.symbol): registry.runner(
                instance.strategy, instance.parameters, instrument, timeframe
            )
            for instance in sorted(instances, key=lambda instance: instance.name)
            for instrument in sorted(instruments, key=lambda instrument: instrument.symbol)
        }
        self._runners_of: dict[str, list[tuple[str, Runner]]] = {instrument.symbol: [] for instrument in instruments}
        for (instance, symbol), runner in self._runners.items():
            self._runners_of[symbol].append((instance, runner))
        self._stopped: dict[tuple[str, str], str] = {}
        self._notes: list[Note] = []
        self._raised = 0
        self._last_bar_ns: dict[str, int] = {}
        self._completed_ns = -1
        self.failures: list[tuple[str, str, Exception]] = []

    def handle(self, event: Event) -> list[Event]:
        if isinstance(event, BarClosed):
            raised = self.hear(event)
            self._raised += len(raised)
            return [*raised]
        if isinstance(event, BarsComplete) and event.ts_ns > self._completed_ns:
            return [self._complete(event)]
        return []

    def complete(self, ts_ns: int) -> None:
        """All bars of that time have been heard, says a driver that needs no watermark to know it."""
        self._notes, self._completed_ns = [], ts_ns

    def hear(self, bar: ClosedBar) -> Sequence[SignalRaised]:
        """The signals of one bar; none for a bar that was heard before."""
        symbol, ts_ns = bar.symbol, bar.ts_ns
        if bar.timeframe != self._timeframe or ts_ns <= self._last_bar_ns.get(symbol, -1):
            return ()
        self._last_bar_ns[symbol] = ts_ns
        signals: list[SignalRaised] = []
        for instance, runner in self._runners_of.get(symbol, ()):
            try:
                stopped = self._stopped and self._stopped.get((instance, symbol))
                verdict = Verdict(None, 0.0, stopped) if stopped else runner.on_bar(bar, self._explains)
            except Exception as error:  # noqa: BLE001  # third-party code: whatever it raises stops it and nobody else
                verdict = self._stop(instance, bar, error)
            if verdict.action is not None:
                signals.append(_signal(instance, bar, verdict))
            elif self._explains:
                note = Note(instance=instance, symbol=symbol, reason=verdict.reason, values=verdict.values)
                self._notes.append(note)
        return signals

    def _stop(self, instance: str, bar: ClosedBar, error: Exception) -> Verdict:
        reason = f"{STOPPED}raised {type(error).__name__}: {error}"
        self._stopped[(instance, bar.symbol)] = reason
        self.failures.append((instance, bar.symbol, error))
        return Verdict(None, 0.0, reason)

    def _complete(self, bars: BarsComplete) -> SignalsComplete:
        notes, raised = tuple(self._notes), self._raised
        self._notes, self._raised, self._completed_ns = [], 0, bars.ts_ns
        return SignalsComplete(
            id=f"signals:{self._partition}:{bars.ts_ns}",
            ts_ns=bars.ts_ns,
            cause_id=bars.id,
            correlation_id=bars.correlation_id,
            partition=self._partition,
            signals=raised,
            notes=notes,
        )

    def snapshot(self) -> dict[str, Any]:
        return {
            "runners": [[*key, runner.save()] for key, runner in self._runners.items()],
            "stopped": [[*key, reason] for key, reason in self._stopped.items()],
            "last_bar_ns": dict(self._last_bar_ns),
            "completed_ns": self._completed_ns,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up a snapshot made between two bar times. Unconfigured instances are forgotten, new ones start fresh."""
        self._notes, self._raised = [], 0
        self._completed_ns = int(saved["completed_ns"])
        for name, symbol, state in saved["runners"]:
            if (name, symbol) in self._runners:
                self._runners[(name, symbol)].load(state)
        self._stopped = {(name, symbol): reason for name, symbol, reason in saved["stopped"]}
        self._last_bar_ns = {symbol: int(time) for symbol, time in saved["last_bar_ns"].items()}


def _signal(instance: str, bar: ClosedBar, verdict: Verdict) -> SignalRaised:
    assert verdict.action is not None
    return SignalRaised(
        id=ids.signal_id(instance, bar.symbol, bar.ts_ns),
        ts_ns=bar.ts_ns,
        cause_id=bar.id,
        correlation_id=bar.correlation_id,
        instance=instance,
        symbol=bar.symbol,
        action=verdict.action,
        strength=verdict.strength,
        reason=verdict.reason,
        wish=verdict.wish,
    )

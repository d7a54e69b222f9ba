"""The signals stage: hears bars, says signals, and a watermark with a note for every bar without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from n1v1 import ids
from n1v1.bars import ClosedBar
from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import BarClosed, BarsComplete, Event, Note, SignalRaised, SignalsComplete
from n1v1.strategies import registry
from n1v1.strategies.base import NOTHING, Runner, Verdict
from n1v1.values import Instrument

STOPPED = "stopped: "
"""How the note of a strategy that raised begins, on the bar that did it and on every bar after it."""


REASON_MAX = 500
"""Characters of a reason that go out; what is longer is cut."""
VALUES_MAX = 64
"""Numbers that a verdict may give, with names of as many characters."""


class Guard(Protocol):
    """Told who is at work, so that somebody outside can end it."""

    def watch(self, instance: str, symbol: str, ts_ns: int) -> None:
        """Before a strategy is called. ts_ns: of the bar; 0 for its state."""

    def rest(self) -> None:
        """No strategy is at work any more."""


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

    quarantined: instances that are not asked on any symbol, with the reason. guard: without one nobody watches.
    """

    def __init__(
        self,
        *,
        instances: Sequence[Instance],
        instruments: Sequence[Instrument],
        timeframe: str,
        partition: int = 0,
        notes: bool = True,
        quarantined: Mapping[str, str] | None = None,
        guard: Guard | None = None,
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
        self._guard = guard
        self._quarantined = {
            key: STOPPED + reason for key in self._runners if (reason := (quarantined or {}).get(key[0]))
        }
        self._stopped: dict[tuple[str, str], str] = dict(self._quarantined)
        self._notes: list[Note] = []
        self._raised = 0
        self._last_bar_ns: dict[str, int] = {}
        self._completed_ns = -1
        self.failures: list[tuple[str, str, BaseException]] = []

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
            stopped = self._stopped and self._stopped.get((instance, symbol))
            verdict = Verdict(None, 0.0, stopped) if stopped else self._ask(instance, runner, bar)
            if verdict.action is not None:
                signals.append(_signal(instance, bar, verdict))
            elif self._explains:
                note = Note(instance=instance, symbol=symbol, reason=verdict.reason, values=verdict.values)
                self._notes.append(note)
        self._rest()
        return signals

    def _ask(self, instance: str, runner: Runner, bar: ClosedBar) -> Verdict:
        if self._guard is not None:
            self._guard.watch(instance, bar.symbol, bar.ts_ns)
        try:
            verdict = runner.on_bar(bar, self._explains)
            return verdict if verdict is NOTHING else _bounded(verdict)
        except BaseException as error:
            # Third-party code: whatever it raises, SystemExit too, stops it and nobody else. But Ctrl-C is a person's,
            # and without memory nobody goes on.
            if isinstance(error, KeyboardInterrupt | MemoryError):
                raise
            return Verdict(None, 0.0, self.stop(instance, bar.symbol, f"raised {type(error).__name__}: {error}", error))

    def stop(self, instance: str, symbol: str, why: str, error: BaseException | None = None) -> str:
        """Not ask it about this symbol any more. Answers the note that stands for it from now on."""
        reason = f"{STOPPED}{why}"[:REASON_MAX]
        self._stopped[(instance, symbol)] = reason
        self.failures.append((instance, symbol, error or StrategyError(why)))
        return reason

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
            "runners": [[*key, state] for key, state in self._saved_runners()],
            "stopped": [[*key, reason] for key, reason in self._stopped.items()],
            "last_bar_ns": dict(self._last_bar_ns),
            "completed_ns": self._completed_ns,
        }

    def _saved_runners(self) -> Iterator[tuple[tuple[str, str], Any]]:
        """The state of every strategy that runs; one that cannot say its state is stopped."""
        for key, runner in self._runners.items():
            if key in self._stopped:
                continue
            self._watch_state(*key)
            try:
                yield key, runner.save()
            except Exception as error:  # noqa: BLE001  # third-party code, as above
                self.stop(*key, f"cannot be saved: {type(error).__name__}: {error}", error)
        self._rest()

    def _watch_state(self, instance: str, symbol: str) -> None:
        if self._guard is not None:
            self._guard.watch(instance, symbol, 0)

    def _rest(self) -> None:
        if self._guard is not None:
            self._guard.rest()

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up a snapshot made between two bar times. Unconfigured instances are forgotten, new ones start fresh."""
        self._notes, self._raised = [], 0
        self._completed_ns = int(saved["completed_ns"])
        for name, symbol, state in saved["runners"]:
            if (name, symbol) in self._runners and (name, symbol) not in self._quarantined:
                self._watch_state(name, symbol)
                self._runners[(name, symbol)].load(state)
        self._rest()
        self._stopped = {(name, symbol): reason for name, symbol, reason in saved["stopped"]} | self._quarantined
        self._last_bar_ns = {symbol: int(time) for symbol, time in saved["last_bar_ns"].items()}


def _bounded(verdict: Verdict) -> Verdict:
    """What goes out of a verdict. Raises StrategyError for what cannot: its message could not be stored."""
    if not isinstance(verdict.reason, str) or len(verdict.values) > VALUES_MAX:
        raise StrategyError(f"expected a reason in words and at most {VALUES_MAX} values, got {len(verdict.values)}")
    if any(len(name) > VALUES_MAX for name, _ in verdict.values):
        raise StrategyError(f"names of values have at most {VALUES_MAX} characters")
    if len(verdict.reason) > REASON_MAX:
        return replace(verdict, reason=verdict.reason[:REASON_MAX])
    return verdict


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

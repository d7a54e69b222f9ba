"""Which faults are on, and which of them fires. Every draw follows from a seed that the log names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, TypeVar

from n1v1_exchange_simulator.faults.descriptions import (
    AnyFault,
    Clock,
    Counted,
    Fault,
    FaultError,
    Subject,
    nanoseconds,
)
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.timing import Nanoseconds, Timers

F = TypeVar("F", bound=Fault)


@dataclass(slots=True)
class Active(Generic[F]):
    """A fault and what has become of it. matches: how often there was something that it concerns."""

    fault: F
    seed: int
    since_ns: int
    """By `Timers`."""
    matches: int = 0
    firings: int = 0

    @property
    def is_spent(self) -> bool:
        return isinstance(self.fault, Counted) and self.fault.count is not None and self.firings >= self.fault.count


@dataclass(frozen=True, slots=True)
class Firing(Generic[F]):
    """rng: seeded for this firing alone, so that it draws the same whatever else has fired."""

    fault: F
    rng: Random
    entry: dict[str, Any] = field(repr=False)


class Faults:
    """seed: of the run. venue_ns: the time by which faults start and end. timers: how long they last, and drift."""

    def __init__(self, *, seed: int, log: FaultLog, venue_ns: Nanoseconds, timers: Timers) -> None:
        self.seed = seed
        self.timers = timers
        self.log = log
        self.on_change: list[Callable[[], None]] = []
        self._venue_ns = venue_ns
        self._active: dict[str, Active[Any]] = {}
        self._named = 0

    def __len__(self) -> int:
        return len(self._active)

    def all(self) -> list[Active[Any]]:
        """In the order in which they were added; those that are spent too."""
        return list(self._active.values())

    def add(self, fault: AnyFault) -> str:
        """Its name. Raises FaultError when there is one of that name."""
        if fault.name in self._active:
            raise FaultError(f"name: there is a fault {fault.name!r} already; remove it first, or choose another name")
        named = fault if fault.name else fault.model_copy(update={"name": self._next_name(fault)})
        seed = self.seed if named.seed is None else named.seed
        self._active[named.name] = Active(named, seed, self.timers.now_ns())
        self._changed()
        return named.name

    def remove(self, name: str) -> bool:
        """Whether there was one."""
        was_there = self._active.pop(name, None) is not None
        self._changed()
        return was_there

    def clear(self) -> None:
        self._active.clear()
        self._changed()

    def of(self, kind: type[F]) -> list[Active[F]]:
        """Those that may fire now."""
        now = self._venue_ns()
        return [
            active
            for active in self._active.values()
            if isinstance(active.fault, kind) and not active.is_spent and active.fault.is_due(now)
        ]

    def fire(self, kind: type[F], subject: Subject) -> list[Firing[F]]:
        """Everything that fires on `subject` now, in the order in which it was added."""
        if not self._active:
            return []
        return [
            firing
            for active in self.of(kind)
            if active.fault.concerns(subject) and (firing := self.try_to_fire(active, subject)) is not None
        ]

    def try_to_fire(self, active: Active[F], subject: Subject) -> Firing[F] | None:
        """Count the match, and draw. The caller has made sure that the fault concerns the subject."""
        active.matches += 1
        fault, seed = active.fault, f"{active.seed}/{active.fault.name}/{active.matches}"
        rng = Random(seed)  # noqa: S311 - repeatable, not secret
        if isinstance(fault, Counted):
            is_drawn = rng.random() < fault.probability
            if active.matches <= fault.skip or not is_drawn:
                return None
        active.firings += 1
        return Firing(fault, rng, self._logged(active, seed, subject))

    def moved(self, clock_ns: Nanoseconds) -> Nanoseconds:
        """The clock as the venue reads it while faults of the clock are on."""

        def read() -> int:
            return clock_ns() + (self._clock_error_ns() if self._active else 0)

        return read

    def next_change_ns(self, after_ns: int) -> int | None:
        """The next moment after one of the venue's time at which a fault starts or ends."""
        edges = (edge for active in self._active.values() for edge in (active.fault.starts, active.fault.ends))
        moments = (nanoseconds(edge) for edge in edges if edge is not None)
        return min((moment for moment in moments if moment > after_ns), default=None)

    def _clock_error_ns(self) -> int:
        now_ns = self.timers.now_ns()
        errors = (
            active.fault.offset_ms * 1e6 + (now_ns - active.since_ns) * active.fault.drift_ppm / 1e6
            for active in self.of(Clock)
        )
        return int(sum(errors))

    def note(self, firing: Firing[Any], **found: object) -> None:
        """Add to the log what a firing drew or did."""
        self.log.write({"fault": firing.fault.name, "seed": firing.entry["seed"]} | self.timers.stamp() | found)

    def _logged(self, active: Active[Any], seed: str, subject: Subject) -> dict[str, Any]:
        entry = self.timers.stamp() | {
            "venue_ns": self._venue_ns(),
            "fault": active.fault.name,
            "kind": active.fault.kind,
            "seed": seed,
            "match": active.matches,
            "on": subject.model_dump(exclude_defaults=True),
        }
        self.log.write(entry)
        return entry

    def _next_name(self, fault: AnyFault) -> str:
        self._named += 1
        name = f"{fault.kind}-{self._named}"
        return name if name not in self._active else self._next_name(fault)

    def _changed(self) -> None:
        for told in self.on_change:
            told()


def add_all(faults: Faults, described: Iterable[AnyFault]) -> list[str]:
    """All or none. Raises FaultError."""
    added: list[str] = []
    try:
        for fault in described:
            added.append(faults.add(fault))
    except FaultError:
        for name in added:
            faults.remove(name)
        raise
    return added

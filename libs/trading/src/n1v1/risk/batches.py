"""What has arrived for each bar time that is not decided yet, and what is still missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from n1v1.events import (
    Action,
    BarClosed,
    BarsComplete,
    EquityMarked,
    SignalRaised,
    SignalsComplete,
    Wish,
)
from n1v1.saved_messages import known_fields
from n1v1.styles import Method, Style
from n1v1.values import TimeInForce


@dataclass(slots=True)
class Batch:
    """What has arrived for one bar time."""

    signals: dict[str, SignalRaised] = field(default_factory=dict)
    partitions: set[int] = field(default_factory=set)
    bars: dict[str, BarClosed] = field(default_factory=dict)
    has_bars: bool = False
    equity: EquityMarked | None = None


class Batches:
    """By bar time. decided_ns: the last bar time that was decided; nothing before it is waited for any more."""

    def __init__(self, signal_partitions: int) -> None:
        self.decided_ns = -1
        self._partitions = frozenset(range(signal_partitions))
        self._batches: dict[int, Batch] = {}

    def of(self, ts_ns: int) -> Batch:
        batch = self._batches.get(ts_ns)
        if batch is None:
            batch = self._batches[ts_ns] = Batch()
        return batch

    def hear(self, watermark: BarsComplete | SignalsComplete | EquityMarked) -> Batch | None:
        """The batch that this watermark completes; None while something else is missing."""
        batch = self.of(watermark.ts_ns)
        match watermark:
            case BarsComplete():
                batch.has_bars = True
            case SignalsComplete():
                batch.partitions.add(watermark.partition)
            case EquityMarked():
                batch.equity = watermark
        if batch.equity is None or not batch.has_bars or not batch.partitions >= self._partitions:
            return None
        return batch

    def waiting(self, ts_ns: int) -> Batch | None:
        return self._batches.get(ts_ns)

    def waits_for(self, ts_ns: int) -> list[str]:
        """What the batch of a bar time still lacks, in words; empty when it was decided or never began."""
        batch = self._batches.get(ts_ns)
        if batch is None:
            return []
        missing = [f"signals partition {partition}" for partition in sorted(self._partitions - batch.partitions)]
        if not batch.has_bars:
            missing.append("bars")
        return missing if batch.equity else [*missing, "equity"]

    def signal_ids(self) -> set[str]:
        return {id_ for batch in self._batches.values() for id_ in batch.signals}

    def overtaken_by(self, ts_ns: int) -> Sequence[SignalRaised]:
        """What was signalled in bar times that will never be decided, because a later one is."""
        overtaken = sorted(time for time in self._batches if time < ts_ns)
        return [signal for time in overtaken for signal in self._batches[time].signals.values()]

    def close(self, ts_ns: int) -> None:
        """The bar time is decided."""
        self.decided_ns = ts_ns
        self._batches = {time: waiting for time, waiting in self._batches.items() if time > ts_ns}

    def snapshot(self) -> list[list[Any]]:
        return [[time, _snapshot(batch)] for time, batch in self._batches.items()]

    def restore(self, saved: Sequence[Sequence[Any]], *, decided_ns: int) -> None:
        self.decided_ns = decided_ns
        self._batches = {int(time): _restored(batch) for time, batch in saved}


def _snapshot(batch: Batch) -> dict[str, Any]:
    return {
        "signals": [asdict(signal) for signal in batch.signals.values()],
        "partitions": sorted(batch.partitions),
        "bars": [asdict(bar) for bar in batch.bars.values()],
        "has_bars": batch.has_bars,
        "equity": asdict(batch.equity) if batch.equity else None,
    }


def _restored(saved: Mapping[str, Any]) -> Batch:
    signals = [_signal(entry) for entry in saved["signals"]]
    bars = [BarClosed(**known_fields(BarClosed, entry)) for entry in saved["bars"]]
    equity = saved["equity"]
    if equity is not None:
        positions = tuple(tuple(row) for row in equity["positions"])
        equity = EquityMarked(**{**known_fields(EquityMarked, equity), "positions": positions})
    return Batch(
        signals={signal.id: signal for signal in signals},
        partitions=set(saved["partitions"]),
        bars={bar.symbol: bar for bar in bars},
        has_bars=bool(saved["has_bars"]),
        equity=equity,
    )


def _signal(saved: Mapping[str, Any]) -> SignalRaised:
    given = known_fields(SignalRaised, saved)
    return SignalRaised(**{**given, "action": Action(saved["action"]), "wish": _wish(saved["wish"])})


def _wish(saved: Mapping[str, Any]) -> Wish:
    style, time_in_force = saved.get("style"), saved.get("time_in_force")
    if style is not None:
        style = Style(**{**style, "method": Method(style["method"])})
    return Wish(**{**saved, "style": style, "time_in_force": time_in_force and TimeInForce(time_in_force)})

"""A recording that has been tampered with: gaps, crashes, a wide spread, a thin book.

What comes out follows from the recording and the faults alone, so a restarted venue sees the same market again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from n1v1.events import BarClosed
from n1v1.values import PPB, Instrument
from n1v1_exchange_simulator.faults.descriptions import (
    DataGap,
    FaultError,
    FlashCrash,
    RecordingFault,
    Subject,
    ThinBook,
    WideSpread,
    nanoseconds,
)
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, Level, MarketEvent, PublicTrade
from n1v1_exchange_simulator.replay.books import Levels, RecordedBook
from n1v1_exchange_simulator.replay.source import Quality, Source, Step

BPS_PPB = 100_000


class DisturbedRecording:
    """A `Source` over another one."""

    def __init__(self, source: Source, faults: Sequence[RecordingFault]) -> None:
        """Raises FaultError for one that the quality of the recording has no place for."""
        if source.quality is Quality.BARS and any(isinstance(fault, WideSpread) for fault in faults):
            raise FaultError("wide_spread: bars have no spread; it needs trades or depth")
        self._source = source
        self._faults = tuple(faults)
        self.quality = source.quality
        self.instruments: tuple[Instrument, ...] = source.instruments
        self.timeframe = source.timeframe
        self.first_ns = source.first_ns
        self.total_steps: int | None = source.total_steps
        described = "".join(fault.model_dump_json() for fault in faults)
        self.identity = hashlib.sha256(f"{source.identity} {described}".encode()).hexdigest()
        if any(isinstance(fault, DataGap) for fault in faults):
            self.total_steps = None  # only reading all of it tells

    def steps(self) -> Iterator[Step]:
        books: dict[str, _Book] = {}
        for step in self._source.steps():
            events = [changed for event in step if (changed := self._changed(event, books)) is not None]
            if events:
                yield events

    def _changed(self, event: MarketEvent, books: dict[str, _Book]) -> MarketEvent | None:
        if isinstance(event, DepthChange | DepthSnapshot):
            book = books.setdefault(event.symbol, _Book())
            return book.shown_after(event, self._due(event.symbol, event.ts_ns))
        # A bar belongs to the time before its close.
        ts_ns = event.ts_ns - 1 if isinstance(event, BarClosed) else event.ts_ns
        for fault in self._due(event.symbol, ts_ns):
            if isinstance(fault, DataGap):
                return None
            if isinstance(event, BarClosed):
                event = _disturbed_bar(event, fault)
            elif isinstance(event, PublicTrade):
                event = _disturbed_trade(event, fault)
        return event

    def _due(self, symbol: str, ts_ns: int) -> list[RecordingFault]:
        subject = Subject(symbol=symbol)
        return [fault for fault in self._faults if fault.is_due(ts_ns) and fault.concerns(subject)]


def crash_ppb(fault: FlashCrash, ts_ns: int) -> int:
    """What is left of a price, in parts per billion: all of it at the start and at the end, least in the middle."""
    starts, ends = nanoseconds(fault.starts), nanoseconds(fault.ends)
    from_edge = max(0, min(ts_ns - starts, ends - ts_ns))
    return PPB - round(fault.depth * PPB) * 2 * from_edge // (ends - starts)


def _disturbed_bar(bar: BarClosed, fault: RecordingFault) -> BarClosed:
    match fault:
        case ThinBook(keep=keep):
            return replace(bar, volume=_part(bar.volume, keep))
        case FlashCrash():
            at_open, at_close = crash_ppb(fault, bar.open_ns), crash_ppb(fault, bar.ts_ns)
            middle = (nanoseconds(fault.starts) + nanoseconds(fault.ends)) // 2
            extremes = [at_open, at_close, *([crash_ppb(fault, middle)] if bar.open_ns < middle < bar.ts_ns else [])]
            return replace(
                bar,
                open=_scaled(bar.open, at_open),
                close=_scaled(bar.close, at_close),
                high=_scaled(bar.high, max(extremes)),
                low=_scaled(bar.low, min(extremes)),
            )
    return bar


def _disturbed_trade(trade: PublicTrade, fault: RecordingFault) -> PublicTrade:
    match fault:
        case ThinBook(keep=keep):
            return replace(trade, lots=max(1, _part(trade.lots, keep)))
        case FlashCrash():
            return replace(trade, ticks=_scaled(trade.ticks, crash_ppb(fault, trade.ts_ns)))
        case WideSpread():
            return replace(trade, ticks=_away(trade.ticks, fault, is_bid=trade.is_buyer_maker))
    return trade


@dataclass
class _Book:
    """What was recorded, and what the venue has been shown of it."""

    recorded: RecordedBook = field(default_factory=RecordedBook)
    shown_bids: Levels = field(default_factory=dict)
    shown_asks: Levels = field(default_factory=dict)
    last_id: int | None = None

    def shown_after(self, event: DepthChange | DepthSnapshot, faults: Sequence[RecordingFault]) -> MarketEvent | None:
        self.recorded.apply(event)
        if any(isinstance(fault, DataGap) for fault in faults):
            return None
        bids = _disturbed_levels(self.recorded.bids, faults, event.ts_ns, is_bid=True)
        asks = _disturbed_levels(self.recorded.asks, faults, event.ts_ns, is_bid=False)
        shown = self._shown(event, bids, asks)
        self.shown_bids, self.shown_asks, self.last_id = bids, asks, event.last_id
        return shown

    def _shown(self, event: DepthChange | DepthSnapshot, bids: Levels, asks: Levels) -> MarketEvent | None:
        if isinstance(event, DepthSnapshot):
            best_first = sorted(bids.items(), reverse=True)
            return replace(event, bids=tuple(best_first), asks=tuple(sorted(asks.items())))
        bid_changes, ask_changes = _difference(self.shown_bids, bids), _difference(self.shown_asks, asks)
        first_id = event.first_id if self.last_id is None else self.last_id + 1
        return replace(event, first_id=first_id, bids=bid_changes, asks=ask_changes)


def _difference(before: Levels, after: Levels) -> tuple[Level, ...]:
    gone = [(ticks, 0) for ticks in before if ticks not in after]
    return (*gone, *((ticks, lots) for ticks, lots in after.items() if before.get(ticks) != lots))


def _disturbed_levels(levels: Levels, faults: Sequence[RecordingFault], ts_ns: int, *, is_bid: bool) -> Levels:
    disturbed: Levels = {}
    for recorded_ticks, recorded_lots in levels.items():
        ticks, lots = recorded_ticks, recorded_lots
        for fault in faults:
            match fault:
                case ThinBook(keep=keep):
                    lots = _part(lots, keep)
                case FlashCrash():
                    ticks = _scaled(ticks, crash_ppb(fault, ts_ns))
                case WideSpread():
                    ticks = _away(ticks, fault, is_bid=is_bid)
        if lots:
            disturbed[ticks] = disturbed.get(ticks, 0) + lots
    return disturbed


def _scaled(ticks: int, ppb: int) -> int:
    return max(1, ticks * ppb // PPB)


def _away(ticks: int, fault: WideSpread, *, is_bid: bool) -> int:
    """Rounded outwards, so that a spread never becomes narrower."""
    by = -(-ticks * round(fault.bps * BPS_PPB) // PPB)
    return max(1, ticks - by) if is_bid else ticks + by


def _part(lots: int, share: float) -> int:
    return lots * round(share * PPB) // PPB

"""From the settings to the recording that they name."""

from __future__ import annotations

from pathlib import Path

from n1v1.errors import InvalidData
from n1v1_common.settings.model import Settings
from n1v1_exchange_simulator.intervals import INTERVALS, checked_interval
from n1v1_exchange_simulator.replay.bars import BarRecording
from n1v1_exchange_simulator.replay.depth import DepthRecording
from n1v1_exchange_simulator.replay.recordings import find_recording
from n1v1_exchange_simulator.replay.source import Quality, Source
from n1v1_exchange_simulator.replay.trades import TradeRecording
from n1v1_exchange_simulator.replay.windows import Endless, Window
from n1v1_research.datasets import DEFAULT_DATASET, load
from n1v1_research.datasets.moments import moment_ns


def open_source(settings: Settings) -> Source:
    """Raises InvalidData or UnknownName when there is no such recording, or it is not what the settings say."""
    quality = Quality(settings.simulator.quality)
    if quality is Quality.BARS:
        return _bars(settings)
    market = settings.market
    if market.dataset is None:
        raise InvalidData(f"market.dataset must name a recording of {quality}: a manifest, a folder or a file")
    checked_interval(market.timeframe, INTERVALS)
    files = find_recording(Path(market.dataset).expanduser(), quality, market.symbols)
    recorded = TradeRecording if quality is Quality.TRADES else DepthRecording
    return _as_wanted(settings, recorded(files, timeframe=market.timeframe))


def _as_wanted(settings: Settings, source: Source) -> Source:
    start, end = settings.market.start, settings.market.end
    if start is not None or end is not None:
        source = Window(
            source,
            start_ns=None if start is None else moment_ns(start),
            end_ns=None if end is None else moment_ns(end),
        )
    return Endless(source) if settings.replay.loop else source


def _bars(settings: Settings) -> BarRecording:
    wanted = settings.market
    dataset = load(
        wanted.dataset or DEFAULT_DATASET,
        symbols=wanted.symbols,
        start=wanted.start,
        end=wanted.end,
        store=settings.datasets_dir,
    )
    if dataset.timeframe != wanted.timeframe:
        raise InvalidData(
            f"dataset {dataset.name} has bars of {dataset.timeframe}, but market.timeframe is {wanted.timeframe}"
        )
    return BarRecording(dataset, loops=settings.replay.loop)

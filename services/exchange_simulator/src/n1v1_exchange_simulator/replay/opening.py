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
from n1v1_research.datasets import DEFAULT_DATASET, load


def open_source(settings: Settings) -> Source:
    """Raises InvalidData or UnknownName when there is no such recording, or it is not what the settings say."""
    quality = Quality(settings.simulator.quality)
    if quality is Quality.BARS:
        return _bars(settings)
    _refuse_what_bars_have(settings, quality)
    market = settings.market
    if market.dataset is None:
        raise InvalidData(f"market.dataset must name a recording of {quality}: a manifest, a folder or a file")
    checked_interval(market.timeframe, INTERVALS)
    files = find_recording(Path(market.dataset).expanduser(), quality, market.symbols)
    if quality is Quality.TRADES:
        return TradeRecording(files, timeframe=market.timeframe)
    return DepthRecording(files, timeframe=market.timeframe)


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
    return BarRecording(dataset, loops=settings.replay.loop and settings.replay.mode == "scaled")


def _refuse_what_bars_have(settings: Settings, quality: Quality) -> None:
    """Settings that would be passed over in silence."""
    asked = {
        "market.start": settings.market.start,
        "market.end": settings.market.end,
        "replay.loop": settings.replay.loop,
        "exchange.latency_ms": settings.exchange.latency_ms,
        "exchange.min_fee": settings.exchange.min_fee,
        "exchange.max_participation": settings.exchange.max_participation,
    }
    if given := [name for name, value in asked.items() if value]:
        raise InvalidData(f"{', '.join(given)}: only a replay of bars has that, and simulator.quality is {quality}")

"""Which instruments the configured system trades."""

from __future__ import annotations

from n1v1.values import Instrument
from n1v1_common.settings.model import Settings
from n1v1_research.datasets import DEFAULT_DATASET, instruments


def instruments_of(settings: Settings) -> tuple[Instrument, ...]:
    """The symbols of the settings with the grids of the dataset. Raises UnknownName for one that it does not have."""
    market = settings.market
    return instruments(market.dataset or DEFAULT_DATASET, symbols=market.symbols, store=settings.datasets_dir)

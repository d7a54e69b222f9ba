"""What every way to a venue is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from n1v1.events import TradeSeen
from n1v1.values import Instrument
from n1v1_market_data.flow import Flow
from n1v1_market_data.silence import Silence


@dataclass(frozen=True, slots=True)
class VenueParts:
    """last_trades: the newest that was published, by symbol; none for what was never published."""

    instruments: Sequence[Instrument]
    timeframe: str
    channels: Sequence[str]
    flow: Flow
    silence: Silence
    last_trades: Mapping[str, TradeSeen]

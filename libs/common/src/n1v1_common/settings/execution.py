"""The settings of execution: how orders that say nothing about it are carried out."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from n1v1_common.settings.section import Fraction, Section

StyleName = Literal["whole", "twap", "vwap", "dca", "split", "adaptive"]


class Execution(Section):
    style: StyleName = "whole"
    """How entries that wish no style are carried out. whole: at once. twap: in equal parts. vwap: in parts like the
    volume of the last hour. dca: in equal parts far apart. split: in parts of at most split_threshold, seconds apart.
    adaptive: at a limit that follows the market, at last at the market."""
    strategy_styles: dict[str, StyleName] = Field(default_factory=dict)
    """The same for single strategies, by key."""
    parts: Annotated[int, Field(ge=2, le=99)] | None = None
    """Most parts of an order; empty: twap and vwap 10, dca and split 5, adaptive 4."""
    interval_seconds: Annotated[Decimal, Field(gt=0)] | None = None
    """From one part to the next, in market time; empty: twap 180, vwap 360, dca 3600, split 2, adaptive 60."""
    large_order: Annotated[Decimal, Field(ge=0)] = Decimal(10000)
    """Only orders worth at least that, in quote currency, get a style that they have not wished."""
    split_threshold: Annotated[Decimal, Field(gt=0)] = Decimal(5000)
    """The most that a part of split is worth, in quote currency, as long as there are parts enough."""
    for_exits: bool = False
    """Also exits that a strategy asks for. Stops, time exits and emergencies are never divided."""
    watch_market: bool = False
    """Execution hears every bar, which wishes of vwap and adaptive need. Settings that name these two imply it."""
    price_atr: Fraction = Decimal("0.5")
    """How far from the close adaptive waits, as a share of the ATR of 14 bars."""
    price_limit: Fraction = Decimal("0.05")
    """At most so far, as a share of the close."""

"""The bars that everybody is measured on: bundled BTC-USD history, bootstrapped into a million minutes.

Blocks of 240 bars are drawn with a fixed seed from the bundled four-hour bars; each keeps the order of its returns, its
gaps, wicks and volumes. The four-hour log-returns are divided by sqrt(240), which gives a minute the volatility of a
minute, and their mean is removed, so that a million of them lead neither to zero nor to the sky. A bar opens near the
last close, not at it: otherwise a fill at the close and one at the next open would be the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.peers.measure import MINUTE_NS, Prices
from n1v1.values import decimal_places
from n1v1_research.datasets import DEFAULT_DATASET, load

SYMBOL = "BTC-USD"
SEED = 20_240_512
BLOCK = 240
MINUTES_A_SOURCE_BAR = 240
FIRST_PRICE = 30_000.0
CENTS = 100
FIRST_OPEN_NS = 1_577_836_800_000_000_000
"""2020-01-01T00:00:00Z."""

Column = NDArray[np.float64]


def write(path: Path, bars: int) -> None:
    """The bars as `Prices.read` reads them: the same bytes for the same number of bars."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, **bootstrapped(bars)._asdict())
    part.replace(path)


def bootstrapped(bars: int) -> Prices:
    """Columns of shape (bars,)."""
    source = load(DEFAULT_DATASET, symbols=[SYMBOL])
    instrument, columns = source.instrument(SYMBOL), source.columns(SYMBOL)
    open_, high, low, close = (np.log(getattr(columns, name)) for name in ("open", "high", "low", "close"))
    drawn = _drawn(len(close) - 1, bars) + 1  # the first bar has no return
    before, body_top, body_bottom = np.roll(close, 1), np.maximum(open_, close), np.minimum(open_, close)
    changes = (close - before, open_ - before, high - body_top, body_bottom - low)
    returns, gaps, up, down = (change[drawn] / np.sqrt(MINUTES_A_SOURCE_BAR) for change in changes)

    closes = _cents(FIRST_PRICE * np.exp(np.cumsum(returns - returns.mean())))
    opens = _cents(np.concatenate([[FIRST_PRICE], closes[:-1]]) * np.exp(gaps))
    top, bottom = np.maximum(opens, closes), np.minimum(opens, closes)
    return Prices(
        open_ns=FIRST_OPEN_NS + MINUTE_NS * np.arange(bars, dtype=np.int64),
        open=opens,
        high=np.maximum(top, _cents(top * np.exp(up))),
        low=np.minimum(bottom, _cents(bottom * np.exp(-down))),
        close=closes,
        volume=columns.volume[drawn] / 10.0 ** decimal_places(instrument.lot_size),
    )


def _drawn(source_bars: int, bars: int) -> NDArray[np.int64]:
    """Which source bar each bar copies: blocks that lie side by side in the source."""
    blocks = -(-bars // BLOCK)
    starts = np.random.default_rng(SEED).integers(0, source_bars - BLOCK + 1, blocks)
    return (starts[:, None] + np.arange(BLOCK)).reshape(-1)[:bars]


def _cents(prices: Column) -> Column:
    return np.round(prices * CENTS) / CENTS

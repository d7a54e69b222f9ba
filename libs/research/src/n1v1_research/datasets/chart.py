"""A page that shows a dataset: a candlestick chart of every symbol with its gaps, and the facts about it."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from n1v1.events import GapFound
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument, decimal_places
from n1v1_research.datasets.columns import Bars, Column
from n1v1_research.datasets.dataset import Dataset
from n1v1_research.datasets.resampling import resample

CANDLES_AT_MOST = 3_000
"""More are neither seen on a screen nor drawn at once."""
GAPS_MARKED_AT_MOST = 10_000
DISPLAYED = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "1d", "2d", "1w", "4w", "13w", "52w")


def write(dataset: Dataset, path: Path, *, facts: Mapping[str, str]) -> Path:
    """Write the page and return where it lies; it needs no network. facts: what to say besides what the data says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(dataset, facts=facts), encoding="utf-8")
    return path


def render(dataset: Dataset, *, facts: Mapping[str, str]) -> str:
    """The whole page as text, about 5 MB: nearly all of it is plotly.js."""
    charts = [_chart_of(dataset, instrument) for instrument in dataset.instruments]
    return Template(_asset("chart.html")).substitute(
        title=escape(dataset.name),
        timeframe=escape(dataset.timeframe),
        symbols=escape(", ".join(dataset.symbols)),
        short_id=dataset.id[:12],
        sections="".join(
            _section(dataset, instrument, chart) for instrument, chart in zip(dataset.instruments, charts, strict=True)
        ),
        facts=_definitions({"Id": dataset.id, **facts}),
        plotly=importlib.resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8"),
        data=json.dumps(charts, separators=(",", ":")).replace("</", "<\\/"),
    )


def displayed_timeframe(bars: int, timeframe: str) -> str:
    """The timeframe itself, or the shortest higher one in which there are few enough candles."""
    step_ns = timeframe_ns(timeframe)
    wanted = bars * step_ns / CANDLES_AT_MOST
    higher = [tf for tf in DISPLAYED if timeframe_ns(tf) > step_ns and timeframe_ns(tf) % step_ns == 0]
    if bars <= CANDLES_AT_MOST or not higher:
        return timeframe
    return next((tf for tf in higher if timeframe_ns(tf) >= wanted), higher[-1])


def time_text(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M")


def _chart_time(ts_ns: int) -> str:
    """To the second, in the form that both plotly and JavaScript read."""
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _chart_of(dataset: Dataset, instrument: Instrument) -> dict[str, Any]:
    whole = dataset.columns(instrument.symbol)
    displayed = displayed_timeframe(len(whole), dataset.timeframe)
    shown = whole
    if displayed != dataset.timeframe:
        shown = resample(whole, instrument.symbol, dataset.timeframe, displayed).bars
    gaps = _longest([gap for gap in dataset.gaps if gap.symbol == instrument.symbol])
    return {
        "symbol": instrument.symbol,
        "quote": instrument.quote,
        "displayed": displayed,
        "times": np.datetime_as_string(shown.open_ns.astype("datetime64[ns]"), unit="s").tolist(),
        **{name: _floats(getattr(shown, name), instrument) for name in ("open", "high", "low", "close")},
        "volume": (shown.volume / 10.0 ** decimal_places(instrument.lot_size)).tolist(),
        "gaps": [[_chart_time(gap.first_open_ns), _chart_time(gap.ts_ns), gap.missing_bars] for gap in gaps],
    }


def _floats(ticks: Column, instrument: Instrument) -> list[float]:
    return (ticks / 10.0 ** decimal_places(instrument.tick_size)).tolist()  # type: ignore[no-any-return]  # NumPy's Any


def _longest(gaps: Sequence[GapFound]) -> list[GapFound]:
    chosen = sorted(gaps, key=lambda gap: -gap.missing_bars)[:GAPS_MARKED_AT_MOST]
    return sorted(chosen, key=lambda gap: gap.first_open_ns)


def _section(dataset: Dataset, instrument: Instrument, chart: Mapping[str, Any]) -> str:
    symbol = escape(instrument.symbol)
    gaps = [gap for gap in dataset.gaps if gap.symbol == instrument.symbol]
    remarks = []
    if chart["displayed"] != dataset.timeframe:
        remarks.append(f"drawn in bars of {chart['displayed']}, made of those of {dataset.timeframe}")
    if gaps:
        marked = "gaps" if len(gaps) <= GAPS_MARKED_AT_MOST else f"the {GAPS_MARKED_AT_MOST:,} longest gaps"
        remarks.append(f"red below the prices: {marked}")
    return (
        f"<section><h2>{symbol} <small>{escape('; '.join(remarks))}</small></h2>"
        f"<div class='chart' data-symbol='{symbol}'></div>"
        f"{_definitions(_facts_of(dataset.columns(instrument.symbol), instrument, gaps))}</section>"
    )


def _facts_of(bars: Bars, instrument: Instrument, gaps: Sequence[GapFound]) -> dict[str, str]:
    missing = sum(gap.missing_bars for gap in gaps)
    lowest, highest = instrument.price(int(bars.low.min())), instrument.price(int(bars.high.max()))
    return {
        "Bars": f"{len(bars):,}",
        "First opens": f"{time_text(int(bars.open_ns[0]))} UTC",
        "Last closes": f"{time_text(int(bars.close_ns[-1]))} UTC",
        "Gaps": f"{len(gaps):,}, {missing:,} bars missing ({100 * missing / (missing + len(bars)):.2f} %)",
        "Longest gap": f"{max((gap.missing_bars for gap in gaps), default=0):,} bars",
        "Lowest and highest": f"{lowest:f} – {highest:f} {instrument.quote}",
        "Tick": f"{instrument.tick_size:f} {instrument.quote}",
        "Lot": f"{instrument.lot_size:f} {instrument.base}",
        "Bars without volume": f"{int((bars.volume == 0).sum()):,}",
    }


def _definitions(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>"


def _asset(name: str) -> str:
    return importlib.resources.files("n1v1_research.datasets").joinpath(name).read_text("utf-8")

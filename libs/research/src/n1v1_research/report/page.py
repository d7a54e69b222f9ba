"""The page: template, styles, scripts and data in one file that opens from disk without a network."""

from __future__ import annotations

import importlib.resources
import json
from html import escape
from pathlib import Path
from string import Template

from n1v1_research.report import tables
from n1v1_research.report.curves import chart_data, time_text
from n1v1_research.report.monthly import monthly_returns
from n1v1_research.report.result import RunResult


def write(result: RunResult, path: str | Path) -> Path:
    """Write the report and return where it lies. Folders on the way are made."""
    destination = Path(path)
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_text(render(result), encoding="utf-8")
    return destination


def render(result: RunResult) -> str:
    """The whole page as text, about 5 MB: nearly all of it is plotly.js."""
    return Template(_asset("page.html")).substitute(
        title=escape(result.title),
        period=f"{time_text(result.marks[0][0])} – {time_text(result.marks[-1][0])} UTC",
        symbols=escape(", ".join(instrument.symbol for instrument in result.instruments)),
        timeframe=escape(result.timeframe),
        hash=result.hash,
        short_hash=result.hash[:12],
        headline=tables.headline_tiles(result),
        details=tables.detail_tiles(result),
        price_charts="".join(_price_chart(i.symbol) for i in result.instruments),
        monthly=tables.monthly_table(monthly_returns(result.marks)),
        trades=tables.trades_table(result),
        trade_count=f"{len(result.trips):,}",
        refusals=tables.refusals_list(result.refusals),
        assumptions=tables.definitions(result.assumptions),
        facts=tables.definitions({**result.facts, "Run hash": result.hash, **_kinds(result)}),
        style=_asset("report.css"),
        plotly=_plotly(),
        script=_asset("report.js"),
        data=_embedded(chart_data(result)),
    )


def _price_chart(symbol: str) -> str:
    return (
        f"<section class='card'><h2>{escape(symbol)}</h2>"
        f"<div class='chart price' data-symbol='{escape(symbol)}'></div></section>"
    )


def _kinds(result: RunResult) -> dict[str, str]:
    return {f"Hash of {kind}": digest for kind, digest in result.hashes.items()}


def _embedded(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(data, separators=(",", ":")).replace("</", "<\\/")


def _asset(name: str) -> str:
    return importlib.resources.files("n1v1_research.report").joinpath(name).read_text("utf-8")


def _plotly() -> str:
    """plotly.js as it comes in the wheel of plotly (MIT)."""
    return importlib.resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")

"""The page: template, styles, scripts and data in one file that opens from disk without a network."""

from __future__ import annotations

import importlib.resources
import importlib.util
import json
from html import escape
from pathlib import Path
from string import Template

from n1v1.errors import N1v1Error, UndefinedStatistic
from n1v1_research.report import tables
from n1v1_research.report.curves import ROLLING_DAYS, chart_data
from n1v1_research.report.monthly import YearOfReturns, monthly_returns
from n1v1_research.results.costs import costs_of
from n1v1_research.results.document import hash_of
from n1v1_research.results.moments import minute_texts
from n1v1_research.results.result import RunResult


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
        period=f"{' – '.join(minute_texts(result.times_ns[[0, -1]]))} UTC",
        symbols=escape(", ".join(result.dataset.symbols)),
        timeframe=escape(result.dataset.timeframe),
        hash=result.hash,
        short_hash=result.hash[:12],
        headline=tables.headline_tiles(result),
        details=tables.detail_tiles(result),
        trade_details=tables.trade_tiles(result),
        price_charts="".join(_price_chart(symbol) for symbol in result.dataset.symbols),
        monthly=tables.monthly_table(_months(result)),
        rolling_days=ROLLING_DAYS,
        trades=tables.trades_table(result),
        trades_note=tables.trades_note(result),
        costs=tables.costs_list(result, costs_of(result.records, result.executions, result.dataset)),
        decided=tables.decided_table(result, result.decided),
        sensitivity=tables.sensitivity_table(result, result.sensitivity),
        refusals=tables.refusals_list(result.refusals),
        rules=tables.definitions(result.rules),
        facts=tables.definitions(_identity(result)),
        style=_asset("report.css"),
        plotly=_plotly(),
        script=_asset("report.js"),
        data=_embedded(chart_data(result)),
    )


def _months(result: RunResult) -> list[YearOfReturns]:
    try:
        return monthly_returns(result.times_ns, result.equity_quanta)
    except UndefinedStatistic:  # the account lost everything: its months have no returns
        return []


def _identity(result: RunResult) -> dict[str, str]:
    code = result.code
    return {
        "Dataset": result.dataset.name,
        "Dataset id": result.dataset.id,
        **result.facts,
        "Configuration": hash_of(result.configuration),
        "Code": f"n1v1 {code.package}"
        + (f", commit {code.commit}" if code.commit else "")
        + (", changed" if code.is_changed else ""),
        "Run hash": result.hash,
        **{f"Hash of {kind}": digest for kind, digest in result.hashes.items()},
    }


def _price_chart(symbol: str) -> str:
    return (
        f"<section class='card'><h2>{escape(symbol)}</h2>"
        f"<div class='chart price' data-symbol='{escape(symbol)}'></div></section>"
    )


def _embedded(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(data, separators=(",", ":")).replace("</", "<\\/")


def _asset(name: str) -> str:
    return importlib.resources.files("n1v1_research.report").joinpath(name).read_text("utf-8")


def _plotly() -> str:
    """plotly.js as it comes in the wheel of plotly (MIT), found without importing plotly, which takes longer."""
    found = importlib.util.find_spec("plotly")
    if found is None or found.origin is None:
        raise N1v1Error("the report needs the package plotly: pip install n1v1-research[report]")
    return Path(found.origin).with_name("package_data").joinpath("plotly.min.js").read_text("utf-8")

"""A soak as a page: the table, and a chart of everything that was measured."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaos.growth import WARM_UP, Growth, Soak, cells_of
from chaos.sampling import What

WIDTH, HEIGHT = 300, 90
HEADINGS = ("", "Of", "After warm-up", "At the end", "An hour", "Limit", "")

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>n1v1 for hours</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; max-width: 88rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ text-align: right; padding: .25rem .75rem; border-bottom: 1px solid #e3e7ec; white-space: nowrap }}
th {{ font-weight: 600; font-size: 12px; position: sticky; top: 0; background: #fff }}
th:nth-child(-n+2), td:nth-child(-n+2) {{ text-align: left }}
td.flat {{ background: #e9f6ec }} td.GROWS {{ background: #fbd9d5; font-weight: 600 }} td.kept {{ color: #8b94a0 }}
.charts {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1.25rem }}
figure {{ margin: 0 }}
figcaption {{ font-size: 11px; display: flex; justify-content: space-between; gap: .5rem; white-space: nowrap }}
svg {{ width: 100%; height: 90px; background: #f7f8fa }} svg rect {{ fill: #eceff3 }}
svg polyline {{ fill: none; stroke: #2b6cb0; stroke-width: 1.5; vector-effect: non-scaling-stroke }}
svg.GROWS polyline {{ stroke: #c53030 }} svg.kept polyline {{ stroke: #8b94a0 }}
</style>
<h1>n1v1 for hours</h1>
<p>{summary}.</p>{problems}
<p>A market of minutes, replayed as fast as the whole stack settles each of them, with an order in most. The slope is
the least-squares line after the warm-up (grey in the charts), with the half of its 95 % interval. Something grows when
it is surely steeper than its limit. What is kept (log, tables, files) may grow: it is what the run leaves behind.</p>
<table><tr>{headings}</tr>{rows}</table>
{charts}
<h2>Limits</h2><ul>{limits}</ul></html>
"""


def write_page(path: Path, soak: Soak) -> None:
    growths = soak.growths()
    page = PAGE.format(
        summary=html.escape(soak.summary),
        problems="".join(f"<p><b>{html.escape(problem)}</b></p>" for problem in soak.problems),
        headings="".join(f"<th>{heading}</th>" for heading in HEADINGS),
        rows="".join(_row(growth) for growth in growths if growth.limit is not None),
        charts="".join(_charts(soak, growths)),
        limits="".join(f"<li>{html.escape(reason)}</li>" for reason in _reasons(growths)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)


def _row(growth: Growth) -> str:
    *cells, verdict = cells_of(growth)
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}<td class={verdict}>{verdict}</td></tr>"


def _reasons(growths: Sequence[Growth]) -> list[str]:
    limits = {growth.limit for growth in growths if growth.limit is not None}
    told = (f"{limit.per_hour:,.1f} an hour and {limit.growth:,.1f} in all: {limit.why}" for limit in limits)
    return sorted(told)


def _charts(soak: Soak, growths: Sequence[Growth]) -> Iterator[str]:
    for what in What:
        charts = [_chart(soak, growth) for growth in growths if growth.measure.what is what]
        if charts:
            yield f"<h2>{what[0].upper()}{what[1:]}</h2><div class=charts>{''.join(charts)}</div>"


def _chart(soak: Soak, growth: Growth) -> str:
    """From zero, so that what looks flat is."""
    values = [sample.values[growth.measure] for sample in soak.samples]
    first_s, last_s = soak.samples[0].at_s, soak.samples[-1].at_s
    top = max(*values, 1e-9) * 1.1
    points = " ".join(
        f"{WIDTH * (sample.at_s - first_s) / (last_s - first_s):.1f},{HEIGHT * (1 - value / top):.1f}"
        for sample, value in zip(soak.samples, values, strict=True)
    )
    *_, slope, _limit, verdict = cells_of(growth)
    return (
        f"<figure><figcaption><b>{html.escape(growth.measure.who)}</b>"
        f"<span>{values[0]:,.1f} to {values[-1]:,.1f}, {slope} an hour</span></figcaption>"
        f'<svg class={verdict} viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">'
        f'<rect width="{WIDTH * WARM_UP:.0f}" height="{HEIGHT}"/><polyline points="{points}"/></svg></figure>'
    )

"""Draws what a strategy did on recorded bars: the price, the lines it looked at, its signals.

`python -m n1v1_research.strategy_pictures` draws every strategy that has a page in docs/strategies, or those named,
into that folder. `--list` writes the drawn signals and their numbers to the terminal instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from n1v1.events import Action
from n1v1.strategies import registry
from n1v1.strategies.base import Verdict
from n1v1_research.datasets import load

SYMBOL = "BTC-USD"
WARM_FROM, DRAWN_FROM, DRAWN_TO = "2019-01-01", "2019-04-01", "2019-08-01"
"""Chosen for having all of it: a quiet start, a rally from 4,000 to 13,800, and the way back to 9,500."""

PRICE_LINES = ("upper", "middle", "lower", "fast", "slow", "vwap")
OWN_SCALE = {"rsi": ("rsi",), "macd": ("line", "signal"), "stochastic": ("k", "d"), "obv": ("obv", "average")}
"""Names in the values of a verdict: those that are prices, and those that get a panel of their own, by strategy."""

WIDTH, MARGIN, RIGHT = 960, 12, 64
PRICE_PANEL, OWN_PANEL, HEADER, FOOTER, GAP = 300, 90, 52, 24, 16
COLOURS = ("#2563eb", "#d97706", "#7c3aed")
MARKERS = {
    Action.BUY: ("#15803d", "M0 4L5 13L-5 13Z", "buy"),
    Action.SELL: ("#b91c1c", "M0 -4L5 -13L-5 -13Z", "sell"),
    Action.CLOSE: ("#6b7280", "M-4 -4L4 4M-4 4L4 -4", "exit"),
}


@dataclass(frozen=True)
class Moment:
    """A bar as it is drawn. close, high, low: in quote currency."""

    at: datetime
    close: float
    high: float
    low: float
    verdict: Verdict
    values: Mapping[str, float]


@dataclass(frozen=True)
class Panel:
    """A part of the picture with a scale of its own: pixels from `top` for `height`, values from `low` to `high`."""

    top: float
    height: float
    low: float
    high: float
    bars: int

    def x(self, bar: int) -> float:
        return MARGIN + (WIDTH - MARGIN - RIGHT) * bar / max(1, self.bars - 1)

    def y(self, value: float) -> float:
        return self.top + self.height * (self.high - value) / (self.high - self.low)


def moments(name: str) -> list[Moment]:
    """What the strategy says of every drawn bar, with its default parameters and the bars before to warm up on."""
    dataset = load("coinbase-4h", symbols=(SYMBOL,), start=WARM_FROM, end=DRAWN_TO)
    runner = registry.runner(name, {}, dataset.instrument(SYMBOL))
    price = dataset.instrument(SYMBOL).price_float
    seen = []
    for bar in dataset.bars[SYMBOL]:
        verdict = runner.on_bar(bar)
        at = datetime.fromtimestamp(bar.ts_ns / 1e9, UTC)
        seen.append(Moment(at, price(bar.close), price(bar.high), price(bar.low), verdict, dict(verdict.values)))
    return [moment for moment in seen if moment.at > datetime.fromisoformat(DRAWN_FROM).replace(tzinfo=UTC)]


def picture(name: str, drawn: Sequence[Moment]) -> str:
    """The SVG of those bars: a text with a light background that needs nothing from outside."""
    own_names = OWN_SCALE.get(name, ())
    lines = [line for line in PRICE_LINES if any(line in moment.values for moment in drawn)]
    panel = _price_panel(drawn, lines)
    height = HEADER + PRICE_PANEL + FOOTER + (OWN_PANEL + GAP if own_names else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12" fill="none" stroke-width="1.2" role="img" aria-label="Signals of {escape(name)}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_header(name, drawn, [*lines, *own_names]),
        *_price_grid(panel),
        *_months(drawn, panel, height),
        *(_line(drawn, panel, line, COLOURS[number % 3]) for number, line in enumerate(lines)),
        _polyline(((bar, moment.close) for bar, moment in enumerate(drawn)), panel, "#1f2937"),
        *_own_panel(drawn, own_names),
        *_markers(drawn, panel),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _price_panel(drawn: Sequence[Moment], lines: Sequence[str]) -> Panel:
    values = [price for moment in drawn for price in (moment.high, moment.low)]
    values += [moment.values[line] for moment in drawn for line in lines if line in moment.values]
    margin = 0.05 * (max(values) - min(values))
    return Panel(HEADER, PRICE_PANEL, min(values) - margin, max(values) + margin, len(drawn))


def _header(name: str, drawn: Sequence[Moment], lines: Sequence[str]) -> Iterator[str]:
    counts = {action: sum(moment.verdict.action is action for moment in drawn) for action in MARKERS}
    title = f"{name} on {SYMBOL}, bars of 4 hours, {drawn[0].at:%B %Y} to {drawn[-2].at:%B %Y}"
    yield f'<text x="{MARGIN}" y="20" font-size="14" font-weight="bold" fill="#111827">{escape(title)}</text>'
    labels = [("close", "#1f2937"), *((line, COLOURS[number % 3]) for number, line in enumerate(lines))]
    labels += [
        (f"{counts[action]} {word}", colour) for action, (colour, _, word) in MARKERS.items() if counts[action] > 0
    ]
    x = float(MARGIN)
    for label, colour in labels:
        yield f'<text x="{x:.0f}" y="40" fill="{colour}">{escape(label)}</text>'
        x += 7.5 * len(label) + 16


def _price_grid(panel: Panel) -> Iterator[str]:
    step = 500
    while (panel.high - panel.low) / step > 8:
        step *= 2
    for price in range(int(panel.low // step + 1) * step, int(panel.high) + 1, step):
        y = panel.y(price)
        yield f'<path d="M{MARGIN} {y:.1f}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>'
        yield f'<text x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}" fill="#4b5563">{price:,}</text>'


def _months(drawn: Sequence[Moment], panel: Panel, height: int) -> Iterator[str]:
    for bar, moment in enumerate(drawn):
        if bar == 0 or moment.at.month != drawn[bar - 1].at.month:
            x = panel.x(bar)
            if bar < len(drawn) - 1:
                yield f'<path d="M{x:.1f} {HEADER}V{height - FOOTER}" stroke="#e5e7eb"/>'
                yield f'<text x="{x + 4:.1f}" y="{height - 8}" fill="#4b5563">{moment.at:%b %Y}</text>'


def _line(drawn: Sequence[Moment], panel: Panel, name: str, colour: str) -> str:
    return _polyline(
        ((bar, moment.values[name]) for bar, moment in enumerate(drawn) if name in moment.values), panel, colour
    )


def _polyline(points: Iterator[tuple[int, float]], panel: Panel, colour: str) -> str:
    path = " ".join(f"{panel.x(bar):.1f},{panel.y(value):.1f}" for bar, value in points)
    return f'<polyline points="{path}" stroke="{colour}"/>'


def _own_panel(drawn: Sequence[Moment], names: Sequence[str]) -> Iterator[str]:
    values = [moment.values[name] for moment in drawn for name in names if name in moment.values]
    if not values:
        return
    top = HEADER + PRICE_PANEL + GAP
    panel = Panel(top, OWN_PANEL, min(values), max(values), len(drawn))
    yield f'<rect x="{MARGIN}" y="{top}" width="{WIDTH - MARGIN - RIGHT}" height="{OWN_PANEL}" stroke="#e5e7eb"/>'
    for value, y in ((panel.high, top + 10), (panel.low, top + OWN_PANEL)):
        yield f'<text x="{WIDTH - RIGHT + 8}" y="{y}" fill="#4b5563">{value:,.0f}</text>'
    for number, name in enumerate(names):
        yield _line(drawn, panel, name, COLOURS[number % 3])


def _markers(drawn: Sequence[Moment], panel: Panel) -> Iterator[str]:
    """Below the low for a buy, above the high for a sell; the reason shows when the pointer rests on one."""
    for bar, moment in enumerate(drawn):
        action = moment.verdict.action
        if action is None:
            continue
        colour, shape, _ = MARKERS[action]
        price = {Action.BUY: moment.low, Action.SELL: moment.high, Action.CLOSE: moment.close}[action]
        paint = f'stroke="{colour}" stroke-width="2"' if action is Action.CLOSE else f'fill="{colour}"'
        yield (
            f'<path d="{shape}" transform="translate({panel.x(bar):.1f} {panel.y(price):.1f})" {paint}>'
            f"<title>{moment.at:%Y-%m-%d %H:%M} {action}: {escape(moment.verdict.reason)}</title></path>"
        )


def listing(drawn: Sequence[Moment]) -> Iterator[str]:
    """One line per signal: when its bar closed and where, what the strategy said, and the numbers it looked at."""
    for moment in drawn:
        if moment.verdict.action is not None:
            numbers = ", ".join(f"{name} {value:,.2f}" for name, value in moment.values.items())
            said = f"{moment.verdict.action} {moment.verdict.reason}"
            yield f"{moment.at:%Y-%m-%d %H:%M} close {moment.close:,.2f}: {said}; {numbers}\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m n1v1_research.strategy_pictures",
        description="Draws the signals of strategies on recorded bars.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="strategies; without any, those that have a page")
    parser.add_argument("--folder", type=Path, default=Path("docs/strategies"), help="where pages are and pictures go")
    parser.add_argument("--list", action="store_true", help="write the signals to the terminal instead of drawing")
    options = parser.parse_args(arguments)
    for name in options.names or sorted(page.stem for page in options.folder.glob("*.md") if page.stem != "README"):
        drawn = moments(name)
        if options.list:
            sys.stdout.writelines(listing(drawn))
        else:
            (options.folder / f"{name}.svg").write_text(picture(name, drawn), "utf-8")


if __name__ == "__main__":
    main()

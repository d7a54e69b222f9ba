"""One table of ratios, one of figures, and both as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Aim:
    """What a number should be: at most, or at least, `limit`."""

    kind: Literal["<=", ">="]
    limit: float

    def is_met(self, value: float) -> bool:
        return value <= self.limit if self.kind == "<=" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.kind} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """The product against its floor, one pair a round: both measured within the same minute."""

    name: str
    unit: str
    product: Sequence[float]
    floor: Sequence[float]
    aim: Aim | None = None

    @property
    def ratios(self) -> list[float]:
        return [ours / floor for ours, floor in zip(self.product, self.floor, strict=True)]

    @property
    def is_met(self) -> bool | None:
        return None if self.aim is None else self.aim.is_met(statistics.median(self.ratios))


@dataclass(frozen=True, slots=True)
class Figure:
    """A number without a floor, one value a round."""

    name: str
    unit: str
    values: Sequence[float]
    aim: Aim | None = None

    @property
    def is_met(self) -> bool | None:
        return None if self.aim is None else self.aim.is_met(statistics.median(self.values))


@dataclass(slots=True)
class Report:
    machine: Mapping[str, Any]
    ratios: list[Ratio] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def print(self, console: Console) -> None:
        console.print(self._ratio_table())
        console.print(self._figure_table())

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "machine": self.machine,
            "ratios": [
                {
                    "name": r.name,
                    "unit": r.unit,
                    "floor": list(r.floor),
                    "product": list(r.product),
                    "ratios": r.ratios,
                    "median": statistics.median(r.ratios),
                    "aim": str(r.aim) if r.aim else None,
                    "is_met": r.is_met,
                }
                for r in self.ratios
            ],
            "figures": [
                {
                    "name": f.name,
                    "unit": f.unit,
                    "values": list(f.values),
                    "median": statistics.median(f.values),
                    "aim": str(f.aim) if f.aim else None,
                    "is_met": f.is_met,
                }
                for f in self.figures
            ],
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def _ratio_table(self) -> Table:
        table = _table("against the floor", "ratios, one a round")
        for column in ("unit", "floor", "product", "min", "median", "max", "aim", ""):
            table.add_column(column, justify="left" if column in ("unit", "") else "right")
        for r in self.ratios:
            shown = (_number(statistics.median(r.floor)), _number(statistics.median(r.product)))
            spread = [f"{value:.2f}" for value in _spread(r.ratios)]
            table.add_row(r.name, r.unit, *shown, *spread, str(r.aim or "-"), _verdict(r.is_met))
        return table

    def _figure_table(self) -> Table:
        table = _table("without a floor", "figures, one a round")
        for column in ("unit", "min", "median", "max", "aim", ""):
            table.add_column(column, justify="left" if column in ("unit", "") else "right")
        for f in self.figures:
            table.add_row(
                f.name, f.unit, *[_number(value) for value in _spread(f.values)], str(f.aim or "-"), _verdict(f.is_met)
            )
        return table


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of them do not exceed."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def _table(first: str, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    return table


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _verdict(is_met: bool | None) -> str:
    return "" if is_met is None else "[green]met[/]" if is_met else "[red]missed[/]"

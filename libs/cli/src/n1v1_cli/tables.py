"""How commands that read print: tables, decimals, times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

WIDEST = 500


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """`numbers` names the columns that are aligned to the right. Cells may carry rich's markup.

    Nothing is cut off: a line that a narrow window cannot hold is wrapped by the window.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    wanted = Console(width=WIDEST).measure(table).maximum
    Console(highlight=False, width=max(Console().width, wanted)).print(table)


def decimal(text: str | None, places: int | None = None) -> str:
    """A decimal of the API for eyes: thousands apart; without `places` as many digits as it needs."""
    if text is None:
        return "–"
    value = Decimal(text)
    if places is not None:
        return f"{value:,.{places}f}"
    return f"{value.normalize():,f}"


def coloured(text: str | None, places: int = 2) -> str:
    """With its sign, green when positive and red when negative."""
    if text is None:
        return "–"
    value = Decimal(text)
    colour = "green" if value > 0 else "red" if value < 0 else "default"
    return f"[{colour}]{value:+,.{places}f}[/]"


def time(text: str) -> str:
    """A time of the API to the minute; all of them are UTC."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")

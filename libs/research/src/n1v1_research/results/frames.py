"""Rows of a run as pandas data frames, for notebooks. The only part of results that needs pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from n1v1_research.results.rows import Table, equity, trades

if TYPE_CHECKING:
    from n1v1_research.results.result import RunResult


def equity_frame(result: RunResult) -> pd.DataFrame:
    return _frame(equity(result)).set_index("time")


def trades_frame(result: RunResult) -> pd.DataFrame:
    return _frame(trades(result))


def _frame(table: Table) -> pd.DataFrame:
    frame = pd.DataFrame(table.columns)
    for name in table.decimals:
        frame[name] = frame[name].astype(float)
    for name in table.times:
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame

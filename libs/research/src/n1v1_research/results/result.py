"""What a run left behind, and what it comes to."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from n1v1.equity_rows import EquityRow
from n1v1.performance import (
    RISK_FREE_RATE,
    RecordedExecution,
    RoundTrip,
    Summary,
    executions_of,
    round_trips,
    summary_of_marks,
)
from n1v1.run_hash import REFUSED, RunHashes, RunRecords, hashes_of
from n1v1.simulation.assumptions import AssumptionCount
from n1v1.values import Instrument, Purpose
from n1v1_research.datasets import Dataset
from n1v1_research.results.benchmark import buy_and_hold
from n1v1_research.results.code_version import CodeVersion, code_version
from n1v1_research.results.metrics import metrics_of
from n1v1_research.results.purposes import purposes_of

if TYPE_CHECKING:
    import pandas as pd

    from n1v1_research.results.sensitivity import OtherRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a run was made and how long it took: all that may differ between two equal runs.

    started_at: ISO 8601, UTC. seconds: of the run itself, without reading its data or writing its results.
    """

    engine: str
    started_at: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run over one dataset, ready to be shown and saved.

    title: what ran, in a few words. facts: what else a reader of the report wants to know of it.
    rules: what the result depends on and a reader might take differently (fees, slippage, fill rules).
    configuration: what decided the run beside its data, as JSON has it.
    purposes: of orders, by order id; what is missing is read from the records.
    decided: what each assumption of the venue decided (`n1v1.simulation.assumptions`).
    sensitivity: the same run under other assumptions.
    """

    dataset: Dataset
    records: RunRecords
    timing: Timing
    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    decided: Mapping[str, AssumptionCount] = field(default_factory=dict)
    sensitivity: Sequence[OtherRun] = ()
    risk_free_rate: float = RISK_FREE_RATE

    @cached_property
    def marks(self) -> tuple[EquityRow, ...]:
        """Of the account, oldest first."""
        return tuple(sorted(self.records.equity))

    @cached_property
    def times_ns(self) -> NDArray[np.int64]:
        return np.array([mark[0] for mark in self.marks], dtype=np.int64)

    @cached_property
    def equity_quanta(self) -> NDArray[np.int64]:
        return np.array([mark[2] for mark in self.marks], dtype=np.int64)

    @cached_property
    def benchmark(self) -> NDArray[np.float64]:
        """What 1 became by each mark, bought and held; NaN before all symbols have a price."""
        return buy_and_hold(self.dataset, self.times_ns)

    @cached_property
    def executions(self) -> tuple[RecordedExecution, ...]:
        return tuple(executions_of(self.records))

    @cached_property
    def trips(self) -> tuple[RoundTrip, ...]:
        return tuple(round_trips(self.executions))

    @cached_property
    def summary(self) -> Summary:
        """Raises UndefinedStatistic when the run has no mark of the account."""
        held = np.nan_to_num(self.benchmark, nan=1.0)  # before it is bought it is worth what was put aside for it
        return summary_of_marks(
            self.marks,
            self.executions,
            self.dataset.timeframe,
            benchmark=held,
            risk_free_rate=self.risk_free_rate,
        )

    @cached_property
    def refusals(self) -> Mapping[str, int]:
        """Signals by the reason they were refused for, most first."""
        counted = Counter(reason for *_, verdict, reason, _ in self.records.decisions if verdict == REFUSED)
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

    @property
    def hash(self) -> str:
        return self._hashes.run

    @property
    def hashes(self) -> Mapping[str, str]:
        return self._hashes.by_kind

    @cached_property
    def _hashes(self) -> RunHashes:
        return hashes_of(self.records)

    @cached_property
    def code(self) -> CodeVersion:
        return code_version()

    @property
    def bars(self) -> int:
        return sum(len(self.dataset.columns(symbol)) for symbol in self.dataset.symbols)

    @property
    def bars_per_s(self) -> float:
        return self.bars / self.timing.seconds if self.timing.seconds else math.inf

    @property
    def quote(self) -> str:
        """The currency of every amount: all instruments of a run share it."""
        return self.dataset.instruments[0].quote

    def instrument(self, symbol: str) -> Instrument:
        return self.dataset.instrument(symbol)

    def money(self, quanta: int) -> float:
        """An amount as the nearest float: for charts and for printing with cents, never for arithmetic."""
        return float(self.cash(quanta))

    def cash(self, quanta: int) -> Decimal:
        return self.dataset.instruments[0].cash(quanta)

    def purpose_of(self, order_id: str) -> str:
        """ENTRY, EXIT, STOP_LOSS, ...; empty when nobody knows."""
        purpose = self.purposes.get(order_id) or self._purposes_in_records.get(order_id)
        return purpose.value if purpose else ""

    @cached_property
    def _purposes_in_records(self) -> Mapping[str, Purpose]:
        return purposes_of(self.records, {trip.exit_order_id for trip in self.trips})

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The statistics by the names of the original framework, money as decimal text."""
        return metrics_of(self.summary, self.cash)

    def to_json(self) -> str:
        """Everything but rows. Equal runs give equal text, apart from the object `run`."""
        from n1v1_research.results.document import document_of

        return json.dumps(document_of(self), indent=2, allow_nan=False) + "\n"

    def save(self, folder: str | Path, formats: Iterable[str] = ("json", "csv", "html")) -> list[Path]:
        """Write the result below `folder` and return the files. formats: of json, csv, parquet, html.

        Raises UnknownName for another format.
        """
        from n1v1_research.results.files import save

        return save(self, Path(folder), formats)

    def equity_frame(self) -> pd.DataFrame:
        """Cash, equity and drawdown by time. Floats: for looking, not for bookkeeping."""
        from n1v1_research.results.frames import equity_frame

        return equity_frame(self)

    def trades_frame(self) -> pd.DataFrame:
        """One row a round trip. Floats: for looking, not for bookkeeping."""
        from n1v1_research.results.frames import trades_frame

        return trades_frame(self)

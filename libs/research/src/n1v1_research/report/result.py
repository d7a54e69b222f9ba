"""What a report is made from: the recorded rows of a run and the data it ran on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from n1v1.events import BarClosed
from n1v1.performance import (
    RecordedExecution,
    RoundTrip,
    Summary,
    executions_of,
    round_trips,
    summary_of_records,
)
from n1v1.run_hash import REFUSED, EquityRow, RunRecords, hashes_by_kind, run_hash
from n1v1.values import Instrument
from n1v1_research.datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run, ready to be shown.

    title: what ran, in a few words. facts: what identifies the run (dataset, period, strategies, mode).
    assumptions: what the result depends on and a reader might take differently (fees, slippage, fill rules).
    marks: oldest first, at least one. refusals: signals by the reason they were refused for, most first.
    """

    title: str
    facts: Mapping[str, str]
    assumptions: Mapping[str, str]
    timeframe: str
    instruments: tuple[Instrument, ...]
    bars: Mapping[str, Sequence[BarClosed]]
    marks: tuple[EquityRow, ...]
    executions: tuple[RecordedExecution, ...]
    trips: tuple[RoundTrip, ...]
    summary: Summary
    orders: int
    refusals: Mapping[str, int]
    hash: str
    hashes: Mapping[str, str]

    @classmethod
    def of(
        cls,
        records: RunRecords,
        *,
        dataset: Dataset,
        title: str,
        facts: Mapping[str, str],
        assumptions: Mapping[str, str],
    ) -> RunResult:
        """Raises UndefinedStatistic when the run has no mark of the account."""
        executions = executions_of(records)
        return cls(
            title=title,
            facts={"Dataset": dataset.name, "Dataset id": dataset.id, **facts},
            assumptions=assumptions,
            timeframe=dataset.timeframe,
            instruments=dataset.instruments,
            bars=dataset.bars,
            marks=tuple(sorted(records.equity)),
            executions=tuple(executions),
            trips=tuple(round_trips(executions)),
            summary=summary_of_records(records, dataset.timeframe),
            orders=len(records.orders),
            refusals=refusals_by_reason(records),
            hash=run_hash(records),
            hashes=hashes_by_kind(records),
        )

    def instrument(self, symbol: str) -> Instrument:
        return next(instrument for instrument in self.instruments if instrument.symbol == symbol)

    @property
    def quote(self) -> str:
        """The currency of every amount: all instruments of a run share it."""
        return self.instruments[0].quote

    def money(self, quanta: int) -> float:
        """An amount as the nearest float: for charts and for printing with cents, never for arithmetic."""
        return float(self.instruments[0].cash(quanta))


def refusals_by_reason(records: RunRecords) -> dict[str, int]:
    counted = Counter(reason for *_, verdict, reason, _ in records.decisions if verdict == REFUSED)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

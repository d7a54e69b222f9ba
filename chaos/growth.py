"""What a run held from beginning to end, and what of it may grow how fast."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from chaos.books import EVERYTHING, Since
from chaos.sampling import Measure, Sample, What
from chaos.slopes import Limit, Slope, slope_of

WARM_UP = 1 / 3
"""Of the run: what is imported late, pools, caches and tables come to their size."""
OF_A_SERVICE = Limit(
    2.0, 5.0, "an hour at speed is weeks of minutes: at 2 MB each a service of 100 MB doubles in three years"
)
OF_A_SERVER = Limit(20.0, 40.0, "their caches fill up to bounds of their own; NATS remembers the ids of ten minutes")
OF_A_COUNT = Limit(0.0, 1.5, "there is a fixed number of them; one may come late or be counted while it goes")
OF_POSTGRES_FILES = Limit(
    100.0,
    200.0,
    "each connection keeps the files of the tables it has touched open, and a large table has more of them",
)
OF_THE_VENUE = 2_000
"""Bytes for each order. The simulated exchange answers for every order and trade since it opened, from memory."""
SERVERS = ("nats", "postgres", "valkey")
COUNTS = (What.FILES, What.THREADS, What.CONNECTIONS, What.CONSUMERS)


@dataclass(frozen=True, slots=True)
class Growth:
    """limit: None: it may grow, it is what the run leaves behind."""

    measure: Measure
    first: float
    last: float
    slope: Slope
    limit: Limit | None

    @property
    def is_too_much(self) -> bool:
        return self.limit is not None and self.limit.is_exceeded_by(self.slope)


@dataclass
class Soak:
    """What was measured. problems: broken invariants and restarts, in words. since: what is to be checked next."""

    samples: list[Sample] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    checks: int = 0
    since: Since = EVERYTHING

    def growths(self) -> list[Growth]:
        """Of everything that was measured each time, after the warm-up."""
        measured = [measure for measure in self.samples[0].values if self._is_whole(measure)]
        return [self._growth(measure) for measure in measured]

    def _is_whole(self, measure: Measure) -> bool:
        return all(measure in sample.values for sample in self.samples)

    def _growth(self, measure: Measure) -> Growth:
        warm = self.samples[int(len(self.samples) * WARM_UP) :]
        values = [sample.values[measure] for sample in warm]
        slope = slope_of([sample.at_s for sample in warm], values)
        return Growth(measure, values[0], values[-1], slope, limit_of(measure, self.orders_per_hour))

    @property
    def orders_per_hour(self) -> float:
        return self._per_hour(Measure(What.ROWS, "execution.orders"))

    @property
    def bar_times_per_hour(self) -> float:
        return self._per_hour(Measure(What.BAR_TIMES, "settled"))

    def _per_hour(self, measure: Measure) -> float:
        first, last = self.samples[0], self.samples[-1]
        return (last.values[measure] - first.values[measure]) / (last.at_s - first.at_s) * 3600

    @property
    def summary(self) -> str:
        hours = (self.samples[-1].at_s - self.samples[0].at_s) / 3600
        return (
            f"{hours:.2f} hours, {len(self.samples)} samples; {self.bar_times_per_hour:,.0f} bar times and"
            f" {self.orders_per_hour:,.0f} orders an hour; invariants checked {self.checks} times,"
            f" {len(self.problems)} problems"
        )


def limit_of(measure: Measure, orders_per_hour: float) -> Limit | None:
    """What a measure may grow by."""
    if measure == Measure(What.FILES, "postgres"):
        return OF_POSTGRES_FILES
    if measure.what in COUNTS:
        return OF_A_COUNT
    if measure.what is What.CACHE:
        return OF_A_SERVICE
    if measure.what is not What.MEMORY:
        return None
    if measure.who == "exchange_simulator":
        history = orders_per_hour * OF_THE_VENUE / 1e6
        why = f"{OF_THE_VENUE} bytes for each order: it answers for all of them, from memory"
        return replace(OF_A_SERVICE, per_hour=OF_A_SERVICE.per_hour + history, why=why)
    return OF_A_SERVER if measure.who in SERVERS else OF_A_SERVICE


def cells_of(growth: Growth) -> tuple[str, ...]:
    """A growth in words: what, whose, first, last, slope, limit, verdict."""
    slope, limit = growth.slope, growth.limit
    verdict = "kept" if limit is None else "GROWS" if growth.is_too_much else "flat"
    return (
        growth.measure.what,
        growth.measure.who,
        f"{growth.first:,.1f}",
        f"{growth.last:,.1f}",
        f"{round(slope.per_hour, 2) + 0.0:+,.2f} ± {slope.error:,.2f}",  # + 0.0: no minus zero
        "" if limit is None else f"{limit.per_hour:,.1f}",
        verdict,
    )

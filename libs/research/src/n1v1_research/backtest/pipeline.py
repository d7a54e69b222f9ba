"""The engine that runs the stages of the system event by event: `n1v1.pipeline.Engine` over a dataset."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice

from n1v1.bars import BarRow
from n1v1.equity_rows import EquityRows
from n1v1.errors import StrategyError
from n1v1.events import Event, OrderSubmitted
from n1v1.execution.stage import Execution
from n1v1.pipeline import Engine
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.plugins import anomaly_detectors, risk_managers
from n1v1.risk.stage import Risk
from n1v1.run_hash import from_events
from n1v1.signals.stage import Signals
from n1v1.simulation.venue import SimulatedVenue
from n1v1.values import Purpose
from n1v1_research.backtest.bar_times import bar_times
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.backtest.engines import Played, Progress
from n1v1_research.datasets import Dataset

TELLS_EVERY = 50
"""Bar times between two words of progress."""
KEPT_OBJECTS = 200_000
"""Made and kept between two looks for garbage; some 100 MB when all of it were garbage."""


def play(configuration: Configuration, dataset: Dataset, progress: Progress) -> Played:
    """Raises StrategyError when a strategy raises, UnknownName for a plug-in that is not installed."""
    run = _Assembled(configuration, dataset, explains=False)
    purposes: dict[str, Purpose] = {}
    marks = EquityRows()
    with _rare_collections():
        records = from_events(_noting(run.happenings(marks, progress), purposes), marks)
    return Played(records=records, purposes=purposes, decided=run.venue.assumptions())


def events(configuration: Configuration, dataset: Dataset) -> Iterator[Event]:
    """Every event of the run, in order, with the checks of risk and the notes of strategies that raised no signal.

    Raises StrategyError when a strategy raises.
    """
    return _Assembled(configuration, dataset, explains=True).events()


class _Assembled:
    """The stages of one run, joined."""

    def __init__(self, configuration: Configuration, dataset: Dataset, *, explains: bool) -> None:
        account, instruments, cash = configuration.account, dataset.instruments, configuration.initial_cash
        self.venue = SimulatedVenue(instruments, configuration.rules)
        self.venue.open_account(account, cash)
        self._signals = Signals(
            instances=configuration.instances, instruments=instruments, timeframe=dataset.timeframe, notes=explains
        )
        self._dataset = dataset
        self._engine = Engine(
            account=account,
            venue=self.venue,
            signals=self._signals,
            risk=Risk(
                account=account,
                instruments=instruments,
                policy=configuration.policy,
                managers=risk_managers(configuration.risk_managers),
                detectors=anomaly_detectors(configuration.anomaly_detectors),
                styles=configuration.styles,
                explains=explains,
            ),
            execution=Execution(account=account, venue=configuration.venue, rules=configuration.styles),
            portfolio=Portfolio(account=account, instruments=instruments, initial_cash=cash),
        )

    def events(self) -> Iterator[Event]:
        """Once."""
        for event in self._engine.run(self._dataset.steps()):
            self._refuse_failures()
            yield event

    def happenings(self, marks: EquityRows, progress: Progress) -> Iterator[Event]:
        """Once. The same without watermarks; the equity of every bar time goes to `marks`."""
        yield from self._engine.play(chain.from_iterable(self._watched(progress)), marks)
        self._refuse_failures()

    def _watched(self, progress: Progress) -> Iterator[Iterable[tuple[BarRow, ...]]]:
        """The bar times, a few at a time; between them somebody looks."""
        times, done = bar_times(self._dataset), 0
        while some := tuple(islice(times, TELLS_EVERY)):
            yield some
            self._refuse_failures()
            done += len(some)
            progress(done)

    def _refuse_failures(self) -> None:
        if self._signals.failures:
            instance, symbol, error = self._signals.failures[0]
            raise StrategyError(f"{instance} on {symbol} raised {type(error).__name__}: {error}") from error


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for garbage in cycles less often: a run makes none and keeps much, so looking finds nothing.

    Otherwise that is a sixth of the time of a run with many fills.
    """
    usual = gc.get_threshold()
    gc.set_threshold(KEPT_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _noting(happening: Iterable[Event], purposes: dict[str, Purpose]) -> Iterator[Event]:
    """The same events; fills `purposes` by order id on the way."""
    for event in happening:
        if isinstance(event, OrderSubmitted):
            purposes[event.order_id] = event.purpose
        yield event

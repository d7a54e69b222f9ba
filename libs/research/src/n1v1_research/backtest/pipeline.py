"""The engine that runs the stages of the system event by event: `n1v1.pipeline.Engine` over a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from n1v1.errors import StrategyError
from n1v1.events import BarsComplete, Event, OrderSubmitted
from n1v1.execution.stage import Execution
from n1v1.pipeline import Engine
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.stage import Risk
from n1v1.run_hash import from_events
from n1v1.signals.stage import Signals
from n1v1.simulation.venue import SimulatedVenue
from n1v1.values import Purpose
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.backtest.engines import Played, Progress
from n1v1_research.datasets import Dataset

TELLS_EVERY = 50
"""Bar times between two words of progress."""


def play(configuration: Configuration, dataset: Dataset, progress: Progress) -> Played:
    """Raises StrategyError when a strategy raises."""
    run = _Assembled(configuration, dataset, notes=False)
    purposes: dict[str, Purpose] = {}
    records = from_events(_noting(run.events(), purposes, progress))
    return Played(records=records, purposes=purposes, decided=run.venue.assumptions())


def events(configuration: Configuration, dataset: Dataset) -> Iterator[Event]:
    """Every event of the run, in order, with the notes of strategies that raised no signal.

    Raises StrategyError when a strategy raises.
    """
    return _Assembled(configuration, dataset, notes=True).events()


class _Assembled:
    """The stages of one run, joined."""

    def __init__(self, configuration: Configuration, dataset: Dataset, *, notes: bool) -> None:
        account, instruments, cash = configuration.account, dataset.instruments, configuration.initial_cash
        self.venue = SimulatedVenue(instruments, configuration.rules)
        self.venue.open_account(account, cash)
        self._signals = Signals(
            instances=configuration.instances, instruments=instruments, timeframe=dataset.timeframe, notes=notes
        )
        self._steps = dataset.steps()
        self._engine = Engine(
            account=account,
            venue=self.venue,
            signals=self._signals,
            risk=Risk(account=account, instruments=instruments, policy=configuration.policy),
            execution=Execution(account=account, venue=configuration.venue),
            portfolio=Portfolio(account=account, instruments=instruments, initial_cash=cash),
        )

    def events(self) -> Iterator[Event]:
        """Once."""
        for event in self._engine.run(self._steps):
            if self._signals.failures:
                instance, symbol, error = self._signals.failures[0]
                raise StrategyError(f"{instance} on {symbol} raised {type(error).__name__}: {error}") from error
            yield event


def _noting(happening: Iterable[Event], purposes: dict[str, Purpose], progress: Progress) -> Iterator[Event]:
    """The same events; fills `purposes` by order id on the way and tells the progress."""
    for event in happening:
        if isinstance(event, OrderSubmitted):
            purposes[event.order_id] = event.purpose
        elif isinstance(event, BarsComplete) and event.sequence % TELLS_EVERY == 0:
            progress(event.sequence)
        yield event

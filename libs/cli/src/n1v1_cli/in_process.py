"""The whole system in this process: the engine of the core, configured by the same settings as the services."""

from __future__ import annotations

from collections.abc import Iterator

from n1v1.errors import StrategyError
from n1v1.events import Event
from n1v1.execution.stage import Execution
from n1v1.pipeline import Engine
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.stage import Risk
from n1v1.signals.stage import Signals
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1_common.settings.core import fee_rate_ppb, instances_of, policy_of, slippage_ppb
from n1v1_common.settings.model import Settings
from n1v1_research.datasets import Dataset


def events(settings: Settings, dataset: Dataset) -> Iterator[Event]:
    """Every event of the run, in order. Raises StrategyError when a strategy raises."""

    account, instruments = settings.account.id, dataset.instruments
    cash = instruments[0].quanta(settings.account.initial_balance)
    rules = VenueRules(fee_rate_ppb=fee_rate_ppb(settings), slippage_ppb=slippage_ppb(settings))
    venue = SimulatedVenue(instruments, rules)
    venue.open_account(account, cash)
    signals = Signals(instances=instances_of(settings), instruments=instruments, timeframe=dataset.timeframe)
    engine = Engine(
        account=account,
        venue=venue,
        signals=signals,
        risk=Risk(account=account, instruments=instruments, policy=policy_of(settings)),
        execution=Execution(account=account, venue=settings.venue),
        portfolio=Portfolio(account=account, instruments=instruments, initial_cash=cash),
    )
    for event in engine.run(dataset.steps()):
        if signals.failures:
            instance, symbol, error = signals.failures[0]
            raise StrategyError(f"{instance} on {symbol} raised {type(error).__name__}: {error}") from error
        yield event

"""The compiled engine: `play` takes what `n1v1_research.backtest.pipeline.play` takes and leaves the same records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import NO_WISH, Action, Wish
from n1v1.risk.account import PURPOSES
from n1v1.risk.limits import BUY, CLOSE, SELL, WISH
from n1v1.risk.records import wish_record
from n1v1.signals.stage import Instance
from n1v1.simulation.assumptions import DECIDED_BY, Assumption, AssumptionCount
from n1v1.strategies import registry
from n1v1.strategies.base import Strategy
from n1v1.styles import StyleRules
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.backtest.engines import Played, Progress
from n1v1_research.datasets import Dataset
from n1v1_research.scan.layouts import SIGNAL
from n1v1_research.scan.market import Market
from n1v1_research.scan.records import Told, order_ids, records_of
from n1v1_research.scan.signals import signal_records, signals_of
from n1v1_research.scan.simulate import AccountHistory, simulate, stored

NOT_PLAYED = 0
"""The action of a signal whose wish sends the whole run to the pipeline."""

ACTIONS = {Action.BUY: BUY, Action.SELL: SELL, Action.CLOSE: CLOSE, Action.MOVE_STOP: NOT_PLAYED}

Records = NDArray[np.void]


def play(configuration: Configuration, dataset: Dataset, progress: Progress) -> Played:
    """Raises StrategyError when a strategy raises, InvalidValue for plug-ins, which it cannot run.

    Orders that are not sent at once and whole, or have a trigger or a time in force of their own, and stops that are
    moved, are left to the pipeline.
    """
    _refuse_plugins(configuration)
    if why := unplayable_styles(configuration.styles):
        return _by_the_pipeline(configuration, dataset, progress, why)
    market = Market.of(dataset)
    collected = collect(configuration, dataset, market)
    if why := unplayable_wishes(collected.wishes):
        return _by_the_pipeline(configuration, dataset, progress, why)
    signals, told = collected.in_order()
    history = simulate(
        market,
        signals,
        collected.wish_table(),
        policy=configuration.policy,
        rules=configuration.rules,
        cash=configuration.initial_cash,
    )
    progress(len(market.close_ns))
    names = order_ids(history, market, configuration.account, collected.instances)
    return Played(
        records=records_of(history, market, names=names, instances=collected.instances, told=told),
        purposes={name: PURPOSES[purpose] for name, purpose in zip(names, history.sent["purpose"], strict=True)},
        decided=decided(history),
    )


def _by_the_pipeline(configuration: Configuration, dataset: Dataset, progress: Progress, why: str) -> Played:
    from n1v1_research.backtest import pipeline  # here, because few runs need it

    return replace(pipeline.play(configuration, dataset, progress), instead=f"{why}, so the pipeline engine has run")


def unplayable_styles(styles: StyleRules) -> str:
    """Why the compiled engine cannot play orders like that; empty when it can."""
    return "" if styles.always_whole else "the settings of execution divide orders into parts"


def unplayable_wishes(wishes: Iterable[Wish]) -> str:
    """The same for what strategies wish."""
    if all(wish.is_plain for wish in wishes):
        return ""
    return "a strategy moves a stop, or wishes a trigger, a time in force, post-only or an execution in parts"


def _refuse_plugins(configuration: Configuration) -> None:
    if named := (*configuration.risk_managers, *configuration.anomaly_detectors):
        raise InvalidValue(
            f"the compiled engine runs no plug-ins, and these are named: {', '.join(named)}; use --engine pipeline"
        )


def decided(history: AccountHistory) -> dict[str, AssumptionCount]:
    """What each assumption of the venue decided, as `SimulatedVenue.assumptions` counts it."""
    by, value = history.fills["decided_by"], history.fills["value"]
    counts = {
        str(name): AssumptionCount(int((by == code).sum()), int(value[by == code].sum()))
        for code, name in DECIDED_BY.items()
    }
    counts[str(Assumption.TOUCH_MISSED)] = AssumptionCount(history.missed, history.missed_value)
    return counts


@dataclass
class Collected:
    """The signals of every instance on every symbol. told: what they said, by place in `parts` joined."""

    instances: tuple[str, ...]
    parts: list[Records] = field(default_factory=list)
    told: list[list[Told]] = field(default_factory=list)
    wishes: dict[Wish, int] = field(default_factory=dict)

    def wish(self, wish: Wish) -> int:
        """Its place in the table of wishes."""
        return self.wishes.setdefault(wish, len(self.wishes))

    def wish_table(self) -> Records:
        return np.concatenate([np.zeros(0, WISH), *(stored(wish_record(wish), WISH) for wish in self.wishes)])

    def in_order(self) -> tuple[Records, list[Told]]:
        """SIGNAL records as the account pass wants them, and beside them what was said."""
        signals = np.concatenate([np.zeros(0, SIGNAL), *self.parts])
        order = np.lexsort((signals["symbol"], signals["instance"], signals["step"]))
        said = [told for part in self.told for told in part]
        return signals[order], [said[place] for place in order.tolist()]


def collect(configuration: Configuration, dataset: Dataset, market: Market) -> Collected:
    """Ask every strategy about every bar; the compiled ones in one pass each."""
    instances = sorted(configuration.instances, key=lambda instance: instance.name)
    collected = Collected(tuple(instance.name for instance in instances))
    for place, instance in enumerate(instances):
        strategy = registry.find(instance.strategy)
        for symbol in range(len(market.instruments)):
            if issubclass(strategy, Strategy):
                _add_compiled(collected, place, strategy, instance, market, symbol)
            else:
                _add_one_by_one(collected, place, instance, dataset, market, symbol)
    return collected


def _add_compiled(
    collected: Collected, place: int, strategy: type[Strategy], instance: Instance, market: Market, symbol: int
) -> None:
    params = strategy.parameters(instance.parameters)
    found = signals_of(strategy, params, market, symbol)
    wish, no_wish = collected.wish(strategy.wish(params)), collected.wish(NO_WISH)
    told = {code: Told(1.0, strategy.reason(params, code)) for code in set(found.codes.tolist())}
    collected.parts.append(signal_records(market, symbol, found, instance=place, wish=wish, no_wish=no_wish))
    collected.told.append([told[code] for code in found.codes.tolist()])


def _add_one_by_one(
    collected: Collected, place: int, instance: Instance, dataset: Dataset, market: Market, symbol: int
) -> None:
    """For the forms that cannot be compiled: the runner of the services, bar by bar."""
    instrument = market.instruments[symbol]
    runner = registry.runner(instance.strategy, instance.parameters, instrument, market.timeframe)
    steps = market.step_of[market.of_symbol(symbol)].tolist()
    rows, told = [], []
    for step, bar in zip(steps, dataset.bars[instrument.symbol], strict=True):
        try:
            verdict = runner.on_bar(bar, explain=False)
        except Exception as error:  # whatever a strategy raises ends the run, as it does event by event
            found = f"{type(error).__name__}: {error}"
            raise StrategyError(f"{instance.name} on {instrument.symbol} raised {found}") from error
        if verdict.action is not None:
            rows.append((step, symbol, place, ACTIONS[verdict.action], collected.wish(verdict.wish)))
            told.append(Told(verdict.strength, verdict.reason))
    collected.parts.append(np.array(rows, SIGNAL))
    collected.told.append(told)

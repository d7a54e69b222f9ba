"""Months of recorded bars through the engine: the hash of the run depends on the data and the configuration alone.

Run as a script it prints the hash of the run, so that another interpreter can be asked for it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from n1v1.events import BarClosed, BarsComplete, Event, OrderFilled, SignalsComplete
from n1v1.execution.stage import Execution
from n1v1.pipeline import Engine
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.stage import Risk
from n1v1.run_hash import RunRecords, first_difference, from_events, run_hash
from n1v1.signals.stage import Instance, Signals
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import PPB, Instrument
from n1v1_research.datasets import Dataset, load

PERCENT = PPB // 100
CASH = 10_000 * 100_000_000
INSTANCES = (
    Instance("fast", "ema_cross", {"fast_ema": 3, "slow_ema": 8, "position_size": 0.4}),
    Instance("slow", "ema_cross", {"fast_ema": 9, "slow_ema": 21, "position_size": 0.6}),
    Instance("breakout", "my_breakout", {"required_history": 30}),
)
POLICY = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=60 * PERCENT,
    max_drawdown_ppb=60 * PERCENT,
    breaker_drawdown_ppb=None,
    max_positions=2,
    cost_ppb=2_000_000,
    valid_for_ns=4 * 3_600_000_000_000,
)


class PartitionedSignals(Signals):
    """Several signals stages beside each other, each with the symbols of its partition, as workers share the bars."""

    def __init__(self, instances: Sequence[Instance], instruments: Sequence[Instrument], *, partitions: int) -> None:
        self._partition_of = {instrument.symbol: number % partitions for number, instrument in enumerate(instruments)}
        self._stages = [
            Signals(
                instances=instances,
                instruments=[i for i in instruments if self._partition_of[i.symbol] == partition],
                timeframe="4h",
                partition=partition,
            )
            for partition in range(partitions)
        ]

    def handle(self, event: Event) -> list[Event]:
        if isinstance(event, BarClosed):
            return self._stages[self._partition_of[event.symbol]].handle(event)
        # the last worker is the first to be done
        return [said for stage in reversed(self._stages) for said in stage.handle(event)]


class Stages:
    """The stages of one run. `restarted` gives new ones that know only what the old ones had saved."""

    def __init__(self, data: Dataset, *, instances: Sequence[Instance] = INSTANCES, partitions: int = 1) -> None:
        self._data = data
        self.signals = (
            Signals(instances=instances, instruments=data.instruments, timeframe="4h")
            if partitions == 1
            else PartitionedSignals(instances, data.instruments, partitions=partitions)
        )
        self.risk = Risk(account="main", instruments=data.instruments, policy=POLICY, signal_partitions=partitions)
        self.execution = Execution(account="main", venue="sim")
        self.portfolio = Portfolio(account="main", instruments=data.instruments, initial_cash=CASH)

    def engine(self, venue: SimulatedVenue) -> Engine:
        return Engine(
            account="main",
            venue=venue,
            signals=self.signals,
            risk=self.risk,
            execution=self.execution,
            portfolio=self.portfolio,
        )

    def restarted(self) -> Stages:
        fresh = Stages(self._data)
        for old, new in (
            (self.signals, fresh.signals),
            (self.risk, fresh.risk),
            (self.execution, fresh.execution),
            (self.portfolio, fresh.portfolio),
        ):
            new.restore(json.loads(json.dumps(old.snapshot())))
        return fresh


def months() -> Dataset:
    return load("coinbase-4h", start="2020-03-01", end="2020-05-01")


def venue_for(data: Dataset) -> SimulatedVenue:
    venue = SimulatedVenue(data.instruments, VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=500_000))
    venue.open_account("main", CASH)
    return venue


def records_of(data: Dataset, stages: Stages) -> RunRecords:
    return from_events(stages.engine(venue_for(data)).run(data.steps()))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return months()


@pytest.fixture(scope="module")
def reference(data: Dataset) -> RunRecords:
    return records_of(data, Stages(data))


def assert_equal_runs(one: RunRecords, other: RunRecords) -> None:
    assert first_difference(one, other) is None
    assert run_hash(one) == run_hash(other)


def test_the_months_have_something_to_compare(reference: RunRecords) -> None:
    assert len(reference.fills) > 50
    assert {row[6] for row in reference.decisions} == {"APPROVED", "REFUSED"}


def test_a_second_run_is_equal(data: Dataset, reference: RunRecords) -> None:
    assert_equal_runs(reference, records_of(data, Stages(data)))


def test_the_order_of_symbols_and_instances_does_not_matter(data: Dataset, reference: RunRecords) -> None:
    other = replace(data, instruments=data.instruments[::-1])
    stages = Stages(other, instances=INSTANCES[::-1])
    steps = [(close_ns, bars[::-1]) for close_ns, bars in data.steps()]
    assert_equal_runs(reference, from_events(stages.engine(venue_for(other)).run(steps)))


@pytest.mark.parametrize("partitions", [2, 3])
def test_the_number_of_signal_workers_does_not_matter(data: Dataset, reference: RunRecords, partitions: int) -> None:
    stages = Stages(data, partitions=partitions)
    heard: list[Event] = list(stages.engine(venue_for(data)).run(data.steps()))
    watermarks = sum(isinstance(event, SignalsComplete) for event in heard)
    assert watermarks == partitions * sum(isinstance(event, BarsComplete) for event in heard)
    assert_equal_runs(reference, from_events(heard))


@pytest.mark.parametrize("seed", [1, 2])
def test_restarting_every_stage_at_random_steps_changes_nothing(
    data: Dataset, reference: RunRecords, seed: int
) -> None:
    steps = list(data.steps())
    cuts = sorted(random.Random(seed).sample(range(1, len(steps)), 20))
    venue, stages, heard = venue_for(data), Stages(data), []
    for begin, end in pairwise([0, *cuts, len(steps)]):
        heard += list(stages.engine(venue).run(steps[begin:end]))
        stages = stages.restarted()
    assert_equal_runs(reference, from_events(heard))


def test_restarting_while_orders_are_open_is_among_what_was_tried(data: Dataset) -> None:
    """An order sent at one close fills at the next open: a cut between them restores an open order."""
    steps = list(data.steps())
    venue, stages = venue_for(data), Stages(data)
    for begin in range(len(steps)):
        list(stages.engine(venue).run(steps[begin : begin + 1]))
        if stages.execution.open_orders:
            stages = stages.restarted()
            (order, *_) = stages.execution.open_orders
            after = stages.engine(venue).run(steps[begin + 1 : begin + 2])
            assert order.order_id in {event.order_id for event in after if isinstance(event, OrderFilled)}
            return
    pytest.fail("no order was ever open between two bars")


def test_the_seed_of_the_interpreters_hashes_does_not_matter(reference: RunRecords) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, __file__], env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True
        )
        for seed in ("0", "1")
    ]
    printed = [run.communicate(timeout=60)[0].strip() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert printed == [run_hash(reference)] * 2


@pytest.mark.parametrize(
    "changed",
    [
        lambda data: Stages(data, instances=INSTANCES[:1]),
        lambda data: Stages(data, instances=(Instance("fast", "ema_cross", {"fast_ema": 4, "slow_ema": 8}),)),
    ],
)
def test_another_configuration_is_another_run(
    data: Dataset, reference: RunRecords, changed: Callable[[Dataset], Stages]
) -> None:
    assert run_hash(records_of(data, changed(data))) != run_hash(reference)


if __name__ == "__main__":
    bundled = months()
    # Without the breakout, which raises no signal: importing pandas takes longer than all the rest.
    print(run_hash(records_of(bundled, Stages(bundled, instances=INSTANCES[:2]))))

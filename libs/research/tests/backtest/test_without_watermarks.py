"""`play` gives no stage a watermark, `events` gives them all: what happens and what stages then know is the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n1v1.equity_rows import EquityRows
from n1v1.errors import InvalidData, StrategyError
from n1v1.events import (
    BarClosed,
    BarsComplete,
    BreakerChanged,
    DecisionsComplete,
    EquityMarked,
    Event,
    FillsComplete,
    OrderCancelled,
    OrderExpired,
    OrderRefused,
    OrdersComplete,
    SignalsComplete,
)
from n1v1.execution.stage import Execution
from n1v1.pipeline import Engine
from n1v1.portfolio.stage import Portfolio
from n1v1.risk.plugins import AnomalyResult, BaseAnomalyDetector, Opinion, Proposal, RiskManagerInterface, refuse
from n1v1.risk.policy import (
    AdaptiveRules,
    AnomalyRules,
    BreakerRules,
    Cooldown,
    Exits,
    RiskPolicy,
    Sizing,
    SizingMethod,
    StopMethod,
    TargetMethod,
    TrailMethod,
)
from n1v1.risk.reasons import RefusalReason
from n1v1.risk.stage import Risk
from n1v1.run_hash import first_difference, from_events, run_hash
from n1v1.signals.stage import Instance, Signals
from n1v1.simulation.rules import TouchRule
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.strategies.bar import Bar
from n1v1.values import PPB, Purpose
from n1v1_research.backtest import pipeline
from n1v1_research.backtest.bar_times import bar_times
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.datasets import Dataset, load

PERCENT = PPB // 100
BAR_NS = 4 * 3_600_000_000_000
CASH = 10_000 * 100_000_000
TEN = (
    *("ema_cross", "rsi", "macd", "bollinger_reversion", "stochastic"),
    *("keltner_channel", "donchian_breakout", "atr_breakout", "vwap_pullback", "obv"),
)
WATERMARKS = (
    *(BarClosed, BarsComplete, SignalsComplete, FillsComplete, EquityMarked, DecisionsComplete, OrdersComplete),
)
AUTHORS = '''
from n1v1.strategies.classic import BaseStrategy
from n1v1.strategies.plain import Bar, PythonStrategy, buy, close, sell


class Wishful(PythonStrategy):
    """Buys after every third rising bar, each time with other wishes."""

    def __init__(self, every: int = 3):
        self.every, self.rising, self.before = every, 0, 0.0

    def on_bar(self, bar: Bar):
        self.rising += bar.close > self.before
        self.before = bar.close
        if bar.close_ns // 14_400_000_000_000 % 17 == 0:
            return close("every 17th bar")
        if self.rising % self.every:
            return None
        wish = (bar.close_ns // 14_400_000_000_000) % 4
        return (
            buy("a limit below", limit=bar.close * 0.995, stop=0.02, target=0.03),
            buy("a tight stop", size=0.3, stop=0.004),
            buy("a trailing stop", trail=0.01, target=0.05),
            sell("enough"),
        )[wish]


class Raises(PythonStrategy):
    def __init__(self):
        self.bars = 0

    def on_bar(self, bar: Bar):
        self.bars += 1
        if self.bars == 7:
            raise ValueError("the seventh bar")


class Turns(BaseStrategy):
    required_history = 4

    async def generate_signals(self, market_data):
        frame = next(iter(market_data.values()))
        closes = frame["close"].tolist()
        if len(closes) < 4:
            return []
        side = "BUY" if closes[-1] > closes[-4] else "SELL"
        return [{"action": side, "symbol": frame["symbol"].iloc[-1] if "symbol" in frame else None}]
'''


@pytest.fixture(scope="module")
def authors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authors") / "authors_strategies.py"
    path.write_text(AUTHORS, encoding="utf-8")
    return path


def with_gaps(data: Dataset, chance: random.Random) -> Dataset:
    """The same data; each symbol lacks some bars, so that some bar times have one bar only."""
    kept = {
        symbol: bars.rows(np.array([chance.random() > 0.03 for _ in range(len(bars))]))
        for symbol, bars in ((symbol, data.columns(symbol)) for symbol in data.symbols)
    }
    return replace(data, series=kept, recorded_gaps=())


def random_policy(chance: random.Random) -> RiskPolicy:
    pick = chance.choice
    return RiskPolicy(
        position_fraction_ppb=pick((5, 20, 40)) * PERCENT,
        max_position_ppb=60 * PERCENT,
        max_drawdown_ppb=pick((20, 99)) * PERCENT,
        breaker_drawdown_ppb=pick((None, 2 * PERCENT, 10 * PERCENT)),
        max_positions=pick((1, 2)),
        cost_ppb=2_000_000,
        valid_for_ns=BAR_NS,
        limit_valid_for_ns=pick((0, 5 * BAR_NS)),
        max_exposure_ppb=pick((None, 50 * PERCENT)),
        max_open_risk_ppb=pick((None, None, 2 * PERCENT)),
        max_daily_loss_ppb=pick((None, 3 * PERCENT)),
        emergency_loss_ppb=pick((None, None, 20 * PERCENT)),
        sizing=Sizing(sizing_method=pick((SizingMethod.FIXED_FRACTION, SizingMethod.KELLY)), cuts_to_cash=True),
        exits=Exits(
            stop_method=pick((StopMethod.NONE, StopMethod.PERCENTAGE, StopMethod.ATR)),
            target_method=pick((TargetMethod.NONE, TargetMethod.FIXED)),
            trail_method=pick((TrailMethod.NONE, TrailMethod.PERCENTAGE)),
            max_bars_held=pick((0, 3, 20)),
            exits_on_regime_change=pick((False, False, True)),
        ),
        breaker=BreakerRules(
            losses_to_trip=pick((0, 3)),
            trips_on_volatility=pick((0.0, 0.03)),
            resumes_by_itself=pick((True, False)),
            cooldown_ns=6 * BAR_NS,
            max_cooldown_ns=60 * BAR_NS,
            recovery_ns=12 * BAR_NS,
            max_trips=pick((0, 3)),
            trip_window_ns=300 * BAR_NS,
        ),
        cooldown=Cooldown(lock_ns=2 * BAR_NS, is_on=pick((True, False))),
        anomalies=pick((AnomalyRules(), AnomalyRules(price_window=20, gap_threshold_pct=2.0))),
        adaptive=AdaptiveRules(is_adaptive=pick((False, False, True))),
    )


def random_rules(chance: random.Random) -> VenueRules:
    return VenueRules(
        fee_rate_ppb=1_000_000,
        slippage_ppb=chance.choice((0, 500_000)),
        latency_ns=chance.choice((0, 0, BAR_NS)),
        participation_ppb=chance.choice((None, None, 1_000)),
        touch=chance.choice((TouchRule.THROUGH, TouchRule.QUEUE)),
    )


def random_configuration(chance: random.Random, authors: Path, *forced: Instance) -> Configuration:
    names = (*TEN, f"{authors}:Wishful")
    instances = [Instance(f"i{n}", chance.choice(names)) for n in range(chance.choice((0, 1, 2)))]
    return Configuration(
        instances=(*forced, *instances),
        policy=random_policy(chance),
        rules=random_rules(chance),
        initial_cash=CASH,
    )


class Halves(RiskManagerInterface):
    def evaluate_signal(self, proposal: Proposal) -> Opinion:
        return Opinion(0.5, "half of everything") if proposal.price % 2 < 1 else refuse("an odd price")


class Jumps(BaseAnomalyDetector):
    lookback = 2

    def detect(self, data: Sequence[Bar], symbol: str) -> AnomalyResult:
        change = abs(data[-1].close / data[0].close - 1.0)
        return AnomalyResult("critical", change, "a jump") if change > 0.015 else AnomalyResult()


class Stages:
    def __init__(self, configuration: Configuration, data: Dataset, *, plug_ins: bool = False) -> None:
        account, instruments, cash = configuration.account, data.instruments, configuration.initial_cash
        self.venue = SimulatedVenue(instruments, configuration.rules)
        self.venue.open_account(account, cash)
        self.signals = Signals(
            instances=configuration.instances, instruments=instruments, timeframe=data.timeframe, notes=False
        )
        self.risk = Risk(
            account=account,
            instruments=instruments,
            policy=configuration.policy,
            managers={"halves": Halves()} if plug_ins else {},
            detectors={"jumps": Jumps()} if plug_ins else {},
        )
        self.execution = Execution(account=account, venue=configuration.venue)
        self.portfolio = Portfolio(account=account, instruments=instruments, initial_cash=cash)
        self.engine = Engine(
            account=account,
            venue=self.venue,
            signals=self.signals,
            risk=self.risk,
            execution=self.execution,
            portfolio=self.portfolio,
        )

    def known(self) -> dict[str, Any]:
        stages = ("signals", "risk", "execution", "portfolio")
        return {stage: getattr(self, stage).snapshot() for stage in stages} | {"venue": self.venue.state_hash()}


def assert_equal(configuration: Configuration, data: Dataset, *, plug_ins: bool = False) -> list[Event]:
    """Answers what happened."""
    with_watermarks, without = (Stages(configuration, data, plug_ins=plug_ins) for _ in range(2))
    events = list(with_watermarks.engine.run(data.steps()))
    marks = EquityRows()
    happened = list(without.engine.play(bar_times(data), marks))
    assert happened == [event for event in events if not isinstance(event, WATERMARKS)]
    assert without.known() == with_watermarks.known()
    assert without.portfolio.take_transactions() == with_watermarks.portfolio.take_transactions()
    expected, found = from_events(events), from_events(happened, marks)
    assert first_difference(expected, found) is None
    assert run_hash(expected) == run_hash(found)
    return happened


@pytest.mark.parametrize("key", [*TEN, "Wishful", "Turns"])
def test_every_strategy_over_a_market_with_gaps(key: str, authors: Path) -> None:
    chance = random.Random(key)
    data = with_gaps(load("coinbase-4h", start="2021-04-01", end="2021-06-10"), chance)
    name = key if key in TEN else f"{authors}:{key}"
    happened = assert_equal(random_configuration(chance, authors, Instance("first", name)), data)
    assert happened


def test_random_policies_and_rules_with_several_instances(authors: Path) -> None:
    kinds: set[object] = set()
    for seed in range(20):
        chance = random.Random(seed)
        data = with_gaps(load("coinbase-4h", start="2021-05-01", end="2021-07-10"), chance)
        wishful = Instance("first", f"{authors}:Wishful", {"every": chance.randint(1, 5)})
        for event in assert_equal(random_configuration(chance, authors, wishful), data):
            kinds |= {type(event), getattr(event, "purpose", None)}
    assert kinds >= {BreakerChanged, OrderCancelled, OrderExpired, OrderRefused}
    assert kinds >= set(Purpose) - {Purpose.FLATTEN}


@pytest.mark.parametrize("seed", range(6))
def test_one_symbol_whose_quiet_bars_are_passed_over(seed: int, authors: Path) -> None:
    chance = random.Random(seed)
    both = with_gaps(load("coinbase-4h", start="2021-05-01", end="2021-07-10"), chance)
    (instrument,) = both.instruments[:1]
    data = replace(both, instruments=(instrument,), series={instrument.symbol: both.columns(instrument.symbol)})
    wishful = Instance("first", f"{authors}:Wishful", {"every": chance.randint(2, 9)})
    watched = random_policy(chance)
    plain = replace(watched, max_exposure_ppb=None, exits=Exits(), breaker=BreakerRules(), anomalies=AnomalyRules())
    plain = replace(plain, adaptive=AdaptiveRules(), sizing=Sizing())
    configuration = Configuration(instances=(wishful,), policy=plain, rules=random_rules(chance), initial_cash=CASH)
    assert assert_equal(configuration, data)


def test_risk_managers_and_detectors_of_the_users_own(authors: Path) -> None:
    data = load("coinbase-4h", start="2021-05-01", end="2021-06-10")
    configuration = random_configuration(random.Random(3), authors, Instance("first", f"{authors}:Wishful"))
    policy = replace(configuration.policy, breaker=BreakerRules(trips_on_anomaly=True, resumes_by_itself=True))
    happened = assert_equal(replace(configuration, policy=policy), data, plug_ins=True)
    reasons = {event.reason for event in happened if isinstance(event, OrderRefused)}
    assert reasons >= {RefusalReason.VETOED, RefusalReason.BREAKER_OPEN}


def test_play_leaves_the_records_of_every_event(authors: Path) -> None:
    data = load("coinbase-4h", start="2021-04-01", end="2021-06-10")
    configuration = random_configuration(random.Random(4), authors, Instance("first", f"{authors}:Wishful"))
    played = pipeline.play(configuration, data, lambda _: None)
    assert first_difference(from_events(pipeline.events(configuration, data)), played.records) is None


def test_a_strategy_that_raises_ends_the_run(authors: Path) -> None:
    data = load("coinbase-4h", start="2021-04-01", end="2021-04-10")
    configuration = random_configuration(random.Random(1), authors, Instance("broken", f"{authors}:Raises"))
    with pytest.raises(StrategyError, match="broken on BTC-USD raised ValueError: the seventh bar"):
        pipeline.play(configuration, data, lambda _: None)


def test_a_quiet_bar_that_begins_before_the_last_one_closed_is_refused(authors: Path) -> None:
    data = load("coinbase-4h", start="2021-04-01", end="2021-05-01")
    configuration = random_configuration(random.Random(1), authors, Instance("first", f"{authors}:Turns"))
    first, second, third = ((bars[0],) for bars in islice(bar_times(data), 3))
    early = (third[0]._replace(open_ns=second[0].open_ns),)
    for played in ([first, second, early], [second, first], [first, second, third, third]):
        with pytest.raises(InvalidData):
            list(Stages(configuration, data).engine.play(played, EquityRows()))


def test_bars_of_one_time_stand_together_by_symbol() -> None:
    data = with_gaps(load("coinbase-4h", start="2021-04-01", end="2021-05-01"), random.Random(1))
    rows = [(bars[0].ts_ns, tuple(bar.event() for bar in bars)) for bars in bar_times(data)]
    assert rows == list(data.steps())
    assert any(len(one[1]) != len(other[1]) for one, other in combinations(rows[:60], 2))

"""The kernels of risk compiled by numba: the same numbers as plain Python, over random bars, equities and trades.

Amounts are chosen so that no product leaves 64 bits: here `mul_div` is compiled as it is written.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from n1v1.events import Wish
from n1v1.kernels import Record, load_record, new_record, store_record
from n1v1.risk.account import (
    ACCOUNT,
    NO_EXIT,
    PURPOSES,
    SYMBOL,
    book_fill,
    measure_anew,
    open_account,
    own_exit,
    release,
    reserve,
    symbol_exposure,
)
from n1v1.risk.breaker import observe_equity
from n1v1.risk.limits import BUY, CLOSE, DECISION, SELL, WISH, decide, decide_closing
from n1v1.risk.market import observe_bar, take_severity
from n1v1.risk.policy import (
    MINUTE_NS,
    POLICY,
    AdaptiveRules,
    AnomalyRules,
    BreakerRules,
    Cooldown,
    DrawdownGuard,
    Exits,
    LowProfitGuard,
    RiskPolicy,
    Sizing,
    SizingMethod,
    StoplossGuard,
    StopMethod,
    TargetMethod,
    TrailMethod,
)
from n1v1.risk.records import wish_record
from n1v1.values import PPB, Instrument, Purpose

Kernel = Callable[..., Any]
PERCENT = PPB // 100
COARSE = Instrument(
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    lot_size=Decimal("0.0001"),
    quantum=Decimal("0.0001"),
    step_lots=100,
    min_notional=1_000,
    max_quantity=Decimal(100_000),
    can_short=True,
)
INSTRUMENT = np.dtype([("notional_divisor", "i8"), ("step_lots", "i8"), ("min_notional", "i8"), ("can_short", "i8")])
EVERYTHING = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=50 * PERCENT,
    max_drawdown_ppb=90 * PERCENT,
    breaker_drawdown_ppb=8 * PERCENT,
    max_positions=1,
    cost_ppb=2_000_000,
    valid_for_ns=1,
    max_daily_loss_ppb=10 * PERCENT,
    emergency_loss_ppb=30 * PERCENT,
    max_exposure_ppb=90 * PERCENT,
    max_open_risk_ppb=PERCENT,
    max_orders=20,
    max_same_orders=8,
    order_window_ns=60 * MINUTE_NS,
    exits=Exits(
        stop_method=StopMethod.ATR,
        target_method=TargetMethod.TREND,
        trail_method=TrailMethod.ATR,
        max_bars_held=9,
        exits_on_regime_change=True,
    ),
    breaker=BreakerRules(losses_to_trip=4, resumes_by_itself=True, trips_on_volatility=0.5, trips_on_anomaly=True),
    cooldown=Cooldown(lock_ns=2 * MINUTE_NS),
    stoploss_guard=StoplossGuard(trade_limit=4, only_per_side=True),
    low_profit_guard=LowProfitGuard(trade_limit=3, required_profit_ppb=-PERCENT, lock_ns=3 * MINUTE_NS),
    drawdown_guard=DrawdownGuard(trade_limit=5, max_allowed_ppb=30 * PERCENT, lock_ns=3 * MINUTE_NS),
    anomalies=AnomalyRules(price_window=20, volume_window=20, gap_threshold_pct=5.0, filter_window=20),
    adaptive=AdaptiveRules(is_adaptive=True, kill_losses=30, kill_window_ns=60 * MINUTE_NS),
)


def as_numpy(record: Record, layout: np.dtype[Any]) -> Any:
    stored = np.zeros(1, layout)
    store_record(record, stored[0:1].reshape(()))
    return stored[0]


def _instrument_record() -> Any:
    record = np.zeros(1, INSTRUMENT)[0]
    for name in INSTRUMENT.names or ():
        record[name] = int(getattr(COARSE, name))
    return record


class Driver:
    """One way to run the kernels: plain, or compiled."""

    def __init__(self, policy: RiskPolicy, how: Callable[[Kernel], Kernel], *, is_plain: bool) -> None:
        self.how = how
        self.is_plain = is_plain
        self.policy = policy.record() if is_plain else as_numpy(policy.record(), POLICY)
        self.account, self.symbol, self.decision = (self._new(layout) for layout in (ACCOUNT, SYMBOL, DECISION))
        self.instrument = COARSE if is_plain else _instrument_record()

    def _new(self, layout: np.dtype[Any]) -> Any:
        return new_record(layout) if self.is_plain else np.zeros(1, layout)[0]

    def call(self, kernel: Kernel, *given: Any) -> Any:
        return self.how(kernel)(*given)

    def wish(self, wish: Wish) -> Any:
        return wish_record(wish) if self.is_plain else as_numpy(wish_record(wish), WISH)

    def number(self, record: Any, name: str) -> int:
        return int(getattr(record, name) if self.is_plain else record[name])

    def everything(self) -> list[bytes]:
        return [
            self._bytes(record, layout)
            for record, layout in ((self.account, ACCOUNT), (self.symbol, SYMBOL), (self.decision, DECISION))
        ]

    def _bytes(self, record: Any, layout: np.dtype[Any]) -> bytes:
        stored: NDArray[Any] = np.zeros((), layout)
        if self.is_plain:
            store_record(record, stored)
            return stored.tobytes()
        again = new_record(layout)
        load_record(again, np.array([record], layout)[0:1].reshape(()))
        store_record(again, stored)
        return stored.tobytes()


def live(driver: Driver, *, seed: int, minutes: int) -> list[tuple[int, ...]]:
    """A random account: bars, entries, stops, exits, an operator. Answers every verdict."""
    chance = random.Random(seed)
    equity, price, verdicts = 100_000_000, 1_000_000, []
    driver.call(open_account, driver.account, equity, equity, equity)
    for minute in range(minutes):
        ts_ns = (19_000 * 1_440 + minute * 7) * MINUTE_NS
        opened, price = price, max(1_000, int(price * (1.0 + chance.gauss(0.0, 0.02))))
        high, low = max(opened, price) + 10, min(opened, price) - 10
        bar = (opened, high, low, price, chance.randint(1, 1_000))
        held = _lots(driver)
        if held and chance.random() < 0.3:
            _fill(driver, -held, price, Purpose.STOP_LOSS if chance.random() < 0.7 else Purpose.EXIT, ts_ns)
        if driver.is_plain:
            driver.symbol.mark_ticks = price
        else:
            driver.symbol["mark_ticks"] = price
        driver.call(observe_bar, driver.policy, driver.account, driver.symbol, *bar)
        if chance.random() < 0.02:
            driver.call(take_severity, driver.policy, driver.account, driver.symbol, chance.randint(0, 4))
        worth = driver.number(driver.account, "cash") + _lots(driver) * price // COARSE.notional_divisor
        driver.call(observe_equity, driver.policy, driver.account, worth, ts_ns)
        if chance.random() < 0.1:
            driver.call(measure_anew, driver.policy, driver.account)
        exposure = driver.call(symbol_exposure, driver.symbol, driver.instrument)
        if driver.is_plain:
            driver.account.exposure = exposure
        else:
            driver.account["exposure"] = exposure
        verdicts.append(_decide(driver, chance, price, ts_ns))
    return verdicts


def _lots(driver: Driver) -> int:
    return int(driver.symbol.position.lots if driver.is_plain else driver.symbol["position"]["lots"])


def _decide(driver: Driver, chance: random.Random, price: int, ts_ns: int) -> tuple[int, ...]:
    purpose = driver.call(own_exit, driver.policy, driver.account, driver.symbol)
    if purpose != NO_EXIT:
        driver.call(decide_closing, driver.symbol, driver.instrument, purpose, driver.decision)
    else:
        wish = Wish(
            stop_ppb=chance.choice([None, 0, 3 * PERCENT]),
            limit_ticks=chance.choice([None, None, price - 500]),
            fraction_ppb=chance.choice([None, 20 * PERCENT]),
        )
        action = chance.choice([BUY, SELL, CLOSE])
        driver.call(
            decide,
            driver.policy,
            driver.account,
            driver.symbol,
            driver.instrument,
            driver.wish(wish),
            action,
            ts_ns,
            driver.decision,
        )
    reason = driver.number(driver.decision, "reason")
    if reason == 0:
        driver.call(reserve, driver.account, driver.symbol, driver.decision, ts_ns)
        lots = driver.number(driver.decision, "lots") * driver.number(driver.decision, "side")
        if chance.random() < 0.8:
            purpose = PURPOSES[driver.number(driver.decision, "purpose")]
            base_fee_lots = chance.choice([0, lots // 900]) if lots > 0 else 0
            _fill(driver, lots, price, purpose, ts_ns, is_reserved=1, base_fee_lots=base_fee_lots)
        else:
            driver.call(release, driver.policy, driver.account, driver.symbol, driver.instrument, ts_ns)
    return tuple(driver.number(driver.decision, name) for name in DECISION.names or ())


def _fill(
    driver: Driver, lots: int, price: int, purpose: Purpose, ts_ns: int, *, is_reserved: int = 0, base_fee_lots: int = 0
) -> None:
    side, value = (1 if lots > 0 else -1), abs(lots) * price // COARSE.notional_divisor
    code = PURPOSES.index(purpose)
    driver.call(
        book_fill,
        driver.policy,
        driver.account,
        driver.symbol,
        driver.instrument,
        side,
        abs(lots),
        value,
        value // 1_000,
        base_fee_lots,
        code,
        ts_ns,
        is_reserved,
        1,
    )


def plain(kernel: Kernel) -> Kernel:
    return kernel


@pytest.mark.parametrize(
    "policy",
    [
        EVERYTHING,
        replace(EVERYTHING, sizing=Sizing(sizing_method=SizingMethod.KELLY), adaptive=AdaptiveRules()),
        replace(EVERYTHING, sizing=Sizing(sizing_method=SizingMethod.ADAPTIVE_ATR), breaker=BreakerRules()),
    ],
    ids=["everything", "kelly", "adaptive_atr"],
)
def test_compiled_and_plain_give_the_same_to_the_bit(policy: RiskPolicy, compiled: Callable[[Kernel], Kernel]) -> None:
    one, other = Driver(policy, plain, is_plain=True), Driver(policy, compiled, is_plain=False)
    expected, found = live(one, seed=4, minutes=600), live(other, seed=4, minutes=600)
    assert found == expected
    assert other.everything() == one.everything()
    assert len({verdict[0] for verdict in expected}) > 5, "few of the reasons were reached: the test says little"

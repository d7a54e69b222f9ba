"""Unusual bars, and how much of an entry the adaptive policy leaves, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from n1v1.errors import InvalidValue
from n1v1.kernels import Record, new_record
from n1v1.risk.account import ACCOUNT, SYMBOL
from n1v1.risk.adaptive import Mode, adaptive_mode, adaptive_multiplier, daily_sharpe
from n1v1.risk.anomalies import ANOMALIES, CRITICAL, HIGH, LOW, MEDIUM, SERIES, observe_anomalies, score, severity_of
from n1v1.risk.breaker import CAUSE_ANOMALY, CAUSE_VOLATILITY
from n1v1.risk.market import observe_bar
from n1v1.risk.policy import DAY_NS, HOUR_NS, AdaptiveRules, AnomalyRules, BreakerRules, RiskPolicy
from n1v1.values import PPB

PERCENT = PPB // 100
NOW = 19_000 * DAY_NS
POLICY = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=PPB,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=None,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=1,
)


def severities(rules: AnomalyRules, closes: list[float], *, volumes: list[float] | None = None) -> list[int]:
    """Bars that open at the close before them."""
    policy, state = replace(POLICY, anomalies=rules).record(), new_record(ANOMALIES)
    found, opened = [], closes[0]
    for close, volume in zip(closes, volumes or [1.0] * len(closes), strict=True):
        found.append(observe_anomalies(policy, state, opened, close, volume))
        opened = close
    return found


class TestDetectors:
    @pytest.mark.parametrize(
        ("found", "severity"), [(2.9, 0), (3.0, MEDIUM), (3.9, MEDIUM), (4.0, HIGH), (5.0, CRITICAL)]
    )
    def test_severities_of_the_price(self, found: float, severity: int) -> None:
        assert severity_of(found, 3.0, 2.0, 3.0, 4.0, 5.0) == severity

    def test_a_lower_threshold_shows_low_anomalies(self) -> None:
        assert severity_of(2.0, 2.0, 2.0, 3.0, 4.0, 5.0) == LOW

    def test_the_bar_is_measured_by_those_before_it(self) -> None:
        """1, 2, 3: mean 2, sample deviation 1; 7 is five deviations away."""
        series = new_record(SERIES)
        assert [score(series, value, 3) for value in (1.0, 2.0, 3.0, 7.0)] == [0.0, 0.0, 0.0, 5.0]

    def test_after_standstill_a_move_has_no_score(self) -> None:
        series = new_record(SERIES)
        assert [score(series, value, 2) for value in (1.0, 1.0, 9.0)] == [0.0, 0.0, 0.0]

    def test_a_volume_of_fifteen_deviations_is_critical(self) -> None:
        rules = AnomalyRules(volume_window=3)
        assert severities(rules, [1.0] * 4, volumes=[1.0, 2.0, 3.0, 17.0]) == [0, 0, 0, CRITICAL]
        assert severities(rules, [1.0] * 4, volumes=[1.0, 2.0, 3.0, 16.9]) == [0, 0, 0, HIGH]

    def test_a_trend_is_no_anomaly_and_a_crash_in_it_is(self) -> None:
        closes = [math.exp(0.01 * bar + (0.001 if bar % 2 else 0.0)) for bar in range(60)]
        rules = AnomalyRules(price_window=50)
        assert severities(rules, closes) == [0] * 60
        assert severities(rules, [*closes, closes[-1] * 0.9])[-1] == CRITICAL

    @pytest.mark.parametrize(("opened", "severity"), [(104.9, 0), (105.0, MEDIUM), (90.0, HIGH), (115.0, CRITICAL)])
    def test_a_gap_in_percent(self, opened: float, severity: int) -> None:
        policy, state = replace(POLICY, anomalies=AnomalyRules(gap_threshold_pct=5.0)).record(), new_record(ANOMALIES)
        assert observe_anomalies(policy, state, 100.0, 100.0, 1.0) == 0
        assert observe_anomalies(policy, state, opened, 100.0, 1.0) == severity

    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_the_filter_sees_a_jump_whatever_the_digits_of_the_price(self, scale: float) -> None:
        closes = [scale * math.exp(0.01 * math.sin(bar)) for bar in range(120)]
        rules = AnomalyRules(filter_window=50)
        assert max(severities(rules, closes)) == 0
        assert severities(rules, [*closes, closes[-1] * 1.2])[-1] == HIGH

    def test_a_window_that_does_not_fit_is_refused(self) -> None:
        with pytest.raises(InvalidValue, match="price_window: expected 2 to 256 bars, or 0; got 257"):
            AnomalyRules(price_window=257)


class TestTheBreakerHears:
    def watched(self, policy: RiskPolicy, closes: list[int]) -> tuple[Record, Record]:
        account, symbol = new_record(ACCOUNT), new_record(SYMBOL)
        for close in closes:
            observe_bar(policy.record(), account, symbol, close, close, close, close, 1)
        return account, symbol

    def test_a_critical_anomaly_when_it_may(self) -> None:
        policy = replace(POLICY, anomalies=AnomalyRules(gap_threshold_pct=5.0))
        assert self.watched(policy, [100, 120])[0].pending_causes == 0
        may = replace(policy, breaker=BreakerRules(trips_on_anomaly=True))
        assert self.watched(may, [100, 120])[0].pending_causes == CAUSE_ANOMALY

    def test_volatility_once_when_it_rises_above_the_threshold(self) -> None:
        policy = replace(POLICY, breaker=BreakerRules(trips_on_volatility=0.05))
        quiet = [10_000 + bar % 2 for bar in range(22)]
        account, symbol = self.watched(policy, quiet)
        assert account.pending_causes == 0
        assert 0.0 < symbol.market.volatility < 0.05
        account, symbol = self.watched(policy, [*quiet, 15_000])
        assert account.pending_causes == CAUSE_VOLATILITY
        account.pending_causes = 0
        observe_bar(policy.record(), account, symbol, 15_000, 15_000, 15_000, 15_000, 1)
        assert account.pending_causes == 0

    def test_nothing_is_measured_that_nobody_asked_for(self) -> None:
        _, symbol = self.watched(POLICY, [100 * 2**bar for bar in range(30)])
        assert (symbol.market.atr_ticks, symbol.market.adx, symbol.market.volatility) == (0.0, 0.0, 0.0)


ADAPTIVE = AdaptiveRules(is_adaptive=True, max_multiplier=2.0)


def multiplier(
    *,
    rules: AdaptiveRules = ADAPTIVE,
    atr: float = 0.0,
    adx: float = 0.0,
    losses: int = 0,
    wins_of_ten: int | None = None,
) -> float:
    """For a price of 1,000 ticks; trades of the last day."""
    account, symbol = new_record(ACCOUNT), new_record(SYMBOL)
    symbol.mark_ticks, symbol.market.atr_ticks, symbol.market.adx = 1_000, atr, adx
    account.losses_in_a_row = losses
    if wins_of_ten is not None:
        account.trade_count = 10
        account.trade_closed_ns[:10] = NOW - DAY_NS - HOUR_NS
        account.trade_profit_ppb[:10] = [1] * wins_of_ten + [-1] * (10 - wins_of_ten)
    found = adaptive_multiplier(replace(POLICY, adaptive=rules).record(), account, symbol, NOW)
    assert isinstance(found, float)
    return found


class TestTheMultiplier:
    @pytest.mark.parametrize(
        ("atr", "adx", "expected"),
        [
            (0.0, 0.0, 1.2),  # nothing known: no risk seen
            (25.0, 30.0, 1.2),  # low volatility, a trend
            (26.0, 30.0, 1.1),  # moderate: 1
            (51.0, 30.0, 1.0 * 0.9),  # high: 2
            (51.0, 24.0, 1.0 * 0.9),  # and no trend: 3
            (101.0, 24.0, 0.7 * 0.8),  # very high and no trend: 4
            (101.0, 19.0, 0.7 * 0.8 * 0.9),  # very high and none at all: 5
            (0.0, 41.0, 1.2 * 1.1),
        ],
    )
    def test_of_the_market(self, atr: float, adx: float, expected: float) -> None:
        assert multiplier(atr=atr, adx=adx) == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("losses", "expected"), [(2, 1.2), (3, 1.2 * 0.7 * 0.8), (4, 1.2 * 0.7 * 0.8), (5, 1.2 * 0.5 * 0.6)]
    )
    def test_losses_in_a_row_are_punished_twice(self, losses: int, expected: float) -> None:
        assert multiplier(losses=losses) == pytest.approx(expected)

    def test_or_once(self) -> None:
        assert multiplier(losses=5, rules=replace(ADAPTIVE, counts_losses_once=True)) == pytest.approx(1.2 * 0.5)

    @pytest.mark.parametrize(("wins", "expected"), [(3, 1.2 * 0.8), (4, 1.2), (6, 1.2), (7, 1.2 * 1.1)])
    def test_of_the_win_rate(self, wins: int, expected: float) -> None:
        assert multiplier(wins_of_ten=wins) == pytest.approx(expected)

    def test_it_stays_within_its_bounds(self) -> None:
        assert multiplier(rules=AdaptiveRules(is_adaptive=True)) == 1.0
        low = AdaptiveRules(is_adaptive=True, min_multiplier=0.5)
        assert multiplier(rules=low, losses=9, atr=200.0, adx=10.0) == 0.5

    def test_the_sharpe_ratio_is_that_of_daily_equity(self) -> None:
        """Changes of +1 %, -1 %, +1 %, -1 %, +1 %: mean 0.002, deviation sqrt(0.00012), a year of 365 days."""
        account = new_record(ACCOUNT)
        equity = 1e9
        for day, change in enumerate((0.0, 0.01, -0.01, 0.01, -0.01, 0.01)):
            equity *= 1.0 + change
            account.day_equity[day] = round(equity)
        account.day_count = 6
        policy = replace(POLICY, adaptive=ADAPTIVE).record()
        assert daily_sharpe(policy, account) == pytest.approx(0.002 / math.sqrt(0.00012) * math.sqrt(365), rel=1e-5)
        account.day_count = 5
        assert math.isnan(daily_sharpe(policy, account))


class TestTheMode:
    @pytest.mark.parametrize(
        ("losses", "mode"), [(0, Mode.NORMAL), (2, Mode.NORMAL), (3, Mode.CAUTION), (5, Mode.DEFENSIVE)]
    )
    def test_it_follows_the_losses_in_a_row(self, losses: int, mode: Mode) -> None:
        account = new_record(ACCOUNT)
        account.losses_in_a_row = losses
        assert Mode(adaptive_mode(replace(POLICY, adaptive=ADAPTIVE).record(), account, NOW)) is mode

    def test_too_many_losses_in_a_day_are_the_kill_switch(self) -> None:
        account = new_record(ACCOUNT)
        account.trade_count = 10
        account.trade_closed_ns[:10] = NOW - 24 * HOUR_NS
        account.trade_profit_ppb[:10] = -1
        policy = replace(POLICY, adaptive=ADAPTIVE).record()
        assert Mode(adaptive_mode(policy, account, NOW)) is Mode.KILL_SWITCH
        assert Mode(adaptive_mode(policy, account, NOW + 1)) is Mode.NORMAL
        account.trade_profit_ppb[4] = 0
        assert Mode(adaptive_mode(policy, account, NOW)) is Mode.NORMAL

"""The circuit breaker by hand: 1,000,000 quanta, trips at a loss of a tenth, minutes of market time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.kernels import Record, new_record
from n1v1.risk.account import ACCOUNT, measure_anew, open_account
from n1v1.risk.breaker import (
    CAUSE_ANOMALY,
    CAUSE_DAILY_LOSS,
    CAUSE_DRAWDOWN,
    CAUSE_LOSSES,
    TRANSITIONS,
    BreakerState,
    Happening,
    breaker_is_open,
    cooldown_after,
    must_flatten,
    note_cause,
    note_trade_result,
    observe_equity,
)
from n1v1.risk.policy import DAY_NS, HOUR_NS, MINUTE_NS, BreakerRules, CooldownMethod, RiskPolicy
from n1v1.values import PPB

PERCENT = PPB // 100
START = 1_000_000
NOON = 19_000 * DAY_NS + 12 * HOUR_NS
RULES = BreakerRules(losses_to_trip=3, resumes_by_itself=True, max_trips=2)
POLICY = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=PPB,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=10 * PERCENT,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=1,
    breaker=RULES,
)
NORMAL, MONITORING, TRIGGERED, COOLING, RECOVERY, EMERGENCY = BreakerState


class Desk:
    """An account whose equity is looked at minute by minute."""

    def __init__(self, policy: RiskPolicy = POLICY) -> None:
        self.policy = policy.record()
        self.account: Record = new_record(ACCOUNT)
        open_account(self.account, START, START, START)
        self.at(0, START)

    def at(self, minute: float, equity: int) -> BreakerState:
        observe_equity(self.policy, self.account, equity, NOON + int(minute * MINUTE_NS))
        return self.state

    def trades(self, *, lost: int = 0, won: int = 0) -> None:
        for result in [True] * lost + [False] * won:
            note_trade_result(self.policy, self.account, result)

    @property
    def state(self) -> BreakerState:
        return BreakerState(self.account.breaker_state)


class TestTheTable:
    def test_it_has_every_transition_of_the_original(self) -> None:
        assert {
            (before.name, happening.name.lower(), after.name)
            for (before, happening), after in TRANSITIONS.items()
            if happening is not Happening.RELEASE and before is not after
        } == {
            ("NORMAL", "trigger", "TRIGGERED"),
            ("NORMAL", "monitor", "MONITORING"),
            ("MONITORING", "trigger", "TRIGGERED"),
            ("MONITORING", "calm", "NORMAL"),
            ("TRIGGERED", "cool", "COOLING"),
            ("TRIGGERED", "escalate", "EMERGENCY"),
            ("COOLING", "recover", "RECOVERY"),
            ("COOLING", "trigger", "TRIGGERED"),
            ("RECOVERY", "calm", "NORMAL"),
            ("RECOVERY", "trigger", "TRIGGERED"),
            ("EMERGENCY", "calm", "NORMAL"),
        }

    def test_every_halted_state_can_be_released_by_hand(self) -> None:
        released = {before for (before, happening) in TRANSITIONS if happening is Happening.RELEASE}
        assert released == {state for state in BreakerState if state.is_open}

    def test_entries_are_refused_from_the_trip_to_the_end_of_the_recovery(self) -> None:
        assert [state for state in BreakerState if not state.is_open] == [NORMAL, MONITORING]


class TestARow:
    """One test per row of the table."""

    def test_normal_is_left_for_monitoring_at_half_of_the_allowed_drawdown(self) -> None:
        desk = Desk()
        assert desk.at(1, 950_001) is NORMAL
        assert desk.at(2, 950_000) is MONITORING
        assert not breaker_is_open(desk.account)

    def test_monitoring_is_left_when_the_loss_is_made_good(self) -> None:
        desk = Desk()
        assert desk.at(1, 950_000) is MONITORING
        assert desk.at(2, 950_001) is NORMAL

    def test_normal_is_left_by_a_crash(self) -> None:
        desk = Desk()
        assert desk.at(1, 900_001) is MONITORING
        desk = Desk()
        assert desk.at(1, 900_000) is TRIGGERED
        assert (desk.account.breaker_cause, desk.account.breaker_drawdown_ppb) == (CAUSE_DRAWDOWN, 10 * PERCENT)

    def test_monitoring_is_left_by_a_crash(self) -> None:
        desk = Desk()
        assert [desk.at(1, 940_000), desk.at(2, 900_000)] == [MONITORING, TRIGGERED]

    def test_triggered_cools_from_the_next_bar_on(self) -> None:
        desk = Desk()
        assert [desk.at(1, 900_000), desk.at(2, 900_000), desk.at(5, 900_000)] == [TRIGGERED, COOLING, COOLING]

    def test_cooling_ends_five_minutes_after_the_trip_and_recovery_ten_later(self) -> None:
        desk = Desk()
        desk.at(1, 900_000)
        assert [desk.at(5.99, 900_000), desk.at(6, 900_000)] == [COOLING, RECOVERY]
        assert [desk.at(15.99, 900_000), desk.at(16, 900_000)] == [RECOVERY, NORMAL]

    def test_bars_longer_than_the_timers_leave_several_states_at_once(self) -> None:
        desk = Desk()
        assert [desk.at(1, 900_000), desk.at(241, 900_000)] == [TRIGGERED, NORMAL]

    def test_a_second_crash_is_seen_while_cooling(self) -> None:
        desk = Desk()
        assert [desk.at(1, 900_000), desk.at(2, 810_001)] == [TRIGGERED, COOLING]
        assert desk.at(3, 810_000) is TRIGGERED
        # the second trip within the hour cools twice as long: until minute 13
        assert [desk.at(12.9, 810_000), desk.at(13, 810_000)] == [COOLING, RECOVERY]

    def test_a_second_crash_is_seen_while_recovering(self) -> None:
        desk = Desk()
        assert [desk.at(1, 900_000), desk.at(7, 900_000), desk.at(8, 810_000)] == [TRIGGERED, RECOVERY, TRIGGERED]

    def test_more_trips_than_allowed_within_the_hour_are_an_emergency(self) -> None:
        desk = Desk()
        assert [desk.at(1, 900_000), desk.at(2, 810_000), desk.at(3, 729_000)] == [TRIGGERED, TRIGGERED, EMERGENCY]
        assert must_flatten(desk.account)

    def test_trips_that_are_an_hour_apart_are_not(self) -> None:
        desk = Desk()
        assert [desk.at(1, 900_000), desk.at(61, 810_000), desk.at(121, 729_000)] == [TRIGGERED] * 3

    def test_an_emergency_ends_by_hand_only(self) -> None:
        desk = Desk()
        for minute, equity in ((1, 900_000), (2, 810_000), (3, 729_000)):
            desk.at(minute, equity)
        assert desk.at(10_000, 2_000_000) is EMERGENCY
        measure_anew(desk.policy, desk.account)
        assert desk.state is NORMAL
        assert desk.at(10_001, 2_000_000) is NORMAL


class TestWhatTripsIt:
    def test_a_row_of_losing_trades(self) -> None:
        desk = Desk()
        desk.trades(lost=2, won=1)
        desk.trades(lost=2)
        assert desk.at(1, START) is NORMAL
        desk.trades(lost=1)
        assert desk.at(2, START) is TRIGGERED
        assert desk.account.breaker_cause == CAUSE_LOSSES

    def test_the_same_losses_do_not_trip_it_twice(self) -> None:
        desk = Desk()
        desk.trades(lost=3)
        assert [desk.at(1, START), desk.at(30, START)] == [TRIGGERED, NORMAL]

    def test_losses_bring_monitoring_nearer(self) -> None:
        """Two of three losses are 0.3 x 2/3 = 0.2; the missing 0.1 of 0.6 is a sixth of the allowed drawdown."""
        desk = Desk()
        desk.trades(lost=2)
        assert desk.at(1, 983_334) is NORMAL
        assert desk.at(2, 983_333) is MONITORING
        desk.trades(won=1)
        assert desk.at(3, 983_333) is NORMAL

    def test_something_seen_on_a_bar(self) -> None:
        desk = Desk()
        note_cause(desk.account, CAUSE_ANOMALY)
        assert desk.at(1, START) is TRIGGERED
        assert desk.account.breaker_cause == CAUSE_ANOMALY
        assert desk.at(2, START) is COOLING

    def test_a_daily_loss_beyond_the_emergency(self) -> None:
        desk = Desk(replace(POLICY, breaker_drawdown_ppb=None, emergency_loss_ppb=15 * PERCENT))
        assert [desk.at(1, 850_001), desk.at(2, 850_000)] == [NORMAL, EMERGENCY]
        assert desk.account.breaker_cause == CAUSE_DAILY_LOSS

    def test_the_day_starts_with_the_equity_of_midnight(self) -> None:
        desk = Desk(replace(POLICY, breaker_drawdown_ppb=None, emergency_loss_ppb=15 * PERCENT))
        desk.at(719, 900_000)
        assert desk.at(720, 860_000) is NORMAL  # midnight
        assert desk.at(721, 731_001) is NORMAL
        assert desk.at(722, 731_000) is EMERGENCY  # 15 % of 860,000 are 129,000

    def test_a_gap_over_midnight_starts_the_day_with_what_was_known_before_it(self) -> None:
        desk = Desk(replace(POLICY, breaker_drawdown_ppb=None, emergency_loss_ppb=15 * PERCENT))
        desk.at(700, 1_000_000)
        assert desk.at(730, 850_000) is EMERGENCY

    def test_without_a_threshold_nothing_does(self) -> None:
        desk = Desk(replace(POLICY, breaker_drawdown_ppb=None, breaker=BreakerRules()))
        desk.trades(lost=100)
        assert desk.at(1, 1) is NORMAL


class TestByHand:
    def test_a_breaker_that_does_not_resume_by_itself_waits_for_a_person(self) -> None:
        desk = Desk(replace(POLICY, breaker=BreakerRules()))
        assert [desk.at(1, 900_000), desk.at(100_000, 1_500_000)] == [TRIGGERED, TRIGGERED]

    def test_after_a_release_the_loss_counts_anew(self) -> None:
        desk = Desk()
        desk.at(1, 900_000)
        measure_anew(desk.policy, desk.account)
        assert [desk.at(2, 900_000), desk.at(3, 810_001), desk.at(4, 810_000)] == [NORMAL, MONITORING, TRIGGERED]


class TestRecovery:
    def test_an_account_that_lost_more_and_only_lost_stays_halted(self) -> None:
        desk = Desk()
        desk.at(1, 900_000)
        desk.trades(lost=3)
        desk.account.breaker_losses = 0  # the losses are the trip's, not a new one
        assert desk.at(30, 854_999) is COOLING  # 95 % of 900,000 are 855,000
        assert desk.at(31, 855_000) is RECOVERY
        assert [desk.at(39.9, 900_000), desk.at(40, 900_000)] == [RECOVERY, NORMAL]  # ten minutes after it stood

    def test_one_winner_among_the_last_three_is_enough(self) -> None:
        desk = Desk()
        desk.at(1, 900_000)
        desk.trades(won=1, lost=2)
        assert desk.at(30, 854_999) is MONITORING


class TestTheCooldown:
    @pytest.mark.parametrize(
        ("method", "minutes"),
        [
            (CooldownMethod.FIXED, [5, 5, 5, 5, 5, 5]),
            (CooldownMethod.EXPONENTIAL, [5, 10, 20, 40, 60, 60]),
            (CooldownMethod.FIBONACCI, [5, 5, 10, 15, 25, 40]),
        ],
    )
    def test_it_grows_with_the_trips(self, method: CooldownMethod, minutes: list[int]) -> None:
        policy = replace(POLICY, breaker=replace(RULES, cooldown_method=method)).record()
        assert [cooldown_after(policy, trips) // MINUTE_NS for trips in range(1, 7)] == minutes


equities = st.lists(
    st.tuples(st.integers(1, 600), st.integers(-40_000, 40_000), st.sampled_from(["", "lost", "won"])), max_size=60
)
policies = st.sampled_from(
    [
        POLICY,
        replace(POLICY, breaker=replace(RULES, losses_to_trip=0)),
        replace(POLICY, breaker_drawdown_ppb=None),
        replace(POLICY, breaker_drawdown_ppb=None, emergency_loss_ppb=3 * PERCENT, breaker=BreakerRules()),
        replace(POLICY, max_daily_loss_ppb=2 * PERCENT, emergency_loss_ppb=12 * PERCENT),
    ]
)

WATCHES = ("watch_below", "watch_above", "wake_ns")


DAYS = ("day_end_ns", "day_start_equity", "day_count", "day_equity")


def known(policy: Record, account: Record) -> dict[str, object]:
    """What the policy needs of an account."""
    unused = (*WATCHES, *(() if policy.watches_days else DAYS))
    unused += () if policy.breaker_drawdown_ppb else ("breaker_peak", "breaker_drawdown_ppb")
    names = [name for name in ACCOUNT.names or () if name not in unused]
    values = {name: getattr(account, name) for name in names}
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in values.items()}


@settings(max_examples=150)
@given(policies, equities)
def test_a_bar_that_is_passed_over_would_have_changed_nothing(
    policy: RiskPolicy, moves: list[tuple[int, int, str]]
) -> None:
    """The shortcut between the watched equities gives what looking closely on every bar gives."""
    quick, careful = Desk(policy), Desk(policy)
    minute, equity = 0, START
    for minutes, change, trade in moves:
        minute, equity = minute + minutes, max(1, equity + change)
        for desk in (quick, careful):
            desk.trades(lost=trade == "lost", won=trade == "won")
        careful.account.wake_ns = 0
        quick.at(minute, equity)
        careful.at(minute, equity)
        assert known(quick.policy, quick.account) == known(careful.policy, careful.account)

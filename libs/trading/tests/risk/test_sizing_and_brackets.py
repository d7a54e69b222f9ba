"""Entries by hand: 10,000 dollars, BTC at 10,000.00; what is asked for, where it is protected, what cuts it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import InvalidValue
from n1v1.events import NO_WISH, Bracket, Wish
from n1v1.kernels import Record, new_record
from n1v1.risk.account import ACCOUNT, open_account, release, reserve
from n1v1.risk.limits import BUY, DECISION, SELL, decide
from n1v1.risk.policy import Exits, RiskPolicy, Sizing, SizingMethod, StopMethod, TargetMethod, TrailMethod
from n1v1.risk.reasons import REASONS, RefusalReason
from n1v1.risk.records import symbol_record, wish_record
from n1v1.rounding import notional, share
from n1v1.values import PPB, Instrument

USD = 100_000_000
PERCENT = PPB // 100
BITCOIN = 100_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD", can_short=True)
POLICY = RiskPolicy(
    position_fraction_ppb=10 * PERCENT,
    max_position_ppb=50 * PERCENT,
    max_drawdown_ppb=PPB,
    breaker_drawdown_ppb=None,
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=1,
)


class Desk:
    def __init__(self, policy: RiskPolicy = POLICY, *, equity: int = 10_000 * USD, cash: int | None = None) -> None:
        self.policy = policy.record()
        self.account: Record = new_record(ACCOUNT)
        self.symbol = symbol_record(BTC, policy, index=0)
        self.decision: Record = new_record(DECISION)
        self.symbol.mark_ticks = 1_000_000
        open_account(self.account, equity if cash is None else cash, equity, equity)

    def ask(self, wish: Wish = NO_WISH, *, action: int = BUY) -> Record:
        reason = decide(
            self.policy, self.account, self.symbol, BTC, wish_record(wish), action, 1_000_000_000, self.decision
        )
        assert reason == self.decision.reason
        return self.decision

    def bracket(self, wish: Wish = NO_WISH, *, action: int = BUY) -> Bracket:
        found = self.ask(wish, action=action)
        assert found.reason == 0
        return Bracket(
            stop_ticks=found.stop_ticks or None,
            target_ticks=found.target_ticks or None,
            trail_ppb=found.trail_ppb or None,
            trail_step_ppb=found.trail_step_ppb,
        )


def sized(sizing: Sizing, wish: Wish = NO_WISH, *, exits: Exits | None = None, atr: float = 0.0) -> Record:
    desk = Desk(replace(POLICY, sizing=sizing, exits=exits or Exits()))
    desk.symbol.market.atr_ticks = atr
    return desk.ask(wish)


class TestEveryMethod:
    def test_fixed_fraction_is_a_tenth_of_equity(self) -> None:
        assert sized(Sizing()).lots == BITCOIN // 10

    def test_fixed_percent_is_its_own_fraction(self) -> None:
        sizing = Sizing(sizing_method=SizingMethod.FIXED_PERCENT, fixed_percent_ppb=7 * PERCENT)
        assert sized(sizing).lots == 7 * BITCOIN // 100

    def test_fixed_fractional_loses_its_risk_at_the_stop(self) -> None:
        """2 % of 10,000 are 200; a stop 500 dollars away: 0.4 BTC."""
        sizing = Sizing(sizing_method=SizingMethod.FIXED_FRACTIONAL)
        assert sized(sizing, Wish(stop_ppb=5 * PERCENT)).lots == 4 * BITCOIN // 10

    def test_fixed_fractional_counts_a_trailing_stop(self) -> None:
        sizing = Sizing(sizing_method=SizingMethod.FIXED_FRACTIONAL)
        assert sized(sizing, Wish(trail_ppb=5 * PERCENT)).lots == 4 * BITCOIN // 10

    def test_fixed_fractional_without_a_stop_has_no_answer(self) -> None:
        found = sized(Sizing(sizing_method=SizingMethod.FIXED_FRACTIONAL))
        assert REASONS[found.reason] is RefusalReason.STOP_REQUIRED

    def test_adaptive_atr_is_a_quantity_of_the_base_currency(self) -> None:
        """2 % of 10,000 are 200; 2 x an ATR of 250 dollars are 500: 0.4 BTC, not 0.4 dollars."""
        sizing = Sizing(sizing_method=SizingMethod.ADAPTIVE_ATR)
        assert sized(sizing, atr=25_000.0).lots == 4 * BITCOIN // 10

    def test_volatility_moves_its_fraction_with_one_atr(self) -> None:
        """10 % of 10,000 are 1,000; an ATR of 2,500 dollars: 0.4 BTC."""
        assert sized(Sizing(sizing_method=SizingMethod.VOLATILITY), atr=250_000.0).lots == 4 * BITCOIN // 10

    @pytest.mark.parametrize("method", [SizingMethod.ADAPTIVE_ATR, SizingMethod.VOLATILITY])
    def test_without_an_atr_there_is_no_answer_yet(self, method: SizingMethod) -> None:
        assert REASONS[sized(Sizing(sizing_method=method)).reason] is RefusalReason.WARMING_UP

    def test_kelly_starts_with_half_of_what_is_assumed(self) -> None:
        """0.55 - 0.45 / 2 = 0.325, half of it is 0.1625."""
        assert sized(Sizing(sizing_method=SizingMethod.KELLY)).lots == 16_250_000

    def test_kelly_learns_from_the_trades(self) -> None:
        """20 trades, 8 won 3 % each, 12 lost 2 % each, and 20 assumed ones: w = (8 + 11) / 40 = 0.475,
        R = (20 x 1.5 + 20 x 2) / 40 = 1.75; 0.475 - 0.525 / 1.75 = 0.175, half of it is 0.0875."""
        desk = Desk(replace(POLICY, sizing=Sizing(sizing_method=SizingMethod.KELLY)))
        desk.account.win_count, desk.account.won_ppb = 8, 24 * PERCENT
        desk.account.loss_count, desk.account.lost_ppb = 12, 24 * PERCENT
        assert desk.ask().lots == pytest.approx(8_750_000, abs=1_000)

    def test_kelly_stakes_nothing_on_a_losing_game(self) -> None:
        desk = Desk(replace(POLICY, sizing=Sizing(sizing_method=SizingMethod.KELLY)))
        desk.account.loss_count, desk.account.lost_ppb = 100, 200 * PERCENT
        assert REASONS[desk.ask().reason] is RefusalReason.NO_EDGE

    @pytest.mark.parametrize(("losses", "tenths"), [(0, 1), (1, 2), (2, 4), (3, 5), (9, 5)])
    def test_martingale_doubles_up_to_its_cap_and_the_limit(self, losses: int, tenths: int) -> None:
        """Tenths of equity: 1, 2, 4, then 8 (three doublings at most), cut to a half by the limit."""
        sizing = Sizing(sizing_method=SizingMethod.MARTINGALE, allow_dangerous=True)
        desk = Desk(replace(POLICY, sizing=sizing))
        desk.account.losses_in_a_row = losses
        found = desk.ask()
        assert found.lots == tenths * BITCOIN // 10
        assert found.wished_ppb == 2 ** min(losses, 3) * 10 * PERCENT

    def test_martingale_needs_to_be_allowed(self) -> None:
        with pytest.raises(InvalidValue, match="needs allow_dangerous"):
            Sizing(sizing_method=SizingMethod.MARTINGALE)


class TestAWish:
    def test_a_value_wins_over_the_method(self) -> None:
        assert sized(Sizing(sizing_method=SizingMethod.KELLY), Wish(value=1_234 * USD)).lots == 12_340_000

    def test_lots_win_over_the_method_in_whole_steps(self) -> None:
        assert sized(Sizing(sizing_method=SizingMethod.KELLY), Wish(lots=12_345_678)).lots == 12_345_000

    @pytest.mark.parametrize("wish", [Wish(fraction_ppb=PPB), Wish(value=10_000 * USD), Wish(lots=BITCOIN)])
    def test_the_limit_cuts_every_kind(self, wish: Wish) -> None:
        found = sized(Sizing(), wish)
        assert (found.lots, found.wished_ppb, found.fraction_ppb) == (BITCOIN // 2, PPB, 50 * PERCENT)


class TestWhatCuts:
    def test_exposure_leaves_the_room_that_is_left(self) -> None:
        desk = Desk(replace(POLICY, max_exposure_ppb=60 * PERCENT))
        desk.account.exposure = 4_500 * USD
        assert desk.ask(Wish(fraction_ppb=50 * PERCENT)).lots == 15 * BITCOIN // 100

    def test_exposure_without_room_refuses(self) -> None:
        desk = Desk(replace(POLICY, max_exposure_ppb=60 * PERCENT))
        desk.account.exposure = 6_000 * USD - BTC.min_notional + 1
        assert REASONS[desk.ask().reason] is RefusalReason.EXPOSURE_LIMIT

    def test_an_approved_entry_is_exposure_at_once(self) -> None:
        desk = Desk(replace(POLICY, max_exposure_ppb=60 * PERCENT))
        found = desk.ask()
        reserve(desk.account, desk.symbol, found, 1)
        assert desk.account.exposure == 1_000 * USD

    def test_cash_refuses_unless_it_may_cut(self) -> None:
        short_of_cash = Desk(replace(POLICY, cost_ppb=PERCENT), cash=505 * USD)
        assert REASONS[short_of_cash.ask().reason] is RefusalReason.INSUFFICIENT_CASH
        cutting = Desk(replace(POLICY, cost_ppb=PERCENT, sizing=Sizing(cuts_to_cash=True)), cash=505 * USD)
        found = cutting.ask()
        assert (found.reason, found.lots, found.cash) == (0, 5 * BITCOIN // 100, 505 * USD)

    def test_daily_loss_and_order_rate_refuse(self) -> None:
        desk = Desk(replace(POLICY, max_daily_loss_ppb=5 * PERCENT, max_orders=2, order_window_ns=10))
        desk.account.day_start_equity = 10_527 * USD
        assert REASONS[desk.ask().reason] is RefusalReason.DAILY_LOSS_LIMIT
        desk.account.day_start_equity = 10_526 * USD
        assert desk.ask().reason == 0
        desk.account.order_count = 2
        desk.account.order_ns[0], desk.account.order_ns[1] = 1_000_000_000 - 9, 1_000_000_000 - 1
        assert REASONS[desk.ask().reason] is RefusalReason.ORDER_RATE_LIMIT
        desk.account.order_ns[0] -= 1
        assert desk.ask().reason == 0

    def test_the_same_entry_again_and_again_refuses_and_others_go_on(self) -> None:
        desk = Desk(replace(POLICY, max_same_orders=2, order_window_ns=10))
        for at_ns in (-9, -1):
            reserve(desk.account, desk.symbol, desk.ask(), 1_000_000_000 + at_ns)
            release(desk.policy, desk.account, desk.symbol, BTC, 1)
        assert REASONS[desk.ask().reason] is RefusalReason.DUPLICATE_ORDER
        assert desk.ask(action=SELL).reason == 0
        desk.symbol.index = 1
        assert desk.ask().reason == 0
        desk.symbol.index = 0
        desk.account.order_ns[0] -= 1
        assert desk.ask().reason == 0


class TestABracket:
    def test_without_wish_and_method_there_is_none(self) -> None:
        assert Desk().bracket() == Bracket()

    def test_wishes_are_distances_from_the_reference(self) -> None:
        wish = Wish(stop_ppb=3 * PERCENT, target_ppb=6 * PERCENT)
        assert Desk().bracket(wish) == Bracket(stop_ticks=970_000, target_ticks=1_060_000)
        assert Desk().bracket(wish, action=SELL) == Bracket(stop_ticks=1_030_000, target_ticks=940_000)

    def test_a_distance_is_whole_ticks_and_at_least_one(self) -> None:
        assert Desk().bracket(Wish(stop_ppb=1_999)).stop_ticks == 999_999

    def test_from_a_limit_that_is_better_than_the_close_distances_count_from_the_limit(self) -> None:
        better = Desk().bracket(Wish(limit_ticks=900_000, stop_ppb=10 * PERCENT))
        assert better.stop_ticks == 810_000
        marketable = Desk().bracket(Wish(limit_ticks=1_100_000, stop_ppb=10 * PERCENT))
        assert marketable.stop_ticks == 900_000

    def test_an_entry_at_a_limit_is_sized_at_its_limit(self) -> None:
        found = Desk().ask(Wish(limit_ticks=800_000))
        assert (found.limit_ticks, found.lots, found.cash) == (800_000, BITCOIN // 8, 1_000 * USD)

    @pytest.mark.parametrize(
        ("exits", "stop"),
        [
            (Exits(stop_method=StopMethod.PERCENTAGE), 980_000),
            (Exits(stop_method=StopMethod.ATR), 960_000),
            (Exits(stop_method=StopMethod.FIXED, stop_distance=123.45), 987_655),
        ],
    )
    def test_the_policy_has_three_kinds_of_stop(self, exits: Exits, stop: int) -> None:
        desk = Desk(replace(POLICY, exits=exits))
        desk.symbol.market.atr_ticks = 20_000.0
        assert desk.bracket().stop_ticks == stop

    def test_a_wish_wins_over_the_policy_and_a_wish_for_none_as_well(self) -> None:
        desk = Desk(replace(POLICY, exits=Exits(stop_method=StopMethod.PERCENTAGE)))
        assert desk.bracket(Wish(stop_ppb=5 * PERCENT)).stop_ticks == 950_000
        assert desk.bracket(Wish(stop_ppb=0)).stop_ticks is None

    def test_a_fixed_target_is_the_risk_times_the_reward(self) -> None:
        exits = Exits(stop_method=StopMethod.PERCENTAGE, target_method=TargetMethod.FIXED, reward=2.5)
        assert Desk(replace(POLICY, exits=exits)).bracket() == Bracket(stop_ticks=980_000, target_ticks=1_050_000)

    @pytest.mark.parametrize(
        ("strength", "target"), [(0.0, 1_040_000), (24.9, 1_032_000), (25.0, 1_048_000), (40.0, 1_060_000)]
    )
    def test_a_trend_target_goes_further_in_a_strong_trend(self, strength: float, target: int) -> None:
        exits = Exits(stop_method=StopMethod.PERCENTAGE, target_method=TargetMethod.TREND)
        desk = Desk(replace(POLICY, exits=exits))
        desk.symbol.market.adx = strength
        assert desk.bracket().target_ticks == target

    def test_without_a_stop_the_policy_sets_no_target(self) -> None:
        assert Desk(replace(POLICY, exits=Exits(target_method=TargetMethod.FIXED))).bracket() == Bracket()

    def test_a_trailing_atr_is_divided_by_the_price_and_rounded_up_to_basis_points(self) -> None:
        """1.5 x 123.45 dollars at 10,000 are 1.851750 %: 186 basis points."""
        desk = Desk(replace(POLICY, exits=Exits(trail_method=TrailMethod.ATR)))
        desk.symbol.market.atr_ticks = 12_345.0
        assert desk.bracket() == Bracket(trail_ppb=18_600_000, trail_step_ppb=5_000_000)

    def test_a_trailing_percentage_is_that_of_the_policy(self) -> None:
        desk = Desk(replace(POLICY, exits=Exits(trail_method=TrailMethod.PERCENTAGE)))
        assert desk.bracket() == Bracket(trail_ppb=20_000_000, trail_step_ppb=5_000_000)

    @pytest.mark.parametrize("exits", [Exits(stop_method=StopMethod.ATR), Exits(trail_method=TrailMethod.ATR)])
    def test_an_unknown_atr_refuses(self, exits: Exits) -> None:
        assert REASONS[Desk(replace(POLICY, exits=exits)).ask().reason] is RefusalReason.WARMING_UP

    def test_a_policy_may_insist_on_a_stop(self) -> None:
        desk = Desk(replace(POLICY, exits=Exits(requires_stop=True)))
        assert REASONS[desk.ask(Wish(target_ppb=PERCENT)).reason] is RefusalReason.STOP_REQUIRED
        assert desk.ask(Wish(stop_ppb=PERCENT)).reason == 0
        assert desk.ask(Wish(trail_ppb=PERCENT)).reason == 0


fractions = st.integers(0, 2 * PPB)


@given(
    st.sampled_from([method for method in SizingMethod if method is not SizingMethod.MARTINGALE]),
    st.builds(
        Wish,
        fraction_ppb=st.none() | fractions,
        stop_ppb=st.none() | st.integers(0, PPB),
        target_ppb=st.none() | fractions,
        trail_ppb=st.none() | st.integers(0, PPB),
        limit_ticks=st.none() | st.integers(1, 2_000_000),
    ),
    st.integers(1, 2_000_000),
    st.floats(0.0, 500_000.0),
    st.integers(0, 100_000 * USD),
    st.sampled_from([BUY, SELL]),
)
def test_no_entry_is_larger_than_any_cap_and_every_bracket_is_on_its_side(
    method: SizingMethod, wish: Wish, mark: int, atr: float, cash: int, action: int
) -> None:
    policy = replace(
        POLICY,
        cost_ppb=2_000_000,
        max_exposure_ppb=80 * PERCENT,
        sizing=Sizing(sizing_method=method, cuts_to_cash=True),
        exits=Exits(stop_method=StopMethod.PERCENTAGE),
    )
    desk = Desk(policy, equity=20_000 * USD, cash=cash)
    desk.symbol.mark_ticks, desk.symbol.market.atr_ticks = mark, atr
    desk.account.exposure = 8_000 * USD
    before = {name: getattr(desk.account, name) for name in ("cash", "reserved_cash", "held_count", "exposure")}
    found = desk.ask(wish, action=action)
    assert {name: getattr(desk.account, name) for name in before} == before
    if found.reason:
        return
    price = wish.limit_ticks or mark
    assert found.lots > 0
    assert found.lots % BTC.step_lots == 0
    assert found.value == notional(BTC, price, found.lots) >= BTC.min_notional
    assert found.value <= min(share(20_000 * USD, policy.max_position_ppb), 8_000 * USD)
    assert action == SELL or found.value <= found.cash <= cash
    anchor = min(price, mark) if action == BUY else max(price, mark)
    assert not found.stop_ticks or (anchor - found.stop_ticks) * action > 0 or found.stop_ticks == 1
    assert not found.target_ticks or (found.target_ticks - anchor) * action > 0 or found.target_ticks == 1
    assert found.trail_ppb % 100_000 == 0
    assert found.trail_ppb < PPB

"""A report says what the venue assumed, rule by rule."""

from __future__ import annotations

import pytest

from n1v1.simulation.rules import IntrabarPath, SlippageModel, TouchRule, VenueRules
from n1v1.values import Instrument
from n1v1_research.backtest.rules import IMPACTS, PATHS, TOUCHES, in_words

SPOT = (Instrument("BTC-USD", "BTC", "USD"),)


def test_the_usual_rules() -> None:
    said = in_words(VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=500_000), SPOT)
    assert said["Fee"] == "10 bps of the traded value, paid in USD"
    assert said["Slippage"] == "5 bps against the taker, whatever the size; no other impact"
    assert said["Positions"] == "long only"
    assert said["Our impact on later prices"].startswith("none")


def test_rules_that_are_not_the_usual_ones() -> None:
    rules = VenueRules(
        fee_rate_ppb=1_000_000,
        maker_fee_rate_ppb=250_000,
        min_fee=50_000_000,
        slippage_ppb=500_000,
        slippage_model=SlippageModel.SQUARE_ROOT,
        impact_ppb=20_000_000,
        latency_ns=150_000_000,
        participation_ppb=100_000_000,
    )
    said = in_words(rules, SPOT)
    assert said["Fee"] == "10 bps of the traded value, 2.5 bps for makers, at least 0.5 USD, paid in USD"
    assert "up to 200 bps growing with the root" in said["Slippage"]
    assert "150 ms after the decision" in said["Market orders"]
    assert said["Volume"] == "fills are at most 10.0% of a bar's volume"


@pytest.mark.parametrize(
    ("words", "kinds"),
    [(PATHS, IntrabarPath), (TOUCHES, TouchRule), ({**IMPACTS, SlippageModel.FIXED: ""}, SlippageModel)],
)
def test_every_choice_has_its_words(words: dict[object, str], kinds: type[IntrabarPath]) -> None:
    assert set(words) == set(kinds)

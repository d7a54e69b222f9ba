"""Whether a risk manager or an anomaly detector of your own keeps what it has to keep.

For pytest, one test per rule:

    class TestMyManager(RiskManagerConformance):
        def make(self) -> RiskManagerInterface:
            return MyManager()

    class TestMyDetector(AnomalyDetectorConformance):
        def make(self) -> BaseAnomalyDetector:
            return MyDetector()
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from n1v1.events import Action, SignalRaised
from n1v1.ids import signal_id
from n1v1.risk.plugins import AnomalyResult, BaseAnomalyDetector, Opinion, Proposal, RiskManagerInterface, bar_of
from n1v1.strategies.bar import Bar
from n1v1.testing.bars import TESTED, random_bars

PROPOSALS = 60
BARS = 300


def random_proposals(count: int = PROPOSALS) -> list[Proposal]:
    """Entries on a random market, from an untouched account to one that has lost nearly everything."""
    bars = random_bars(count)
    return [
        Proposal(
            signal=SignalRaised(
                id=signal_id("tested", bar.symbol, bar.ts_ns),
                ts_ns=bar.ts_ns,
                instance="tested",
                symbol=bar.symbol,
                action=Action.BUY if number % 3 else Action.SELL,
                strength=1.0,
                reason="tested",
            ),
            price=TESTED.price_float(bar.close),
            equity=10_000.0 * (1.0 - number / (count + 1)),
            free_cash=10_000.0 * (1.0 - number / (count + 1)) * (number % 5) / 5,
            drawdown=number / (count + 1),
            daily_loss=(number % 7) / 100,
            open_positions=number % 6,
        )
        for number, bar in enumerate(bars)
    ]


class RiskManagerConformance:
    """What every risk manager keeps. Subclasses give `make`."""

    def make(self) -> RiskManagerInterface:
        """A new one, of which nothing has been asked."""
        raise NotImplementedError

    def test_it_has_an_opinion_on_every_entry(self) -> None:
        manager = self.make()
        for proposal in random_proposals():
            opinion = manager.evaluate_signal(proposal)
            assert isinstance(opinion, Opinion), f"expected an Opinion, got {opinion!r}"

    def test_the_same_entries_get_the_same_opinions(self) -> None:
        one, other = self.make(), self.make()
        for proposal in random_proposals():
            first, second = one.evaluate_signal(proposal), other.evaluate_signal(proposal)
            assert first == second, f"{proposal.signal.id}: {first} and {second}"

    def test_its_state_survives_saving_and_loading_at_every_entry(self) -> None:
        reference, restarted = self.make(), self.make()
        for proposal in random_proposals():
            saved = json.loads(json.dumps(restarted.save()))
            restarted = self.make()
            restarted.load(saved)
            expected, found = reference.evaluate_signal(proposal), restarted.evaluate_signal(proposal)
            assert found == expected, f"{proposal.signal.id}: after a restart {found} instead of {expected}"

    def test_what_it_saved_does_not_change_afterwards(self) -> None:
        manager = self.make()
        for proposal in random_proposals():
            saved = manager.save()
            kept = json.dumps(saved)
            manager.evaluate_signal(proposal)
            assert json.dumps(saved) == kept, "save() hands out what evaluate_signal() goes on to change"


class AnomalyDetectorConformance:
    """What every anomaly detector keeps. Subclasses give `make`."""

    def make(self) -> BaseAnomalyDetector:
        raise NotImplementedError

    def windows(self) -> list[Sequence[Bar]]:
        """The last bars at every bar of a random market, as the detector is shown them."""
        bars = [bar_of(closed, TESTED) for closed in random_bars(BARS)]
        lookback = self.make().lookback
        return [tuple(bars[max(0, end - lookback) : end]) for end in range(1, len(bars) + 1)]

    def test_it_looks_at_one_bar_at_least(self) -> None:
        assert self.make().lookback >= 1

    def test_it_has_a_result_for_every_bar_from_the_first_one_on(self) -> None:
        detector = self.make()
        for window in self.windows():
            result = detector.detect(window, TESTED.symbol)
            assert isinstance(result, AnomalyResult), f"expected an AnomalyResult, got {result!r}"

    def test_the_same_bars_get_the_same_result_whatever_came_before(self) -> None:
        """It keeps no state: asked out of order and by a new one, the answers are the same."""
        windows = self.windows()
        detector = self.make()
        in_order = [detector.detect(window, TESTED.symbol) for window in windows]
        backwards = [self.make().detect(window, TESTED.symbol) for window in reversed(windows)]
        assert in_order == list(reversed(backwards))

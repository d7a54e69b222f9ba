"""The signals stage: a signal, or a note that says why there is none, for every strategy and every bar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n1v1.errors import InvalidValue, UnknownName
from n1v1.events import Action, BarClosed, BarsComplete, Event, Note, SignalRaised, SignalsComplete, Wish
from n1v1.pipeline import bars_complete
from n1v1.signals.stage import Instance, Signals
from n1v1.values import Instrument

HOUR = 3_600_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")
CROSS = Instance("cross", "ema_cross", {"fast_ema": 1, "slow_ema": 2, "position_size": 0.3})
CLOSES = [10, 10, 13, 13, 10, 10]  # CROSS buys on the third and sells on the fifth: see test_ema_cross

RAISES_ON_THE_SECOND_BAR = """
from strategies import BaseStrategy

class Fragile(BaseStrategy):
    async def generate_signals(self, market_data):
        for symbol, data in market_data.items():
            if len(data) == 2:
                raise RuntimeError("out of luck")
        return []
"""


def bar(hour: int, dollars: int, *, symbol: str = "BTC-USD", timeframe: str = "1h") -> BarClosed:
    ticks = dollars * 100
    return BarClosed(
        id=f"bar:{symbol}@{hour}",
        ts_ns=hour * HOUR,
        correlation_id=f"{symbol}@{hour}",
        symbol=symbol,
        timeframe=timeframe,
        open_ns=(hour - 1) * HOUR,
        open=ticks,
        high=ticks,
        low=ticks,
        close=ticks,
        volume=1,
    )


def complete(hour: int, *bars: BarClosed) -> BarsComplete:
    return bars_complete(hour * HOUR, bars, hour)


def stage(*instances: Instance, instruments: Sequence[Instrument] = (BTC,), partition: int = 0) -> Signals:
    return Signals(instances=instances, instruments=instruments, timeframe="1h", partition=partition)


def play(signals: Signals, closes: Iterable[int], *, first_hour: int = 1) -> list[Event]:
    said: list[Event] = []
    for hour, close in enumerate(closes, start=first_hour):
        closed = bar(hour, close)
        said += signals.handle(closed)
        said += signals.handle(complete(hour, closed))
    return said


@pytest.fixture
def fragile(tmp_path: Path) -> Instance:
    path = tmp_path / "fragile.py"
    path.write_text(RAISES_ON_THE_SECOND_BAR)
    return Instance("a_fragile", str(path))


def test_a_signal_tells_its_bar_and_its_wish() -> None:
    raised = [event for event in play(stage(CROSS), CLOSES) if isinstance(event, SignalRaised)]
    assert [signal.action for signal in raised] == [Action.BUY, Action.SELL]
    assert raised[0] == SignalRaised(
        id=raised[0].id,
        ts_ns=3 * HOUR,
        cause_id="bar:BTC-USD@3",
        correlation_id="BTC-USD@3",
        instance="cross",
        symbol="BTC-USD",
        action=Action.BUY,
        strength=1.0,
        reason="fast average crossed above slow",
        wish=Wish(fraction_ppb=300_000_000, stop_ppb=30_000_000, target_ppb=60_000_000),
    )
    assert raised[0].id == "cross:BTC-USD:10800"


def test_the_watermark_counts_the_signals_and_carries_a_note_for_every_bar_without_one() -> None:
    marks = [event for event in play(stage(CROSS), CLOSES) if isinstance(event, SignalsComplete)]
    assert [mark.ts_ns // HOUR for mark in marks] == [1, 2, 3, 4, 5, 6]
    assert [mark.signals for mark in marks] == [0, 0, 1, 0, 1, 0]
    assert marks[0].notes == (Note(instance="cross", symbol="BTC-USD", reason="warming up: 1 of 3 bars"),)
    assert marks[2].notes == ()
    assert marks[3].notes[0].reason == "no crossing: fast average stays above slow"
    assert marks[0].cause_id == complete(1).id


def test_without_notes_the_signals_are_the_same_and_the_watermark_has_none() -> None:
    quiet = Signals(instances=(CROSS,), instruments=(BTC,), timeframe="1h", notes=False)
    said, explained = play(quiet, CLOSES), play(stage(CROSS), CLOSES)
    assert [e for e in said if isinstance(e, SignalRaised)] == [e for e in explained if isinstance(e, SignalRaised)]
    assert [mark.notes for mark in said if isinstance(mark, SignalsComplete)] == [()] * len(CLOSES)


def test_every_instance_sees_every_symbol_in_a_fixed_order() -> None:
    signals = stage(Instance("b", "ema_cross"), Instance("a", "ema_cross"), instruments=(ETH, BTC))
    signals.handle(bar(1, 10, symbol="ETH-USD"))
    signals.handle(bar(1, 10))
    (mark,) = signals.handle(complete(1))
    assert isinstance(mark, SignalsComplete)
    assert [(note.instance, note.symbol) for note in mark.notes] == [
        ("a", "ETH-USD"),
        ("b", "ETH-USD"),
        ("a", "BTC-USD"),
        ("b", "BTC-USD"),
    ]


def test_a_bar_heard_twice_counts_once() -> None:
    twice = stage(CROSS)
    said: list[Event] = []
    for hour, close in enumerate(CLOSES, start=1):
        for _ in range(2):
            said += twice.handle(bar(hour, close))
        said += twice.handle(complete(hour))
        said += twice.handle(complete(hour))
    assert said == play(stage(CROSS), CLOSES)


def test_an_older_bar_another_timeframe_and_a_foreign_symbol_are_not_for_us() -> None:
    signals = stage(CROSS)
    before = play(signals, [10, 10])
    assert len(before) == 2
    assert signals.handle(bar(1, 99)) == []
    assert signals.handle(bar(3, 99, timeframe="4h")) == []
    assert signals.handle(bar(3, 99, symbol="XRP-USD")) == []
    assert [event for event in play(signals, [13], first_hour=3) if isinstance(event, SignalRaised)]


def test_a_watermark_tells_its_partition() -> None:
    (mark,) = stage(CROSS, partition=2).handle(complete(1))
    assert isinstance(mark, SignalsComplete)
    assert (mark.partition, mark.id) == (2, f"signals:2:{HOUR}")


def test_events_that_are_not_bars_say_nothing() -> None:
    assert stage(CROSS).handle(SignalsComplete(id="x", ts_ns=1, partition=0, signals=0)) == []


class TestAStrategyThatRaises:
    def test_it_is_stopped_for_good_and_the_others_go_on(self, fragile: Instance) -> None:
        signals = stage(fragile, CROSS)
        said = play(signals, CLOSES)
        notes = [
            note.reason
            for event in said
            if isinstance(event, SignalsComplete)
            for note in event.notes
            if note.instance == "a_fragile"
        ]
        assert notes == ["generate_signals answered no signal"] + ["stopped: raised RuntimeError: out of luck"] * 5
        assert [e.action for e in said if isinstance(e, SignalRaised)] == [Action.BUY, Action.SELL]

    def test_whoever_logs_it_finds_the_exception_once(self, fragile: Instance) -> None:
        signals = stage(fragile)
        play(signals, CLOSES)
        ((instance, symbol, error),) = signals.failures
        assert (instance, symbol, str(error)) == ("a_fragile", "BTC-USD", "out of luck")

    def test_it_is_stopped_on_that_symbol_only(self, fragile: Instance) -> None:
        signals = stage(fragile, instruments=(BTC, ETH))
        play(signals, [10, 10])
        signals.handle(bar(3, 10, symbol="ETH-USD"))
        (mark,) = signals.handle(complete(3))
        assert isinstance(mark, SignalsComplete)
        assert [note.reason for note in mark.notes] == ["generate_signals answered no signal"]

    def test_it_stays_stopped_after_a_restart(self, fragile: Instance) -> None:
        signals, again = stage(fragile), stage(fragile)
        play(signals, [10, 10])
        again.restore(json.loads(json.dumps(signals.snapshot())))
        (mark,) = play(again, [10], first_hour=3)
        assert isinstance(mark, SignalsComplete)
        assert mark.notes[0].reason == "stopped: raised RuntimeError: out of luck"
        assert again.failures == []


class TestRestarting:
    @settings(max_examples=30)
    @given(st.lists(st.integers(1, 40), min_size=1, max_size=25), st.data())
    def test_a_restored_stage_says_what_an_undisturbed_one_says(self, closes: list[int], data: st.DataObject) -> None:
        cut = data.draw(st.integers(0, len(closes)))
        instances = (CROSS, Instance("classic", "my_breakout", {"lookback_period": 2}))
        undisturbed, before, after = stage(*instances), stage(*instances), stage(*instances)
        expected = play(undisturbed, closes)
        said = play(before, closes[:cut])
        play(after, [7, 8, 9])  # whatever it did before, it forgets
        after.handle(bar(4, 9))
        after.restore(json.loads(json.dumps(before.snapshot())))
        said += play(after, closes[cut:], first_hour=cut + 1)
        assert said == expected
        assert after.snapshot() == undisturbed.snapshot()

    def test_a_snapshot_does_not_change_when_the_stage_goes_on(self) -> None:
        signals = stage(CROSS)
        play(signals, CLOSES[:2])
        taken = signals.snapshot()
        kept = json.loads(json.dumps(taken))
        play(signals, CLOSES[2:], first_hour=3)
        assert json.loads(json.dumps(taken)) == kept

    def test_a_new_instance_starts_fresh_and_a_removed_one_is_forgotten(self) -> None:
        old = stage(CROSS)
        play(old, CLOSES[:2])
        new = stage(Instance("fresh", "ema_cross"), instruments=(BTC, ETH))
        new.restore(json.loads(json.dumps(old.snapshot())))
        (mark,) = play(new, [13], first_hour=3)
        assert isinstance(mark, SignalsComplete)
        assert [note.reason for note in mark.notes] == ["warming up: 1 of 22 bars"]


class TestConfiguring:
    def test_two_instances_need_two_names(self) -> None:
        with pytest.raises(InvalidValue, match=r"instances need different names, got \['cross', 'cross'\]"):
            stage(CROSS, CROSS)

    def test_an_unknown_strategy_is_refused_before_the_first_bar(self) -> None:
        with pytest.raises(UnknownName, match="did you mean 'ema_cross'"):
            stage(Instance("x", "ema_cros"))

    def test_a_wrong_parameter_is_refused_before_the_first_bar(self) -> None:
        with pytest.raises(InvalidValue, match=r"ema_cross\.fast_ema: expected 1 to 10000, got 0"):
            stage(Instance("x", "ema_cross", {"fast_ema": 0}))

"""What faults make of a recording, worked by hand, and of the rules of a market that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from n1v1.events import BarClosed
from n1v1.ids import correlation_id
from n1v1.values import Instrument
from n1v1_exchange_simulator.binance.filters import PriceFilter, Rulebook, SymbolStatus, binance_rules
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.descriptions import FaultError, RecordingFault, fault_of
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.recordings import DisturbedRecording
from n1v1_exchange_simulator.faults.rules import RuleFaults
from n1v1_exchange_simulator.faults.timing import WallTimers
from n1v1_exchange_simulator.journal import Journal
from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, MarketEvent, PublicTrade
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.source import Quality, Step
from n1v1_exchange_simulator.settings import exchange_over

NEW_YEAR_NS = 1_577_836_800_000_000_000  # 2020-01-01
MINUTE = 60_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")


class Recorded:
    """One event a step."""

    timeframe = "1m"
    identity = "recorded"
    first_ns = NEW_YEAR_NS
    instruments = (BTC,)

    def __init__(self, quality: Quality, events: Sequence[MarketEvent]) -> None:
        self.quality = quality
        self.total_steps: int | None = len(events)
        self._events = events

    def steps(self) -> Iterator[Step]:
        for event in self._events:
            yield (event,)


def fault(**described: Any) -> RecordingFault:
    """On for the first four minutes of the year, unless it says something else."""
    window = {"starts": "2020-01-01T00:00:00Z", "ends": "2020-01-01T00:04:00Z"}
    made = fault_of(window | described)
    assert isinstance(made, RecordingFault)
    return made


def disturbed(quality: Quality, events: Sequence[MarketEvent], *faults: RecordingFault) -> list[Any]:
    return [event for step in DisturbedRecording(Recorded(quality, events), faults).steps() for event in step]


def bar(minute: int, price: int = 10_000) -> BarClosed:
    close_ns = NEW_YEAR_NS + (minute + 1) * MINUTE
    return BarClosed(
        id=f"bar:{correlation_id('BTC-USD', close_ns)}:1m",
        ts_ns=close_ns,
        symbol="BTC-USD",
        timeframe="1m",
        open_ns=close_ns - MINUTE,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=1_000,
    )


def trade(minute: int, *, is_buyer_maker: bool = False) -> PublicTrade:
    return PublicTrade(
        ts_ns=NEW_YEAR_NS + minute * MINUTE,
        symbol="BTC-USD",
        number=minute,
        ticks=10_000,
        lots=10,
        is_buyer_maker=is_buyer_maker,
    )


def book(minute: int) -> DepthSnapshot:
    return DepthSnapshot(
        ts_ns=NEW_YEAR_NS + minute * MINUTE, symbol="BTC-USD", last_id=10, bids=((9_900, 10),), asks=((10_100, 10),)
    )


def change(minute: int, number: int, bids: tuple[tuple[int, int], ...]) -> DepthChange:
    return DepthChange(
        ts_ns=NEW_YEAR_NS + minute * MINUTE, symbol="BTC-USD", first_id=number, last_id=number, bids=bids, asks=()
    )


def test_bars_of_a_gap_do_not_happen() -> None:
    left = disturbed(Quality.BARS, [bar(minute) for minute in range(6)], fault(kind="data_gap"))
    assert [each.open_ns for each in left] == [NEW_YEAR_NS + minute * MINUTE for minute in (4, 5)]


def test_a_crash_of_a_fifth_falls_for_two_minutes_and_comes_back_in_two() -> None:
    fallen = disturbed(Quality.BARS, [bar(minute) for minute in range(5)], fault(kind="flash_crash", depth=0.2))
    prices = [(each.open, each.high, each.low, each.close) for each in fallen]
    assert prices == [
        (10_000, 10_000, 9_000, 9_000),
        (9_000, 9_000, 8_000, 8_000),
        (8_000, 9_000, 8_000, 9_000),
        (9_000, 10_000, 9_000, 10_000),
        (10_000, 10_000, 10_000, 10_000),
    ]


def test_a_negative_crash_is_a_spike() -> None:
    (risen,) = disturbed(Quality.TRADES, [trade(2)], fault(kind="flash_crash", depth=-0.5))
    assert risen.ticks == 15_000


def test_a_thin_market_trades_a_tenth() -> None:
    thin = fault(kind="thin_book", keep=0.1)
    assert disturbed(Quality.BARS, [bar(0)], thin)[0].volume == 100
    assert disturbed(Quality.TRADES, [trade(0)], thin)[0].lots == 1


def test_in_a_wide_spread_buyers_pay_more_and_sellers_get_less() -> None:
    wide = fault(kind="wide_spread", bps=100)
    bought, sold = disturbed(Quality.TRADES, [trade(0), trade(1, is_buyer_maker=True)], wide)
    assert (bought.ticks, sold.ticks) == (10_100, 9_900)


def test_bars_have_no_spread_to_widen() -> None:
    with pytest.raises(FaultError, match="needs trades or depth"):
        disturbed(Quality.BARS, [bar(0)], fault(kind="wide_spread", bps=100))


def test_the_book_is_thin_and_wide_while_the_fault_lasts_and_as_recorded_afterwards() -> None:
    events: list[MarketEvent] = [book(1), change(2, 11, ((9_901, 20),)), change(5, 12, ((9_900, 0),))]
    first, second, third = disturbed(
        Quality.DEPTH, events, fault(kind="thin_book", keep=0.5), fault(kind="wide_spread", bps=100)
    )
    assert (first.bids, first.asks) == (((9_801, 5),), ((10_201, 5),))
    assert second.bids == ((9_801, 15),), "half of 10 at 9,900 and half of 20 at 9,901 are both at 9,801 now"
    assert dict(third.bids) == {9_801: 0, 9_901: 20}
    assert dict(third.asks) == {10_201: 0, 10_100: 10}


def test_a_book_stands_still_in_a_gap_and_then_jumps_without_a_hole_in_its_ids() -> None:
    events = [
        change(-1, 10, ((9_900, 10),)),
        change(1, 11, ((9_900, 0), (9_800, 5))),
        change(3, 12, ((9_800, 7),)),
        change(5, 13, ((9_700, 1),)),
    ]
    before, after = disturbed(Quality.DEPTH, events, fault(kind="data_gap"))
    assert before.bids == ((9_900, 10),)
    assert (after.first_id, after.last_id) == (11, 13)
    assert dict(after.bids) == {9_900: 0, 9_800: 7, 9_700: 1}


def test_another_fault_is_another_recording() -> None:
    def identity(*faults: RecordingFault) -> str:
        return DisturbedRecording(Recorded(Quality.TRADES, [trade(0)]), faults).identity

    thin = fault(kind="thin_book", keep=0.5)
    assert identity(thin) == identity(thin)
    assert len({identity(), identity(thin), identity(fault(kind="thin_book", keep=0.4))}) == 3


class Market:
    """Faults over Binance's rules and a recorded trade a minute from a minute before the year on."""

    def __init__(self, journal: Journal, **described: Any) -> None:
        source = Recorded(Quality.TRADES, [replace(trade(minute), lots=BTC.step_lots) for minute in range(-1, 5)])
        source.first_ns = NEW_YEAR_NS - MINUTE
        self.exchange = exchange_over(source, MatchingRules(taker_fee_ppb=1_000_000), journal, {"main": {}})
        self.rulebook = Rulebook([binance_rules(BTC)])
        self.faults = Faults(
            seed=1, log=FaultLog(None), venue_ns=lambda: self.exchange.clock_ns, timers=WallTimers(lambda: 0)
        )
        RuleFaults(self.faults, self.rulebook, self.exchange)
        if described:
            self.faults.add(fault_of(described))

    def after(self, minutes: int) -> Any:
        self.exchange.advance_until(NEW_YEAR_NS + minutes * MINUTE)
        return self.rulebook.of("BTC-USD")

    def fees(self) -> tuple[int, int]:
        return self.exchange.venue.fee_rates_ppb("BTC-USD")


@pytest.fixture
def open_market(tmp_path: Path) -> Iterator[Callable[..., Market]]:
    """Each call is a restart of the market before it."""
    journals: list[Journal] = []

    def make(**described: Any) -> Market:
        for journal in journals:
            journal.close()
        journals.append(Journal(tmp_path, identity={}, fsync=False))
        return Market(journals[-1], **described)

    yield make
    for journal in journals:
        journal.close()


def test_a_symbol_is_halted_for_as_long_as_the_fault_says(open_market: Callable[..., Market]) -> None:
    market = open_market(
        kind="symbol_halt", symbol="BTCUSD", starts="2020-01-01T00:00:00Z", ends="2020-01-01T00:02:00Z"
    )
    statuses = [market.after(minutes).status for minutes in (-1, 0, 1, 2)]
    assert statuses == [SymbolStatus.TRADING, SymbolStatus.HALT, SymbolStatus.HALT, SymbolStatus.TRADING]
    assert [entry["kind"] for entry in market.faults.log.since(0)] == ["symbol_halt"]


def test_a_fault_that_is_removed_gives_the_usual_rules_back(open_market: Callable[..., Market]) -> None:
    market = open_market(kind="symbol_halt", name="halt")
    assert market.rulebook.of("BTC-USD").status is SymbolStatus.HALT
    market.faults.remove("halt")
    assert market.rulebook.of("BTC-USD") == binance_rules(BTC)


def test_a_coarser_tick_is_in_the_price_filter(open_market: Callable[..., Market]) -> None:
    market = open_market(kind="tick_size", ticks=10)
    (price,) = [each for each in market.rulebook.of("BTC-USD").filters if isinstance(each, PriceFilter)]
    assert price.tick == 10
    assert price.described(BTC)["tickSize"].startswith("0.1")


def test_trades_that_are_recorded_during_a_halt_do_not_happen(open_market: Callable[..., Market]) -> None:
    """One long step over the whole halt: it begins and ends at its moments all the same."""
    market = open_market(kind="symbol_halt", starts="2020-01-01T00:00:00Z", ends="2020-01-01T00:02:00Z")
    market.after(4)
    heard = [event.ts_ns for event in market.exchange.market.recent_trades("BTC-USD")]
    assert heard == [NEW_YEAR_NS + minute * MINUTE for minute in (-1, 2, 3, 4)]
    assert [bar.open_ns for bar in market.exchange.market.bars("BTC-USD", "1m")] == [
        NEW_YEAR_NS + minute * MINUTE for minute in (-1, 2, 3)
    ], "and there are no flat bars of that time, as there would be of a quiet one"


def test_fees_change_for_as_long_as_the_fault_says(open_market: Callable[..., Market]) -> None:
    market = open_market(
        kind="fee_change",
        maker_bps=1,
        taker_bps="7.5",
        starts="2020-01-01T00:00:00Z",
        ends="2020-01-01T00:02:00Z",
    )
    seen = []
    for minutes in (-1, 0, 1, 2):
        market.after(minutes)
        seen.append(market.fees())
    assert seen == [(0, 1_000_000), (100_000, 750_000), (100_000, 750_000), (0, 1_000_000)]


def test_a_restart_keeps_fees_and_halts_that_were_on(open_market: Callable[..., Market]) -> None:
    market = open_market(kind="fee_change", maker_bps=2, taker_bps=3)
    market.faults.add(fault_of({"kind": "symbol_halt", "name": "halt"}))
    market.after(1)
    before = market.exchange.venue.state_hash()
    again = open_market()
    assert again.exchange.venue.state_hash() == before
    assert again.fees() == (200_000, 300_000)
    assert again.rulebook.of("BTC-USD").status is SymbolStatus.HALT
    again.faults.add(fault_of({"kind": "symbol_halt", "name": "halt"}))
    again.faults.remove("halt")
    assert again.rulebook.of("BTC-USD").status is SymbolStatus.TRADING
    assert again.fees() == (200_000, 300_000), "of them no fault has said anything in this life"

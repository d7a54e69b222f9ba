"""One history whatever was recorded. A restart repeats it, and the same inputs write it again."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import orjson
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest

from n1v1.events import BarClosed
from n1v1.simulation.venue import VenueRules
from n1v1.values import OrderType, Side
from n1v1_exchange_simulator.exchange import Exchange, Rules, WrongStep, history_identity
from n1v1_exchange_simulator.journal import Journal, JournalError
from n1v1_exchange_simulator.market_events import DepthChange, MarketEvent, PublicTrade
from n1v1_exchange_simulator.matching.rules import MatchingRules
from n1v1_exchange_simulator.replay.bars import BarRecording
from n1v1_exchange_simulator.replay.depth import DepthRecording
from n1v1_exchange_simulator.replay.recordings import find_recording
from n1v1_exchange_simulator.replay.source import Quality, Source
from n1v1_exchange_simulator.replay.trades import TradeRecording
from n1v1_exchange_simulator.settings import exchange_over
from n1v1_exchange_simulator.venue import ListKind, NewOrder, NewOrderList, OrderReport, Refused, Report
from n1v1_research.datasets import load

SYMBOL = "A-USD"
SECOND_MS = 1_000
MS = 1_000_000
STEPS = 60


def prices() -> list[str]:
    """Goes up from 100.0 by tenths for thirty steps, and down again."""
    return [f"{100 + min(number, STEPS - number) / 10:.1f}" for number in range(STEPS)]


def bars(folder: Path) -> Source:
    path = folder / "A-USD-1m.csv"
    rows = ["open_time,open,high,low,close,volume"]
    for number, price in enumerate(prices()):
        rows.append(
            f"2024-01-01T00:{number:02}:00Z,{price},{float(price) + 0.3:.1f},{float(price) - 0.3:.1f},{price},50"
        )
    path.write_text("\n".join(rows))
    return BarRecording(load(path), loops=False)


def trades(folder: Path) -> Source:
    rows = {
        "timestamp": [number * SECOND_MS for number in range(1, STEPS + 1)],
        "id": [str(number) for number in range(1, STEPS + 1)],
        "side": ["buy" if number % 2 else "sell" for number in range(STEPS)],
        "price": [float(price) for price in prices()],
        "amount": [5.0] * STEPS,
    }
    pq.write_table(pa.table(rows), folder / f"{SYMBOL}.parquet")
    return TradeRecording(find_recording(folder, Quality.TRADES, [SYMBOL]), timeframe="1m")


def depth(folder: Path) -> Source:
    book = {"lastUpdateId": 0, "E": 1_000, "bids": [["99.9", "9.00"]], "asks": [["100.1", "9.00"]]}
    lines: list[object] = [book]
    last = ("99.9", "100.1")
    for number, price in enumerate(prices(), start=1):
        now = (f"{float(price) - 0.1:.1f}", f"{float(price) + 0.1:.1f}")
        ms = (number + 1) * SECOND_MS
        lines.append(
            {
                "stream": "ausd@depth@100ms",
                "data": {
                    "e": "depthUpdate",
                    "E": ms,
                    "U": number,
                    "u": number,
                    "b": [[each, "9.00" if each == now[0] else "0.00"] for each in sorted({last[0], now[0]})],
                    "a": [[each, "9.00" if each == now[1] else "0.00"] for each in sorted({last[1], now[1]})],
                },
            }
        )
        trade = {"e": "trade", "E": ms, "T": ms, "t": number, "p": now[1], "q": "1.00", "m": False}
        lines.append({"stream": "ausd@trade", "data": trade})
        last = now
    text = b"\n".join(b"1 " + orjson.dumps(line) for line in lines)
    (folder / f"{SYMBOL}.ws.gz").write_bytes(gzip.compress(text))
    return DepthRecording(find_recording(folder, Quality.DEPTH, [SYMBOL]), timeframe="1m")


RECORDED: dict[Quality, tuple[Callable[[Path], Source], Rules]] = {
    Quality.BARS: (bars, VenueRules(fee_rate_ppb=1_000_000, slippage_ppb=100_000)),
    Quality.TRADES: (trades, MatchingRules(taker_fee_ppb=1_000_000, maker_fee_ppb=500_000)),
    Quality.DEPTH: (depth, MatchingRules(taker_fee_ppb=1_000_000, maker_fee_ppb=500_000)),
}


@dataclass
class Bench:
    """One recording, and a journal for each of several runs over it."""

    source: Source
    rules: Rules
    folder: Path
    journals: dict[str, Journal]

    def open(self, run: str = "first") -> Exchange:
        """Again under the same name: a restart."""
        self.close(run)
        instrument = self.source.instruments[0]
        opening = {
            "main": {"USD": instrument.quanta("100000"), "A": instrument.lots("50")},
            "other": {"USD": instrument.quanta("5000"), "A": instrument.lots("5")},
        }
        identity = history_identity(self.source, self.rules, opening)
        self.journals[run] = Journal(self.folder / run, identity=identity, fsync=False)
        return exchange_over(self.source, self.rules, self.journals[run], opening)

    def close(self, run: str) -> None:
        if run in self.journals:
            self.journals.pop(run).close()

    def journal_hash(self, run: str) -> str:
        return hashlib.sha256((self.folder / run / "commands.jsonl").read_bytes()).hexdigest()


@pytest.fixture(params=list(Quality))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    make, rules = RECORDED[request.param]
    bench = Bench(make(tmp_path), rules, tmp_path, {})
    yield bench
    for run in list(bench.journals):
        bench.close(run)


def order(exchange: Exchange, name: str, side: Side, kind: OrderType, size: str, price: str | None = None) -> NewOrder:
    instrument = exchange.instruments[0]
    return NewOrder(
        client_order_id=name,
        symbol=SYMBOL,
        side=side,
        type=kind,
        lots=instrument.lots(size),
        limit_ticks=None if price is None else instrument.ticks(price),
    )


def trade_a_while(exchange: Exchange) -> list[Report]:
    """Places, fills, cancels, lists and deposits, over forty steps. Answers every report of an order."""
    told: list[Report] = []
    exchange.on_report.append(told.append)
    exchange.advance_by(3)
    exchange.place("main", order(exchange, "rests", Side.BUY, OrderType.LIMIT, "2", "99.0"))
    exchange.place("main", order(exchange, "is hit", Side.SELL, OrderType.LIMIT, "3", "101.5"))
    exchange.place("other", order(exchange, "takes", Side.BUY, OrderType.MARKET, "1"))
    stop = replace(order(exchange, "stop", Side.SELL, OrderType.STOP, "1"), stop_ticks=900)
    target = order(exchange, "target", Side.SELL, OrderType.LIMIT, "1", "102.5")
    exchange.place_list("other", NewOrderList(kind=ListKind.OCO, name="both", working=None, pending=(stop, target)))
    exchange.advance_by(10)
    exchange.deposit("main", "USD", exchange.instruments[0].quanta("12.5"))
    rests = exchange.venue.named("main", SYMBOL, "rests")
    assert rests is not None
    exchange.cancel("main", SYMBOL, rests.number, name="enough")
    assert isinstance(exchange.cancel("main", SYMBOL, rests.number), Refused), "and leaves no line in the journal"
    while exchange.step < 40:
        exchange.advance_by(1)
    return told


def everything(exchange: Exchange) -> list[object]:
    venue = exchange.venue
    return [
        venue.state_hash(),
        exchange.step,
        exchange.clock_ns,
        [venue.balances(account) for account in venue.accounts()],
        [venue.trades(account, SYMBOL) for account in venue.accounts()],
        [venue.lists(account) for account in venue.accounts()],
        [(each.number, each.status) for account in venue.accounts() for each in venue.orders(account, SYMBOL)],
        exchange.market.bars(SYMBOL, "1m"),
        exchange.market.recent_trades(SYMBOL),
        exchange.market.last_ticks(SYMBOL),
        exchange.market.book(SYMBOL, 10),
    ]


def test_a_restart_goes_on_as_if_nothing_had_been(bench: Bench) -> None:
    exchange = bench.open()
    told = trade_a_while(exchange)
    assert {report.kind for report in told if isinstance(report, OrderReport)} >= {"NEW", "TRADE", "CANCELED"}
    before = everything(exchange)
    restarted = bench.open()
    assert everything(restarted) == before

    other = bench.open("second")
    again = trade_a_while(other)
    assert [report.number for report in again if isinstance(report, OrderReport)] == [
        report.number for report in told if isinstance(report, OrderReport)
    ]
    later: list[Report] = []
    for each in (restarted, other):
        each.on_report.append(later.append)
        each.place("main", order(each, "new", Side.BUY, OrderType.MARKET, "1"))
        each.advance_by(15)
    assert everything(restarted) == everything(other), "and the future is the same, too"
    numbers = [report.number for report in later if isinstance(report, OrderReport)]
    assert numbers[: len(numbers) // 2] == numbers[len(numbers) // 2 :]


def test_the_same_inputs_write_the_same_journal(bench: Bench) -> None:
    for run in ("first", "second"):
        trade_a_while(bench.open(run))
    assert bench.journal_hash("first") == bench.journal_hash("second")


def test_how_the_market_was_advanced_does_not_matter(bench: Bench) -> None:
    """In one go, step by step or by the clock."""
    whole, stepped, timed = (bench.open(run) for run in ("whole", "stepped", "timed"))
    for exchange in (whole, stepped, timed):
        exchange.advance_by(2)
        exchange.place("main", order(exchange, "is hit", Side.SELL, OrderType.LIMIT, "3", "101.5"))
    whole.advance_by(30)
    timed.advance_until(whole.clock_ns)
    whole.advance(timed.step)  # at one time there may be more than one step
    while stepped.step < timed.step:
        stepped.advance_by(1)
    assert everything(whole) == everything(stepped) == everything(timed)


def test_time_does_not_go_back_and_the_data_ends(bench: Bench) -> None:
    exchange = bench.open()
    exchange.advance(5)
    with pytest.raises(WrongStep, match="the venue is at step 5, and time does not go back to 4"):
        exchange.advance(4)
    exchange.advance_by(10_000)
    assert exchange.is_done
    with pytest.raises(WrongStep, match=r"the data ends at step [0-9]+; there is no step 9999"):
        exchange.advance(9_999)


def test_everybody_hears_what_the_market_does_in_order(bench: Bench) -> None:
    exchange = bench.open()
    heard: list[MarketEvent] = []
    exchange.on_market.append(heard.extend)
    for _ in range(40):
        exchange.advance_by(1)
    assert [event.ts_ns for event in heard] == sorted(event.ts_ns for event in heard)
    kind = {Quality.BARS: BarClosed, Quality.TRADES: PublicTrade, Quality.DEPTH: DepthChange}[bench.source.quality]
    assert any(isinstance(event, kind) for event in heard)
    changes = [event for event in heard if isinstance(event, DepthChange)]
    for earlier, later in pairwise(changes):
        assert later.first_id == earlier.last_id + 1, "the ids of the book leave nothing out"


def test_a_journal_over_another_recording_is_refused(bench: Bench) -> None:
    bench.open()
    bench.close("first")
    bench.rules = VenueRules(fee_rate_ppb=3, slippage_ppb=0)
    with pytest.raises(JournalError, match="was written for another configuration"):
        bench.open()

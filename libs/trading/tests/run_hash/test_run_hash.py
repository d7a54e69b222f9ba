"""Two runs have equal hashes exactly when they did the same."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.events import (
    Action,
    Bracket,
    EquityMarked,
    Event,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRefused,
    OrderSubmitted,
    OrderUnknown,
    SignalRaised,
)
from n1v1.ids import ClientOrderId, FillId, OrderId, SignalId, TradeId, VenueOrderId
from n1v1.risk.reasons import RefusalReason
from n1v1.run_hash import RunRecords, first_difference, from_events, hashes_by_kind, order_state, run_hash
from n1v1.values import Liquidity, OrderType, Side, TimeInForce

BUY, SELL = SignalId("ema:BTC-USD:100"), SignalId("ema:BTC-USD:200")
ORDER = OrderId("o-1")


INTS = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
FILL_ROWS = st.tuples(INTS, NAMES, NAMES, NAMES, INTS, INTS, INTS, INTS)
EQUITY_ROWS = st.tuples(INTS, INTS, INTS, st.lists(st.tuples(NAMES, INTS, INTS), max_size=3).map(tuple))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def signal(id_: SignalId, ts_ns: int, action: Action) -> SignalRaised:
    return SignalRaised(
        id=id_, ts_ns=ts_ns, instance="ema", symbol="BTC-USD", action=action, strength=0.1, reason="crossed"
    )


APPROVED = OrderApproved(
    id="approved:o-1",
    ts_ns=100,
    order_id=ORDER,
    signal_id=BUY,
    account="main",
    instance="ema",
    symbol="BTC-USD",
    side=Side.BUY,
    type=OrderType.MARKET,
    lots=5000,
    limit_ticks=None,
    time_in_force=TimeInForce.GTC,
    reduce_only=False,
    reference_ticks=900,
    valid_until_ns=200,
)
REFUSED = OrderRefused(
    id="refused:2",
    ts_ns=200,
    signal_id=SELL,
    account="main",
    instance="ema",
    symbol="BTC-USD",
    action=Action.SELL,
    reason=RefusalReason.SHORT_DISABLED,
    detail="no position",
)
SUBMITTED = OrderSubmitted(
    id="submitted",
    ts_ns=100,
    order_id=ORDER,
    account="main",
    symbol="BTC-USD",
    client_order_id=ClientOrderId("n1v1-o-1-1"),
    signal_id=BUY,
    instance="ema",
    side=Side.BUY,
    type=OrderType.MARKET,
    lots=5000,
)
ACCEPTED = OrderAccepted(
    id="accepted",
    ts_ns=100,
    order_id=ORDER,
    account="main",
    symbol="BTC-USD",
    venue_order_id=VenueOrderId("77"),
)
FILL = OrderFilled(
    id="fill:1",
    ts_ns=150,
    order_id=ORDER,
    account="main",
    symbol="BTC-USD",
    fill_id=FillId("sim:BTC-USD:1"),
    trade_id=TradeId("1"),
    instance="ema",
    side=Side.BUY,
    lots=5000,
    ticks=901,
    value=4505000,
    fee=4505,
    liquidity=Liquidity.TAKER,
    is_final=True,
)
MARK = EquityMarked(
    id="equity:200",
    ts_ns=200,
    account="main",
    cash=10,
    equity=4505010,
    peak=4505010,
    fees=4505,
    positions=(("BTC-USD", 5000, 901),),
)
RUN: tuple[Event, ...] = (
    signal(BUY, 100, Action.BUY),
    APPROVED,
    SUBMITTED,
    ACCEPTED,
    FILL,
    signal(SELL, 200, Action.SELL),
    REFUSED,
    MARK,
)


def test_the_records_hold_every_decision_order_fill_and_mark() -> None:
    records = from_events(RUN)
    assert records.decisions == (
        (100, "ema", "BTC-USD", "BUY", "0.1", "crossed", "APPROVED", "", "o-1"),
        (200, "ema", "BTC-USD", "SELL", "0.1", "crossed", "REFUSED", "SHORT_DISABLED", ""),
    )
    assert records.orders == (("o-1", "BTC-USD", "BUY", "MARKET", 5000, "FILLED", 5000),)
    assert records.fills == ((150, "o-1", "1", "BUY", 5000, 901, 4505000, 4505),)
    assert records.equity == ((200, 10, 4505010, (("BTC-USD", 5000, 901),)),)


def test_the_hash_is_what_it_was_when_this_was_written() -> None:
    assert run_hash(from_events(RUN)) == "f4da20c17cfccd3ca045c952180c3638542f772cf82b02e0eea581dca2ccd354"


@given(records=st.builds(RunRecords, fills=st.lists(FILL_ROWS).map(tuple), equity=st.lists(EQUITY_ROWS).map(tuple)))
def test_the_hashes_are_those_of_the_rows_as_sorted_json_lines(records: RunRecords) -> None:
    lines = {
        kind: [json.dumps([kind, *row], ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows]
        for kind, rows in (("fills", records.fills), ("equity", records.equity))
    }
    content = {kind: "".join(sorted(found)) for kind, found in lines.items()}
    assert run_hash(records) == sha256(content["fills"] + content["equity"])
    nothing = {"decisions": sha256(""), "orders": sha256("")}
    assert hashes_by_kind(records) == nothing | {kind: sha256(text) for kind, text in content.items()}


def test_repeated_and_reordered_events_give_the_same_hash() -> None:
    shuffled = list(RUN) * 2
    random.Random(7).shuffle(shuffled)
    assert run_hash(from_events(shuffled)) == run_hash(from_events(RUN))


def test_a_restart_on_the_way_leaves_no_mark() -> None:
    lost = OrderUnknown(
        id="unknown",
        ts_ns=100,
        order_id=ORDER,
        account="main",
        symbol="BTC-USD",
        client_order_id=ClientOrderId("n1v1-o-1-1"),
        reason="timed out",
    )
    accepted_later = replace(ACCEPTED, venue_order_id=VenueOrderId("78"), ts_ns=101)
    restarted = [accepted_later if event is ACCEPTED else event for event in RUN]
    assert run_hash(from_events([*restarted, lost])) == run_hash(from_events(RUN))


def test_one_unit_of_money_more_is_another_hash_and_the_difference_is_named() -> None:
    one = from_events(RUN)
    other = from_events([replace(FILL, fee=FILL.fee + 1) if event is FILL else event for event in RUN])
    changed = {kind for kind, hash_ in hashes_by_kind(one).items() if hashes_by_kind(other)[kind] != hash_}
    assert changed == {"fills"}
    assert run_hash(one) != run_hash(other)
    assert first_difference(one, other) == (
        "fills: only the first run has (150, 'o-1', '1', 'BUY', 5000, 901, 4505000, 4505)"
    )
    assert first_difference(one, one) is None


@pytest.mark.parametrize(
    ("filled", "heard", "state"),
    [
        (0, (), "APPROVED"),
        (0, ("SUBMITTED",), "SUBMITTED"),
        (0, ("SUBMITTED", "UNKNOWN"), "UNKNOWN"),
        (0, ("SUBMITTED", "UNKNOWN", "ACCEPTED"), "ACCEPTED"),
        (3, ("SUBMITTED", "ACCEPTED"), "PARTIALLY_FILLED"),
        (3, ("ACCEPTED", "CANCELLED"), "CANCELLED"),
        (10, ("ACCEPTED", "CANCELLED"), "FILLED"),
        (0, ("REJECTED",), "REJECTED"),
        (3, ("ACCEPTED", "FILLED"), "FILLED"),
    ],
)
def test_the_state_of_an_order_follows_from_what_was_heard(filled: int, heard: tuple[str, ...], state: str) -> None:
    assert order_state(lots=10, filled_lots=filled, heard=set(heard)) == state


def test_records_that_went_through_json_are_the_same() -> None:
    records = from_events(RUN)
    assert RunRecords.from_json(json.loads(json.dumps(asdict(records)))) == records


def test_a_signal_without_a_verdict_is_pending() -> None:
    assert from_events(RUN[:1]).decisions[0][6:] == ("PENDING", "", "")


def test_an_order_nobody_approved_means_that_events_are_missing() -> None:
    cancelled = OrderCancelled(
        id="c", ts_ns=1, order_id=ORDER, account="main", symbol="BTC-USD", remaining_lots=1, reason=""
    )
    with pytest.raises(ValueError, match="o-1 was never approved"):
        from_events([cancelled])


def test_the_legs_of_an_approved_entry_are_orders_whatever_becomes_of_it() -> None:
    protected = replace(APPROVED, bracket=Bracket(stop_ticks=850, target_ticks=990))
    assert from_events([protected]).orders == (
        ("o-1", "BTC-USD", "BUY", "MARKET", 5000, "APPROVED", 0),
        ("o-1-stop", "BTC-USD", "SELL", "STOP", 5000, "APPROVED", 0),
        ("o-1-target", "BTC-USD", "SELL", "LIMIT", 5000, "APPROVED", 0),
    )
    trailing = replace(APPROVED, bracket=Bracket(trail_ppb=20_000_000))
    assert [row[3] for row in from_events([trailing]).orders] == ["MARKET", "TRAILING_STOP"]


def test_a_leg_is_filled_when_its_last_fill_says_so_though_its_lots_were_more() -> None:
    protected = replace(APPROVED, bracket=Bracket(stop_ticks=850))
    partial = replace(FILL, lots=2000, is_final=False)
    stopped = replace(FILL, id="fill:2", fill_id=FillId("2"), order_id=OrderId("o-1-stop"), side=Side.SELL, lots=2000)
    rows = from_events([protected, ACCEPTED, partial, stopped]).orders
    assert [(row[0], *row[4:]) for row in rows] == [
        ("o-1", 5000, "PARTIALLY_FILLED", 2000),
        ("o-1-stop", 5000, "FILLED", 2000),
    ]

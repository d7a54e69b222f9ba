"""Matching compiled over NumPy arrays gives what plain Python gives over lists of records, number for number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from n1v1.kernels import Record, load_record, new_record, store_record
from n1v1.rounding import PPB
from n1v1.simulation import records
from n1v1.simulation.accepting import accept
from n1v1.simulation.book import is_alive
from n1v1.simulation.matching import cancel, match_bar, open_budget, quiet_range
from n1v1.simulation.records import (
    BAR,
    BUDGET,
    FOK,
    GTC,
    GTD,
    HAPPENING,
    HAPPENINGS_PER_ORDER,
    IOC,
    LIMIT,
    MARKET,
    ORDER,
    RANGE,
    RULES,
    STOP,
    TRAILING_STOP,
    UNLIMITED,
    WALLET,
)
from n1v1_research.compiled.kernels import compiled

INSTRUMENT = np.dtype([("notional_divisor", "i8"), ("step_lots", "i8"), ("min_notional", "i8")])
ROOM = 160
BARS = 160


@dataclass
class Venue:
    """One account and one symbol on the bare kernels, in either form."""

    kernels: dict[str, Any]
    orders: Any
    happenings: Any
    instrument: Any
    rules: Any
    wallet: Any
    bar: Any
    budget: Any
    quiet: Any
    count: int = 0
    told: list[tuple[int, ...]] = field(default_factory=list)

    def submit(self, rows: list[dict[str, int]], last_ticks: int, now_ns: int) -> None:
        first = self.count
        for row in rows:
            order = self.orders[self.count]
            for name in ORDER.names or ():
                setattr(order, name, row.get(name, 0))
            self.count += 1
        before = numbers(self.wallet, WALLET)
        verdict = self.kernels["accept"](
            self.instrument, self.orders, first, self.count, last_ticks, now_ns, self.rules, self.wallet
        )
        self.told.append((-1, verdict))
        if verdict != records.ACCEPTED:
            self.count = first
            assert numbers(self.wallet, WALLET) == before, "a refused order leaves the wallet alone"

    def cancel(self, index: int, now_ns: int) -> None:
        if index < self.count and is_alive(self.orders[index]):
            self._tell(
                self.kernels["cancel"](
                    self.instrument,
                    self.orders,
                    self.count,
                    index,
                    now_ns,
                    self.rules,
                    self.wallet,
                    self.budget,
                    self.happenings,
                )
            )

    def match(self, row: dict[str, int]) -> None:
        for name, value in row.items():
            setattr(self.bar, name, value)
        self.quiet.low, self.quiet.high, self.quiet.until_ns = 0, UNLIMITED, UNLIMITED
        self.kernels["quiet_range"](self.orders, self.count, self.rules, self.quiet)
        is_quiet = (
            self.quiet.low < row["low"] and row["high"] < self.quiet.high and row["close_ns"] < self.quiet.until_ns
        )
        before = self.state() if is_quiet else []
        self.kernels["open_budget"](self.bar, self.rules, self.budget)
        happened = self.kernels["match_bar"](
            self.instrument,
            self.orders,
            self.count,
            self.bar,
            self.rules,
            self.wallet,
            self.budget,
            self.happenings,
        )
        assert happened <= HAPPENINGS_PER_ORDER * max(1, self.count)
        self._tell(happened)
        if is_quiet:
            assert happened == 0
            assert without_rest(self.state()) == without_rest(before), "a quiet bar changes nothing"

    def state(self) -> list[tuple[int, ...]]:
        orders = [numbers(self.orders[index], ORDER) for index in range(self.count)]
        return [*orders, numbers(self.wallet, WALLET)]

    def _tell(self, happened: int) -> None:
        self.told += [numbers(self.happenings[index], HAPPENING) for index in range(happened)]


def numbers(record: Any, layout: np.dtype[Any]) -> tuple[int, ...]:
    return tuple(int(getattr(record, name)) for name in layout.names or ())


def without_rest(state: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Whether an order has seen an open matters to those only that are never quiet before."""
    at = (ORDER.names or ()).index("is_resting")
    return [*(order[:at] + order[at + 1 :] for order in state[:-1]), state[-1]]


def plain(rules: Record, cash: int) -> Venue:
    kernels = {kernel.__name__: kernel for kernel in (accept, cancel, match_bar, open_budget, quiet_range)}
    venue = Venue(
        kernels=kernels,
        orders=[new_record(ORDER) for _ in range(ROOM)],
        happenings=[new_record(HAPPENING) for _ in range(ROOM * HAPPENINGS_PER_ORDER)],
        instrument=new_record(INSTRUMENT),
        rules=rules,
        wallet=new_record(WALLET),
        bar=new_record(BAR),
        budget=new_record(BUDGET),
        quiet=new_record(RANGE),
    )
    return opened(venue, cash)


def in_arrays(rules: Record, cash: int) -> Venue:
    kernels = {kernel.__name__: compiled(kernel) for kernel in (accept, cancel, match_bar, open_budget, quiet_range)}
    stored = np.zeros((), RULES)
    store_record(rules, stored)
    venue = Venue(
        kernels=kernels,
        orders=np.zeros(ROOM, ORDER).view(np.recarray),
        happenings=np.zeros(ROOM * HAPPENINGS_PER_ORDER, HAPPENING).view(np.recarray),
        instrument=one(INSTRUMENT),
        rules=np.array([stored], RULES).view(np.recarray)[0],
        wallet=one(WALLET),
        bar=one(BAR),
        budget=one(BUDGET),
        quiet=one(RANGE),
    )
    return opened(venue, cash)


def one(layout: np.dtype[Any]) -> Any:
    return np.zeros(1, layout).view(np.recarray)[0]


def opened(venue: Venue, cash: int) -> Venue:
    venue.instrument.notional_divisor, venue.instrument.step_lots, venue.instrument.min_notional = 100, 1_000, 1
    venue.wallet.cash = cash
    return venue


def some_rules(chance: np.random.Generator) -> Record:
    rules = new_record(RULES)
    rules.taker_fee_ppb = int(chance.integers(0, 20_000_000))
    rules.maker_fee_ppb = int(chance.integers(0, 20_000_000))
    rules.min_fee = int(chance.choice([0, 1_000, 3_000_000]))
    rules.slippage_model = int(chance.integers(0, 3))
    rules.slippage_ppb = int(chance.integers(0, 5_000_000))
    rules.impact_ppb = int(chance.integers(0, 50_000_000))
    rules.latency_ns = int(chance.choice([0, 0, 7]))
    rules.participation_ppb = int(chance.choice([UNLIMITED, 100_000_000]))
    rules.path = int(chance.integers(0, 4))
    rules.seed = int(chance.integers(0, 1_000))
    rules.touch = int(chance.integers(0, 2))
    rules.queue_ppb = int(chance.integers(0, PPB))
    return rules


def some_bar(chance: np.random.Generator, last: int, number: int) -> dict[str, int]:
    prices = [max(2, last + int(step)) for step in chance.integers(-40, 41, 4)]
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[3],
        "volume": int(chance.integers(0, 3_000)) * 1_000,
        "open_ns": number * 10,
        "close_ns": number * 10 + 10,
    }


def some_order(chance: np.random.Generator, sign: int, last: int, now_ns: int) -> dict[str, int]:
    kind = int(chance.integers(MARKET, TRAILING_STOP + 1))
    near = last + int(chance.integers(-50, 51))
    time_in_force = int(chance.choice([GTC, GTC, GTC, IOC, FOK, GTD]))
    return {
        "kind": kind,
        "sign": sign,
        "lots": int(chance.integers(1, 900)) * 1_000,
        "limit_ticks": max(1, near) if kind in (LIMIT, records.STOP_LIMIT, records.TAKE_PROFIT_LIMIT) else 0,
        "stop_ticks": max(1, near + int(chance.integers(-9, 9))) if kind >= STOP and chance.random() < 0.95 else 0,
        "trail_ppb": int(chance.integers(1, 30_000_000)) if kind == TRAILING_STOP else 0,
        "trail_step_ppb": int(chance.choice([0, 5_000_000])),
        "time_in_force": time_in_force,
        "expires_ns": now_ns + int(chance.integers(1, 60)) if time_in_force == GTD else 0,
        "is_post_only": int(kind == LIMIT and chance.random() < 0.2),
        "reduces_only": int(chance.random() < 0.2),
    }


def some_command(chance: np.random.Generator, number: int, last: int, now_ns: int) -> list[dict[str, int]]:
    sign = int(chance.choice([1, 1, -1]))
    if chance.random() < 0.5:
        return [some_order(chance, sign, last, now_ns) | {"number": number}]
    entry = some_order(chance, sign, last, now_ns) | {"is_working": 1, "reduces_only": 0, "number": number}
    stop = {"kind": STOP, "stop_ticks": max(1, last - sign * int(chance.integers(1, 60)))}
    if chance.random() < 0.4:
        stop |= {"kind": TRAILING_STOP, "trail_ppb": int(chance.integers(1, 40_000_000))}
    target = {"kind": LIMIT, "limit_ticks": max(1, last + sign * int(chance.integers(1, 60)))}
    legs = [stop, target][: int(chance.integers(1, 3))]
    shared = {"sign": -sign, "lots": entry["lots"], "reduces_only": 1}
    whole = [entry, *(leg | shared for leg in legs)]
    if chance.random() < 0.2 and len(legs) == 2:
        whole = whole[1:]
    return [row | {"list_number": number, "number": number + index} for index, row in enumerate(whole)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("may_short", [0, 1])
def test_random_order_flow_gives_equal_orders_wallets_and_happenings(seed: int, may_short: int) -> None:
    chance = np.random.default_rng(seed)
    rules, cash = some_rules(chance), int(chance.integers(1_000_000, 500_000_000))
    both = (plain(rules, cash), in_arrays(rules, cash))
    for venue in both:
        venue.wallet.may_short = may_short
    last = 1_000
    for number in range(1, BARS):
        bar = some_bar(chance, last, number)
        last = bar["close"]
        command = some_command(chance, number * 10, last, bar["close_ns"])
        cancelled = int(chance.integers(0, ROOM))
        for venue in both:
            venue.match(bar)
            assert venue.wallet.cash >= 0
            assert venue.wallet.held >= 0 or may_short
            if venue.count + len(command) <= ROOM and number % 2:
                venue.submit(command, last, bar["close_ns"])
            venue.cancel(cancelled, bar["close_ns"])
    first, second = both
    assert first.told == second.told
    assert first.state() == second.state()
    executions = [told for told in first.told if told[1] == records.EXECUTED]
    assert len(executions) > 10, "otherwise this compares nothing"


def test_a_plain_record_and_an_array_hold_the_same_fields() -> None:
    record = new_record(ORDER)
    record.lots = 7
    stored = np.zeros((), ORDER)
    store_record(record, stored)
    again = new_record(ORDER)
    load_record(again, stored)
    assert numbers(again, ORDER) == numbers(record, ORDER)

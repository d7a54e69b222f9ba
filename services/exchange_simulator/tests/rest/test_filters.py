"""Every filter at its edge: one tick, step or order beyond what it admits, with Binance's exact words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from n1v1.simulation.holdings import Balance
from n1v1.values import PPB, Instrument, OrderType, Side
from n1v1_exchange_simulator.binance.averages import AveragePrices
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.filters import (
    FILTER_ORDER,
    ExchangeMaxAlgoOrders,
    ExchangeMaxOrders,
    Filter,
    IcebergParts,
    LotSize,
    MarketLotSize,
    MaxAlgoOrders,
    MaxIcebergOrders,
    MaxOrderLists,
    MaxOrders,
    MaxPosition,
    MinNotional,
    Notional,
    PercentPrice,
    PercentPriceBySide,
    PriceFilter,
    Rulebook,
    SymbolRules,
    SymbolStatus,
    TrailingDelta,
    binance_rules,
    grid_rules,
)
from n1v1_exchange_simulator.market_events import PublicTrade
from n1v1_exchange_simulator.venue import ListKind, NewOrder, OrderList, SelfTradePrevention

BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")
ONE = BTC.lots("1")
CENT, STEP, USDT = 1, BTC.step_lots, 100_000_000
LAST = 100_00
MINUTE_NS = 60_000_000_000


@dataclass(frozen=True)
class Open:
    """As much of an open order as filters look at."""

    request: NewOrder
    filled_lots: int = 0
    prevented_lots: int = 0

    @property
    def lots(self) -> int:
        return self.request.lots


@dataclass
class Account:
    """What filters ask of a venue and its market: open orders, lists, a position, and trades of the last hour."""

    open: Sequence[NewOrder] = ()
    lists: Sequence[OrderList] = ()
    held_lots: int = 0
    trades: Sequence[PublicTrade] = ()
    now_ns: int = 60 * MINUTE_NS

    def refusal(self, filters: Sequence[Filter], *orders: NewOrder) -> tuple[int, str] | None:
        rules = SymbolRules(instrument=BTC, filters=tuple(filters))
        return self.refusal_by(Rulebook([rules]), *orders)

    def refusal_by(self, rulebook: Rulebook, *orders: NewOrder) -> tuple[int, str] | None:
        market: Any = _Market(self)
        venue: Any = _Venue(self)
        try:
            rulebook.check(venue, AveragePrices(market, lambda: self.now_ns), "main", orders)
        except ApiError as refused:
            return refused.code, refused.msg
        return None


class _Venue:
    def __init__(self, account: Account) -> None:
        self._account = account

    def open_orders(self, account: str, symbol: str | None = None) -> Sequence[Open]:
        return [Open(order) for order in self._account.open if symbol in (None, order.symbol)]

    def lists(self, account: str) -> Sequence[OrderList]:
        return self._account.lists

    def balances(self, account: str) -> dict[str, Balance]:
        return {"BTC": Balance(free=self._account.held_lots)}


class _Market:
    def __init__(self, account: Account) -> None:
        self._account = account

    def recent_trades(self, symbol: str) -> Sequence[PublicTrade]:
        return self._account.trades

    def last_ticks(self, symbol: str) -> int | None:
        return LAST


def order(**fields: Any) -> NewOrder:
    plain: dict[str, Any] = {
        "client_order_id": "mine",
        "symbol": BTC.symbol,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "lots": ONE,
        "limit_ticks": LAST,
    }
    return NewOrder(**plain | fields)


def market(**fields: Any) -> NewOrder:
    return order(type=OrderType.MARKET, limit_ticks=None, **fields)


def stop(**fields: Any) -> NewOrder:
    return order(**{"type": OrderType.STOP_LIMIT, "stop_ticks": LAST, **fields})


EDGES: list[tuple[Filter, NewOrder, NewOrder]] = [
    (PriceFilter(50 * CENT, 0), order(limit_ticks=50), order(limit_ticks=49)),
    (PriceFilter(1, 90 * CENT), order(limit_ticks=90), order(limit_ticks=91)),
    (PriceFilter(1, 0, tick=5), order(limit_ticks=LAST), order(limit_ticks=LAST + 1)),
    (PriceFilter(1, 0, tick=5), stop(stop_ticks=LAST), stop(stop_ticks=LAST - 1)),
    (PriceFilter(0, 0, tick=0), order(limit_ticks=1), order(limit_ticks=0)),
    (PercentPrice(2 * PPB, PPB // 2, 0), order(limit_ticks=2 * LAST), order(limit_ticks=2 * LAST + 1)),
    (PercentPrice(2 * PPB, PPB // 2, 0), order(limit_ticks=LAST // 2), order(limit_ticks=LAST // 2 - 1)),
    (
        PercentPriceBySide(2 * PPB, 0, 9 * PPB, 0, 0),
        order(limit_ticks=2 * LAST),
        order(limit_ticks=2 * LAST + 1),
    ),
    (
        PercentPriceBySide(9 * PPB, 0, 9 * PPB, PPB // 2, 0),
        order(side=Side.SELL, limit_ticks=LAST // 2),
        order(side=Side.SELL, limit_ticks=LAST // 2 - 1),
    ),
    (LotSize(2 * STEP, 0, STEP), order(lots=2 * STEP), order(lots=STEP)),
    (LotSize(0, 9 * STEP, STEP), order(lots=9 * STEP), order(lots=10 * STEP)),
    (LotSize(0, 0, STEP), order(lots=STEP), order(lots=STEP + 1)),
    (LotSize(0, 0, STEP), order(iceberg_lots=STEP), order(iceberg_lots=STEP + 1)),
    (MarketLotSize(0, 5 * STEP), market(lots=5 * STEP), market(lots=6 * STEP)),
    (MarketLotSize(0, 5 * STEP, 2 * STEP), market(lots=4 * STEP), market(lots=5 * STEP)),
    (MinNotional(100 * USDT, minutes=0), order(), order(limit_ticks=LAST - 1)),
    (MinNotional(100 * USDT, minutes=0), market(), market(lots=ONE - STEP)),
    (Notional(100 * USDT, 200 * USDT, minutes=0), order(), order(lots=ONE - STEP)),
    (Notional(0, 200 * USDT, minutes=0), order(lots=2 * ONE), order(lots=2 * ONE + STEP)),
    (
        Notional(0, 200 * USDT, max_applies_to_market=True, minutes=0),
        market(lots=0, spend_quanta=200 * USDT),
        market(lots=0, spend_quanta=200 * USDT + 1),
    ),
    (IcebergParts(10), order(iceberg_lots=ONE // 10), order(iceberg_lots=ONE // 10 - 1)),
    (
        TrailingDelta(10, 2_000, 20, 1_000),
        order(type=OrderType.TAKE_PROFIT, side=Side.SELL, trail_ppb=1_000_000),
        order(type=OrderType.TAKE_PROFIT, side=Side.SELL, trail_ppb=999_999),
    ),
    (
        TrailingDelta(10, 2_000, 20, 1_000),
        order(type=OrderType.TRAILING_STOP, side=Side.SELL, trail_ppb=100_000_000),
        order(type=OrderType.TRAILING_STOP, side=Side.SELL, trail_ppb=100_000_001),
    ),
]


@pytest.mark.parametrize(
    ("rule", "fits", "fails"), EDGES, ids=[f"{index} {edge[0].name}" for index, edge in enumerate(EDGES)]
)
def test_a_filter_admits_its_edge_and_nothing_beyond(rule: Filter, fits: NewOrder, fails: NewOrder) -> None:
    account = Account()
    assert account.refusal([rule], fits) is None
    assert account.refusal([rule], fails) == (-1013, f"Filter failure: {rule.name}")


def test_filters_of_market_orders_pass_over_others() -> None:
    account = Account()
    assert account.refusal([MarketLotSize(0, STEP)], order()) is None
    assert account.refusal([MinNotional(500 * USDT, applies_to_market=False)], market()) is None
    assert account.refusal([Notional(500 * USDT, 900 * USDT, min_applies_to_market=False)], market()) is None
    assert account.refusal([Notional(0, 10 * USDT)], market()) is None


COUNTS: list[tuple[Filter, NewOrder, NewOrder]] = [
    (MaxOrders(2), order(), order()),
    (MaxAlgoOrders(2), stop(), stop()),
    (MaxIcebergOrders(2), order(iceberg_lots=ONE), order(iceberg_lots=ONE)),
    (ExchangeMaxOrders(2), order(symbol="ETH-USDT"), order()),
    (ExchangeMaxAlgoOrders(2), stop(symbol="ETH-USDT"), stop()),
]


@pytest.mark.parametrize(("rule", "open_one", "asked"), COUNTS, ids=[each[0].name for each in COUNTS])
def test_only_so_many_orders_may_be_open(rule: Filter, open_one: NewOrder, asked: NewOrder) -> None:
    assert Account(open=[open_one]).refusal([rule], asked) is None
    refusal = Account(open=[open_one, open_one]).refusal([rule], asked)
    assert refusal == (-1013, f"Filter failure: {rule.name}")


def test_every_order_of_a_list_counts() -> None:
    assert Account(open=[order()]).refusal([MaxOrders(3)], order(), order()) is None
    assert Account(open=[order()] * 2).refusal([MaxOrders(3)], order(), order()) == (
        -1013,
        "Filter failure: MAX_NUM_ORDERS",
    )
    assert Account().refusal([MaxAlgoOrders(1)], stop(), order()) is None
    assert Account().refusal([MaxAlgoOrders(1)], stop(), stop()) is not None


def test_only_so_many_lists_may_be_open(open_list: OrderList) -> None:
    rule = MaxOrderLists(2)
    done = replace(open_list, is_done=True)
    assert Account(lists=[open_list, done]).refusal([rule], order(), stop()) is None
    assert Account(lists=[open_list] * 2).refusal([rule], order(), stop()) == (
        -1013,
        "Filter failure: MAX_NUM_ORDER_LISTS",
    )
    assert Account(lists=[open_list] * 2).refusal([rule], order()) is None, "a single order is no list"


def test_a_position_counts_what_open_orders_may_still_buy() -> None:
    rule = MaxPosition(3 * ONE)
    assert Account(held_lots=ONE, open=[order()]).refusal([rule], order()) is None
    assert Account(held_lots=ONE + STEP, open=[order()]).refusal([rule], order()) == (
        -2010,
        "Filter failure: MAX_POSITION",
    )
    assert Account(held_lots=9 * ONE).refusal([rule], order(side=Side.SELL)) is None


def traded(minutes_ago: float, ticks: int, lots: int, number: int) -> PublicTrade:
    ts_ns = 60 * MINUTE_NS - int(minutes_ago * MINUTE_NS)
    return PublicTrade(ts_ns=ts_ns, symbol=BTC.symbol, number=number, ticks=ticks, lots=lots, is_buyer_maker=False)


def test_market_orders_are_valued_at_the_average_of_the_last_minutes_by_volume() -> None:
    """At 50 for 3 coins and at 90 for 1 within five minutes, at 900 before: 60 on average."""
    trades = [traded(6, 900_00, 9 * ONE, 1), traded(5, 50_00, 3 * ONE, 2), traded(1, 90_00, ONE, 3)]
    account = Account(trades=trades)
    assert account.refusal([MinNotional(60 * USDT)], market()) is None
    assert account.refusal([MinNotional(60 * USDT + 1)], market()) is not None
    assert account.refusal([PercentPrice(PPB, 0)], order(limit_ticks=60_00)) is None
    assert account.refusal([PercentPrice(PPB, 0)], order(limit_ticks=60_01)) is not None


def test_without_trades_in_those_minutes_the_last_price_counts() -> None:
    account = Account(trades=[traded(6, 900_00, ONE, 1)])
    assert account.refusal([MinNotional(100 * USDT)], market()) is None
    assert account.refusal([MinNotional(100 * USDT + 1)], market()) is not None


def test_the_first_filter_in_the_fixed_order_answers_however_they_are_listed() -> None:
    filters: list[Filter] = [
        MaxOrders(0),
        MinNotional(900 * USDT),
        LotSize(0, 1, 1),
        PercentPrice(PPB, PPB, 0),
        PriceFilter(1, 1),
    ]
    faulty = order(limit_ticks=LAST + 1)
    seen = []
    while filters:
        refusal = Account().refusal(filters, faulty)
        assert refusal is not None
        name = refusal[1].removeprefix("Filter failure: ")
        seen.append(name)
        filters = [each for each in filters if each.name != name]
    assert seen == ["PRICE_FILTER", "PERCENT_PRICE", "LOT_SIZE", "MIN_NOTIONAL", "MAX_NUM_ORDERS"]
    assert seen == sorted(seen, key=FILTER_ORDER.index)


@pytest.mark.parametrize("rules_of", [grid_rules, binance_rules])
def test_the_price_filter_is_listed_first_and_every_name_is_binances(rules_of: Any) -> None:
    described = rules_of(BTC).described()
    assert described[0] == {
        "filterType": "PRICE_FILTER",
        "minPrice": "0.01000000",
        "maxPrice": "1000000.00000000",
        "tickSize": "0.01000000",
    }
    assert {each["filterType"] for each in described} <= {*FILTER_ORDER, "MAX_NUM_ORDER_AMENDS"}


def test_while_a_symbol_is_halted_nothing_is_accepted() -> None:
    rulebook = Rulebook([grid_rules(BTC)])
    rulebook.halt(BTC.symbol, SymbolStatus.HALT)
    assert Account().refusal_by(rulebook, order()) == (-1013, "Market is closed.")
    rulebook.halt(BTC.symbol, SymbolStatus.TRADING)
    assert Account().refusal_by(rulebook, order()) is None


def test_a_tick_size_can_change_while_the_market_runs() -> None:
    rules = grid_rules(BTC)
    rulebook = Rulebook([rules])
    assert Account().refusal_by(rulebook, order(limit_ticks=LAST + 1)) is None
    rulebook.change(replace(rules, filters=(PriceFilter(1, 0, tick=10), *rules.filters[1:])))
    assert Account().refusal_by(rulebook, order(limit_ticks=LAST + 1)) == (-1013, "Filter failure: PRICE_FILTER")


def test_a_mode_that_a_symbol_does_not_allow_is_refused() -> None:
    allowed = frozenset({SelfTradePrevention.NONE})
    rulebook = Rulebook([replace(grid_rules(BTC), self_trade_prevention_modes=allowed)])
    assert Account().refusal_by(rulebook, order(self_trade_prevention=SelfTradePrevention.DECREMENT)) == (
        -1013,
        "This symbol does not allow the specified self-trade prevention mode.",
    )


@pytest.fixture
def open_list() -> OrderList:
    return OrderList(
        number=1,
        kind=ListKind.OCO,
        name="both",
        account="main",
        symbol=BTC.symbol,
        order_numbers=(1, 2),
        accepted_ns=0,
    )

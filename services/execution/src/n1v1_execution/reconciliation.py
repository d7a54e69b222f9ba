"""Comparing what we believe of the account with what the venue says: orders, executions, balances.

What the venue knows of our own orders is applied, however often it is found. What it has that none of our orders
explains is a difference: somebody else trades on the account, or we have lost something. Nobody guesses which.

A stranger's execution is certain when it is seen. Everything else must be seen twice, unchanged, in two looks: lists of
a venue lag behind one another, and something of ours may happen while it is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from n1v1.events import OrderFilled, VenueReport
from n1v1.execution.orders import Order
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, order_of_client_order_id
from n1v1.values import Instrument
from n1v1_execution.differences import Difference, restored
from n1v1_execution.ports import AccountView, Deposit, OwnTrade, TradeMark

Find = Callable[[Order], Awaitable[Sequence[VenueReport]]]
Apply = Callable[[Sequence[VenueReport]], Awaitable[None]]

ORDER, BALANCE = "order", "balance"
BALANCE_TOLERANCE = Decimal("1e-6")
"""Of an asset: venues round what they credit at their own last digit."""
REMEMBERED_NS = 3_600_000_000_000
OTHER_ASSET_UNIT = Decimal("1e-8")


class Reconciliation:
    """marks: up to where the venue's executions are known. flows: by asset, what executions have moved since the
    venue's balances were first seen; `opening` is what they were then, and what was paid in since."""

    def __init__(self, *, stage: Execution, view: AccountView, instruments: Mapping[str, Instrument]) -> None:
        self._stage = stage
        self._view = view
        self._instruments = instruments
        self._marks: dict[str, TradeMark] = {}
        self._booked: dict[str, int] = {}
        self._flows: dict[str, Decimal] = defaultdict(Decimal)
        self._opening: dict[str, Decimal] | None = None
        self._announced: dict[str, Decimal] = defaultdict(Decimal)
        """By asset, what was paid in, as the venue has told, and is not in `opening` yet."""
        self._certain: list[Difference] = []
        """Found, and not answered yet."""
        self._doubts: list[Difference] = []
        """What the last look has found and no earlier one."""
        self._forgiven: list[Difference] = []
        self._tolerated: set[str] = set()
        """Numbers of open orders that are not ours and that somebody has looked at."""

    @property
    def has_doubts(self) -> bool:
        """Whether there is something to look at again soon."""
        return bool(self._doubts)

    def book(self, filled: OrderFilled) -> None:
        """An execution of ours, when it is first heard of."""
        instrument = self._instruments[filled.symbol]
        sign = filled.side.sign
        self._booked[_key(filled.symbol, filled.trade_id)] = filled.ts_ns
        self._flows[instrument.base] += instrument.quantity(sign * filled.lots - filled.base_fee_lots)
        self._flows[instrument.quote] -= instrument.cash(sign * filled.value + filled.fee)
        if filled.other_fee:
            self._flows[filled.other_fee_asset] -= filled.other_fee * OTHER_ASSET_UNIT

    def announce(self, deposit: Deposit) -> None:
        """What the venue says was paid in explains as much of a difference."""
        self._announced[deposit.asset] += deposit.amount

    def forgive(self, differences: Iterable[Difference]) -> None:
        """Somebody has looked at them: if they are found once more, what the venue has is right."""
        self._forgiven += differences

    async def run(self, find: Find, apply: Apply) -> list[Difference]:
        """Take over what the venue knows of our orders; answers what is left unexplained. Raises VenueTrouble."""
        await self._settle(find, apply)
        if self._opening is None:
            await self._begin(find, apply)
        found = await self._strangers()
        found += await self._executions(find, apply)
        found += await self._balances(find, apply)
        found = [difference for difference in found if not self._is_accepted(difference)]
        self._forgiven.clear()
        confirmed = [difference for difference in found if difference in self._doubts]
        self._doubts = [difference for difference in found if difference not in confirmed]
        certain, self._certain = self._certain, []
        return [*certain, *confirmed]

    def _is_accepted(self, difference: Difference) -> bool:
        """Whether somebody has looked at it, or a deposit is all there is to it: it is then no difference any more."""
        is_deposit = difference.kind == BALANCE and self._announced[difference.about] == difference.amount
        if not is_deposit and difference not in self._forgiven:
            return False
        if difference.kind == BALANCE:
            assert self._opening is not None
            self._opening[difference.about] = self._opening.get(difference.about, Decimal(0)) + difference.amount
            self._announced.pop(difference.about, None)
        elif difference.kind == ORDER:
            self._tolerated.add(difference.about)
        return True

    async def explains(self, order: Order) -> bool:
        """Whether the account has an execution of an order that the venue does not find."""
        for trade in await self._view.trades_after(order.symbol, self._marks.get(order.symbol, TradeMark())):
            if order_of_client_order_id(await self._name(trade)) == order.order_id:
                return True
        return False

    async def _settle(self, find: Find, apply: Apply) -> None:
        for order in self._stage.open_orders:
            if order.state.is_at_venue and not order.state.is_in_doubt:
                await apply(await find(order))

    async def _begin(self, find: Find, apply: Apply) -> None:
        """What was there before us is nobody's difference. Asked until nothing of ours happens while it is asked."""
        while self._opening is None:
            booked = set(self._booked)
            marks = await self._newest()
            balances = await self._view.balances()
            await self._settle(find, apply)
            if set(self._booked) == booked and await self._newest() == marks:
                self._marks, self._opening = marks, dict(balances)
                self._flows.clear()
                self._announced.clear()

    async def _newest(self) -> dict[str, TradeMark]:
        return {symbol: await self._view.newest_trade(symbol) for symbol in self._instruments}

    async def _strangers(self) -> list[Difference]:
        found, there = [], set()
        for open_order in await self._view.open_orders():
            order = self._order(open_order.client_order_id)
            number, symbol = open_order.venue_order_id, open_order.symbol
            name = open_order.client_order_id or f"number {number}"
            there.add(str(number))
            if order is None and number not in self._tolerated:
                found.append(Difference(ORDER, symbol, f"open order {name} of {symbol} is not ours", number))
            elif order is not None and not order.state.is_open:
                what = f"order {name} of {symbol} is open at the venue, and {order.state} to us"
                found.append(Difference(ORDER, symbol, what, number))
        self._tolerated &= there
        return found

    async def _executions(self, find: Find, apply: Apply) -> list[Difference]:
        """Of strangers: certain, and what they have moved is no further difference. An execution of an order of ours
        that the venue does not list with it yet is a doubt, and everything after it waits."""
        found = []
        for symbol in self._instruments:
            for trade in await self._view.trades_after(symbol, self._marks[symbol]):
                if not await self._is_explained(trade, find, apply):
                    what = f"trade {trade.trade_id} of {symbol} (order {trade.venue_order_id})"
                    if self._order(await self._name(trade)) is not None:
                        late = f"{what} is of our order, and not among its fills"
                        found.append(Difference("trade", symbol, late, trade.trade_id))
                        break
                    self._certain.append(Difference("trade", symbol, f"{what} is not ours", trade.trade_id))
                    self._move(trade.moved)
                self._marks[symbol] = TradeMark(trade.number, trade.ts_ns)
        self._forget()
        return found

    def _move(self, moved: Mapping[str, Decimal]) -> None:
        for asset, amount in moved.items():
            self._flows[asset] += amount

    async def _is_explained(self, trade: OwnTrade, find: Find, apply: Apply) -> bool:
        key = _key(trade.symbol, trade.trade_id)
        if key not in self._booked:
            order = self._order(await self._name(trade))
            if order is not None:
                await apply(await find(order))
        return key in self._booked

    async def _name(self, trade: OwnTrade) -> ClientOrderId:
        return trade.client_order_id or await self._view.name_of(trade.symbol, trade.venue_order_id)

    async def _balances(self, find: Find, apply: Apply) -> list[Difference]:
        """Asked twice: an execution may fall between the question for executions and that for balances."""
        if not await self._unbalanced():
            return []
        found = await self._executions(find, apply)
        return found + await self._unbalanced()

    async def _unbalanced(self) -> list[Difference]:
        opening = self._opening or {}
        held = await self._view.balances()
        found = []
        for asset in self._assets():
            expected, has = opening.get(asset, Decimal(0)) + self._flows[asset], held.get(asset, Decimal(0))
            if abs(has - expected) > self._tolerance(asset):
                what = f"the venue has {has:f} {asset}, we {expected:f}"
                found.append(Difference(BALANCE, self._symbol_of(asset), what, asset, has - expected))
        return found

    def _assets(self) -> Iterable[str]:
        traded = {asset for i in self._instruments.values() for asset in (i.base, i.quote)}
        return sorted(traded | set(self._flows))

    def _symbol_of(self, asset: str) -> str:
        """The one symbol that trades an asset; empty for one in which others are paid, or that several trade."""
        symbols = [symbol for symbol, i in self._instruments.items() if asset in (i.base, i.quote)]
        return symbols[0] if len(symbols) == 1 and self._instruments[symbols[0]].base == asset else ""

    def _tolerance(self, asset: str) -> Decimal:
        """Less than an order can be of is dust, and venues round what they credit at their own last digit."""
        dust = (i.quantity(i.step_lots - 1) for i in self._instruments.values() if i.base == asset)
        return max(BALANCE_TOLERANCE, *dust, Decimal(0))

    def _order(self, name: ClientOrderId) -> Order | None:
        order_id = order_of_client_order_id(name)
        return self._stage.order(order_id) if order_id else None

    def _forget(self) -> None:
        """Executions older than what the venue is asked for again."""
        newest = max((mark.ts_ns for mark in self._marks.values()), default=0)
        self._booked = {key: ts_ns for key, ts_ns in self._booked.items() if ts_ns > newest - REMEMBERED_NS}

    def snapshot(self) -> dict[str, Any]:
        opening = self._opening
        return {
            "announced": {asset: str(amount) for asset, amount in self._announced.items() if amount},
            "certain": [difference.saved() for difference in self._certain],
            "doubts": [difference.saved() for difference in self._doubts],
            "forgiven": [difference.saved() for difference in self._forgiven],
            "tolerated": sorted(self._tolerated),
            "marks": {symbol: asdict(mark) for symbol, mark in self._marks.items()},
            "booked": dict(self._booked),
            "flows": {asset: str(amount) for asset, amount in self._flows.items()},
            "opening": None if opening is None else {asset: str(amount) for asset, amount in opening.items()},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        opening = saved["opening"]
        self._marks = {symbol: TradeMark(**mark) for symbol, mark in saved["marks"].items()}
        self._booked = {key: int(ts_ns) for key, ts_ns in saved["booked"].items()}
        self._flows = defaultdict(Decimal, {asset: Decimal(amount) for asset, amount in saved["flows"].items()})
        self._opening = None if opening is None else {asset: Decimal(amount) for asset, amount in opening.items()}
        announced = saved.get("announced", {})
        self._announced = defaultdict(Decimal, {asset: Decimal(amount) for asset, amount in announced.items()})
        self._certain = restored(saved.get("certain", ()))
        self._doubts, self._forgiven = restored(saved.get("doubts", ())), restored(saved.get("forgiven", ()))
        self._tolerated = set(saved.get("tolerated", ()))


def _key(symbol: str, trade_id: str) -> str:
    return f"{symbol}:{trade_id}"

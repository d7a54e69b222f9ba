"""Comparing what we believe of the account with what the venue says: orders, executions, balances.

What the venue knows of our own orders is applied, however often it is found. What it has that none of our orders
explains is a difference: somebody else trades on the account, or we have lost something. Nobody guesses which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from n1v1.events import OrderFilled, VenueReport
from n1v1.execution.orders import Order
from n1v1.execution.stage import Execution
from n1v1.ids import ClientOrderId, order_of_client_order_id
from n1v1.values import Instrument
from n1v1_execution.ports import AccountView, OwnTrade, TradeMark

Find = Callable[[Order], Awaitable[Sequence[VenueReport]]]
Apply = Callable[[Sequence[VenueReport]], Awaitable[None]]

BALANCE_TOLERANCE = Decimal("1e-6")
"""Of an asset: venues round what they credit at their own last digit."""
REMEMBERED_NS = 3_600_000_000_000
OTHER_ASSET_UNIT = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class Difference:
    """kind: order, trade or balance."""

    kind: str
    what: str


class Reconciliation:
    """marks: up to where the venue's executions are known. flows: by asset, what our executions have moved since the
    venue's balances were first seen; `opening` is what they were then."""

    def __init__(self, *, stage: Execution, view: AccountView, instruments: Mapping[str, Instrument]) -> None:
        self._stage = stage
        self._view = view
        self._instruments = instruments
        self._marks: dict[str, TradeMark] = {}
        self._booked: dict[str, int] = {}
        self._flows: dict[str, Decimal] = defaultdict(Decimal)
        self._opening: dict[str, Decimal] | None = None

    def book(self, filled: OrderFilled) -> None:
        """An execution of ours, when it is first heard of."""
        instrument = self._instruments[filled.symbol]
        sign = filled.side.sign
        self._booked[_key(filled.symbol, filled.trade_id)] = filled.ts_ns
        self._flows[instrument.base] += instrument.quantity(sign * filled.lots - filled.base_fee_lots)
        self._flows[instrument.quote] -= instrument.cash(sign * filled.value + filled.fee)
        if filled.other_fee:
            self._flows[filled.other_fee_asset] -= filled.other_fee * OTHER_ASSET_UNIT

    def begin_anew(self) -> None:
        """Somebody has looked at the differences: what the venue has now is right."""
        self._opening = None
        self._marks.clear()

    async def run(self, find: Find, apply: Apply) -> list[Difference]:
        """Take over what the venue knows of our orders; answers what is left unexplained. Raises VenueTrouble."""
        await self._settle(find, apply)
        if self._opening is None:
            await self._begin(find, apply)
        found = await self._strangers()
        found += await self._executions(find, apply)
        return found + await self._balances(find, apply)

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

    async def _newest(self) -> dict[str, TradeMark]:
        return {symbol: await self._view.newest_trade(symbol) for symbol in self._instruments}

    async def _strangers(self) -> list[Difference]:
        found = []
        for open_order in await self._view.open_orders():
            order = self._order(open_order.client_order_id)
            name = open_order.client_order_id or f"number {open_order.venue_order_id}"
            if order is None:
                found.append(Difference("order", f"open order {name} of {open_order.symbol} is not ours"))
            elif not order.state.is_open:
                found.append(Difference("order", f"order {name} is open at the venue, and {order.state} to us"))
        return found

    async def _executions(self, find: Find, apply: Apply) -> list[Difference]:
        found = []
        for symbol in self._instruments:
            for trade in await self._view.trades_after(symbol, self._marks[symbol]):
                if not await self._is_explained(trade, find, apply):
                    what = f"trade {trade.trade_id} of {symbol} (order {trade.venue_order_id}) is not ours"
                    found.append(Difference("trade", what))
                self._marks[symbol] = TradeMark(trade.number, trade.ts_ns)
        self._forget()
        return found

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
        assets = self._assets()
        expected = {asset: opening.get(asset, Decimal(0)) + self._flows[asset] for asset in assets}
        return [
            Difference("balance", f"the venue has {held.get(asset, Decimal(0))} {asset}, we {expected[asset]}")
            for asset in assets
            if abs(held.get(asset, Decimal(0)) - expected[asset]) > BALANCE_TOLERANCE
        ]

    def _assets(self) -> Iterable[str]:
        traded = {asset for i in self._instruments.values() for asset in (i.base, i.quote)}
        return sorted(traded | set(self._flows))

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


def _key(symbol: str, trade_id: str) -> str:
    return f"{symbol}:{trade_id}"

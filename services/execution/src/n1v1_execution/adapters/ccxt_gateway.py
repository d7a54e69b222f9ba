"""Any venue that ccxt speaks to, seen as an OrderGateway.

ccxt is used for what it is good at, the wire; amounts go out as exact text and come back as text, because its floats
lose money. It never retries: a request without an answer leaves the order in doubt, and only we may decide that.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import structlog

from n1v1.events import (
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import Order
from n1v1.ids import ClientOrderId, TradeId, VenueOrderId
from n1v1.values import Instrument, OrderType
from n1v1_common.settings.model import Exchange
from n1v1_common.state.errors import StateError
from n1v1_common.state.rate_budget import Banned
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.adapters import order_lists, reports
from n1v1_execution.adapters.client import SIMULATOR, Budget, Fence, client_of, is_binance
from n1v1_execution.adapters.grids import Grid, OffGrid, check_grid, differences, grid_of, on_grid
from n1v1_execution.adapters.names import Names, PlainNames, names_at
from n1v1_execution.adapters.reports import MS_NS
from n1v1_execution.ports import OpenOrder, OwnTrade, TradeMark, VenueNotUsable, VenueTrouble

log = structlog.get_logger()

NO_LISTS = "not sent: this venue has no order lists that n1v1 can speak of"
LOAD_AGAIN_AFTER_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
PAGE = 1_000
CLOCK_SAMPLES = 5
CLOCK_ALARM_MS = 500

IN_DOUBT = (ccxt.NetworkError, ccxt.OperationFailed)
"""The request may have been carried out: time-out, reset, 5xx after acceptance."""


@asynccontextmanager
async def opened_gateway(
    venue: str,
    exchange: Exchange,
    instruments: Iterable[Instrument],
    metrics: Metrics,
    *,
    live: bool = False,
    has_streams: bool = False,
    budget: Budget | None = None,
) -> AsyncIterator[CcxtGateway]:
    """A gateway whose markets are loaded.

    live: real orders, so that the venue's grid must fit the instruments. Raises VenueTrouble when the venue cannot be
    reached, VenueNotUsable when it can, but not be traded on as configured.
    """
    client = client_of(venue, exchange, live=live, has_streams=has_streams)
    client.budget = budget
    try:
        if venue != SIMULATOR:
            await _patiently("the venue's clock could not be read", client.load_time_difference)
        await _patiently("the venue's markets could not be loaded", client.load_markets)
        gateway = CcxtGateway(
            client,
            instruments,
            metrics,
            is_simulator=venue == SIMULATOR,
            names=names_at(venue),
            fee_asset=exchange.fee_asset,
        )
        if venue != SIMULATOR:
            gateway.check_grids()
        yield gateway
    finally:
        await client.close()


async def _patiently(what: str, ask: Callable[[], Awaitable[Any]]) -> None:
    """A venue that is away for a moment is waited for; dying each time would look like a service that is broken."""
    for pause_s in (*LOAD_AGAIN_AFTER_S, None):
        try:
            await ask()
            return
        except IN_DOUBT as error:
            if pause_s is None:
                raise VenueTrouble(f"{what}: {error}") from error
            log.warning(what, reason=str(error), again_in_s=pause_s)
        await asyncio.sleep(pause_s)


class CcxtGateway:
    def __init__(
        self,
        client: Any,
        instruments: Iterable[Instrument],
        metrics: Metrics,
        *,
        is_simulator: bool = False,
        names: Names | None = None,
        fee_asset: str | None = None,
    ) -> None:
        """is_simulator: the venue knows the parameters that our simulator has beyond Binance's."""
        self.client = client
        self._is_simulator = is_simulator
        self._is_binance = is_binance(client.id)
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._metrics = metrics
        self._names = names or PlainNames()
        self._fee_asset = fee_asset
        self._grids: dict[str, Grid] = {}
        self._grid_has_changed: dict[str, str] = {}

    def fence(self, prove: Fence) -> None:
        """From now on nothing is changed at the venue unless `prove` passes first."""
        self.client.fence = prove

    @property
    def takes_protected_entries(self) -> bool:
        """Whether an entry and the orders that protect it can be sent as one list, also with a market order."""
        return self._is_simulator

    @property
    def takes_pairs(self) -> bool:
        return self._is_binance

    # --- the venue's metadata ------------------------------------------------------------------------------------

    def check_grids(self) -> None:
        """Raises VenueNotUsable when a symbol is not traded here, or on another grid."""
        for instrument in self._instruments.values():
            self._grids[instrument.symbol] = grid = self._grid_of(instrument)
            check_grid(grid, instrument)

    def _grid_of(self, instrument: Instrument) -> Grid:
        market = self.client.markets.get(_unified(instrument.symbol))
        if market is None:
            raise VenueNotUsable(f"{instrument.symbol} is not traded at {self.client.id}")
        return grid_of(market, self.client.precisionMode)

    async def reload_markets(self) -> None:
        """Venues change their filters while we run. Entries of a symbol whose grid fits no more are refused."""
        await self._ask("load_markets", self.client.load_markets(True))
        for symbol, instrument in self._instruments.items():
            grid = self._grid_of(instrument)
            if self._grids.get(symbol, grid) != grid:
                log.warning("the venue's grid has changed", symbol=symbol, was=self._grids[symbol], now=grid)
            self._grids[symbol] = grid
            if found := "; ".join(differences(grid, instrument)):
                self._grid_has_changed[symbol] = found
            else:
                self._grid_has_changed.pop(symbol, None)

    async def set_clock(self) -> int:
        """Take over the venue's clock for signatures: the median of several readings. Answers ours ahead of it, ms."""
        ahead = []
        for _ in range(CLOCK_SAMPLES):
            ahead.append(int(await self._ask("time", self.client.load_time_difference())))
        median = int(statistics.median(ahead))
        self.client.options["timeDifference"] = median
        if abs(median) > CLOCK_ALARM_MS:
            log.error("our clock differs from the venue's", ahead_ms=median, alarm_ms=CLOCK_ALARM_MS)
        self._metrics.gauge("execution_clock_ahead_ms").set(median)
        return median

    # --- orders --------------------------------------------------------------------------------------------------

    async def submit(self, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        request = self._parameters(order)
        if isinstance(request, OffGrid):
            return _refusal(order, f"not sent: {request.reason}")
        answer = await self._command(order, "submit", lambda: self.client.create_order(*request))
        if isinstance(answer, VenueRejected):
            return answer
        return VenueAccepted(
            ts_ns=int(answer["timestamp"] or 0) * MS_NS,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            venue_order_id=VenueOrderId(str(answer["id"])),
        )

    def _parameters(self, order: SubmitOrder) -> tuple[Any, ...] | OffGrid:
        """The arguments of ccxt's create_order."""
        instrument = self._instruments[order.symbol]
        quantity = instrument.quantity(order.lots)
        limit = None if order.limit_ticks is None else instrument.price(order.limit_ticks)
        if (grid := self._grids.get(order.symbol)) is not None:
            if (changed := self._grid_has_changed.get(order.symbol)) and not order.reduces_only:
                return OffGrid(changed)
            fitted = on_grid(grid, side=order.side, quantity=quantity, price=limit)
            if isinstance(fitted, OffGrid):
                return fitted
            quantity, limit = fitted.quantity, fitted.price
        name = "newClientOrderId" if self._is_binance else "clientOrderId"
        parameters: dict[str, str] = {name: self._names.written(order.client_order_id)}
        if order.limit_ticks is not None:
            parameters |= self._lifetime(order)
        if order.trail_ppb is not None and not self._is_simulator:
            percent = Decimal(order_lists.whole_basis_points(order.trail_ppb)) / 100
            parameters |= {"trailingPercent": str(percent), "stopLossOrTakeProfit": "stopLoss"}
        elif order.stop_ticks is not None:
            parameters["stopLossPrice" if _is_stop(order) else "takeProfitPrice"] = str(
                instrument.price(order.stop_ticks)
            )
        if order.reduces_only and self._is_simulator:
            parameters["reduceOnly"] = "true"
        kind = "market" if limit is None else "limit"
        price = None if limit is None else str(limit)
        return _unified(order.symbol), kind, order.side.lower(), f"{quantity:f}", price, parameters

    def _lifetime(self, order: SubmitOrder) -> dict[str, str]:
        """Where nothing but our simulator knows an end by time, the order stays until it is cancelled."""
        if order.is_post_only:
            return {"postOnly": "true"}
        if self._is_simulator:
            return order_lists.lifetime(order)
        return {"timeInForce": "GTC" if order.expires_ns is not None else str(order.time_in_force)}

    async def submit_list(self, orders: SubmitOrderList) -> Sequence[VenueAccepted] | VenueRejected:
        first = orders.working or orders.pending[0]
        if orders.working is None and self._is_binance:
            place = self.client.privatePostOrderListOco
            write = order_lists.exact_oco_parameters if self._is_simulator else order_lists.oco_parameters
        elif not self._is_simulator:
            return _refusal(first, NO_LISTS)
        else:
            is_pair = len(orders.pending) > 1
            place = self.client.privatePostOrderListOtoco if is_pair else self.client.privatePostOrderListOto
            write = order_lists.parameters
        instrument = self._instruments[first.symbol]
        parameters = write(orders, instrument, self.client.market_id(_unified(first.symbol)))
        answer = await self._command(first, "submit_list", lambda: place(parameters))
        if isinstance(answer, VenueRejected):
            return answer
        return [
            VenueAccepted(
                ts_ns=int(report["transactTime"]) * MS_NS,
                client_order_id=ClientOrderId(report["clientOrderId"]),
                symbol=first.symbol,
                venue_order_id=VenueOrderId(str(report["orderId"])),
            )
            for report in answer["orderReports"]
        ]

    async def cancel(self, order: Order) -> None:
        """By name where the venue takes names, else by the venue's number."""
        symbol = _unified(order.symbol)
        if self._is_binance:
            number, named = None, {"origClientOrderId": order.client_order_id}
        else:
            number, named = order.venue_order_id or await self._number_of(order), {}
            if number is None:
                return
        try:
            await self._ask("cancel", self.client.cancel_order(number, symbol, named))
        except ccxt.OrderNotFound as error:
            log.info("there was nothing to cancel", client_order_id=order.client_order_id, reason=str(error))

    async def cancel_all(self) -> None:
        """Take back every open order of our symbols, whoever sent it."""
        for symbol in self._instruments:
            if not await self._ask("open_orders", self.client.fetch_open_orders(_unified(symbol))):
                continue
            try:
                await self._cancel_all_of(symbol)
            except ccxt.OrderNotFound as error:
                log.info("there was nothing to cancel", symbol=symbol, reason=str(error))

    async def _cancel_all_of(self, symbol: str) -> None:
        if self.client.has.get("cancelAllOrders"):
            await self._ask("cancel_all", self.client.cancel_all_orders(_unified(symbol)))
            return
        for order in await self._ask("open_orders", self.client.fetch_open_orders(_unified(symbol))):
            await self._ask("cancel", self.client.cancel_order(order["id"], _unified(symbol)))

    @property
    def has_dead_man_switch(self) -> bool:
        return bool(self.client.has.get("cancelAllOrdersAfter"))

    async def cancel_all_after(self, seconds: int) -> None:
        """The venue cancels everything unless it hears this again within so many seconds; 0 switches it off."""
        await self._ask("cancel_all_after", self.client.cancel_all_orders_after(seconds * 1000))

    async def _command(
        self, order: SubmitOrder, request: str, send: Callable[[], Any]
    ) -> Mapping[str, Any] | VenueRejected:
        """The venue's answer to a request that changes something, or its no. Any: ccxt's own structures."""
        try:
            return await self._sent(request, send)
        except ccxt.AuthenticationError:
            raise  # our keys are wrong: nothing that a retry or a rejection could mend
        except ccxt.ExchangeError as error:
            rejection = _rejection(order, error, answered=self.client.last_http_response or "")
            if rejection.code == FILTER_FAILURE and self._grids:
                await self._reload_after(rejection)
            return rejection

    async def _sent(self, request: str, send: Callable[[], Any]) -> Mapping[str, Any]:
        """A venue that finds our clock wrong has not looked at the request: set the clock and send it again, once."""
        self.client.last_http_response = None  # ccxt refuses some orders itself
        try:
            answer: Mapping[str, Any] = await self._ask(request, send(), also_raises=ccxt.InvalidNonce)
        except ccxt.InvalidNonce as error:
            log.warning("the venue does not accept our clock", request=request, reason=str(error))
            await self.set_clock()
            answer = await self._ask(request, send())
        return answer

    async def _reload_after(self, rejection: VenueRejected) -> None:
        """A filter failed that we had reckoned with: the venue may have changed it."""
        try:
            await self.reload_markets()
        except VenueTrouble as error:
            log.warning("the markets could not be loaded again", reason=str(error), after=rejection.reason)

    # --- questions -----------------------------------------------------------------------------------------------

    async def find(self, order: Order) -> Sequence[VenueReport]:
        if order.venue_order_id is not None and order.type is OrderType.MARKET:
            fills = await self._fills(order, order.venue_order_id)
            if sum(fill.lots for fill in fills) >= order.lots:
                return fills  # the usual end of such an order, and one request instead of two
        found = await self._found(order)
        if found is None:
            return []
        instrument = self._instruments[order.symbol]
        filled_lots = instrument.lots(str(found["filled"] or "0"))
        fills = await self._fills(order, found["id"]) if filled_lots > order.filled_lots else []
        accepted = reports.accepted(order, found)
        if filled_lots > order.filled_lots and sum(fill.lots for fill in fills) < filled_lots:
            # told without them, the order would be closed too early, or its fills come too late
            raise VenueTrouble(f"the venue's list of trades lags behind its list of orders: {order.client_order_id}")
        if fills and found["status"] == "closed":
            fills[-1] = replace(fills[-1], remaining_lots=0)  # done, though the order may have asked for more
        return [accepted, *fills, *reports.closed(order, found, instrument)]

    async def _found(self, order: Order) -> Mapping[str, Any] | None:
        symbol = _unified(order.symbol)
        named = {"origClientOrderId": order.client_order_id} if self._is_binance else {}
        if not named and order.venue_order_id is None:
            return await self._listed(order)
        number = None if named else order.venue_order_id
        try:
            found: Mapping[str, Any] = await self._ask("find", self.client.fetch_order(number, symbol, named))
        except ccxt.OrderNotFound:
            return None
        return found

    async def _listed(self, order: Order) -> Mapping[str, Any] | None:
        """An order of which we have the name only, at a venue that is asked by its own numbers: among the newest."""
        wanted, symbol = self._names.written(order.client_order_id), _unified(order.symbol)
        for question in ("fetchOpenOrders", "fetchClosedOrders", "fetchCanceledOrders"):
            if not self.client.has.get(question):
                continue
            ask = getattr(self.client, question)
            for found in await self._ask("find", ask(symbol, None, 100)):
                if found["clientOrderId"] == wanted:
                    return dict(found)
        return None

    async def _number_of(self, order: Order) -> VenueOrderId | None:
        found = await self._listed(order)
        return None if found is None else VenueOrderId(str(found["id"]))

    async def _fills(self, order: Order, venue_order_id: str) -> list[VenueFilled]:
        instrument = self._instruments[order.symbol]
        fills, remaining = [], order.lots
        for trade in await self._trades_of(order.symbol, venue_order_id):
            execution = reports.execution_of(trade, instrument, self._fee_asset)
            remaining -= execution.lots
            fills.append(execution.report(order, instrument, remaining_lots=remaining))
        return fills

    async def _trades_of(self, symbol: str, venue_order_id: str) -> Sequence[Mapping[str, Any]]:
        if self.client.has.get("fetchOrderTrades"):
            trades = await self._ask("trades", self.client.fetch_order_trades(venue_order_id, _unified(symbol)))
        else:
            listed = await self._ask("trades", self.client.fetch_my_trades(_unified(symbol), None, PAGE))
            trades = [trade for trade in listed if str(trade["order"]) == venue_order_id]
        return list(trades)

    async def open_orders(self) -> Sequence[OpenOrder]:
        return [
            OpenOrder(self._names.read(found["clientOrderId"] or ""), VenueOrderId(str(found["id"])), symbol)
            for symbol in self._instruments
            for found in await self._ask("open_orders", self.client.fetch_open_orders(_unified(symbol)))
        ]

    async def trades_after(self, symbol: str, last: TradeMark) -> Sequence[OwnTrade]:
        """By number where trades are numbered: time alone loses those of one millisecond, and whatever is older than
        the venue's window."""
        if not self._is_binance:
            since = last.ts_ns // MS_NS or None
            page = await self._ask("my_trades", self.client.fetch_my_trades(_unified(symbol), since, PAGE))
            return [self._own(symbol, trade) for trade in page]
        found: list[OwnTrade] = []
        after = last.number
        while True:
            parameters = {"fromId": after + 1}
            page = await self._ask("my_trades", self.client.fetch_my_trades(_unified(symbol), None, PAGE, parameters))
            found += [self._own(symbol, trade) for trade in page]
            if len(page) < PAGE:
                return found
            after = found[-1].number

    async def newest_trade(self, symbol: str) -> TradeMark:
        """Where a history begins that was made before us."""
        page = await self._ask("my_trades", self.client.fetch_my_trades(_unified(symbol), None, 1))
        if not page:
            return TradeMark()
        newest = self._own(symbol, page[-1])
        return TradeMark(newest.number, newest.ts_ns)

    def _own(self, symbol: str, trade: Mapping[str, Any]) -> OwnTrade:
        return OwnTrade(
            symbol=symbol,
            trade_id=TradeId(str(trade["id"])),
            venue_order_id=VenueOrderId(str(trade["order"] or "")),
            client_order_id=self._names.read(str(trade.get("clientOrderId") or "")),
            ts_ns=int(trade["timestamp"]) * MS_NS,
            number=int(trade["id"]) if self._is_binance else 0,
            moved=reports.moved_by(trade, self._instruments[symbol]),
        )

    async def name_of(self, symbol: str, venue_order_id: VenueOrderId) -> ClientOrderId:
        try:
            found = await self._ask("find", self.client.fetch_order(venue_order_id, _unified(symbol)))
        except ccxt.OrderNotFound:
            return ClientOrderId("")
        return self._names.read(found["clientOrderId"] or "")

    async def balances(self) -> Mapping[str, Decimal]:
        balance = await self._ask("balances", self.client.fetch_balance())
        return {asset: Decimal(str(total)) for asset, total in balance["total"].items() if total is not None}

    async def _ask(self, request: str, answer: Any, *, also_raises: type[Exception] | tuple[()] = ()) -> Any:
        """Await one request of ccxt's. Raises VenueTrouble for every failure that leaves its effect open."""
        began = time.perf_counter()
        outcome = "answered"
        try:
            return await answer
        except also_raises:
            outcome = "refused"
            raise
        except (*IN_DOUBT, Banned, StateError) as error:
            outcome = "in doubt"
            raise VenueTrouble(f"{request}: {type(error).__name__}: {error}") from error
        except ccxt.ExchangeError:
            outcome = "refused"
            raise
        finally:
            seconds = self._metrics.histogram("execution_venue_seconds", request=request, outcome=outcome)
            seconds.observe(time.perf_counter() - began)


FILTER_FAILURE = -1013


def _unified(symbol: str) -> str:
    """ccxt writes BTC/USD where we write BTC-USD."""
    return symbol.replace("-", "/")


def _is_stop(order: SubmitOrder) -> bool:
    return order.type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


def _refusal(order: SubmitOrder, reason: str) -> VenueRejected:
    """A no of our own."""
    return VenueRejected(ts_ns=0, client_order_id=order.client_order_id, symbol=order.symbol, code=0, reason=reason)


def _rejection(order: SubmitOrder, error: Exception, *, answered: str) -> VenueRejected:
    """The venue's no. 'Duplicate order sent' is none: it means that the order exists.

    answered: the body of the answer, as ccxt leaves the code out of the errors whose text it knows.
    """
    text = str(error)
    if isinstance(error, ccxt.DuplicateOrderId) or "Duplicate order" in text:
        raise VenueTrouble(f"the venue says the order exists already: {text}") from error
    code = re.search(r'"code":\s*(-?\d+)', answered)
    message = re.search(r'"msg":\s*"([^"]*)"', answered)
    return VenueRejected(
        ts_ns=0,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        code=int(code.group(1)) if code else 0,
        reason=message.group(1) if message else text,
    )

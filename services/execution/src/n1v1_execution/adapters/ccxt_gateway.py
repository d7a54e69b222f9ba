"""Any venue that ccxt speaks to, seen as an OrderGateway.

ccxt is used for what it is good at, the wire; amounts go out as exact text and come back as text, because its floats
lose money. It never retries: a request without an answer leaves the order in doubt, and only we may decide that.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import ccxt.async_support as ccxt
import structlog

from n1v1.errors import N1v1Error
from n1v1.events import (
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueFilled,
    VenueRejected,
    VenueReport,
)
from n1v1.execution.orders import Order
from n1v1.ids import ClientOrderId, TradeId, VenueOrderId
from n1v1.rounding import notional
from n1v1.values import Instrument, Liquidity, OrderType
from n1v1_common.settings.model import Exchange
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.adapters import order_lists
from n1v1_execution.ports import VenueTrouble

log = structlog.get_logger()

TIMEOUT_MS = 5_000
MS_NS = 1_000_000
SIMULATOR = "simulator"
NO_LISTS = "not sent: entries with a stop or a target are not supported at this venue yet"
LOAD_AGAIN_AFTER_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

IN_DOUBT = (ccxt.NetworkError, ccxt.OperationFailed)
"""The request may have been carried out: time-out, reset, 5xx after acceptance."""


class UnsupportedCommission(N1v1Error):
    """A commission in an asset that the ledger cannot book yet."""


@asynccontextmanager
async def opened_gateway(
    venue: str, exchange: Exchange, instruments: Iterable[Instrument], metrics: Metrics
) -> AsyncIterator[CcxtGateway]:
    """A gateway whose markets are loaded. Raises VenueTrouble when the venue cannot be reached."""
    client = _client(venue, exchange)
    try:
        await _load_markets(client)
        yield CcxtGateway(client, instruments, metrics, is_simulator=venue == SIMULATOR)
    finally:
        await client.close()


async def _load_markets(client: Any) -> None:
    """A venue that is away for a moment is waited for; dying each time would look like a service that is broken."""
    for pause_s in (*LOAD_AGAIN_AFTER_S, None):
        try:
            await client.load_markets()
            return
        except IN_DOUBT as error:
            if pause_s is None:
                raise VenueTrouble(f"the venue's markets could not be loaded: {error}") from error
            log.warning("the venue's markets could not be loaded", reason=str(error), again_in_s=pause_s)
        await asyncio.sleep(pause_s)


class CcxtGateway:
    def __init__(
        self, client: Any, instruments: Iterable[Instrument], metrics: Metrics, *, is_simulator: bool = False
    ) -> None:
        """is_simulator: the venue knows the parameters that our simulator has beyond Binance's."""
        self._client = client
        self._is_simulator = is_simulator
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._metrics = metrics

    async def submit(self, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        instrument = self._instruments[order.symbol]
        price = None if order.limit_ticks is None else str(instrument.price(order.limit_ticks))
        parameters: dict[str, str] = {"newClientOrderId": order.client_order_id}
        if order.type is OrderType.LIMIT:
            parameters |= order_lists.lifetime(order)
        if order.reduces_only and self._is_simulator:
            parameters["reduceOnly"] = "true"
        amount = f"{instrument.quantity(order.lots):f}"
        arguments = (_unified(order.symbol), order.type.lower(), order.side.lower(), amount, price, parameters)
        answer = await self._command(order, "submit", lambda: self._client.create_order(*arguments))
        if isinstance(answer, VenueRejected):
            return answer
        return VenueAccepted(
            ts_ns=int(answer["timestamp"]) * MS_NS,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            venue_order_id=VenueOrderId(str(answer["id"])),
        )

    async def submit_list(self, orders: SubmitOrderList) -> Sequence[VenueAccepted] | VenueRejected:
        working = orders.working
        assert working is not None, "execution gives the legs together with their entry"
        if not self._is_simulator:
            return _refusal(working, NO_LISTS)
        instrument = self._instruments[working.symbol]
        parameters = order_lists.parameters(orders, instrument, self._client.market_id(_unified(working.symbol)))
        place = (
            self._client.privatePostOrderListOtoco if len(orders.pending) > 1 else self._client.privatePostOrderListOto
        )
        answer = await self._command(working, "submit_list", lambda: place(parameters))
        if isinstance(answer, VenueRejected):
            return answer
        return [
            VenueAccepted(
                ts_ns=int(report["transactTime"]) * MS_NS,
                client_order_id=ClientOrderId(report["clientOrderId"]),
                symbol=working.symbol,
                venue_order_id=VenueOrderId(str(report["orderId"])),
            )
            for report in answer["orderReports"]
        ]

    async def cancel(self, order: Order) -> None:
        named = {"origClientOrderId": order.client_order_id}
        try:
            await self._ask("cancel", self._client.cancel_order(None, _unified(order.symbol), named))
        except ccxt.OrderNotFound as error:
            log.info("there was nothing to cancel", client_order_id=order.client_order_id, reason=str(error))

    async def _command(
        self, order: SubmitOrder, request: str, send: Callable[[], Any]
    ) -> Mapping[str, Any] | VenueRejected:
        """The venue's answer to a request that changes something, or its no. Any: ccxt's own structures."""
        try:
            self._client.last_http_response = None  # ccxt refuses some orders itself
            answer: Mapping[str, Any] = await self._ask(request, send())
        except ccxt.AuthenticationError:
            raise  # our keys are wrong: nothing that a retry or a rejection could mend
        except ccxt.ExchangeError as error:
            return _rejection(order, error, answered=self._client.last_http_response or "")
        return answer

    async def find(self, order: Order) -> Sequence[VenueReport]:
        if order.venue_order_id is not None and order.type is OrderType.MARKET:
            fills = await self._fills(order, order.venue_order_id)
            if sum(fill.lots for fill in fills) >= order.lots:
                return fills  # the usual end of such an order, and one request instead of two
        symbol, client_order_id = _unified(order.symbol), order.client_order_id
        try:
            found = await self._ask(
                "find", self._client.fetch_order(None, symbol, {"origClientOrderId": client_order_id})
            )
        except ccxt.OrderNotFound:
            return []
        filled_lots = self._lots(order.symbol, found["filled"])
        fills = await self._fills(order, found["id"]) if filled_lots > order.filled_lots else []
        if fills and sum(fill.lots for fill in fills) < filled_lots:
            # The venue's list of trades lags behind its list of orders: closed now, the rest would be lost.
            return [_accepted(order, found), *fills]
        if fills and found["status"] == "closed":
            fills[-1] = replace(fills[-1], remaining_lots=0)  # done, though the order may have asked for more
        return [_accepted(order, found), *fills, *self._closed(order, found)]

    async def _fills(self, order: Order, venue_order_id: str) -> list[VenueFilled]:
        trades = await self._ask("trades", self._client.fetch_order_trades(venue_order_id, _unified(order.symbol)))
        fills, remaining = [], order.lots
        for trade in trades:
            remaining -= self._instruments[order.symbol].lots(trade["amount"])
            fills.append(self._filled(order, trade, remaining_lots=remaining))
        return fills

    async def _ask(self, request: str, answer: Any) -> Any:
        """Await one request of ccxt's. Raises VenueTrouble for every failure that leaves its effect open."""
        began = time.perf_counter()
        outcome = "answered"
        try:
            return await answer
        except IN_DOUBT as error:
            outcome = "in doubt"
            raise VenueTrouble(f"{request}: {type(error).__name__}: {error}") from error
        except ccxt.ExchangeError:
            outcome = "refused"
            raise
        finally:
            seconds = self._metrics.histogram("execution_venue_seconds", request=request, outcome=outcome)
            seconds.observe(time.perf_counter() - began)

    def _filled(self, order: Order, trade: Mapping[str, Any], *, remaining_lots: int) -> VenueFilled:
        instrument = self._instruments[order.symbol]
        lots, ticks = instrument.lots(trade["amount"]), instrument.ticks(trade["price"])
        commission = trade["fee"] or {"cost": "0", "currency": instrument.quote}
        if commission["currency"] != instrument.quote:
            raise UnsupportedCommission(
                f"trade {trade['id']} of {order.symbol}: commission in {commission['currency']}, "
                f"only {instrument.quote} can be booked"
            )
        return VenueFilled(
            ts_ns=int(trade["timestamp"]) * MS_NS,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            trade_id=TradeId(str(trade["id"])),
            side=order.side,
            lots=lots,
            ticks=ticks,
            value=notional(instrument, ticks=ticks, lots=lots),
            fee=instrument.quanta(str(commission["cost"])),
            liquidity=Liquidity.MAKER if trade["takerOrMaker"] == "maker" else Liquidity.TAKER,
            remaining_lots=remaining_lots,
        )

    def _closed(self, order: Order, found: Mapping[str, Any]) -> list[VenueReport]:
        if found["status"] not in ("canceled", "expired"):
            return []
        return [
            VenueClosed(
                ts_ns=int(found["lastUpdateTimestamp"] or found["timestamp"]) * MS_NS,
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                remaining_lots=order.lots - self._lots(order.symbol, found["filled"]),
                expired=found["status"] == "expired",
                reason=f"the venue says {found['status']}",
            )
        ]

    def _lots(self, symbol: str, quantity: Any) -> int:
        return self._instruments[symbol].lots(str(quantity or "0"))


def _client(venue: str, exchange: Exchange) -> Any:
    """ccxt's client for the venue; `simulator` is Binance's protocol at the simulator's address."""
    secret = exchange.api_secret.get_secret_value() if exchange.api_secret else ""
    key = exchange.api_key.get_secret_value() if exchange.api_key else ""
    options: dict[str, Any] = {
        "apiKey": key,
        "secret": secret,
        "timeout": TIMEOUT_MS,
        "enableRateLimit": venue != SIMULATOR,
        "number": str,
        "options": {
            "fetchMarkets": {"types": ["spot"]},
            "fetchMargins": False,
            "fetchCurrencies": False,
            "createOrder": {"quoteOrderQty": False},
            "recvWindow": exchange.recv_window_ms,
            "warnOnFetchOpenOrdersWithoutSymbol": False,
        },
    }
    if exchange.rest_url:
        base = exchange.rest_url.rstrip("/")
        options["urls"] = {
            "api": {
                "public": f"{base}/api/v3",
                "private": f"{base}/api/v3",
                "v1": f"{base}/api/v1",
                "sapi": f"{base}/sapi/v1",
            }
        }
    return getattr(ccxt, "binance" if venue == SIMULATOR else venue)(options)


def _unified(symbol: str) -> str:
    """ccxt writes BTC/USD where we write BTC-USD."""
    return symbol.replace("-", "/")


def _accepted(order: Order, found: Mapping[str, Any]) -> VenueAccepted:
    return VenueAccepted(
        ts_ns=int(found["timestamp"]) * MS_NS,
        client_order_id=ClientOrderId(order.client_order_id),
        symbol=order.symbol,
        venue_order_id=VenueOrderId(str(found["id"])),
    )


def _refusal(order: SubmitOrder, reason: str) -> VenueRejected:
    """A no of our own."""
    return VenueRejected(ts_ns=0, client_order_id=order.client_order_id, symbol=order.symbol, code=0, reason=reason)


def _rejection(order: SubmitOrder, error: Exception, *, answered: str) -> VenueRejected:
    """The venue's no. 'Duplicate order sent' is none: it means that the order exists.

    answered: the body of the answer, as ccxt leaves the code out of the errors whose text it knows.
    """
    text = str(error)
    if "Duplicate order" in text:
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

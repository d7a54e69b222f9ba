"""The user stream of a venue: what happens to our orders, pushed.

At Binance the raw events are taken off the wire before ccxt sees them, because ccxt merges several updates of an order
into one and delivers old ones again. Elsewhere ccxt's watch_orders and watch_my_trades are a bell only: an order
that they name is asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import structlog

from n1v1.ids import ClientOrderId, VenueOrderId
from n1v1.values import Instrument
from n1v1_common.telemetry.metrics import Metrics
from n1v1_execution.adapters import reports
from n1v1_execution.adapters.ccxt_gateway import IN_DOUBT, CcxtGateway
from n1v1_execution.adapters.client import is_binance
from n1v1_execution.ports import Deposit, OrderUpdate, UserStream, VenueTrouble

log = structlog.get_logger()

QUEUE_MAX = 10_000
ANSWER_WITHIN_S = 5.0
SETTLES_WITHIN_S = 2.0
"""How long a subscription may take to be refused, where the venue does not confirm it."""

Event = Mapping[str, Any]
"""One of Binance's, as JSON has it."""

TRADE, CLOSED = "TRADE", frozenset({"CANCELED", "EXPIRED", "REJECTED", "TRADE_PREVENTION"})
OVER = frozenset({"eventStreamTerminated", "serverShutdown"})


def user_stream_of(
    gateway: CcxtGateway, instruments: Sequence[Instrument], fee_asset: str | None, metrics: Metrics
) -> UserStream:
    if is_binance(gateway.client.id):
        return BinanceUserStream(gateway.client, instruments, fee_asset, metrics)
    return BellStream(gateway.client, instruments)


class BinanceUserStream:
    """One subscription on one WebSocket API connection; a new one of both after every trouble.

    Dropping the connection is the cure for every state that ccxt may be stuck in, a subscription that was refused
    among them, and for what it keeps of answered requests.
    """

    def __init__(self, client: Any, instruments: Sequence[Instrument], fee_asset: str | None, metrics: Metrics) -> None:
        self._client = client
        self._by_wire = {instrument.base + instrument.quote: instrument for instrument in instruments}
        self._fee_asset = fee_asset
        self._url = client.urls["api"]["ws"]["ws-api"]["spot"]
        self._heard: asyncio.Queue[Event | VenueTrouble] = asyncio.Queue(QUEUE_MAX)
        self._events = metrics.counter("execution_user_events_total")
        self._probes = 0

    async def connect(self) -> None:
        self._heard = asyncio.Queue(QUEUE_MAX)
        self._client.tee = self._on_event
        await _answered("subscribe", self._client.authenticate({"type": "spot"}))
        end = self._client.client(self._url).future("n1v1:end")  # ccxt fails every future when the connection ends
        end.add_done_callback(self._on_end)

    def _on_end(self, end: asyncio.Future[Any]) -> None:
        if self._client.tee is not None:  # else we have dropped it ourselves
            reason = "closed" if end.cancelled() else end.exception()
            self._put(VenueTrouble(f"the user stream has ended: {reason}"))

    def _on_event(self, event: Event) -> None:
        """Within ccxt's reading, which must not be broken: put down, and read later."""
        self._events.inc()
        self._put(event)

    def _update(self, event: Event) -> OrderUpdate:
        instrument = self._by_wire[event["s"]]
        is_trade = event["x"] == TRADE
        return OrderUpdate(
            # a cancel has a name of its own in c, and that of its order in C
            client_order_id=ClientOrderId(event.get("C") or event["c"]),
            symbol=instrument.symbol,
            venue_order_id=VenueOrderId(str(event["i"])),
            is_closed=event["x"] in CLOSED,
            total_lots=instrument.lots(event["z"]),
            execution=reports.execution_of_report(event, instrument, self._fee_asset) if is_trade else None,
            is_filled=event["X"] == "FILLED",
        )

    def _put(self, heard: Event | VenueTrouble) -> None:
        if self._heard.full():
            self._heard = asyncio.Queue(QUEUE_MAX)
            heard = VenueTrouble(f"more than {QUEUE_MAX} events of the user stream are waiting")
        self._heard.put_nowait(heard)

    async def next(self, silence_s: float) -> Sequence[OrderUpdate | Deposit]:
        updates: list[OrderUpdate | Deposit] = []
        while not updates:
            try:
                async with asyncio.timeout(silence_s):  # wait_for may lose a cancel that comes with an event
                    heard = await self._heard.get()
            except TimeoutError:
                return ()
            updates += self._updates(heard)
            while not self._heard.empty():
                updates += self._updates(self._heard.get_nowait())
        return updates

    def _updates(self, heard: Event | VenueTrouble) -> list[OrderUpdate | Deposit]:
        if isinstance(heard, VenueTrouble):
            raise heard
        if heard["e"] in OVER:
            raise VenueTrouble(f"the user stream has ended: {heard['e']}")
        if heard["e"] == "balanceUpdate" and Decimal(heard["d"]) > 0:
            return [Deposit(heard["a"], Decimal(heard["d"]))]
        is_ours = heard["e"] == "executionReport" and heard["s"] in self._by_wire
        return [self._update(heard)] if is_ours else []

    async def probe(self) -> None:
        """Is the subscription still there, by the venue's own account of it?"""
        self._probes += 1
        name = f"n1v1:probe:{self._probes}"
        request = {"id": name, "method": "session.subscriptions", "params": {}}
        subscription = {"id": name, "method": _resolve}
        try:
            answer = await _answered("probe", self._client.watch(self._url, name, request, name, subscription))
        finally:
            self._client.client(self._url).subscriptions.pop(name, None)
        if not answer.get("result"):
            raise VenueTrouble("the venue says that there is no subscription to the user stream")

    async def drop(self) -> None:
        self._client.tee = None
        dropped = self._client.clients.pop(self._url, None)
        if dropped is not None:
            await _closed(dropped)


def _resolve(client: Any, message: Mapping[str, Any]) -> None:
    client.resolve(message, message["id"])


class BellStream:
    """Through ccxt's watch_orders and watch_my_trades, whichever the venue has."""

    def __init__(self, client: Any, instruments: Sequence[Instrument]) -> None:
        self._client = client
        self._symbols = {instrument.symbol.replace("-", "/"): instrument for instrument in instruments}
        self._heard: asyncio.Queue[OrderUpdate] = asyncio.Queue(QUEUE_MAX)
        self._watches: list[asyncio.Task[None]] = []

    async def connect(self) -> None:
        self._heard = asyncio.Queue(QUEUE_MAX)
        watches = [
            (name, watch)
            for name, watch in (("orders", "watchOrders"), ("trades", "watchMyTrades"))
            if self._client.has.get(watch)
        ]
        if not watches:
            raise VenueTrouble(f"{self._client.id} has no user stream")
        self._watches = [
            asyncio.create_task(self._watch(name, getattr(self._client, watch))) for name, watch in watches
        ]
        await asyncio.wait(self._watches, timeout=SETTLES_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        self._check()

    async def _watch(self, kind: str, watch: Any) -> None:
        while True:
            for found in await watch():
                instrument = self._symbols.get(found["symbol"])
                if instrument is not None:
                    await self._heard.put(_bell(kind, found, instrument.symbol))

    async def next(self, silence_s: float) -> Sequence[OrderUpdate]:
        getting = asyncio.create_task(self._heard.get())
        await asyncio.wait([getting, *self._watches], timeout=silence_s, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            getting.cancel()
            self._check()
            return ()
        updates = [getting.result()]
        while not self._heard.empty():
            updates.append(self._heard.get_nowait())
        return updates

    def _check(self) -> None:
        for task in self._watches:
            if task.done():
                raise VenueTrouble(f"the user stream has ended: {task.exception()!r}")

    async def probe(self) -> None:
        """No venue but Binance is asked for its subscriptions: the connections must have answered a ping lately."""
        now_ms = time.time() * 1000
        for connection in self._client.clients.values():
            last_ms = connection.lastPong or now_ms
            if now_ms - last_ms > 3 * connection.keepAlive:
                raise VenueTrouble(f"{connection.url} has not answered for {(now_ms - last_ms) / 1000:.0f} s")

    async def drop(self) -> None:
        for task in self._watches:
            task.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._watches = []
        for url in list(self._client.clients):
            await _closed(self._client.clients.pop(url))


def _bell(kind: str, found: Mapping[str, Any], symbol: str) -> OrderUpdate:
    """Enough to know which order to ask for."""
    number = found["id"] if kind == "orders" else found["order"]
    return OrderUpdate(
        client_order_id=ClientOrderId(found.get("clientOrderId") or ""),
        symbol=symbol,
        venue_order_id=VenueOrderId(str(number or "")),
    )


async def _answered(what: str, answer: Any) -> Any:
    """Await a request over a WebSocket, for so long only: ccxt would wait for ever.

    ccxt raises KeyError where a refused subscription trips over itself; so everything it raises is trouble here.
    """
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await answer
    except (*IN_DOUBT, ccxt.ExchangeError, KeyError, TimeoutError, OSError) as error:
        raise VenueTrouble(f"{what}: {type(error).__name__}: {error}") from error


async def _closed(connection: Any) -> None:
    """A connection that hangs does not close either."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await connection.close()
    except (TimeoutError, OSError, *IN_DOUBT) as error:
        log.warning("a connection of the user stream did not close", reason=repr(error))

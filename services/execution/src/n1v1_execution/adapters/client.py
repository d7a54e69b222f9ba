"""Building ccxt's client for a venue, and the walls around it: which hosts it may reach, and within which limits.

ccxt comes in two: `async_support` is all that lockstep needs; `pro` has the streams and costs a second to load.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol
from urllib.parse import urlsplit

import ccxt.async_support as ccxt

from n1v1_common.settings.model import Exchange
from n1v1_common.state.rate_budget import Taken, weight_of_cost
from n1v1_execution.ports import VenueNotUsable

SIMULATOR = "simulator"
BINANCE = "binance"
TIMEOUT_MS = 5_000
KEEP_ALIVE_MS = 15_000
ORDERS_CACHED = 1_000


class Budget(Protocol):
    """What is needed of `RateBudget`."""

    async def take(self, weight: int, *, urgent: bool = False) -> Taken: ...

    async def answered(self, taken: Taken, *, status: int, headers: Mapping[str, str]) -> None: ...


def is_binance(venue: str) -> bool:
    """Whether it speaks Binance's protocol."""
    return venue in (SIMULATOR, BINANCE)


def client_of(venue: str, exchange: Exchange, *, live: bool, has_streams: bool = False) -> Any:
    """ccxt's client; `simulator` is Binance's protocol at the simulator's address.

    live: the address must not be one of a production network unless exchange.testnet is false. Raises VenueNotUsable.
    Any: ccxt's classes are made at run time.
    """
    module = importlib.import_module("ccxt.pro" if has_streams else "ccxt.async_support")
    name = BINANCE if venue == SIMULATOR else venue
    if name not in module.exchanges:
        raise VenueNotUsable(f"exchange.name: ccxt knows no venue {venue!r}")
    plain = getattr(module, name)
    wall = _Teeing if has_streams and name == BINANCE else _Walled
    kind: Any = type(f"Walled{name.capitalize()}", (wall, plain), {})
    client = kind(_options(venue, exchange))
    _point(client, venue, exchange)
    if is_binance(venue):
        _know_codes(client)
    client.allowed_hosts = frozenset(hosts_of(client))
    if live and exchange.testnet:
        _refuse_production(client, plain(), venue)
    return client


def _know_codes(client: Any) -> None:
    """ccxt knows some of Binance's codes at Binance's own addresses only. Those that are new to it are taken over,
    but for those that it takes for a failure to answer: with any other code the venue has said no.
    """
    known = client.exceptions["exact"]
    for code, kind in client.exceptions["spot"]["exact"].items():
        if code not in known and not issubclass(kind, ccxt.OperationFailed):
            known[code] = kind


def hosts_of(client: Any) -> set[str]:
    """Every host that the client's addresses name."""
    return {_host(client.implode_hostname(url)) for url in _texts(client.urls["api"])}


_answers: ContextVar[list[tuple[int, Mapping[str, str]]]] = ContextVar("answers")
"""Status and headers of the answers to one request; requests run side by side, each in a context of its own."""


Fence = Callable[[], Awaitable[None]]
"""Raises unless this process is still the one that may change the account."""


class _Walled:
    """Over a class of ccxt's: nothing leaves for a host that was not there when it was built, nor beyond the budget,
    and nothing that changes something once another process has taken over.

    The order of things matters: ccxt has signed the request, with its time in it, before it comes here. So whoever is
    stopped before the fence is asked finds himself superseded, and whoever is stopped after it sends a request that
    the venue refuses once its window (recv_window_ms) is over. The successor, for his part, believes that an order is
    absent only when that window and a margin have passed since he took over. A venue without such a window gives the
    first half of this only.
    """

    allowed_hosts: frozenset[str] = frozenset()
    budget: Budget | None = None
    fence: Fence | None = None

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self._check(url)
        if self.fence is not None and method != "GET":
            await self.fence()
        return await super().fetch(url, method, headers, body)  # type: ignore[misc]  # ccxt's, known at run time

    def client(self, url: str) -> Any:
        self._check(url)
        return super().client(url)  # type: ignore[misc]

    async def fetch2(self, path: str, api: Any, method: str = "GET", params: Any = None, config: Any = None) -> Any:
        """Every request of ccxt's passes here."""
        params, config = params or {}, config or {}
        send = super().fetch2  # type: ignore[misc]
        if self.budget is None:
            return await send(path, api, method, params, config)
        cost = self.calculate_rate_limiter_cost(api, method, path, params, config)  # type: ignore[attr-defined]
        weight = weight_of_cost(self.id, cost)  # type: ignore[attr-defined]
        taken = await self.budget.take(weight, urgent=method == "DELETE")
        heard: list[tuple[int, Mapping[str, str]]] = []
        _answers.set(heard)
        try:
            return await send(path, api, method, params, config)
        finally:
            for status, headers in heard:
                await self.budget.answered(taken, status=status, headers=headers)

    def on_rest_response(self, code: int, reason: str, url: str, method: str, headers: Any, *rest: Any) -> Any:
        if self.budget is not None:
            _answers.get().append((code, headers))
        return super().on_rest_response(code, reason, url, method, headers, *rest)  # type: ignore[misc]

    def _check(self, url: str) -> None:
        if _host(url) not in self.allowed_hosts:
            raise VenueNotUsable(f"{_host(url)} is none of the configured hosts: {sorted(self.allowed_hosts)}")


class _Teeing(_Walled):
    """Takes the events of the user stream off the wire before ccxt makes its own of them: it merges several updates
    of an order into one, and one that it trips over ends its reading."""

    tee: Callable[[Mapping[str, Any]], None] | None = None

    def handle_message(self, client: Any, message: Any) -> None:
        event = message.get("event") if isinstance(message, dict) else None
        if self.tee is not None and isinstance(event, dict):
            self.tee(event)
        else:
            super().handle_message(client, message)  # type: ignore[misc]


def _options(venue: str, exchange: Exchange) -> dict[str, Any]:
    options: dict[str, Any] = {
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
        "createOrder": {"quoteOrderQty": False},
        "recvWindow": exchange.recv_window_ms,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
        "fetchOpenOrders": {"warnWithoutSymbol": False},
        "ws": {"cost": 0.2},
        "tradesLimit": ORDERS_CACHED,
        "ordersLimit": ORDERS_CACHED,
    }
    secrets = {"apiKey": exchange.api_key, "secret": exchange.api_secret, "password": exchange.api_password}
    return {name: value.get_secret_value() for name, value in secrets.items() if value} | {
        "timeout": TIMEOUT_MS,
        "enableRateLimit": venue != SIMULATOR,
        "number": str,
        "streaming": {"keepAlive": KEEP_ALIVE_MS},
        "options": options | exchange.options,
    }


def _point(client: Any, venue: str, exchange: Exchange) -> None:
    """Send the client where the settings say."""
    if exchange.rest_url and is_binance(venue):
        # nothing of ccxt's own addresses is left, so that nothing can be reached by mistake
        client.urls["api"] = _binance_urls(exchange.rest_url, exchange.ws_url)
    elif exchange.rest_url:
        raise VenueNotUsable(f"exchange.rest_url is for Binance's protocol; give {venue}'s addresses in exchange.urls")
    elif exchange.testnet and not exchange.urls:
        if not client.urls.get("test"):
            raise VenueNotUsable(
                f"exchange.testnet: ccxt knows no test network of {venue}; give its addresses in exchange.urls, "
                "or set exchange.testnet=false to trade real money"
            )
        client.set_sandbox_mode(True)
    if exchange.urls:
        client.urls["api"] = exchange.urls if exchange.testnet else _merged(client.urls["api"], exchange.urls)


def _binance_urls(rest_url: str, ws_url: str | None) -> dict[str, Any]:
    rest = rest_url.rstrip("/")
    ws = (ws_url or rest.replace("http", "ws", 1)).rstrip("/")
    return {
        "public": f"{rest}/api/v3",
        "private": f"{rest}/api/v3",
        "v1": f"{rest}/api/v1",
        "sapi": f"{rest}/sapi/v1",
        "ws": {"spot": f"{ws}/stream/ws", "margin": f"{ws}/stream/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}},
    }


def _refuse_production(client: Any, production: Any, venue: str) -> None:
    """production: a client as ccxt makes it."""
    forbidden = hosts_of(production)
    if reached := sorted(hosts_of(client) & forbidden):
        raise VenueNotUsable(
            f"exchange.testnet is true, but {', '.join(reached)} belongs to the production network of {venue}; give "
            "all addresses of the test network in exchange.urls, or set exchange.testnet=false to trade real money"
        )


def _merged(known: Any, given: Mapping[str, Any]) -> Any:
    """`given` over `known`, level by level. Where a venue has one address only, `given` takes its place."""
    if not isinstance(known, dict):
        return dict(given)
    merged = dict(known)
    for name, value in given.items():
        merged[name] = _merged(known.get(name), value) if isinstance(value, Mapping) else value
    return merged


def _texts(urls: Any) -> Iterator[str]:
    if isinstance(urls, Mapping):
        for value in urls.values():
            yield from _texts(value)
    elif isinstance(urls, str):
        yield urls


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()

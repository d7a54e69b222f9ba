"""An exchange of ccxt.pro that spends from the budget which all our processes share, over one connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ccxt.pro

from n1v1.errors import InvalidValue, UnknownName, nearest
from n1v1_common.state.rate_budget import Limit, RateBudget, Taken, limit_of, weight_of_cost

TRADES_KEPT = 100_000
"""ccxt drops trades that were not fetched when more come; its own 1,000 are too few for a busy second."""

CONFIG: Mapping[str, Any] = {
    "enableRateLimit": True,
    # Numbers stay floats, read by their shortest form: with `number=str` ccxt's books of some venues break.
    "timeout": 10_000,
    "streaming": {"keepAlive": 15_000},
    "options": {
        "tradesLimit": TRADES_KEPT,
        "fetchCurrencies": False,
        "fetchMargins": False,
        "streamLimits": {"spot": 1, "margin": 1, "linear": 1, "inverse": 1, "option": 1, "stock": 1},
    },
}


def budgeted_exchange(venue: str, budget: RateBudget, config: Mapping[str, Any]) -> Any:
    """An instance of ccxt's class for a venue; to be closed by the caller. Any: ccxt has no types.

    config: beside ours, merged deeply. Raises UnknownName for a venue that ccxt does not know.
    """
    theirs: Any = _class_of(venue)

    class Budgeted(theirs):  # type: ignore[misc]  # one class for each venue, known when it is chosen
        def __init__(self, config: Mapping[str, Any]) -> None:
            self._taken: Taken | None = None
            self._answers: list[tuple[int, Mapping[str, str]]] = []
            super().__init__(config)

        async def throttle(self, cost: float | None = None) -> None:
            self._taken = await budget.take(weight_of_cost(venue, 1.0 if cost is None else cost))
            await super().throttle(cost)

        def on_rest_response(self, code: int, reason: str, url: str, method: str, headers: Any, *rest: Any) -> Any:
            self._answers.append((code, dict(headers)))
            return super().on_rest_response(code, reason, url, method, headers, *rest)

        async def fetch(self, *request: Any, **named: Any) -> Any:
            try:
                return await super().fetch(*request, **named)
            finally:
                while self._answers and self._taken is not None:
                    status, headers = self._answers.pop()
                    await budget.answered(self._taken, status=status, headers=headers)

    return Budgeted(theirs.deep_extend(CONFIG, config))


def exchange_maker(
    venue: str, *, rest_url: str | None, ws_url: str | None, is_testnet: bool
) -> tuple[Callable[[RateBudget], Any], Limit]:
    """What makes exchanges of a venue, and the limit that their budget has.

    rest_url: another address that speaks Binance's protocol, whatever is_testnet says; None: the venue's own.
    Raises UnknownName for a venue that ccxt does not know, InvalidValue for an address of another venue.
    """
    if rest_url is not None and venue != "binance":
        raise InvalidValue(f"exchange.rest_url: expected none for {venue}; only Binance can be elsewhere")
    config = {} if rest_url is None else binance_at(rest_url, ws_url or rest_url.replace("http", "ws", 1))
    limit = limit_of(venue, float(_class_of(venue)().rateLimit))

    def make(budget: RateBudget) -> Any:
        exchange = budgeted_exchange(venue, budget, config)
        if is_testnet and rest_url is None:
            exchange.set_sandbox_mode(True)
        return exchange

    return make, limit


def _class_of(venue: str) -> Any:
    if venue not in ccxt.pro.exchanges:
        raise UnknownName(f"ccxt has no streams of {venue!r}{nearest(venue, ccxt.pro.exchanges)}")
    return getattr(ccxt.pro, venue)


def binance_at(rest_url: str, ws_url: str) -> dict[str, Any]:
    """The configuration that points ccxt's Binance at another address that speaks the same."""
    rest, ws = rest_url.rstrip("/"), ws_url.rstrip("/")
    return {
        "urls": {
            "api": {
                "public": f"{rest}/api/v3",
                "private": f"{rest}/api/v3",
                "v1": f"{rest}/api/v1",
                "sapi": f"{rest}/sapi/v1",
                "ws": {"spot": f"{ws}/stream/ws", "margin": f"{ws}/stream/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}},
            }
        },
        "options": {"fetchMarkets": {"types": ["spot"]}},
    }

"""What an API key may do, by the venue's own account of it. A key for trading must not be able to withdraw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ccxt.async_support as ccxt
import structlog

from n1v1_execution.adapters.ccxt_gateway import IN_DOUBT
from n1v1_execution.ports import VenueNotUsable, VenueTrouble

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Permissions:
    """can_trade: None where the venue does not say."""

    can_withdraw: bool
    can_trade: bool | None = None


async def check_permissions(client: Any) -> None:
    """Raises VenueNotUsable for a key that may withdraw or may not trade; VenueTrouble when there is no answer.

    A venue that cannot tell says so in the log: then only its web page shows what the key may do.
    """
    ask = _QUESTIONS.get(client.id)
    if ask is None:
        log.warning("this venue cannot tell what a key may do: make sure that it may not withdraw", venue=client.id)
        return
    try:
        permissions = await ask(client)
    except IN_DOUBT as error:
        raise VenueTrouble(f"the permissions of the key: {error}") from error
    except (ccxt.NotSupported, KeyError) as error:  # a test network without that interface has no such address
        log.warning("this address cannot tell what a key may do", venue=client.id, reason=repr(error))
        return
    if permissions.can_withdraw:
        raise VenueNotUsable(
            f"exchange.api_key may withdraw from the account at {client.id}: take that right away from it"
        )
    if permissions.can_trade is False:
        raise VenueNotUsable(f"exchange.api_key may not trade at {client.id}: give it the right to")


async def _binance(client: Any) -> Permissions:
    return of_binance(await client.sapiGetAccountApiRestrictions())


async def _bybit(client: Any) -> Permissions:
    return of_bybit(await client.privateGetV5UserQueryApi())


async def _okx(client: Any) -> Permissions:
    return of_okx(await client.privateGetAccountConfig())


async def _coinbase(client: Any) -> Permissions:
    return of_coinbase(await client.v3PrivateGetBrokerageKeyPermissions())


def of_binance(answer: Mapping[str, Any]) -> Permissions:
    return Permissions(bool(answer["enableWithdrawals"]), bool(answer["enableSpotAndMarginTrading"]))


def of_bybit(answer: Mapping[str, Any]) -> Permissions:
    key = answer["result"]
    can_trade = not int(key["readOnly"]) and bool(key["permissions"].get("Spot"))
    return Permissions("Withdraw" in key["permissions"].get("Wallet", ()), can_trade)


def of_okx(answer: Mapping[str, Any]) -> Permissions:
    granted = {right.strip() for right in answer["data"][0]["perm"].split(",")}
    return Permissions("withdraw" in granted, "trade" in granted)


def of_coinbase(answer: Mapping[str, Any]) -> Permissions:
    return Permissions(bool(answer["can_transfer"]), bool(answer["can_trade"]))


_QUESTIONS: Mapping[str, Callable[[Any], Awaitable[Permissions]]] = {
    "binance": _binance,
    "bybit": _bybit,
    "okx": _okx,
    "coinbase": _coinbase,
}

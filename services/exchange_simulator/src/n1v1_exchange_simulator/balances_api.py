"""What no real venue has: POST /admin/v1/balances, a deposit or a withdrawal by whoever drills.

{"account": "main", "asset": "BTC", "change": "-0.25"} moves a quarter of a bitcoin out of the account; the answer is
what is free of the asset then. User streams hear of it (balanceUpdate).
"""

from __future__ import annotations

from decimal import Decimal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from n1v1.errors import N1v1Error
from n1v1.values import to_units
from n1v1_exchange_simulator.exchange import Exchange
from n1v1_exchange_simulator.venue import Refused


class Change(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str
    asset: str
    change: Decimal


class BalancesApi:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        instruments = exchange.instruments
        self._units = {i.base: i.lot_size for i in instruments} | {i.quote: i.quantum for i in instruments}

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/admin/v1/balances", self.change)]

    async def change(self, request: web.Request) -> web.Response:
        try:
            wanted = Change.model_validate_json(await request.read())
            unit = self._unit_of(wanted)
            refused = self._exchange.deposit(wanted.account, wanted.asset, to_units(wanted.change, unit, what="change"))
        except ValidationError as error:
            return _refused('expected {"account": "main", "asset": "BTC", "change": "0.5"}: ' + str(error))
        except N1v1Error as error:
            return _refused(str(error))
        if isinstance(refused, Refused):
            return _refused(refused.reason)
        free = self._exchange.venue.balances(wanted.account)[wanted.asset].free * unit
        return web.json_response({"asset": wanted.asset, "free": f"{free:f}"})

    def _unit_of(self, wanted: Change) -> Decimal:
        accounts = self._exchange.venue.accounts()
        if wanted.account not in accounts:
            raise N1v1Error(f"no account {wanted.account!r}; there are {', '.join(accounts)}")
        if wanted.asset not in self._units:
            raise N1v1Error(f"no asset {wanted.asset!r}; there are {', '.join(self._units)}")
        return self._units[wanted.asset]


def _refused(reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=400)

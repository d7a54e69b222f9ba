"""The admin API: faults listed, added, removed, and what fired. For drills and tests; it belongs on loopback.

GET    /admin/v1/faults           what is on, with how often it matched and fired
POST   /admin/v1/faults           add one fault, or a list of them, all or none
DELETE /admin/v1/faults           remove all
GET    /admin/v1/faults/{name}
DELETE /admin/v1/faults/{name}
GET    /admin/v1/faults/log       ?since=<number>&limit=<n>
GET    /admin/v1/faults/schema    JSON Schema of a fault
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from n1v1_exchange_simulator.faults.active import Active, Faults, add_all
from n1v1_exchange_simulator.faults.descriptions import AnyFault, FaultError, RecordingFault, fault_of, schema
from n1v1_exchange_simulator.faults.log import REMEMBERED

PATH = "/admin/v1/faults"


def admin_application(faults: Faults) -> web.Application:
    application = web.Application(middlewares=[_answering])
    admin = _Admin(faults)
    application.add_routes(
        [
            web.get(PATH, admin.list),
            web.post(PATH, admin.add),
            web.delete(PATH, admin.clear),
            web.get(f"{PATH}/log", admin.log),
            web.get(f"{PATH}/schema", admin.schema),
            web.get(f"{PATH}/{{name}}", admin.one),
            web.delete(f"{PATH}/{{name}}", admin.remove),
        ]
    )
    return application


class _Admin:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def list(self, request: web.Request) -> web.Response:
        del request
        return _json({"seed": self._faults.seed, "faults": [_shown(active) for active in self._faults.all()]})

    async def add(self, request: web.Request) -> web.Response:
        described = _parsed(await request.read())
        one_or_more = described if isinstance(described, list) else [described]
        names = add_all(self._faults, [_fault(number, one) for number, one in enumerate(one_or_more, start=1)])
        return _json({"added": names}, status=201)

    async def clear(self, request: web.Request) -> web.Response:
        del request
        removed = len(self._faults)
        self._faults.clear()
        return _json({"removed": removed})

    async def one(self, request: web.Request) -> web.Response:
        return _json(_shown(self._named(request)))

    async def remove(self, request: web.Request) -> web.Response:
        name = self._named(request).fault.name
        self._faults.remove(name)
        return _json({"removed": name})

    async def log(self, request: web.Request) -> web.Response:
        entries = self._faults.log.since(_number(request, "since", 0), limit=_number(request, "limit", REMEMBERED))
        return _json({"seed": self._faults.seed, "entries": entries})

    async def schema(self, request: web.Request) -> web.Response:
        del request
        return _json(schema())

    def _named(self, request: web.Request) -> Active[Any]:
        wanted = request.match_info["name"]
        by_name = {active.fault.name: active for active in self._faults.all()}
        if wanted in by_name:
            return by_name[wanted]
        nearest = get_close_matches(wanted, by_name, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise _NoSuchFault(f"there is no fault {wanted!r}{hint}")


class _NoSuchFault(Exception):
    """Answered with 404."""


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except _NoSuchFault as error:
        return _json({"error": str(error)}, status=404)
    except FaultError as error:
        return _json({"error": str(error)}, status=400)
    except web.HTTPException as error:
        return _json({"error": f"{request.method} {request.path}: {error.reason}"}, status=error.status)


def _parsed(body: bytes) -> Any:  # Any: whatever JSON holds
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise FaultError(f"expected a fault, or a list of them, as JSON: {error}") from None


def _fault(number: int, described: object) -> AnyFault:
    try:
        fault = fault_of(described)
    except FaultError as error:
        raise FaultError(f"fault {number}: {error}") from None
    if isinstance(fault, RecordingFault):
        raise FaultError(
            f"fault {number}: {fault.kind} changes what was recorded, which can only be done from the start: "
            "put it into the script that the venue is started with"
        )
    return fault


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal():
        raise FaultError(f"{name}: expected a whole number, found {text!r}")
    return int(text)


def _shown(active: Active[Any]) -> dict[str, Any]:
    described: dict[str, Any] = active.fault.model_dump(mode="json", exclude_defaults=True)
    return described | {
        "name": active.fault.name,
        "kind": active.fault.kind,
        "matches": active.matches,
        "firings": active.firings,
        "is_spent": active.is_spent,
    }


def _json(answer: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(answer), status=status, content_type="application/json")

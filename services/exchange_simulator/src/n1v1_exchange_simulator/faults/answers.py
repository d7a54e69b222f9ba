"""What a client reads when a fault answers instead of the venue."""

from __future__ import annotations

import orjson
from aiohttp import web

from n1v1_exchange_simulator.faults.descriptions import (
    ApiRefusal,
    HttpError,
    InvalidKey,
    Maintenance,
    Overloaded,
    RefuseConnection,
    RequestFault,
    TimeoutAfter,
)


def answer_before(fault: RequestFault) -> web.Response | None:
    """What is said although the engine has not seen the request; None: it goes on to the engine."""
    match fault:
        case HttpError(when="before"):
            return http_error(fault.status, fault.retry_after_s)
        case ApiRefusal(when="before"):
            return refusal(fault.code, fault.msg, fault.status)
        case Overloaded():
            msg = "Server is currently overloaded with other requests. Please try again in a few minutes."
            return refusal(-1008, msg, 503)
        case InvalidKey():
            return refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        case Maintenance():
            return refusal(-1001, "Internal error; unable to process your request. Please try again.", 503)
    return None


def answer_after(fault: RequestFault) -> web.Response | None:
    """What is said although the engine has done what was asked; None: its own answer."""
    match fault:
        case HttpError(when="after"):
            return http_error(fault.status, fault.retry_after_s)
        case ApiRefusal(when="after"):
            return refusal(fault.code, fault.msg, fault.status)
        case TimeoutAfter():
            msg = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
            return refusal(-1007, msg, 504)
    return None


def handshake_refused(fault: RefuseConnection) -> web.Response:
    return http_error(fault.status, fault.retry_after_s)


def banned(until_ms: int, *, retry_after_s: int) -> web.Response:
    msg = (
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return refusal(-1003, msg, 418, retry_after_s)


def order_not_visible() -> web.Response:
    return refusal(-2013, "Order does not exist.", 400)


def http_error(status: int, retry_after_s: int | None) -> web.Response:
    if status in (418, 429):
        return refusal(
            -1003, "Too many requests; please use WebSocket Streams for live updates.", status, retry_after_s
        )
    page = f"<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
    return web.Response(text=page, status=status, content_type="text/html", headers=_retry_after(retry_after_s))


def refusal(code: int, msg: str, status: int, retry_after_s: int | None = None) -> web.Response:
    body = orjson.dumps({"code": code, "msg": msg})
    return web.Response(body=body, status=status, content_type="application/json", headers=_retry_after(retry_after_s))


def of_a_call(fault: HttpError) -> web.Response:
    """The same, said by the WebSocket API, which knows no pages."""
    if fault.status in (418, 429):
        return http_error(fault.status, fault.retry_after_s)
    return refusal(-1000, "An unknown error occurred while processing the request.", fault.status, fault.retry_after_s)


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(seconds)}

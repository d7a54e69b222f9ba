"""Binance's error bodies: {"code", "msg"}, HTTP 400 unless noted. Texts as in its errors.md; clients match on them."""

from __future__ import annotations

from typing import Any

TOO_MANY_REQUESTS = 429
BANNED = 418


class ApiError(Exception):
    """An ordinary no to a client's request.

    data: what the answer says beside code and text. retry_at_ms: when a rate limit lets the client in again;
    retry_after_s: the same as seconds from now.
    """

    def __init__(
        self,
        code: int,
        msg: str,
        *,
        status: int = 400,
        data: dict[str, Any] | None = None,
        retry_after_s: int | None = None,
        retry_at_ms: int | None = None,
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data
        self.retry_after_s = retry_after_s
        self.retry_at_ms = retry_at_ms

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "msg": self.msg}
        return body if self.data is None else body | {"data": self.data}


def missing(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def missing_both(first: str, second: str) -> ApiError:
    return ApiError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def illegal_characters(name: str, legal: str) -> ApiError:
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def unread(read: int, sent: int) -> ApiError:
    return ApiError(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


def too_precise(name: str) -> ApiError:
    return ApiError(-1111, f"Parameter '{name}' has too much precision.")


def not_wanted(name: str) -> ApiError:
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def invalid_signature() -> ApiError:
    return ApiError(-1022, "Signature for this request is not valid.")


def no_api_key() -> ApiError:
    return ApiError(-2014, "API-key format invalid.", status=401)


def unknown_api_key() -> ApiError:
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def timestamp_ahead() -> ApiError:
    return ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def timestamp_outside_window() -> ApiError:
    return ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def window_too_long() -> ApiError:
    return ApiError(-1131, "recvWindow must be less than 60000")


def invalid_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


def invalid_interval() -> ApiError:
    return ApiError(-1120, "Invalid interval.")


def order_does_not_exist() -> ApiError:
    return ApiError(-2013, "Order does not exist.")


def unknown_order() -> ApiError:
    return ApiError(-2011, "Unknown order sent.")


def order_list_does_not_exist() -> ApiError:
    return ApiError(-2018, "Order list does not exist.")


def bad_combination() -> ApiError:
    return ApiError(-1128, "Combination of optional parameters invalid.")


def window_of_times_too_long() -> ApiError:
    return ApiError(-1127, "More than 24 hours between startTime and endTime.")


def filter_failure(name: str, *, code: int = -1013) -> ApiError:
    return ApiError(code, f"Filter failure: {name}")


def market_is_closed() -> ApiError:
    return ApiError(-1013, "Market is closed.")


def self_trade_prevention_not_allowed() -> ApiError:
    return ApiError(-1013, "This symbol does not allow the specified self-trade prevention mode.")


def unsupported_combination() -> ApiError:
    return ApiError(-2010, "Unsupported order combination")


def too_many_orders(limit: int, interval: str, *, retry_after_s: int, retry_at_ms: int) -> ApiError:
    msg = f"Too many new orders; current limit is {limit} orders per {interval}."
    return ApiError(-1015, msg, status=TOO_MANY_REQUESTS, retry_after_s=retry_after_s, retry_at_ms=retry_at_ms)


def too_much_weight(limit: int, *, retry_after_s: int, retry_at_ms: int) -> ApiError:
    msg = (
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return ApiError(-1003, msg, status=TOO_MANY_REQUESTS, retry_after_s=retry_after_s, retry_at_ms=retry_at_ms)


def too_many_requests(limit: int, *, retry_after_s: int, retry_at_ms: int) -> ApiError:
    msg = (
        f"Too many requests; current limit is {limit} requests per 5 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return ApiError(-1003, msg, status=TOO_MANY_REQUESTS, retry_after_s=retry_after_s, retry_at_ms=retry_at_ms)


def banned(*, retry_after_s: int, retry_at_ms: int) -> ApiError:
    msg = (
        f"Way too much request weight used; IP banned until {retry_at_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return ApiError(-1003, msg, status=BANNED, retry_after_s=retry_after_s, retry_at_ms=retry_at_ms)


def execution_unknown() -> ApiError:
    msg = "An unexpected response was received from the message bus. Execution status unknown."
    return ApiError(-1006, msg, status=503)

"""Who sent a request, and when: HMAC-SHA256 over the bytes as they came, checked against the wall clock.

The wall clock is meant: keys and time windows protect a conversation that happens now, while the bars, the fills
and their times are recorded ones. GET /api/v3/time answers the wall clock too, so clients can synchronise with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from n1v1_exchange_simulator.accounts import ApiAccount
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.parameters import Parameters

WallClock = Callable[[], int]
"""Nanoseconds UTC."""

DEFAULT_WINDOW_MS = Decimal(5_000)
LONGEST_WINDOW_MS = Decimal(60_000)
AHEAD_AT_MOST_MS = 1_000
MICROSECONDS_FROM_DIGITS = 16
"""A timestamp of that many digits is in microseconds (Binance's rule)."""


class Authentication:
    def __init__(self, accounts: Mapping[str, ApiAccount], wall_ns: WallClock) -> None:
        self._accounts = accounts
        self._wall_ns = wall_ns

    def of_request(self, api_key: str | None, query: str, body: str) -> tuple[ApiAccount, Parameters]:
        """The account that signed a REST request, and its parameters. query and body exactly as received."""
        account = self.account_of(api_key)
        parameters = Parameters.of_request(query, body)
        self._check_time(parameters)
        signature = parameters.text("signature")
        # Binance signs query and body one after the other, without a separator.
        _check_signature(account, _without_signature(query) + _without_signature(body), signature)
        return account, parameters

    def of_call(self, sent: Mapping[str, str]) -> tuple[ApiAccount, Parameters]:
        """The account that signed a WebSocket API call. sent: parameters as the literal text of their JSON."""
        parameters = Parameters(sent)
        account = self.account_of(parameters.text("apiKey"))
        self._check_time(parameters)
        signature = parameters.text("signature")
        payload = "&".join(f"{name}={sent[name]}" for name in sorted(sent) if name != "signature")
        _check_signature(account, payload, signature)
        return account, parameters

    def account_of(self, api_key: str | None) -> ApiAccount:
        if not api_key:
            raise errors.no_api_key()
        account = self._accounts.get(api_key)
        if account is None:
            raise errors.unknown_api_key()
        return account

    def _check_time(self, parameters: Parameters) -> None:
        window_ms = _window_ms(parameters)
        sent = parameters.text("timestamp")
        if not re.fullmatch(r"[0-9]{1,20}", sent):
            raise errors.illegal_characters("timestamp", "^[0-9]{1,20}$")
        sent_ms = Decimal(sent) / (1_000 if len(sent) >= MICROSECONDS_FROM_DIGITS else 1)
        now_ms = Decimal(self._wall_ns()) / 1_000_000
        if sent_ms >= now_ms + AHEAD_AT_MOST_MS:
            raise errors.timestamp_ahead()
        if now_ms - sent_ms > window_ms:
            raise errors.timestamp_outside_window()


def _window_ms(parameters: Parameters) -> Decimal:
    text = parameters.optional("recvWindow")
    if text is None:
        return DEFAULT_WINDOW_MS
    try:
        window_ms = Decimal(text)
    except InvalidOperation:
        raise errors.illegal_characters("recvWindow", "a number") from None
    if not window_ms.is_finite() or window_ms > LONGEST_WINDOW_MS:
        raise errors.window_too_long()
    return window_ms


def _without_signature(raw: str) -> str:
    return "&".join(pair for pair in raw.split("&") if not pair.startswith("signature="))


def _check_signature(account: ApiAccount, payload: str, signature: str) -> None:
    expected = hmac.new(account.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise errors.invalid_signature()

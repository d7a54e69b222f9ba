"""Who sent a request, and when: a signature over the bytes as they came, and a time checked against the wall clock.

The wall clock is meant: keys and time windows protect a conversation that happens now, while the bars, the fills
and their times are recorded ones. GET /api/v3/time answers the wall clock too, so clients can synchronise with it.

Three kinds of keys, as at Binance: HMAC-SHA256 (hex, either case), RSA with SHA-256 and PKCS#1 v1.5 padding, and
Ed25519 (both base64). An account's secret is the HMAC secret, or a PEM with a public key; a private key will do where
venue and client share one setting, and only its public half is kept.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from n1v1.errors import InvalidValue
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

_TIMESTAMP = r"^[0-9]{1,20}$"
_WINDOW = r"^[0-9]{1,20}(\.[0-9]{1,20})?$"


class KeyKind(StrEnum):
    HMAC = "HMAC"
    RSA = "RSA"
    ED25519 = "ED25519"


class Key(Protocol):
    """What signatures of one account are checked with."""

    @property
    def kind(self) -> KeyKind: ...

    def has_signed(self, payload: bytes, signature: str) -> bool: ...


class HmacKey:
    kind = KeyKind.HMAC

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def has_signed(self, payload: bytes, signature: str) -> bool:
        expected = hmac.new(self._secret, payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.lower().encode())


class RsaKey:
    kind = KeyKind.RSA

    def __init__(self, public: RSAPublicKey) -> None:
        self._public = public

    def has_signed(self, payload: bytes, signature: str) -> bool:
        try:
            self._public.verify(base64.b64decode(signature, validate=True), payload, PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


class Ed25519Key:
    kind = KeyKind.ED25519

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public

    def has_signed(self, payload: bytes, signature: str) -> bool:
        try:
            self._public.verify(base64.b64decode(signature, validate=True), payload)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def key_of(secret: str) -> Key:
    """Raises InvalidValue for a PEM that is neither an RSA nor an Ed25519 key."""
    if "-----BEGIN" not in secret:
        return HmacKey(secret)
    match _public_half(secret.encode()):
        case RSAPublicKey() as public:
            return RsaKey(public)
        case Ed25519PublicKey() as public:
            return Ed25519Key(public)
    raise InvalidValue("an account's PEM must be an RSA or an Ed25519 key")


def _public_half(pem: bytes) -> object:
    try:
        if b"PRIVATE KEY" not in pem:
            return load_pem_public_key(pem)
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidValue(f"an account's key cannot be read: {error}") from error
    return private.public_key() if isinstance(private, RSAPrivateKey | Ed25519PrivateKey) else private


class Authentication:
    def __init__(self, accounts: Mapping[str, ApiAccount], wall_ns: WallClock) -> None:
        self._accounts = accounts
        self._keys = {api_key: key_of(account.api_secret) for api_key, account in accounts.items()}
        self._wall_ns = wall_ns

    def of_request(self, api_key: str | None, query: str, body: str) -> tuple[ApiAccount, Parameters]:
        """The account that signed a REST request, and its parameters. query and body exactly as received."""
        parameters = Parameters.of_request(query, body)
        return self.signer_of(api_key, parameters, query, body), parameters

    def signer_of(self, api_key: str | None, parameters: Parameters, query: str, body: str) -> ApiAccount:
        """As `of_request`, of parameters that are decoded already. Bytes that are no UTF-8 as surrogate escapes."""
        account = self.account_of(api_key)
        self.check_time(parameters)
        signature = parameters.text("signature")
        # Binance signs query and body one after the other, without a separator.
        self._check_signature(account, _without_signature(query) + _without_signature(body), signature)
        return account

    def of_call(self, sent: Mapping[str, str]) -> tuple[ApiAccount, Parameters]:
        """The account that signed a WebSocket API call. sent: parameters as the literal text of their JSON."""
        parameters = Parameters(sent)
        account = self.account_of(parameters.text("apiKey"))
        self.check_time(parameters)
        signature = parameters.text("signature")
        payload = "&".join(f"{name}={sent[name]}" for name in sorted(sent) if name != "signature")
        self._check_signature(account, payload, signature)
        return account, parameters

    def account_of(self, api_key: str | None) -> ApiAccount:
        if not api_key:
            raise errors.no_api_key()
        account = self._accounts.get(api_key)
        if account is None:
            raise errors.unknown_api_key()
        return account

    def kind_of(self, account: ApiAccount) -> KeyKind:
        """A session can only be logged on to with an Ed25519 key."""
        return self._keys[account.api_key].kind

    def check_time(self, parameters: Parameters) -> None:
        """Raises ApiError unless the request was sent within its window: all that a logged-on session checks."""
        window_ms = _window_ms(parameters)
        sent = parameters.text("timestamp")
        if not re.fullmatch(_TIMESTAMP, sent):
            raise errors.illegal_characters("timestamp", _TIMESTAMP)
        sent_ms = Decimal(sent) / (1_000 if len(sent) >= MICROSECONDS_FROM_DIGITS else 1)
        now_ms = Decimal(self._wall_ns()) / 1_000_000
        if sent_ms >= now_ms + AHEAD_AT_MOST_MS:
            raise errors.timestamp_ahead()
        if now_ms - sent_ms > window_ms:
            raise errors.timestamp_outside_window()

    def _check_signature(self, account: ApiAccount, payload: str, signature: str) -> None:
        if not self._keys[account.api_key].has_signed(payload.encode(errors="surrogateescape"), signature):
            raise errors.invalid_signature()


def _window_ms(parameters: Parameters) -> Decimal:
    text = parameters.optional("recvWindow")
    if text is None:
        return DEFAULT_WINDOW_MS
    if not re.fullmatch(_WINDOW, text):
        raise errors.illegal_characters("recvWindow", _WINDOW)
    window_ms = Decimal(text)
    if window_ms > LONGEST_WINDOW_MS:
        raise errors.window_too_long()
    return window_ms


def _without_signature(raw: str) -> str:
    return "&".join(pair for pair in raw.split("&") if not pair.startswith("signature="))

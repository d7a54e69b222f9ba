"""Three kinds of keys, against published examples and against ccxt, which signs by itself."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

import ccxt.async_support as ccxt_async
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from n1v1.errors import InvalidValue
from n1v1_exchange_simulator.accounts import ApiAccount, by_api_key
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.signing import Authentication, KeyKind, key_of

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

# Binance's WebSocket API documentation: keys, parameters and the signatures that belong to them.
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
SENT_MS = 1_645_423_376_532
SELL = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01000000",
    "price": "52000.00",
    "recvWindow": "100",
    "timestamp": str(SENT_MS),
    "apiKey": KEY,
}
WIDE = SELL | {
    "symbol": "１２３４５６",
    "side": "BUY",
    "quantity": "1.00000000",
    "price": "0.10000000",
    "recvWindow": "5000",
}


def authentication(secret: str = SECRET, *, late_ms: float = 0.0) -> Authentication:
    accounts = by_api_key([ApiAccount("main", KEY, secret, {})])
    return Authentication(accounts, lambda: SENT_MS * 1_000_000 + round(late_ms * 1_000_000))


@pytest.mark.parametrize(
    ("sent", "signature"),
    [
        (SELL, "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
        (WIDE, "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
    ],
)
def test_published_signatures_of_the_websocket_api_are_accepted(sent: dict[str, str], signature: str) -> None:
    account, parameters = authentication().of_call(sent | {"signature": signature})
    assert account.name == "main"
    assert parameters.text("symbol") == sent["symbol"]
    with pytest.raises(ApiError) as refused:
        authentication().of_call(sent | {"signature": signature, "price": "52000.0"})
    assert (refused.value.code, refused.value.msg) == (-1022, "Signature for this request is not valid.")


def test_a_published_ed25519_signature_is_accepted() -> None:
    """RFC 8032, 7.1, test 2: one byte, 0x72."""
    public = ed25519.Ed25519PublicKey.from_public_bytes(
        bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    )
    key = key_of(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    text = base64.b64encode(signature).decode()
    assert key.has_signed(b"\x72", text)
    assert not key.has_signed(b"\x73", text)
    assert not key.has_signed(b"\x72", text.lower()), "base64 has two cases"


def pem(private: PrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(private: PrivateKey) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


KEYS: dict[KeyKind, PrivateKey] = {
    KeyKind.RSA: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    KeyKind.ED25519: ed25519.Ed25519PrivateKey.generate(),
}


@pytest.mark.parametrize("kind", KEYS)
async def test_ccxt_trades_with_keys_of_every_kind(open_venue: Any, kind: KeyKind) -> None:
    """The venue has the public key, ccxt the private one."""
    account = ApiAccount("keyed", "key-of-keyed", public_pem(KEYS[kind]), {"USDT": 10**12, "BTC": 0})
    venue = await open_venue(accounts=[account])
    venue.play()
    client = ccxt_async.binance(
        {
            "apiKey": "key-of-keyed",
            "secret": pem(KEYS[kind]),
            "urls": {"api": {"public": f"{venue.url}/api/v3", "private": f"{venue.url}/api/v3"}},
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False},
        }
    )
    try:
        created = await client.create_order("BTC/USDT", "limit", "buy", 0.5, 90)
        assert created["status"] == "open"
        assert (await client.fetch_balance())["USDT"]["used"] > 0
    finally:
        await client.close()


def test_a_private_key_will_do_because_its_public_half_is_in_it() -> None:
    for kind, private in KEYS.items():
        assert key_of(pem(private)).kind is kind
    assert key_of("-----no-pem").kind is KeyKind.HMAC


def test_keys_of_other_kinds_and_broken_ones_are_explained() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    for secret in (public_pem(curve), pem(curve)):
        with pytest.raises(InvalidValue, match="must be an RSA or an Ed25519 key"):
            key_of(secret)
    with pytest.raises(InvalidValue, match="cannot be read"):
        key_of("-----BEGIN PUBLIC KEY-----\nnothing\n-----END PUBLIC KEY-----")


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("signature", ["", "no base64!", "AAAA"])
def test_what_is_no_signature_is_none(kind: KeyKind, signature: str) -> None:
    assert not key_of(public_pem(KEYS[kind])).has_signed(b"anything", signature)


# --- the time window -----------------------------------------------------------------------------------------------


def outcome(late_ms: float, **sent: str) -> str:
    """'in', or what is wrong with the time: signatures are not looked at before."""
    query = urlencode({"timestamp": str(SENT_MS), **sent, "signature": "00"})
    with pytest.raises(ApiError) as refused:
        authentication(late_ms=late_ms).of_request(KEY, query, "")
    return "in" if refused.value.code == -1022 else f"{refused.value.code} {refused.value.msg}"


AHEAD = "-1021 Timestamp for this request was 1000ms ahead of the server's time."
OUTSIDE = "-1021 Timestamp for this request is outside of the recvWindow."


@pytest.mark.parametrize(
    ("late_ms", "sent", "expected"),
    [
        (-999, {}, "in"),
        (-1_000, {}, AHEAD),
        (5_000, {}, "in"),
        (5_001, {}, OUTSIDE),
        (60_000, {"recvWindow": "60000"}, "in"),
        (60_001, {"recvWindow": "60000"}, OUTSIDE),
        (0, {"recvWindow": "60001"}, "-1131 recvWindow must be less than 60000"),
        (0, {"recvWindow": "60000.001"}, "-1131 recvWindow must be less than 60000"),
        (6.346, {"recvWindow": "6.346"}, "in"),
        (6.347, {"recvWindow": "6.346"}, OUTSIDE),
        (-999.001, {"timestamp": f"{SENT_MS}000"}, "in"),
        (5_000.001, {"timestamp": f"{SENT_MS}001"}, "in"),
        (5_000.002, {"timestamp": f"{SENT_MS}001"}, OUTSIDE),
    ],
)
def test_the_window_is_exact_in_milliseconds_and_microseconds(
    late_ms: float, sent: dict[str, str], expected: str
) -> None:
    assert outcome(late_ms, **sent) == expected


@pytest.mark.parametrize("window", ["-1", "NaN", "1e3", "soon", "Infinity"])
def test_a_window_that_is_no_number_is_explained(window: str) -> None:
    assert outcome(0, recvWindow=window).startswith("-1100 Illegal characters found in parameter 'recvWindow'")

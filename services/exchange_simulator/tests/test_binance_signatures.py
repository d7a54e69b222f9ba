"""Signatures against the examples that Binance publishes with its documentation (rest-api.md)."""

from __future__ import annotations

import pytest

from n1v1_exchange_simulator.accounts import ApiAccount, by_api_key
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.signing import Authentication

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
SENT_MS = 1_499_827_319_559
ORDER = f"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp={SENT_MS}"
SIGNATURE = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


def authentication(*, now_ms: float = SENT_MS) -> Authentication:
    accounts = by_api_key([ApiAccount("main", KEY, SECRET, {})])
    return Authentication(accounts, lambda: int(now_ms * 1_000_000))


@pytest.mark.parametrize(
    ("query", "body", "signature"),
    [
        (ORDER, "", SIGNATURE),
        ("", ORDER, SIGNATURE),
        (ORDER, "", SIGNATURE.upper()),
        (
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC",
            f"quantity=1&price=0.1&recvWindow=5000&timestamp={SENT_MS}",
            "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
        ),
    ],
    ids=["query", "body", "upper case", "query and body"],
)
def test_the_published_examples_are_accepted(query: str, body: str, signature: str) -> None:
    pair = f"signature={signature}"
    query, body = (query, f"{body}&{pair}") if body else (f"{query}&{pair}", body)
    account, parameters = authentication().of_request(KEY, query, body)
    assert account.name == "main"
    assert parameters.text("symbol") == "LTCBTC"


def test_one_changed_character_is_refused() -> None:
    with pytest.raises(ApiError) as refusal:
        authentication().of_request(KEY, f"{ORDER.replace('quantity=1', 'quantity=2')}&signature={SIGNATURE}", "")
    assert refusal.value.code == -1022


@pytest.mark.parametrize("late_ms", [-999.5, 0, 5_000])
def test_the_time_window_includes_its_edges(late_ms: float) -> None:
    authentication(now_ms=SENT_MS + late_ms).of_request(KEY, f"{ORDER}&signature={SIGNATURE}", "")


@pytest.mark.parametrize("late_ms", [-1_000, 5_000.001])
def test_outside_the_time_window_a_request_is_refused(late_ms: float) -> None:
    with pytest.raises(ApiError) as refusal:
        authentication(now_ms=SENT_MS + late_ms).of_request(KEY, f"{ORDER}&signature={SIGNATURE}", "")
    assert refusal.value.code == -1021

"""Ids are a function of their cause: these values may never change, or a restart would not recognise its own orders."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1 import ids
from n1v1.ids import ClientOrderId, OrderId, SignalId, TradeId

SIGNAL = SignalId("ema_cross:BTC-USD:1577851200")
text = st.text(max_size=30)


def test_ids_are_what_they_have_always_been() -> None:
    assert ids.signal_id("ema_cross", "BTC-USD", 1_577_851_200_000_000_000) == SIGNAL
    order = ids.order_id("main", SIGNAL)
    assert order == "o-outo7onx6le23sol"
    assert ids.client_order_id(order, 1) == "n1v1-o-outo7onx6le23sol-1"
    assert ids.fill_id("simulator", "BTC-USD", TradeId("17")) == "simulator:BTC-USD:17"
    assert ids.bar_id("BTC-USD", "4h", 1_577_851_200_000_000_000) == "bar:BTC-USD@1577851200:4h"
    assert ids.correlation_id("BTC-USD", 1_577_851_200_000_000_000) == "BTC-USD@1577851200"


@given(text, text, st.integers(1, 10**9))
def test_a_client_order_id_is_what_venues_allow_and_leads_back_to_its_order(
    account: str, signal: str, attempt: int
) -> None:
    order = ids.order_id(account, SignalId(signal))
    client = ids.client_order_id(order, attempt)
    assert len(client) <= 36
    assert re.fullmatch(r"[a-z0-9-]+", client)
    assert ids.order_of_client_order_id(client) == order


@pytest.mark.parametrize("foreign", ["", "web_123", "n1v1", "n1v1-x-1", "N1V1-O-ABC-1"])
def test_a_client_order_id_of_somebody_else_leads_to_no_order(foreign: str) -> None:
    assert ids.order_of_client_order_id(ClientOrderId(foreign)) is None


def test_another_attempt_account_or_signal_has_another_id() -> None:
    order = OrderId("o-abc")
    assert ids.client_order_id(order, 1) != ids.client_order_id(order, 2)
    assert len({ids.order_id(account, SignalId(signal)) for account in "ab" for signal in "xy"}) == 4


def test_the_parts_of_a_digest_do_not_run_into_each_other() -> None:
    assert ids.digest("ab", "c") != ids.digest("a", "bc")
    assert ids.digest(1, 23) != ids.digest(12, 3)


def test_a_digest_has_the_length_that_was_asked_for() -> None:
    assert len(ids.digest("x")) == 16
    assert ids.digest("x", length=26).startswith(ids.digest("x"))

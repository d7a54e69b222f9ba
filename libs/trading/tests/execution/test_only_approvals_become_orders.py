"""Risk is the only way to an order: nothing else that can happen makes execution send one."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n1v1 import events
from n1v1.events import Event, OrderApproved, SubmitOrder, SubmitOrderList
from n1v1.execution.stage import Execution
from n1v1.ids import OrderId, SignalId
from n1v1.values import OrderType, Purpose, Side, TimeInForce


def everything_but_an_approval() -> list[type[Event]]:
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}
    return sorted(kinds - {Event, OrderApproved, events.OrderEvent}, key=lambda kind: kind.__name__)


def of_our_account(kind: type[Event]) -> st.SearchStrategy[Event]:
    names = {field.name for field in dataclasses.fields(kind)}
    return st.builds(kind, **({"account": st.just("main")} if "account" in names else {}))


@pytest.mark.parametrize("kind", everything_but_an_approval(), ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_other_event_makes_execution_send_an_order(kind: type[Event], data: st.DataObject) -> None:
    stage = Execution(account="main", venue="simulator")
    outcome = stage.handle(data.draw(of_our_account(kind)))
    assert not any(isinstance(command, SubmitOrder | SubmitOrderList) for command in outcome.commands)
    assert stage.open_orders == []


def approval(account: str) -> OrderApproved:
    return OrderApproved(
        id="approved:1",
        ts_ns=1,
        order_id=OrderId("o-1"),
        signal_id=SignalId("cross:BTC-USD:1"),
        account=account,
        instance="cross",
        symbol="BTC-USD",
        side=Side.BUY,
        type=OrderType.MARKET,
        lots=1,
        limit_ticks=None,
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        reference_ticks=1,
        valid_until_ns=2,
        purpose=Purpose.ENTRY,
    )


@pytest.mark.parametrize(("account", "orders"), [("main", 1), ("other", 0)])
def test_an_approval_is_for_its_account_and_for_one_order(account: str, orders: int) -> None:
    stage = Execution(account="main", venue="simulator")
    commands = [command for _ in range(2) for command in stage.handle(approval(account)).commands]
    assert len(commands) == orders

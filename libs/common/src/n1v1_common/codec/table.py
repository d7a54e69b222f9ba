"""Which message and which subject carry each event: the only place where the two are joined.

A subject is a template over the event's fields plus `partition`. Fields are carried by name; those whose unit on the
wire differs from the core's are listed with the unit, and with their name on the wire if that differs too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from n1v1 import events as e
from n1v1.risk.halts import Operation
from n1v1.risk.reasons import RefusalReason
from n1v1.styles import Method
from n1v1.values import Liquidity, OrderType, Purpose, Side, TimeInForce
from n1v1_messages.control.v1 import control_pb2 as control
from n1v1_messages.envelope.v1 import envelope_pb2 as envelope
from n1v1_messages.execution.v1 import execution_pb2 as execution
from n1v1_messages.market_data.v1 import market_data_pb2 as market_data
from n1v1_messages.portfolio.v1 import portfolio_pb2 as portfolio
from n1v1_messages.reporting.v1 import reporting_pb2 as reporting
from n1v1_messages.risk.v1 import risk_pb2 as risk
from n1v1_messages.signals.v1 import signals_pb2 as signals


class Unit(StrEnum):
    """What an integer of the core counts, and so which exponent it has as a Decimal."""

    TICKS = "ticks"
    LOTS = "lots"
    QUANTA = "quanta"


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact amount: an integer of `unit` in the core, a Decimal called `wire` (default: the same) in the message."""

    unit: Unit
    wire: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """How one event travels. key: the field whose hash gives the partition."""

    event: type[e.Event]
    message: Any
    subject: str
    key: str = "account"
    amounts: Mapping[str, Amount] = field(default_factory=dict)


TICKS, LOTS, QUANTA = Amount(Unit.TICKS), Amount(Unit.LOTS), Amount(Unit.QUANTA)
_QUANTITY, _PRICE = Amount(Unit.LOTS, "quantity"), Amount(Unit.TICKS, "price")
_REMAINING = Amount(Unit.LOTS, "remaining_quantity")
_BY_SYMBOL = "{partition}.{account}.{symbol}"

CARRIED: tuple[Carried, ...] = (
    Carried(
        e.BarClosed,
        market_data.BarClosed,
        "market_data.v1.bar.{partition}.{symbol}.{timeframe}",
        "symbol",
        {"open": TICKS, "high": TICKS, "low": TICKS, "close": TICKS, "volume": LOTS},
    ),
    Carried(e.GapFound, market_data.GapFound, "market_data.v1.gap.{partition}.{symbol}.{timeframe}", "symbol"),
    Carried(e.BarsComplete, market_data.BarsComplete, "market_data.v1.bars_complete", ""),
    Carried(e.ReplayEnded, market_data.ReplayEnded, "market_data.v1.replay_ended", ""),
    Carried(
        e.TradeSeen,
        market_data.TradeSeen,
        "market_flow.v1.trade.{partition}.{symbol}",
        "symbol",
        {"ticks": _PRICE, "lots": _QUANTITY},
    ),
    Carried(e.BookSnapshot, market_data.BookSnapshot, "market_flow.v1.book_snapshot.{partition}.{symbol}", "symbol"),
    Carried(e.BookChanged, market_data.BookChanged, "market_flow.v1.book_changed.{partition}.{symbol}", "symbol"),
    Carried(
        e.TickerSeen,
        market_data.TickerSeen,
        "market_flow.v1.ticker.{partition}.{symbol}",
        "symbol",
        {
            "bid_ticks": Amount(Unit.TICKS, "bid_price"),
            "bid_lots": Amount(Unit.LOTS, "bid_quantity"),
            "ask_ticks": Amount(Unit.TICKS, "ask_price"),
            "ask_lots": Amount(Unit.LOTS, "ask_quantity"),
            "last_ticks": Amount(Unit.TICKS, "last_price"),
        },
    ),
    Carried(e.FundingRate, market_data.FundingRate, "market_flow.v1.funding_rate.{partition}.{symbol}", "symbol"),
    Carried(
        e.MarkPrice,
        market_data.MarkPrice,
        "market_flow.v1.mark_price.{partition}.{symbol}",
        "symbol",
        {"price": QUANTA},
    ),
    Carried(e.MarketDataLost, market_data.MarketDataLost, "market_flow.v1.lost.{partition}.{symbol}", "symbol"),
    Carried(e.SignalRaised, signals.SignalRaised, "signals.v1.signal.{partition}.{instance}.{symbol}", "symbol"),
    Carried(e.SignalsComplete, signals.SignalsComplete, "signals.v1.signals_complete.{partition}", "partition"),
    Carried(
        e.OrderApproved,
        risk.OrderApproved,
        f"risk.v1.approved.{_BY_SYMBOL}",
        amounts={
            "lots": _QUANTITY,
            "limit_ticks": Amount(Unit.TICKS, "limit_price"),
            "reference_ticks": Amount(Unit.TICKS, "reference_price"),
            "trigger_ticks": Amount(Unit.TICKS, "trigger_price"),
        },
    ),
    Carried(e.OrderRefused, risk.OrderRefused, f"risk.v1.refused.{_BY_SYMBOL}"),
    Carried(e.BreakerChanged, risk.BreakerChanged, "risk.v1.breaker.{partition}.{account}"),
    Carried(e.RiskModeChanged, risk.RiskModeChanged, "risk.v1.mode.{partition}.{account}"),
    Carried(e.HaltsChanged, risk.HaltsChanged, "risk.v1.halts.{partition}.{account}"),
    Carried(e.CommandCarriedOut, risk.CommandCarriedOut, "risk.v1.command_carried_out.{partition}.{account}"),
    Carried(e.DecisionsComplete, risk.DecisionsComplete, "risk.v1.decisions_complete.{partition}.{account}"),
    Carried(
        e.OrderSubmitted,
        execution.OrderSubmitted,
        f"execution.v1.submitted.{_BY_SYMBOL}",
        amounts={"lots": _QUANTITY},
    ),
    Carried(e.OrderAccepted, execution.OrderAccepted, f"execution.v1.accepted.{_BY_SYMBOL}"),
    Carried(e.OrderRejected, execution.OrderRejected, f"execution.v1.rejected.{_BY_SYMBOL}"),
    Carried(
        e.OrderFilled,
        execution.OrderFilled,
        f"execution.v1.filled.{_BY_SYMBOL}",
        amounts={"lots": _QUANTITY, "ticks": _PRICE, "value": QUANTA, "fee": QUANTA},
    ),
    Carried(
        e.OrderCancelled,
        execution.OrderCancelled,
        f"execution.v1.cancelled.{_BY_SYMBOL}",
        amounts={"remaining_lots": _REMAINING},
    ),
    Carried(
        e.OrderExpired,
        execution.OrderExpired,
        f"execution.v1.expired.{_BY_SYMBOL}",
        amounts={"remaining_lots": _REMAINING},
    ),
    Carried(e.OrderUnknown, execution.OrderUnknown, f"execution.v1.unknown.{_BY_SYMBOL}"),
    Carried(e.FillsComplete, execution.FillsComplete, "execution.v1.fills_complete.{partition}.{account}"),
    Carried(e.OrdersComplete, execution.OrdersComplete, "execution.v1.orders_complete.{partition}.{account}"),
    Carried(
        e.PositionChanged,
        portfolio.PositionChanged,
        f"portfolio.v1.position.{_BY_SYMBOL}",
        amounts={"lots": _QUANTITY, "cost": QUANTA, "realised": QUANTA, "fees": QUANTA},
    ),
    Carried(
        e.EquityMarked,
        portfolio.EquityMarked,
        "portfolio.v1.equity.{partition}.{account}",
        amounts={"cash": QUANTA, "equity": QUANTA, "peak": QUANTA, "fees": QUANTA},
    ),
    Carried(
        e.RunCompleted,
        reporting.RunCompleted,
        "reporting.v1.run_completed.{partition}.{account}",
        amounts={"equity": QUANTA},
    ),
    Carried(e.OperatorCommand, control.OperatorCommand, "control.v1.command.{partition}.{account}"),
    Carried(e.BreakerCommand, control.BreakerCommand, "control.v1.breaker.{partition}.{account}"),
)

ENUMS: Mapping[type[StrEnum], tuple[Any, str]] = {
    Side: (envelope.Side, "SIDE_"),
    OrderType: (envelope.OrderType, "ORDER_TYPE_"),
    TimeInForce: (envelope.TimeInForce, "TIME_IN_FORCE_"),
    Purpose: (envelope.Purpose, "PURPOSE_"),
    e.Action: (envelope.Action, "ACTION_"),
    Method: (envelope.Method, "METHOD_"),
    Operation: (envelope.Operation, "OPERATION_"),
    Liquidity: (execution.Liquidity, "LIQUIDITY_"),
    RefusalReason: (risk.RefusalReason, "REFUSAL_REASON_"),
}
"""The wire's enumeration and the prefix of its names, for every closed set of the core."""

MEANT_WHEN_ABSENT: Mapping[type[StrEnum], StrEnum] = {Purpose: Purpose.ENTRY}
"""What a message says that was written before the field existed."""

SCHEMA_VERSION = 1
"""Counts revisions within version 1 of the packages that an older reader would get wrong. A field that it may ignore
is none: what a message without the field means is known (see MEANT_WHEN_ABSENT)."""

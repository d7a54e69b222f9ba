"""Orders, executions and lists as Binance answers them. Amounts are decimal texts, times in the client's unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from n1v1.values import Side
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.wire import NO_LIST, PPB_PER_BASIS_POINT, ZERO, Json, Texts, wire_type
from n1v1_exchange_simulator.venue import (
    ExpiryReason,
    KnownOrder,
    ListKind,
    OrderList,
    OrderReport,
    PreventedMatch,
    Report,
    SelfTradePrevention,
    Trade,
)

NOT_WORKING = -1


def result(order: KnownOrder, texts: Texts, unit: TimeUnit) -> Json:
    """The fields that every answer about an order has."""
    request = order.request
    return {
        "symbol": texts.wire_symbol,
        "orderId": order.number,
        "orderListId": order.list_number or NO_LIST,
        "clientOrderId": request.client_order_id,
        "price": texts.price(request.limit_ticks),
        "origQty": texts.quantity(order.lots),
        "executedQty": texts.quantity(order.filled_lots),
        "origQuoteOrderQty": texts.cash(request.spend_quanta),
        "cummulativeQuoteQty": texts.cash(order.value_quanta),
        "status": order.status,
        "timeInForce": request.time_in_force,
        "type": wire_type(request),
        "side": request.side,
        "workingTime": NOT_WORKING if order.working_ns is None else unit.of(order.working_ns),
        "selfTradePreventionMode": order.self_trade_prevention,
    } | _where_applicable(order, texts)


def _where_applicable(order: KnownOrder, texts: Texts) -> Json:
    """What Binance says only of orders that have it."""
    request = order.request
    found: Json = {}
    if order.stop_ticks is not None:
        found["stopPrice"] = texts.price(order.stop_ticks)
    if request.iceberg_lots:
        found["icebergQty"] = texts.quantity(request.iceberg_lots)
    if request.trail_ppb is not None:
        found["trailingDelta"] = request.trail_ppb // PPB_PER_BASIS_POINT
    if request.strategy_id is not None:
        found["strategyId"] = request.strategy_id
    if request.strategy_type is not None:
        found["strategyType"] = request.strategy_type
    if order.prevented_lots:
        found["preventedQuantity"] = texts.quantity(order.prevented_lots)
    return found


def queried(order: KnownOrder, texts: Texts, unit: TimeUnit) -> Json:
    """As GET order answers it."""
    return {
        "stopPrice": ZERO,
        "icebergQty": ZERO,
        "time": unit.of(order.accepted_ns),
        "updateTime": unit.of(order.updated_ns),
        "isWorking": order.is_working,
    } | result(order, texts, unit)


def acknowledged(order: KnownOrder, texts: Texts, unit: TimeUnit) -> Json:
    return {
        "symbol": texts.wire_symbol,
        "orderId": order.number,
        "orderListId": order.list_number or NO_LIST,
        "clientOrderId": order.request.client_order_id,
        "transactTime": unit.of(order.accepted_ns),
    }


def placed(order: KnownOrder, texts: Texts, unit: TimeUnit, reports: Iterable[Report]) -> Json:
    """A new order with what became of it at once: its RESULT, which a FULL answer completes with `fills`."""
    mine = _about(order, reports)
    body = result(order, texts, unit) | {"transactTime": unit.of(order.accepted_ns)}
    reason = next((report.expiry for report in mine if report.expiry is not ExpiryReason.NONE), None)
    if reason is not None:
        body["expiryReason"] = reason
    prevented = next((report.prevented for report in mine if report.prevented is not None), None)
    if prevented is not None:
        body["preventedMatchId"] = prevented.number
    return body


def fills(order: KnownOrder, texts: Texts, reports: Iterable[Report]) -> list[Json]:
    return [
        {
            "price": texts.price(report.trade.ticks),
            "qty": texts.quantity(report.trade.lots),
            "commission": texts.commission(report.trade),
            "commissionAsset": report.trade.commission_asset,
            "tradeId": report.trade.number,
        }
        for report in _about(order, reports)
        if report.trade is not None
    ]


def _about(order: KnownOrder, reports: Iterable[Report]) -> list[OrderReport]:
    return [report for report in reports if isinstance(report, OrderReport) and report.order.number == order.number]


def cancelled(order: KnownOrder, texts: Texts, unit: TimeUnit, *, cancel_name: str) -> Json:
    return result(order, texts, unit) | {
        "origClientOrderId": order.request.client_order_id,
        "clientOrderId": cancel_name or f"cancel-{order.number}",
        "transactTime": unit.of(order.updated_ns),
    }


def amended(order: KnownOrder, texts: Texts, unit: TimeUnit, *, name_before: str, execution_id: int) -> Json:
    return {
        "transactTime": unit.of(order.updated_ns),
        "executionId": execution_id,
        "amendedOrder": {
            "symbol": texts.wire_symbol,
            "orderId": order.number,
            "orderListId": order.list_number or NO_LIST,
            "origClientOrderId": name_before,
            "clientOrderId": order.request.client_order_id,
            "price": texts.price(order.request.limit_ticks),
            "qty": texts.quantity(order.lots),
            "executedQty": texts.quantity(order.filled_lots),
            "preventedQty": texts.quantity(order.prevented_lots),
            "quoteOrderQty": texts.cash(order.request.spend_quanta),
            "cumulativeQuoteQty": texts.cash(order.value_quanta),
            "status": order.status,
            "timeInForce": order.request.time_in_force,
            "type": wire_type(order.request),
            "side": order.request.side,
            "workingTime": NOT_WORKING if order.working_ns is None else unit.of(order.working_ns),
            "selfTradePreventionMode": order.self_trade_prevention,
        },
    }


def own_trade(trade: Trade, texts: Texts, unit: TimeUnit) -> Json:
    return {
        "symbol": texts.wire_symbol,
        "id": trade.number,
        "orderId": trade.order_number,
        "orderListId": trade.list_number or NO_LIST,
        "price": texts.price(trade.ticks),
        "qty": texts.quantity(trade.lots),
        "quoteQty": texts.cash(trade.value_quanta),
        "commission": texts.commission(trade),
        "commissionAsset": trade.commission_asset,
        "time": unit.of(trade.ts_ns),
        "isBuyer": trade.side is Side.BUY,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def order_list(found: OrderList, orders: Sequence[KnownOrder], texts: Texts, unit: TimeUnit) -> Json:
    """contingencyType: Binance has two words for its three kinds."""
    is_open = any(order.is_open for order in orders)
    return {
        "orderListId": found.number,
        "contingencyType": "OCO" if found.kind is ListKind.OCO else "OTO",
        "listStatusType": "EXEC_STARTED" if is_open else "ALL_DONE",
        "listOrderStatus": "EXECUTING" if is_open else "ALL_DONE",
        "listClientOrderId": found.name,
        "transactionTime": unit.of(found.accepted_ns),
        "symbol": texts.wire_symbol,
        "orders": [
            {
                "symbol": texts.wire_symbol,
                "orderId": order.number,
                "clientOrderId": order.request.client_order_id,
            }
            for order in orders
        ],
    }


def prevented_match(match: PreventedMatch, texts: Texts, unit: TimeUnit) -> Json:
    row: Json = {
        "symbol": texts.wire_symbol,
        "preventedMatchId": match.number,
        "takerOrderId": match.taker_number,
        "makerSymbol": texts.wire_symbol,
        "makerOrderId": match.maker_number,
        "tradeGroupId": 1,
        "selfTradePreventionMode": match.mode,
        "price": texts.price(match.ticks),
        "transactTime": unit.of(match.ts_ns),
    }
    if match.mode is not SelfTradePrevention.EXPIRE_MAKER:
        row["takerPreventedQuantity"] = texts.quantity(match.taker_lots)
    if match.mode is not SelfTradePrevention.EXPIRE_TAKER:
        row["makerPreventedQuantity"] = texts.quantity(match.maker_lots)
    return row

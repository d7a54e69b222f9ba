"""What happens to an account as Binance's user data stream writes it: executionReport and its companions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from n1v1.rounding import notional
from n1v1.simulation.holdings import Balance
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.wire import (
    NO_LIST,
    PPB_PER_BASIS_POINT,
    ZERO,
    Json,
    Symbols,
    Texts,
    decimal_text,
    wire_type,
)
from n1v1_exchange_simulator.venue import (
    OPEN_STATUSES,
    BalanceReport,
    KnownOrder,
    ListKind,
    ListReport,
    OrderReport,
    OrderStatus,
    PreventedMatch,
    Report,
    ReportKind,
    Trade,
)

NO_TRADE = -1
TRADE_GROUP = 1
PLACES_OF_OTHERS = 8
"""A commission in an asset that is neither of the symbol's two counts units of 1e-8."""

OrderOf = Callable[[str, str, int], KnownOrder | None]
"""(account, symbol, number)."""


class UserEvents:
    def __init__(self, symbols: Symbols, places: Mapping[str, int], order_of: OrderOf) -> None:
        """places: digits behind the point of each asset's unit."""
        self._symbols = symbols
        self._places = places
        self._order_of = order_of

    def of(self, report: Report, unit: TimeUnit) -> list[Json]:
        """In the order in which they are pushed: what happened, then what the account has now."""
        match report:
            case OrderReport():
                events = [execution_report(report, self._symbols.of(report.order.request.symbol), unit)]
                balances: Iterable[tuple[str, Balance]] = report.balances
            case ListReport():
                return [self._list_status(report, unit)]
            case BalanceReport():
                events = [self._balance_update(report, unit)]
                balances = ((report.asset, report.balance),)
        position = self._account_position(report.ts_ns, balances, unit)
        return [*events, position] if position["B"] else events

    def _account_position(self, ts_ns: int, balances: Iterable[tuple[str, Balance]], unit: TimeUnit) -> Json:
        """Absolute balances of the assets that may have changed."""
        ts = unit.of(ts_ns)
        rows = [
            {"a": asset, "f": self._amount(asset, balance.free), "l": self._amount(asset, balance.locked)}
            for asset, balance in balances
        ]
        return {"e": "outboundAccountPosition", "E": ts, "u": ts, "B": rows}

    def _balance_update(self, report: BalanceReport, unit: TimeUnit) -> Json:
        ts = unit.of(report.ts_ns)
        change = self._amount(report.asset, report.change)
        return {"e": "balanceUpdate", "E": ts, "a": report.asset, "d": change, "T": ts}

    def _list_status(self, report: ListReport, unit: TimeUnit) -> Json:
        order_list, ts = report.order_list, unit.of(report.ts_ns)
        wire_symbol = self._symbols.of(order_list.symbol).wire_symbol
        orders = [self._order_of(report.account, order_list.symbol, number) for number in order_list.order_numbers]
        return {
            "e": "listStatus",
            "E": ts,
            "s": wire_symbol,
            "g": order_list.number,
            # Binance calls an OTOCO by what its working order does.
            "c": ListKind.OCO if order_list.kind is ListKind.OCO else ListKind.OTO,
            "l": "ALL_DONE" if order_list.is_done else "EXEC_STARTED",
            "L": "ALL_DONE" if order_list.is_done else "EXECUTING",
            "r": "NONE",
            "C": order_list.name,
            "T": ts,
            "O": [
                {"s": wire_symbol, "i": order.number, "c": order.request.client_order_id}
                for order in orders
                if order is not None
            ],
        }

    def _amount(self, asset: str, units: int) -> str:
        sign = "-" if units < 0 else ""
        return sign + decimal_text(abs(units), self._places.get(asset, PLACES_OF_OTHERS))


def execution_report(report: OrderReport, texts: Texts, unit: TimeUnit) -> Json:
    """Totals are those of the report: the order itself may have moved on since."""
    order, request, ts = report.order, report.order.request, unit.of(report.ts_ns)
    name, original_name = _names(report)
    return (
        {
            "e": "executionReport",
            "E": ts,
            "s": texts.wire_symbol,
            "c": name,
            "S": request.side,
            "o": wire_type(request),
            "f": request.time_in_force,
            "q": texts.quantity(order.lots),
            "p": texts.price(request.limit_ticks),
            "P": texts.price(order.stop_ticks),
            "F": texts.quantity(request.iceberg_lots),
            "g": order.list_number or NO_LIST,
            "C": original_name,
            "x": report.kind,
            "X": report.status,
            "r": "NONE",
            "i": order.number,
            "z": texts.quantity(report.filled_lots),
            "T": ts,
            "I": report.number,
            "w": _is_on_the_book(report),
            "M": False,
            "O": unit.of(order.accepted_ns),
            "Z": texts.cash(report.value_quanta),
            "Q": texts.cash(request.spend_quanta),
            "V": order.self_trade_prevention,
        }
        | _trade_fields(report.trade, texts)
        | _conditional_fields(report, texts, unit)
    )


def _names(report: OrderReport) -> tuple[str, str]:
    """(c, C): a cancel and a replacement have names of their own; then the order's original one stands in C."""
    name = report.order.request.client_order_id
    if report.kind is ReportKind.CANCELED:
        return report.cancel_name or f"cancel-{report.order.number}", name
    if report.kind is ReportKind.REPLACED:
        return name, report.previous_name
    return name, ""


def _is_on_the_book(report: OrderReport) -> bool:
    return report.is_working and report.status in OPEN_STATUSES and report.status is not OrderStatus.PENDING_NEW


def _trade_fields(trade: Trade | None, texts: Texts) -> Json:
    if trade is None:
        return {"l": ZERO, "L": ZERO, "n": "0", "N": None, "t": NO_TRADE, "m": False, "Y": ZERO}
    return {
        "l": texts.quantity(trade.lots),
        "L": texts.price(trade.ticks),
        "n": texts.commission(trade),
        "N": trade.commission_asset,
        "t": trade.number,
        "m": trade.is_maker,
        "Y": texts.cash(trade.value_quanta),
    }


def _conditional_fields(report: OrderReport, texts: Texts, unit: TimeUnit) -> Json:
    """What Binance writes only where it means something."""
    order, request = report.order, report.order.request
    fields: Json = {}
    if report.is_working and order.working_ns is not None:
        fields["W"] = unit.of(order.working_ns)
    if request.trail_ppb is not None:
        fields["d"] = request.trail_ppb // PPB_PER_BASIS_POINT
        if request.stop_ticks is None:  # it trails from the start; with a stop price it waits for that first
            fields["D"] = unit.of(order.accepted_ns)
    if request.strategy_id is not None:
        fields["j"] = request.strategy_id
    if request.strategy_type is not None:
        fields["J"] = request.strategy_type
    if report.expiry:
        fields["eR"] = report.expiry
    if report.prevented is not None:
        fields |= _prevention_fields(report, report.prevented, texts)
    return fields


def _prevention_fields(report: OrderReport, match: PreventedMatch, texts: Texts) -> Json:
    """pl, pL, pY: the trade that would have been. A side that the mode leaves alone has no prevented lots."""
    is_taker = report.order.number == match.taker_number
    own, other = match.taker_lots, match.maker_lots
    lots = min(own, other) or max(own, other)
    return {
        "v": match.number,
        "A": texts.quantity(report.prevented_lots),
        "B": texts.quantity(match.taker_lots if is_taker else match.maker_lots),
        "u": TRADE_GROUP,
        "U": match.maker_number if is_taker else match.taker_number,
        "Cs": texts.wire_symbol,
        "pl": texts.quantity(lots),
        "pL": texts.price(match.ticks),
        "pY": texts.cash(notional(texts.instrument, ticks=match.ticks, lots=lots)),
    }

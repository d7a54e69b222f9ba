"""The venue with its market and its journal: the one place that changes state.

Every command is applied, journalled and only then answered, without an await in between. When the journal fails
the venue's memory is ahead of its history: JournalError goes up and the process must end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from n1v1.errors import N1v1Error
from n1v1.events import (
    BarClosed,
    SubmitOrder,
    SubmitOrderList,
    VenueAccepted,
    VenueClosed,
    VenueRejected,
    VenueReport,
)
from n1v1.ids import ClientOrderId
from n1v1.simulation.venue import SimulatedVenue, VenueRules
from n1v1.values import OrderType, Side, TimeInForce
from n1v1_exchange_simulator.journal import Journal, JournalError, Record
from n1v1_exchange_simulator.market import Market, RecentBars


@dataclass(frozen=True, slots=True)
class Report:
    """What happened to an order. number: counts every report of the venue from 1, the same after a restart."""

    number: int
    account: str
    report: VenueReport


@dataclass(frozen=True, slots=True)
class OrderList:
    """Orders that a client tied together. number: that of its first order; name: the client's own for it."""

    number: int
    name: str
    symbol: str
    accepted_ns: int
    has_working: bool
    order_numbers: tuple[int, ...]


BarsListener = Callable[[Sequence[BarClosed]], None]
ReportListener = Callable[[Report], None]


class WrongStep(Exception):
    """The market was asked for a step that is neither the current nor the next one."""


class Exchange:
    def __init__(self, market: Market, rules: VenueRules, journal: Journal, cash: Mapping[str, int]) -> None:
        """Brings back what `journal` knows, then opens the accounts of `cash` that it does not.

        cash: opening quanta by account.

        Raises:
            JournalError: the journal does not lead where it once led: the code has changed since, or the file.
        """
        self.market = market
        self.venue = SimulatedVenue(market.instruments, rules)
        self.recent = RecentBars(self.venue.instruments)
        self.step = 0
        self.on_bars: list[BarsListener] = []
        self.on_report: list[ReportListener] = []
        self._reports = 0
        self._lists: dict[str, list[OrderList]] = {}
        self._journal = journal
        for line, record in enumerate(journal.records, start=2):
            self._repeat(line, record)
        for account, quanta in cash.items():
            if account not in self.venue.accounts:
                self._open_account(account, quanta)

    @property
    def close_ns(self) -> int:
        """The venue's time: the close of the last bars, and before them the open of the first."""
        return self.market.first_open_ns if self.venue.clock_ns is None else self.venue.clock_ns

    @property
    def is_done(self) -> bool:
        return self.market.is_last(self.step)

    def submit(self, account: str, order: SubmitOrder) -> VenueAccepted | VenueRejected:
        answer = self.venue.submit(account, order)
        if isinstance(answer, VenueAccepted):
            number = answer.venue_order_id
            self._journal.append(
                {"do": "submit", "step": self.step, "number": number, "account": account} | _order_record(order)
            )
            self._tell(account, answer)
        return answer

    def submit_list(self, account: str, orders: SubmitOrderList, name: str) -> OrderList | VenueRejected:
        """Submit orders that belong together. name: what the client calls the list."""
        answers = self.venue.submit_list(account, orders)
        accepted = [answer for answer in answers if isinstance(answer, VenueAccepted)]
        if len(accepted) < len(answers):
            return next(answer for answer in answers if isinstance(answer, VenueRejected))
        submitted = self._remember_list(account, orders, name, accepted)
        self._journal.append(
            {"do": "submit_list", "step": self.step, "number": accepted[0].venue_order_id, "account": account}
            | _list_record(orders, name)
        )
        self._tell_all(account, accepted)
        return submitted

    def cancel(self, account: str, symbol: str, client_order_id: str) -> VenueClosed | VenueRejected:
        """Cancel an order and what ends with it; the answer is about the named order."""
        answers = self.venue.cancel_list(account, symbol, client_order_id)
        if isinstance(answers[0], VenueClosed):
            self._journal.append(
                {"do": "cancel", "account": account, "symbol": symbol, "client_order_id": client_order_id}
            )
            self._tell_all(account, answers)
        return answers[0]

    def lists_of(self, account: str) -> Sequence[OrderList]:
        """By arrival."""
        return self._lists.get(account, ())

    def advance(self, step: int) -> tuple[BarClosed, ...]:
        """The bars of `step`. Advances when it is the next one; the current one is answered again, unchanged.

        Raises WrongStep for any other, and past the end of the data.
        """
        if step == self.step + 1 and not self.is_done:
            return self._advance()
        if step == self.step:
            return self.market.bars_at(step)
        if step == self.step + 1:
            raise WrongStep(f"the data ends at step {self.step}; there is no step {step}")
        raise WrongStep(
            f"the venue is at step {self.step}; ask for {self.step} again or for {self.step + 1}, not {step}"
        )

    def _advance(self) -> tuple[BarClosed, ...]:
        bars, reports = self._match_next()
        self._journal.append({"do": "advance", "step": self.step})
        for account, report in reports:
            self._tell(account, report)
        for listen in self.on_bars:
            listen(bars)
        return bars

    def _match_next(self) -> tuple[tuple[BarClosed, ...], list[tuple[str, VenueReport]]]:
        bars = self.market.bars_at(self.step + 1)
        reports = self.venue.advance(bars)
        self.step += 1
        self.recent.add(bars)
        return bars, reports

    def _open_account(self, account: str, cash_quanta: int) -> None:
        self.venue.open_account(account, cash_quanta)
        self._journal.append({"do": "open_account", "account": account, "cash": cash_quanta})

    def _remember_list(
        self, account: str, orders: SubmitOrderList, name: str, accepted: Sequence[VenueAccepted]
    ) -> OrderList:
        order_list = OrderList(
            number=int(accepted[0].venue_order_id),
            name=name or f"list-{accepted[0].venue_order_id}",
            symbol=accepted[0].symbol,
            accepted_ns=accepted[0].ts_ns,
            has_working=orders.working is not None,
            order_numbers=tuple(int(answer.venue_order_id) for answer in accepted),
        )
        self._lists.setdefault(account, []).append(order_list)
        return order_list

    def _tell_all(self, account: str, reports: Iterable[VenueReport]) -> None:
        for report in reports:
            self._tell(account, report)

    def _tell(self, account: str, report: VenueReport) -> None:
        self._reports += 1
        for listen in self.on_report:
            listen(Report(self._reports, account, report))

    # --- recovery ----------------------------------------------------------------------------------------------

    def _repeat(self, line: int, record: Record) -> None:
        """Apply one journalled command again; nobody listens yet."""
        try:
            self._apply(record)
        except (N1v1Error, KeyError, ValueError, _Contradiction) as error:
            raise JournalError(f"line {line} of the journal cannot be repeated: {error}") from error

    def _apply(self, record: Record) -> None:
        match record["do"]:
            case "open_account":
                self.venue.open_account(record["account"], record["cash"])
            case "submit":
                self._submit_again(record)
            case "submit_list":
                self._submit_list_again(record)
            case "cancel":
                self._cancel_again(record)
            case "advance":
                self._advance_again(record)
            case other:
                raise _Contradiction(f"unknown command {other!r}")

    def _submit_again(self, record: Record) -> None:
        account = record["account"]
        answer = self.venue.submit(account, _recorded_order(record))
        if not isinstance(answer, VenueAccepted) or answer.venue_order_id != record["number"]:
            raise _Contradiction(f"order {record['number']} was accepted once, now the venue says {answer}")
        self._tell(account, answer)

    def _submit_list_again(self, record: Record) -> None:
        account, orders = record["account"], _recorded_list(record)
        answers = self.venue.submit_list(account, orders)
        accepted = [answer for answer in answers if isinstance(answer, VenueAccepted)]
        if len(accepted) < len(answers) or accepted[0].venue_order_id != record["number"]:
            raise _Contradiction(f"list {record['number']} was accepted once, now the venue says {answers[0]}")
        self._remember_list(account, orders, record["name"], accepted)
        self._tell_all(account, accepted)

    def _cancel_again(self, record: Record) -> None:
        account = record["account"]
        answers = self.venue.cancel_list(account, record["symbol"], record["client_order_id"])
        if not isinstance(answers[0], VenueClosed):
            raise _Contradiction(f"a cancel worked once, now the venue says {answers[0]}")
        self._tell_all(account, answers)

    def _advance_again(self, record: Record) -> None:
        _, reports = self._match_next()
        if self.step != record["step"]:
            raise _Contradiction(f"expected step {self.step}, found {record['step']}")
        for account, report in reports:
            self._tell(account, report)


class _Contradiction(Exception):
    """The journal says one thing and the venue another."""


def history_identity(market: Market, dataset_id: str, rules: VenueRules, cash: Mapping[str, int]) -> dict[str, str]:
    """What a journal is only valid for. A change of any of it would give the same commands another outcome."""
    config = repr((market.timeframe, market.instruments, rules, sorted(cash.items())))
    return {"dataset": dataset_id, "configuration": hashlib.sha256(config.encode()).hexdigest()}


def _order_record(order: SubmitOrder) -> Record:
    return {field.name: getattr(order, field.name) for field in fields(order)}


def _recorded_order(record: Record) -> SubmitOrder:
    given = {field.name: record[field.name] for field in fields(SubmitOrder) if field.name in record}
    return SubmitOrder(
        **{
            **given,
            "client_order_id": ClientOrderId(record["client_order_id"]),
            "side": Side(record["side"]),
            "type": OrderType(record["type"]),
            "time_in_force": TimeInForce(record["time_in_force"]),
        }
    )


def _list_record(orders: SubmitOrderList, name: str) -> Record:
    working = None if orders.working is None else _order_record(orders.working)
    return {"name": name, "working": working, "pending": [_order_record(order) for order in orders.pending]}


def _recorded_list(record: Record) -> SubmitOrderList:
    working = record["working"]
    return SubmitOrderList(
        working=None if working is None else _recorded_order(working),
        pending=tuple(_recorded_order(order) for order in record["pending"]),
    )

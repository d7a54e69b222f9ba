"""The venue's time, and what it has to say of a command: numbered in the order in which it happened."""

from __future__ import annotations

from n1v1.values import Instrument
from n1v1_exchange_simulator.matching.lists import Family
from n1v1_exchange_simulator.matching.orders import MatchedOrder
from n1v1_exchange_simulator.matching.wallets import Wallets
from n1v1_exchange_simulator.venue import (
    BalanceReport,
    ExpiryReason,
    ListReport,
    OrderReport,
    PreventedMatch,
    Report,
    ReportKind,
    Trade,
)


class Reporter:
    def __init__(self, wallets: Wallets, *, token: str | None) -> None:
        """token: the asset that pays commissions besides base and quote."""
        self.now_ns = 0
        self._wallets = wallets
        self._token = token
        self._count = 0
        self._reports: list[Report] = []

    def take(self) -> list[Report]:
        """Everything since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def order(
        self,
        instrument: Instrument,
        order: MatchedOrder,
        kind: ReportKind,
        *,
        trade: Trade | None = None,
        prevented: PreventedMatch | None = None,
        prevented_lots: int = 0,
        cancel_name: str = "",
        previous_name: str = "",
        expiry: ExpiryReason = ExpiryReason.NONE,
    ) -> None:
        self._count += 1
        order.updated_ns = self.now_ns
        assets = (instrument.base, instrument.quote) if self._token is None else self._with_token(instrument)
        self._reports.append(
            OrderReport(
                number=self._count,
                ts_ns=self.now_ns,
                account=order.account,
                kind=kind,
                order=order,
                status=order.status,
                is_working=order.is_working and order.is_open,
                filled_lots=order.filled_lots,
                value_quanta=order.value_quanta,
                trade=trade,
                prevented=prevented,
                prevented_lots=prevented_lots,
                cancel_name=cancel_name,
                previous_name=previous_name,
                expiry=expiry,
                balances=tuple((asset, self._wallets.balance(order.account, asset)) for asset in assets),
            )
        )

    def family(self, family: Family) -> None:
        self._reports.append(ListReport(ts_ns=self.now_ns, account=family.account, order_list=family.as_told()))

    def balance(self, account: str, asset: str, change: int) -> None:
        balance = self._wallets.balance(account, asset)
        self._reports.append(
            BalanceReport(ts_ns=self.now_ns, account=account, asset=asset, change=change, balance=balance)
        )

    def _with_token(self, instrument: Instrument) -> tuple[str, ...]:
        assert self._token is not None, "asked only where there is one"
        return tuple(dict.fromkeys((instrument.base, instrument.quote, self._token)))

"""Double-entry bookkeeping. Whatever happens to money is a transaction whose entries sum to zero for every asset."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from n1v1.errors import LedgerImbalance
from n1v1.events import OrderFilled
from n1v1.values import Instrument

CASH = "assets:cash"
FEES = "expenses:fees"
DEPOSITS = "equity:deposits"


def position_account(symbol: str) -> str:
    return f"assets:position:{symbol}"


def trading_account(symbol: str) -> str:
    """The other side of every trade: what was given for what was taken."""
    return f"trading:{symbol}"


def asset_account(asset: str) -> str:
    """An asset that is neither traded nor counted in equity, such as one in which a venue takes its commission."""
    return f"assets:other:{asset}"


@dataclass(frozen=True, slots=True)
class Entry:
    """amount: signed, in lots for a base asset, quanta for the quote currency and 1e-8 for any other asset."""

    account: str
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """Raises LedgerImbalance unless the entries of every asset sum to zero."""

    id: str
    ts_ns: int
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        sums: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            sums[entry.asset] += entry.amount
        wrong = {asset: total for asset, total in sums.items() if total}
        if wrong:
            raise LedgerImbalance(f"transaction {self.id} does not balance: {wrong}")


def deposit(account: str, currency: str, quanta: int, *, ts_ns: int) -> Transaction:
    entries = (Entry(CASH, currency, quanta), Entry(DEPOSITS, currency, -quanta))
    return Transaction(f"deposit:{account}", ts_ns, entries)


def fill(filled: OrderFilled, instrument: Instrument) -> Transaction:
    """A fill: base against quote through the trading account, and the fee."""
    lots = filled.side.sign * filled.lots
    value = filled.side.sign * filled.value
    trading = trading_account(filled.symbol)
    entries = [
        Entry(position_account(filled.symbol), instrument.base, lots),
        Entry(trading, instrument.base, -lots),
        Entry(CASH, instrument.quote, -value),
        Entry(trading, instrument.quote, value),
    ]
    if filled.fee:
        entries += [Entry(CASH, instrument.quote, -filled.fee), Entry(FEES, instrument.quote, filled.fee)]
    if filled.base_fee_lots:
        position = position_account(filled.symbol)
        entries += [
            Entry(position, instrument.base, -filled.base_fee_lots),
            Entry(FEES, instrument.base, filled.base_fee_lots),
        ]
    if filled.other_fee:
        asset = filled.other_fee_asset
        entries += [Entry(asset_account(asset), asset, -filled.other_fee), Entry(FEES, asset, filled.other_fee)]
    return Transaction(str(filled.fill_id), filled.ts_ns, tuple(entries))

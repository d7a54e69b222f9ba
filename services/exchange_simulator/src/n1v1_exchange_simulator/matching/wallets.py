"""Who holds what. Every amount has an owner, and only deposits change how much of an asset there is.

The owners of an asset are the accounts, the venue (fees) and the market: everybody who is recorded rather than
simulated, and may go as far below zero as the accounts went above.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from n1v1.errors import InvalidValue, LedgerImbalance, UnknownName, nearest
from n1v1.simulation.holdings import Balance

MARKET: Final = None
"""The owner of what recorded orders give and take."""


@dataclass(slots=True, eq=False)
class Hold:
    """What is set aside for an order, or once for all legs of a list. Belongs to one asset of one account."""

    account: str
    asset: str
    amount: int = 0


class Wallets:
    def __init__(self) -> None:
        self._free: dict[str, defaultdict[str, int]] = {}
        self._locked: dict[str, defaultdict[str, int]] = {}
        self._market: defaultdict[str, int] = defaultdict(int)
        self._fees: defaultdict[str, int] = defaultdict(int)
        self._issued: defaultdict[str, int] = defaultdict(int)
        self._touched: set[tuple[str, str]] = set()

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self._free)

    @property
    def fees(self) -> Mapping[str, int]:
        """What the venue has earned, by asset."""
        return dict(self._fees)

    def open_account(self, account: str, balances: Mapping[str, int]) -> None:
        """Raises InvalidValue when the account exists or an amount is negative."""
        if account in self._free:
            raise InvalidValue(f"the account {account!r} is already open")
        for asset, amount in balances.items():
            if amount < 0:
                raise InvalidValue(f"an account cannot open with {amount} of {asset}")
        self._free[account] = defaultdict(int)
        self._locked[account] = defaultdict(int)
        for asset, amount in balances.items():
            self.issue(account, asset, amount)

    def check_account(self, account: str) -> None:
        """Raises UnknownName for an account that was never opened."""
        if account not in self._free:
            raise UnknownName(f"no account {account!r}{nearest(account, self._free)}")

    def balances(self, account: str) -> dict[str, Balance]:
        """By asset. Raises UnknownName for an account that was never opened."""
        self.check_account(account)
        return {asset: self.balance(account, asset) for asset in self._free[account]}

    def balance(self, account: str, asset: str) -> Balance:
        return Balance(self._free[account][asset], self._locked[account][asset])

    def free(self, account: str, asset: str) -> int:
        return self._free[account][asset]

    def issue(self, account: str, asset: str, amount: int) -> None:
        """Bring `amount` into the world, or take it out of it."""
        self._issued[asset] += amount
        self._move(account, asset, amount)

    def hold(self, hold: Hold, amount: int) -> None:
        """Set aside `amount` in all, or what of it is there."""
        free = self._free[hold.account]
        amount = max(0, min(amount, free[hold.asset] + hold.amount))
        change = amount - hold.amount
        if change:
            free[hold.asset] -= change
            self._locked[hold.account][hold.asset] += change
            hold.amount = amount
            self._touched.add((hold.account, hold.asset))

    def transfer(self, giver: str | None, taker: str | None, asset: str, amount: int) -> None:
        """giver, taker: an account, or MARKET. Moves what is free; it must be there when the command is over."""
        self._move(giver, asset, -amount)
        self._move(taker, asset, amount)

    def charge(self, account: str, asset: str, amount: int) -> None:
        self._move(account, asset, -amount)
        self._fees[asset] += amount

    def check(self) -> None:
        """Raises LedgerImbalance when, of what has moved since the last check, something came from nowhere, got lost
        or fell below zero: our own mistake."""
        for account, asset in self._touched:
            balance = self.balance(account, asset)
            if balance.free < 0 or balance.locked < 0:
                raise LedgerImbalance(f"{account} would hold {balance} of {asset}; nothing may fall below zero")
        for asset in {asset for _, asset in self._touched}:
            total = self._total(asset)
            if total != self._issued[asset]:
                raise LedgerImbalance(f"{total} of {asset} exist, {self._issued[asset]} were issued")
        self._touched.clear()

    def _total(self, asset: str) -> int:
        held = sum(free.get(asset, 0) for free in self._free.values())
        locked = sum(locked.get(asset, 0) for locked in self._locked.values())
        return held + locked + self._market[asset] + self._fees[asset]

    def _move(self, owner: str | None, asset: str, amount: int) -> None:
        if owner is MARKET:
            self._market[asset] += amount
        else:
            self._free[owner][asset] += amount
            self._touched.add((owner, asset))

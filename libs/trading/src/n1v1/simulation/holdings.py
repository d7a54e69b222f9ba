"""Who holds what at the simulated venue. Every amount has an owner, and no movement changes the total.

The owners of an asset are the accounts (free and locked), the venue's fee account and the market: everybody
else, who is on the other side of each of our trades and may go as far below zero as we went above.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from n1v1.errors import InvalidValue, LedgerImbalance, UnknownName, nearest
from n1v1.values import Instrument, Side


class Balance(NamedTuple):
    """In lots for a base asset, in quanta for the quote currency."""

    free: int = 0
    locked: int = 0


NOTHING = Balance()


class Holdings:
    def __init__(self, shortable: Iterable[str] = ()) -> None:
        """shortable: assets of which an account may hold less than nothing."""
        self._shortable = frozenset(shortable)
        self._accounts: dict[str, dict[str, Balance]] = {}
        self._fees: dict[str, int] = defaultdict(int)
        self._market: dict[str, int] = defaultdict(int)
        self._issued: dict[str, int] = defaultdict(int)

    def open_account(self, account: str) -> None:
        if account in self._accounts:
            raise InvalidValue(f"the account {account!r} is already open")
        self._accounts[account] = {}

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self._accounts)

    @property
    def fees(self) -> dict[str, int]:
        """What the venue has earned, by asset."""
        return dict(self._fees)

    def balances(self, account: str) -> dict[str, Balance]:
        """By asset. Raises UnknownName for an account that was never opened."""
        return dict(self._of(account))

    def issue(self, account: str, asset: str, amount: int) -> None:
        """Bring `amount` into the world: the opening balance of an account."""
        self._issued[asset] += amount
        self._move(account, asset, amount)
        self._check(asset)

    def arrange(self, account: str, asset: str, *, free: int) -> None:
        """Say how much of what the account holds is free; the rest is locked.

        Raises LedgerImbalance when either would fall below zero, or something came from nowhere.
        """
        old = self._balance(account, asset)
        new = Balance(free, old.free + old.locked - free)
        if new.locked < 0 or (new.free < 0 and asset not in self._shortable):
            raise LedgerImbalance(f"{account} would hold {new} of {asset}; nothing may fall below zero")
        self._accounts[account][asset] = new
        self._check(asset)

    def trade(self, account: str, instrument: Instrument, side: Side, *, lots: int, value: int, fee: int) -> None:
        """Exchange `lots` for `value` with the market, and pay the fee in the quote; `arrange` follows."""
        base, quote = instrument.base, instrument.quote
        self._move(account, base, side.sign * lots)
        self._market[base] -= side.sign * lots
        self._move(account, quote, -side.sign * value - fee)
        self._market[quote] += side.sign * value
        self._fees[quote] += fee

    def free(self, account: str, asset: str) -> int:
        return self._balance(account, asset).free

    def _of(self, account: str) -> dict[str, Balance]:
        try:
            return self._accounts[account]
        except KeyError:
            raise UnknownName(f"no account {account!r}{nearest(account, self._accounts)}") from None

    def _balance(self, account: str, asset: str) -> Balance:
        return self._of(account).get(asset, NOTHING)

    def _move(self, account: str, asset: str, amount: int) -> None:
        old = self._balance(account, asset)
        self._accounts[account][asset] = Balance(old.free + amount, old.locked)

    def _check(self, asset: str) -> None:
        """Raises LedgerImbalance when an amount of `asset` came from nowhere or got lost."""
        total = self._fees[asset] + self._market[asset]
        for balances in self._accounts.values():
            free, locked = balances.get(asset, NOTHING)
            total += free + locked
        if total != self._issued[asset]:
            raise LedgerImbalance(f"{total} of {asset} exist, {self._issued[asset]} were issued")

"""The signals of the original framework: `from core.contracts import TradingSignal, SignalType, SignalStrength`.

Two of its habits are gone. A timestamp is the time of the bar and never that of the clock. And what cannot be a number
is an error, where it used to become 0 or None.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import Enum, IntEnum
from typing import Any

from n1v1.errors import InvalidValue


class SignalType(Enum):
    ENTRY_LONG = "ENTRY_LONG"
    ENTRY_SHORT = "ENTRY_SHORT"
    EXIT_LONG = "EXIT_LONG"
    EXIT_SHORT = "EXIT_SHORT"
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP = "TRAILING_STOP"
    BUY = ENTRY_LONG  # aliases: SignalType.BUY is SignalType.ENTRY_LONG
    SELL = ENTRY_SHORT

    @property
    def is_entry(self) -> bool:
        return self in (SignalType.ENTRY_LONG, SignalType.ENTRY_SHORT)


class SignalStrength(IntEnum):
    WEAK = 1
    MODERATE = 2
    STRONG = 3
    EXTREME = 4

    @property
    def fraction(self) -> float:
        """As the strength of a signal, 0..1."""
        return self.value / 4

    @classmethod
    def of(cls, fraction: float) -> SignalStrength:
        """0..0.25 is WEAK, ..0.5 MODERATE, ..0.75 STRONG, above EXTREME."""
        return cls(min(4, max(1, -int(-fraction * 4 // 1))))


_DECIMALS = ("amount", "current_price", "price", "stop_loss", "take_profit")


@dataclass
class TradingSignal:
    """What a strategy wants. Numbers become Decimals; two signals that differ only in their timestamp are equal.

    amount: a share of equity, or base units with metadata {"amount_is_fraction": False}. quantity: the old name of it.
    price: the limit of a limit order. stop_loss, take_profit: prices. trailing_stop: see
    `n1v1.strategies.classic_answers`. timestamp: of the bar, in ms UTC or as a datetime.
    """

    strategy_id: str
    symbol: str
    signal_type: SignalType
    signal_strength: SignalStrength
    order_type: Any
    timestamp: int | datetime | None = field(default=None, compare=False)
    amount: Decimal | None = None
    current_price: Decimal | None = None
    side: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        if self.amount is None:
            self.amount = self.quantity
        self.quantity = None
        for name in _DECIMALS:
            setattr(self, name, _decimal(name, getattr(self, name)))
        self.metadata = dict(self.metadata or {})

    def normalize_amount(self, total_balance: Any = None) -> None:
        """Turn an amount marked as a share (metadata amount_is_fraction) into one of `total_balance`, and unmark it.

        Raises ValueError for a share without a balance, or one that is not between 0 and 1.
        """
        if not self.metadata.get("amount_is_fraction"):
            return
        if total_balance is None:
            raise InvalidValue("total_balance is needed to turn a share into an amount")
        if self.amount is None or not 0 <= self.amount <= 1:
            raise InvalidValue(f"amount: expected a share from 0 to 1, got {self.amount}")
        balance = _decimal("total_balance", total_balance)
        assert balance is not None
        self.amount = (balance * self.amount).quantize(Decimal("0.00000001"))
        self.metadata["amount_is_fraction"] = False

    def to_dict(self) -> dict[str, Any]:
        """For JSON: enums by name, decimals as text, a datetime in ISO format."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self) if one.name != "quantity"}

    def copy(self) -> TradingSignal:
        copied = copy(self)
        copied.metadata = dict(self.metadata)
        return copied


def _decimal(name: str, value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise InvalidValue(f"{name}: expected a number, got {value!r}") from None
    if not number.is_finite():
        raise InvalidValue(f"{name}: expected a number, got {value!r}")
    return number


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return dict(value) if isinstance(value, dict) else value

"""What risk enforces: one frozen object per account, in exact fractions (parts per billion)."""

from __future__ import annotations

from dataclasses import dataclass

from n1v1.errors import InvalidValue
from n1v1.values import PPB


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPolicy:
    """The limits of one account.

    position_fraction_ppb: share of equity for an entry whose signal wishes none.
    max_position_ppb: largest value of one symbol's position as a share of equity.
    max_drawdown_ppb: below this peak-to-trough loss of equity no entry is allowed.
    breaker_drawdown_ppb: at this loss the breaker opens and stays open until somebody closes it; None: no breaker.
    max_positions: symbols held at the same time.
    cost_ppb: what an order may cost beyond its reference price (fee and slippage), reserved with it.
    valid_for_ns: how long a decision may be executed, in market time.
    """

    position_fraction_ppb: int
    max_position_ppb: int
    max_drawdown_ppb: int
    breaker_drawdown_ppb: int | None
    max_positions: int
    cost_ppb: int
    valid_for_ns: int

    def __post_init__(self) -> None:
        for name in ("position_fraction_ppb", "max_position_ppb", "max_drawdown_ppb"):
            if not 0 < getattr(self, name) <= PPB:
                raise InvalidValue(f"{name}: expected more than 0 and at most 1, got {getattr(self, name) / PPB}")
        if self.breaker_drawdown_ppb is not None and not 0 < self.breaker_drawdown_ppb <= PPB:
            found = self.breaker_drawdown_ppb / PPB
            raise InvalidValue(f"breaker_drawdown_ppb: expected more than 0 and at most 1, or None; got {found}")
        if self.max_positions < 1 or self.valid_for_ns <= 0 or self.cost_ppb < 0:
            raise InvalidValue("max_positions and valid_for_ns must be positive, cost_ppb not negative")

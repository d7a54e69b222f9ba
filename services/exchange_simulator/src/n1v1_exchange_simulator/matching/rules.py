"""What trading costs at a matching venue, and how it treats orders where Binance lets its symbols differ."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from n1v1.errors import InvalidValue
from n1v1.simulation.records import UNLIMITED
from n1v1.simulation.rules import MAX_LATENCY_NS, SlippageModel
from n1v1.values import PPB
from n1v1_exchange_simulator.venue import SelfTradePrevention


class Commission(StrEnum):
    """Which asset an execution is paid for in. Rounded down to its unit either way."""

    RECEIVED = "received"  # what the order receives: the base for BUY, the quote for SELL, as on Binance
    QUOTE = "quote"  # the quote on both sides, as on Coinbase; set aside with the order


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeToken:
    """An asset that pays commissions at a discount, where the account holds enough of it (on Binance: BNB).

    asset: counted in units of 1e-8. price_quanta: of one whole token, in quanta of the quote. discount_ppb: taken off.
    """

    asset: str
    price_quanta: int
    discount_ppb: int

    def __post_init__(self) -> None:
        if self.price_quanta <= 0:
            raise InvalidValue(f"the price of {self.asset} must be positive, got {self.price_quanta}")
        if not 0 <= self.discount_ppb <= PPB:
            raise InvalidValue(f"discount_ppb must be at least 0 and at most {PPB}, got {self.discount_ppb}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingRules:
    """maker_fee_ppb, taker_fee_ppb: of what is received, or of the value where the quote pays. min_fee: quanta for each
    execution, at most what was traded; where the base pays, what that buys of it.
    impact_model, impact_ppb: how far an order as large as a minute's recorded volume moves the prices of the recorded
    lots that it takes, and how this grows with its share of it. latency_ns: how long after it was accepted an order
    comes to the book. participation_ppb: the share of a minute's recorded volume that orders of clients may trade with
    recorded ones, all together; what is beyond it waits, but for IOC and FOK (None: no cap).
    self_trade_prevention: for orders that name none. allowed_preventions: what orders may name.
    queue_shrinks_by_cancels: whether recorded cancels at a price shorten the queue ahead of an order there, in
    proportion; otherwise recorded trades alone do. oco_legs_share: whether the legs of an OCO share their quantity, as
    those of an OTOCO always do; otherwise the first that trades ends the other, as on Binance.
    tape_trades: where the market is recorded by its trades alone, as much stands on either side of the last price as
    that many of the last trades had; 0: nothing, and takers find only other clients.
    visible_after_ns: how long after it was accepted `order` and `named` do not know an order yet, as a slow replica.
    trades_kept: how many public trades are remembered.

    Raises InvalidValue naming the rule, what is allowed and what came.
    """

    maker_fee_ppb: int = 0
    taker_fee_ppb: int = 0
    commission: Commission = Commission.RECEIVED
    fee_token: FeeToken | None = None
    min_fee: int = 0
    impact_model: SlippageModel = SlippageModel.FIXED
    impact_ppb: int = 0
    latency_ns: int = 0
    participation_ppb: int | None = None
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.EXPIRE_MAKER
    allowed_preventions: frozenset[SelfTradePrevention] = frozenset(SelfTradePrevention)
    queue_shrinks_by_cancels: bool = True
    oco_legs_share: bool = False
    tape_trades: int = 100
    visible_after_ns: int = 0
    trades_kept: int = 1_000

    def __post_init__(self) -> None:
        self._check("maker_fee_ppb", 0, PPB - 1)
        self._check("taker_fee_ppb", 0, PPB - 1)
        self._check("min_fee", 0, UNLIMITED)
        self._check("impact_ppb", 0, PPB - 1)
        self._check("latency_ns", 0, MAX_LATENCY_NS)
        if self.participation_ppb is not None:
            self._check("participation_ppb", 1, PPB)
        if self.impact_ppb and self.impact_model is SlippageModel.FIXED:
            raise InvalidValue("fixed slippage has no impact_ppb; choose the model linear or square_root")
        self._check("tape_trades", 0, 1_000_000)
        self._check("visible_after_ns", 0, 3_600_000_000_000)
        self._check("trades_kept", 1, 1_000_000)
        if self.self_trade_prevention not in self.allowed_preventions:
            raise InvalidValue(f"self_trade_prevention {self.self_trade_prevention} is not among the allowed ones")

    def _check(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if not least <= value <= most:
            raise InvalidValue(f"{name} must be at least {least} and at most {most}, got {value}")

"""What executions cost, and what has to be set aside for them."""

from __future__ import annotations

from n1v1.exact import mul_div
from n1v1.rounding import PPB, affordable_lots, notional, share
from n1v1.values import Instrument
from n1v1_exchange_simulator.matching.orders import MatchedOrder
from n1v1_exchange_simulator.matching.rules import Commission, MatchingRules

TOKEN_UNITS = 100_000_000
"""Of one whole fee token."""


class Costs:
    def __init__(self, instrument: Instrument, rules: MatchingRules) -> None:
        self._instrument = instrument
        self._rules = rules
        self._is_quote = rules.commission is Commission.QUOTE
        self.change_rates(maker_ppb=rules.maker_fee_ppb, taker_ppb=rules.taker_fee_ppb)

    def change_rates(self, *, maker_ppb: int, taker_ppb: int) -> None:
        self.maker_ppb = maker_ppb
        self.taker_ppb = taker_ppb
        self.buyers_taker_ppb = taker_ppb if self._is_quote else 0
        """What a taker pays in the quote on top of what he buys."""
        self._buyers_dearest_ppb = max(maker_ppb, taker_ppb) if self._is_quote else 0

    def purchase(self, ticks: int, lots: int) -> int:
        """What is set aside to buy `lots`: rounding down each fee, never more is asked for when it fills in parts, but
        for the least fee, which each of them pays."""
        value = notional(self._instrument, ticks, lots)
        return value + self._buyers_fee(value, self._buyers_dearest_ppb)

    def taken(self, value: int) -> int:
        """What a taker pays in the quote for a purchase of that value."""
        return value + self._buyers_fee(value, self.buyers_taker_ppb)

    def set_aside(self, order: MatchedOrder) -> int:
        """Lots for a seller, quanta for a buyer. A buyer's stop without a limit is reckoned at its stop; once it has
        become a market order it pays out of what is free."""
        if not order.is_open or not order.open_lots:
            return 0
        if not order.is_buy:
            return order.open_lots
        ticks = order.limit_ticks
        if ticks is None:
            if order.is_working:
                return 0
            ticks = order.stop_ticks or order.best_ticks or 0
        return self.purchase(ticks, order.open_lots)

    def commission(self, *, is_buy: bool, is_maker: bool, lots: int, value: int) -> tuple[int, str]:
        """(amount, asset), before a fee token is looked at."""
        rate = self.maker_ppb if is_maker else self.taker_ppb
        least = min(self._rules.min_fee, value)
        if is_buy and not self._is_quote:
            return max(share(lots, rate), mul_div(least, lots, value) if least else 0), self._instrument.base
        return max(share(value, rate), least), self._instrument.quote

    def token_commission(self, *, is_maker: bool, value: int) -> int:
        """What the same costs in the fee token."""
        token = self._rules.fee_token
        assert token is not None, "asked only where the rules have one"
        rate = self.maker_ppb if is_maker else self.taker_ppb
        quanta = max(mul_div(value, rate * (PPB - token.discount_ppb), PPB * PPB), min(self._rules.min_fee, value))
        return mul_div(quanta, TOKEN_UNITS, token.price_quanta)

    def _buyers_fee(self, value: int, rate_ppb: int) -> int:
        return max(share(value, rate_ppb), min(self._rules.min_fee, value)) if self._is_quote else 0


class Appetite:
    """What an incoming order still wants while a plan for it is made.

    lots: at most. cash: quanta that it may pay, or receive, at most; rate_ppb: fee that comes on top.
    """

    def __init__(self, instrument: Instrument, *, lots: int, cash: int | None = None, rate_ppb: int = 0) -> None:
        self._instrument = instrument
        self._lots = lots
        self._cash = cash
        self._rate_ppb = rate_ppb

    def at(self, ticks: int) -> int:
        """Whole steps that it wants at a price."""
        if self._cash is None:
            return self._lots
        payable = affordable_lots(self._instrument, mul_div(self._cash, PPB, PPB + self._rate_ppb), ticks)
        step = self._instrument.step_lots
        if self._cost(ticks, payable + step) <= self._cash:  # the fee is rounded down
            payable += step
        return min(self._lots, payable)

    def eat(self, lots: int, ticks: int) -> None:
        self._lots -= lots
        if self._cash is not None:
            self._cash -= self._cost(ticks, lots)

    def _cost(self, ticks: int, lots: int) -> int:
        value = notional(self._instrument, ticks, lots)
        return value + share(value, self._rate_ppb)

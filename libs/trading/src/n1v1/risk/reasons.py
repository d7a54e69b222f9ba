"""Why an order is refused: a closed set, so that every refusal can be counted, explained and tested.

`python -m n1v1.risk.reasons` prints docs/refusals.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RefusalReason(StrEnum):
    """The value is what users see. MEANINGS says what each means and what can be done about it."""

    BREAKER_OPEN = "BREAKER_OPEN"
    DRAWDOWN_LIMIT = "DRAWDOWN_LIMIT"
    SHORT_DISABLED = "SHORT_DISABLED"
    NOTHING_TO_CLOSE = "NOTHING_TO_CLOSE"
    ALREADY_IN_POSITION = "ALREADY_IN_POSITION"
    ORDER_IN_FLIGHT = "ORDER_IN_FLIGHT"
    POSITION_LIMIT = "POSITION_LIMIT"
    TOO_MANY_POSITIONS = "TOO_MANY_POSITIONS"
    INSUFFICIENT_CASH = "INSUFFICIENT_CASH"
    BELOW_MIN_NOTIONAL = "BELOW_MIN_NOTIONAL"
    SIGNAL_EXPIRED = "SIGNAL_EXPIRED"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    NO_PRICE = "NO_PRICE"
    DAILY_LOSS_LIMIT = "DAILY_LOSS_LIMIT"
    EXPOSURE_LIMIT = "EXPOSURE_LIMIT"
    ORDER_RATE_LIMIT = "ORDER_RATE_LIMIT"
    STOP_REQUIRED = "STOP_REQUIRED"
    WARMING_UP = "WARMING_UP"
    NO_EDGE = "NO_EDGE"
    SYMBOL_LOCKED = "SYMBOL_LOCKED"
    ACCOUNT_LOCKED = "ACCOUNT_LOCKED"
    MARKET_ANOMALY = "MARKET_ANOMALY"
    KILL_SWITCH = "KILL_SWITCH"
    VETOED = "VETOED"
    ORDER_IMPOSSIBLE = "ORDER_IMPOSSIBLE"
    HALTED = "HALTED"
    STALE_MARKET_DATA = "STALE_MARKET_DATA"
    DUPLICATE_ORDER = "DUPLICATE_ORDER"
    OPEN_RISK_LIMIT = "OPEN_RISK_LIMIT"


@dataclass(frozen=True, slots=True)
class Meaning:
    what: str
    remedy: str


MEANINGS: Mapping[RefusalReason, Meaning] = {
    RefusalReason.BREAKER_OPEN: Meaning(
        "The circuit breaker is open: no new exposure.",
        "`n1v1 status` says why; `n1v1 resume` closes it.",
    ),
    RefusalReason.DRAWDOWN_LIMIT: Meaning(
        "Equity is further below its peak than `risk_management.max_drawdown`.",
        "It ends when equity recovers, or with `n1v1 resume` after `n1v1 halt`: the loss is then measured anew.",
    ),
    RefusalReason.SHORT_DISABLED: Meaning(
        "A SELL without a position, on an instrument that cannot be shorted.",
        "Nothing: spot instruments are long only.",
    ),
    RefusalReason.NOTHING_TO_CLOSE: Meaning(
        "A CLOSE or MOVE_STOP without a position.", "Nothing: there was nothing to do."
    ),
    RefusalReason.ALREADY_IN_POSITION: Meaning(
        "An entry on a symbol that is held already.", "Nothing: positions are not added to."
    ),
    RefusalReason.ORDER_IN_FLIGHT: Meaning(
        "An earlier order on the symbol is not done.", "It ends when the order is filled, cancelled or expired."
    ),
    RefusalReason.POSITION_LIMIT: Meaning(
        "The position would be larger than `risk_management.max_position_size`.",
        "A smaller wish, or a larger limit.",
    ),
    RefusalReason.TOO_MANY_POSITIONS: Meaning(
        "`risk_management.max_concurrent_trades` symbols are held or ordered already.",
        "It ends when a position is closed.",
    ),
    RefusalReason.INSUFFICIENT_CASH: Meaning(
        "The cash that no order has reserved does not pay for it, fee and slippage included.",
        "A smaller size, or `risk_management.cut_to_free_cash`.",
    ),
    RefusalReason.BELOW_MIN_NOTIONAL: Meaning(
        "The sized order is smaller than the venue accepts.", "A larger size or account."
    ),
    RefusalReason.SIGNAL_EXPIRED: Meaning(
        "The bar time of the signal, or a later one, had been decided when it came.",
        "If it happens often a signals worker is slow: `risk_management.batch_wait_ms` is how long risk waits.",
    ),
    RefusalReason.UNKNOWN_SYMBOL: Meaning("No such instrument in this system.", "Name it in `market.symbols`."),
    RefusalReason.NO_PRICE: Meaning("The symbol has not been marked yet.", "It ends with its first bar."),
    RefusalReason.DAILY_LOSS_LIMIT: Meaning(
        "The account has lost `risk_management.max_daily_drawdown` since the start of the UTC day.",
        "It ends with the next UTC day.",
    ),
    RefusalReason.EXPOSURE_LIMIT: Meaning(
        "The positions together would be worth more than `risk_management.max_exposure` of equity.",
        "It ends when a position is closed.",
    ),
    RefusalReason.OPEN_RISK_LIMIT: Meaning(
        "If every stop were hit, the positions together would lose more than `risk_management.max_open_risk` of equity."
        " A position without a stop counts with its whole value.",
        "It ends when a position is closed.",
    ),
    RefusalReason.ORDER_RATE_LIMIT: Meaning(
        "`risk_management.max_orders` orders were approved within `risk_management.order_window_seconds`.",
        "It ends with time. A strategy that comes here often is out of control.",
    ),
    RefusalReason.STOP_REQUIRED: Meaning(
        "The entry has no stop, and the policy or its way of sizing needs one.",
        "Let the strategy wish one (`stop_loss_pct`), or set `risk_management.stop_loss_method`.",
    ),
    RefusalReason.WARMING_UP: Meaning(
        "The policy measures the market (ATR), and has not seen enough bars.", "It ends after a few bars."
    ),
    RefusalReason.NO_EDGE: Meaning(
        "Kelly's formula says that the measured win rate and payoff lose money.",
        "A better strategy, or another `risk_management.position_sizing_method`.",
    ),
    RefusalReason.SYMBOL_LOCKED: Meaning(
        "A protection has locked the symbol after its last trades.",
        "It ends at the time that the refusal names, or with `n1v1 resume --symbol`.",
    ),
    RefusalReason.ACCOUNT_LOCKED: Meaning(
        "A protection has locked every symbol after the last trades.",
        "It ends at the time that the refusal names, or with `n1v1 resume`.",
    ),
    RefusalReason.MARKET_ANOMALY: Meaning(
        "The bar is critically unusual: see `anomaly_detection`.", "It ends with the next usual bar."
    ),
    RefusalReason.KILL_SWITCH: Meaning(
        "Too many losing trades within `adaptive_policy.kill_switch_window_hours`.",
        "It ends when the window has passed.",
    ),
    RefusalReason.VETOED: Meaning("A risk manager of your own refused the entry.", "Its own words say why."),
    RefusalReason.ORDER_IMPOSSIBLE: Meaning(
        "No order can be what the signal wishes: a trigger on the wrong side of the price, a way of execution that the "
        "settings do not allow, or a stop that would be moved away from the price.",
        "The refusal says what is wrong; docs/execution.md says what goes together.",
    ),
    RefusalReason.HALTED: Meaning(
        "A person or a service has halted the account, the strategy or the symbol.",
        "`n1v1 status` says who, why and until when; `n1v1 resume` with the same scope ends it.",
    ),
    RefusalReason.STALE_MARKET_DATA: Meaning(
        "The last bar of the symbol is older than `risk_management.stale_after_bars` bars by the clock.",
        "It ends with the next bar that is in time: look at market_data and the venue.",
    ),
    RefusalReason.DUPLICATE_ORDER: Meaning(
        "`risk_management.max_same_orders` entries on the same symbol and side were approved within "
        "`risk_management.order_window_seconds`.",
        "It ends with time. A strategy that comes here enters again and again: look at it before anything else.",
    ),
}


REASONS: tuple[RefusalReason | None, ...] = (None, *RefusalReason)
"""Kernels know a reason by its place here; 0 is an approval."""


def code_of(reason: RefusalReason) -> int:
    return REASONS.index(reason)


@dataclass(frozen=True, slots=True)
class Check:
    """One risk check on one signal: what it looked at and what it said."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An ordinary no."""

    reason: RefusalReason
    detail: str


def page() -> str:
    """docs/refusals.md."""
    rows = [f"| `{reason}` | {MEANINGS[reason].what} | {MEANINGS[reason].remedy} |" for reason in RefusalReason]
    return "\n".join(
        [
            "# Why risk refuses an entry",
            "",
            "Every refusal has one of these reasons (`OrderRefused.reason`, `risk_decisions_total{reason=...}`), and",
            "the checks that were made with their numbers: `n1v1 why SYMBOL TIME` shows them. Exits are held back by",
            "none of the limits. This page is written by `python -m n1v1.risk.reasons`.",
            "",
            "| reason | what it means | what can be done |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(page())

"""What the API answers. Money, prices and quantities are decimals written as text, times ISO 8601 in UTC.

The names of the original README's API are kept; what is new stands beside them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ts_ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=ts_ns // 1_000)


Amount = Annotated[Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str)]
"""Plain digits: a zero is 0.00000000, not 0E-8."""


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class Status(Model):
    running: bool
    paused: bool
    """The breaker is open: no new exposure."""
    paused_because: str
    mode: str
    pairs: list[str]
    timestamp: datetime
    """Of this answer."""
    account: str
    timeframe: str
    strategies: list[str]
    bar_time: datetime | None
    """Close of the last bar that the account was marked at."""
    lag_messages: int
    """Messages of the stream that this service has not read yet."""


class Progress(Model):
    bars: int
    """Bar times that the account was marked at."""
    bar_time: datetime | None
    settled_time: datetime | None
    """The bar time up to which every order has been answered."""
    orders: int
    fills: int
    refusals: int
    equity: Amount | None
    cash: Amount | None
    lag_messages: int


class Order(Model):
    id: str
    symbol: str
    timestamp: datetime
    side: str
    type: str
    status: str
    quantity: Amount
    filled: Amount
    price: Amount | None
    """Average of its fills; None before the first."""
    limit_price: Amount | None
    stop_price: Amount | None
    """Where a stop triggers; of a trailing one where it began."""
    trailing_distance: float | None
    """Of a trailing stop: the fraction of the best price that it stays behind."""
    purpose: str
    entry_id: str | None
    """The order whose position this one protects."""
    fee: Amount
    pnl: Amount | None
    """What the positions it closed gained after fees; None when it closed none."""
    equity: Amount | None
    """Of the account at the first mark after its last fill."""
    cumulative_return: float | None
    strategy: str
    trace_id: str


class Orders(Model):
    orders: list[Order]


class Step(Model):
    timestamp: datetime
    what: str
    detail: str


class Fill(Model):
    id: str
    timestamp: datetime
    price: Amount
    quantity: Amount
    value: Amount
    fee: Amount
    liquidity: str


class Check(Model):
    name: str
    passed: bool
    detail: str


class OrderDetail(Order):
    signal_id: str
    signal_reason: str
    reference_price: Amount
    checks: list[Check]
    fills: list[Fill]
    history: list[Step]


class Protection(Model):
    """An order at the venue that closes the position when the market comes to it."""

    order_id: str
    purpose: str
    price: Amount | None
    """Of the stop or the target; None for a trailing stop that has no price of its own yet."""
    trailing_distance: float | None


class Position(Model):
    symbol: str
    quantity: Amount
    entry_price: Amount | None
    mark_price: Amount | None
    value: Amount
    unrealised_pnl: Amount
    realised_pnl: Amount
    """Since the start, before fees."""
    fees: Amount
    protection: list[Protection]
    timestamp: datetime


class Positions(Model):
    positions: list[Position]
    quote: str


class EquityPoint(Model):
    timestamp: datetime
    balance: Amount
    """Cash."""
    equity: Amount
    cumulative_return: float


class Equity(Model):
    equity_curve: list[EquityPoint]
    quote: str


class Performance(Model):
    """As n1v1.performance.Summary has it; null is undefined, and "Infinity" a profit factor without a loss."""

    start_equity: Amount
    end_equity: Amount
    total_return: float
    total_pnl: Amount
    total_trades: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    sharpe_ratio: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float
    max_drawdown_duration: int
    """In bars."""
    annualized_return: float | None
    volatility: float | None
    exposure: float
    total_fees: Amount
    avg_win: Amount | None
    avg_loss: Amount | None
    largest_win: Amount
    largest_loss: Amount


class Signal(Model):
    id: str
    symbol: str
    timestamp: datetime
    confidence: float
    signal_type: str
    strategy: str
    reason: str
    verdict: str
    refusal: str
    order_id: str


class Signals(Model):
    signals: list[Signal]


class Decision(Model):
    verdict: str
    refusal: str
    detail: str
    checks: list[Check]
    order_id: str
    order_status: str
    trace_id: str


class LookedAt(Model):
    name: str
    value: float


class Opinion(Model):
    strategy: str
    signal_type: str
    """Empty when there was no signal."""
    strength: float
    reason: str
    looked_at: list[LookedAt]
    decision: Decision | None
    """None when there was no signal, or risk has not answered yet."""


class Why(Model):
    symbol: str
    asked_time: datetime
    bar_time: datetime
    """Close of the bar that was asked about: at the asked time, or the first one after it."""
    strategies: list[Opinion]


class StoppedStrategy(Model):
    """A strategy that raised, and has been silent on the symbol since."""

    strategy: str
    symbol: str
    bar_time: datetime
    reason: str


class Run(Model):
    account: str
    timeframe: str
    symbols: list[str]
    strategies: list[str]
    hash: str
    hashes: dict[str, str]
    counts: dict[str, int]
    refusals: dict[str, int]
    stopped_strategies: list[StoppedStrategy]
    lag_messages: int
    performance: Performance | None
    """None before the first mark."""
    records: dict[str, list[Any]] | None
    """Only with full=1: rows as n1v1.run_hash.RunRecords has them. Any: each kind has its own columns."""


class ErrorBody(Model):
    code: str
    message: str
    details: list[str]


class ErrorAnswer(Model):
    error: ErrorBody

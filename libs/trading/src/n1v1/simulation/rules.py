"""The rules of a simulated venue: what trading costs there, and what is assumed where bars say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from n1v1.errors import InvalidValue
from n1v1.kernels import Record, new_record
from n1v1.simulation import records
from n1v1.values import PPB

MAX_LATENCY_NS = 86_400_000_000_000


class SlippageModel(StrEnum):
    """How far a taker is filled from where the market is."""

    FIXED = "fixed"  # a fraction of the price
    LINEAR = "linear"  # half the spread, and an impact that grows with the order's share of the bar's volume
    SQUARE_ROOT = "square_root"  # half the spread, and an impact that grows with the square root of that share


class IntrabarPath(StrEnum):
    """In which order a bar reached its extremes."""

    ADVERSE = "adverse"  # what hurts comes first
    OHLC = "ohlc"  # open, high, low, close
    ADAPTIVE = "adaptive"  # the extreme nearer to the open comes first
    RANDOM = "random"  # by a seed


class TouchRule(StrEnum):
    """When a bar that reaches the price of a resting limit order fills it."""

    THROUGH = "through"  # it must trade beyond it by at least one tick
    QUEUE = "queue"  # at a touch, what is left of the bar's volume behind the queue ahead of us


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRules:
    """fee_rate_ppb, maker_fee_rate_ppb: of the traded value, for takers and makers (None: makers pay the same).
    min_fee: quanta for each execution, at most what was traded. slippage_ppb: of the price; in the models with impact
    it is half the spread. impact_ppb: how far an order as large as the bar's volume moves the price. latency_ns: from
    the decision until an order counts; it takes effect at the first bar that opens then or later. latencies_ns:
    latencies of which one is drawn for each order, by the seed, in place of latency_ns: LATENCIES of them, see
    n1v1.simulation.latency. participation_ppb: the share of a bar's volume that all our orders of it may fill
    together (None: no cap). seed: of the random path. queue_ppb: the share of a bar's volume that stands ahead of us
    at a touched limit.

    Raises InvalidValue naming the rule, what is allowed and what came.
    """

    fee_rate_ppb: int
    slippage_ppb: int
    maker_fee_rate_ppb: int | None = None
    min_fee: int = 0
    slippage_model: SlippageModel = SlippageModel.FIXED
    impact_ppb: int = 0
    latency_ns: int = 0
    latencies_ns: tuple[int, ...] = ()
    participation_ppb: int | None = None
    path: IntrabarPath = IntrabarPath.ADVERSE
    seed: int = 0
    touch: TouchRule = TouchRule.THROUGH
    queue_ppb: int = PPB

    def __post_init__(self) -> None:
        self._check("fee_rate_ppb", 0, PPB - 1)
        self._check("slippage_ppb", 0, PPB - 1)
        if self.maker_fee_rate_ppb is not None:
            self._check("maker_fee_rate_ppb", 0, PPB - 1)
        self._check("min_fee", 0, records.UNLIMITED)
        self._check("impact_ppb", 0, PPB - 1)
        self._check("latency_ns", 0, MAX_LATENCY_NS)
        self._check_latencies()
        if self.participation_ppb is not None:
            self._check("participation_ppb", 1, PPB)
        self._check("seed", 0, 2**31 - 1)
        self._check("queue_ppb", 0, PPB)
        if self.impact_ppb and self.slippage_model is SlippageModel.FIXED:
            raise InvalidValue("fixed slippage has no impact_ppb; choose the model linear or square_root")

    def _check(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if not least <= value <= most:
            raise InvalidValue(f"{name} must be at least {least} and at most {most}, got {value}")

    def _check_latencies(self) -> None:
        if self.latencies_ns and len(self.latencies_ns) != records.LATENCIES:
            raise InvalidValue(f"latencies_ns: expected {records.LATENCIES} of them, got {len(self.latencies_ns)}")
        for latency in self.latencies_ns:
            if not 0 <= latency <= MAX_LATENCY_NS:
                raise InvalidValue(f"latencies_ns must be at least 0 and at most {MAX_LATENCY_NS}, got {latency}")

    def record(self) -> Record:
        """As kernels read them: see `n1v1.simulation.records.RULES`."""
        found = new_record(records.RULES)
        found.taker_fee_ppb = self.fee_rate_ppb
        found.maker_fee_ppb = self.fee_rate_ppb if self.maker_fee_rate_ppb is None else self.maker_fee_rate_ppb
        found.min_fee = self.min_fee
        found.slippage_model = list(SlippageModel).index(self.slippage_model)
        found.slippage_ppb = self.slippage_ppb
        found.impact_ppb = self.impact_ppb
        found.latency_ns = self.latency_ns
        found.is_latency_drawn = int(bool(self.latencies_ns))
        found.latencies[: len(self.latencies_ns)] = self.latencies_ns
        found.participation_ppb = records.UNLIMITED if self.participation_ppb is None else self.participation_ppb
        found.path = list(IntrabarPath).index(self.path)
        found.seed = self.seed
        found.touch = list(TouchRule).index(self.touch)
        found.queue_ppb = self.queue_ppb
        return found

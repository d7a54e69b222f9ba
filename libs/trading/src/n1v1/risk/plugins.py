"""Risk managers and anomaly detectors of your own.

A package offers them in the entry-point groups `n1v1.risk_managers` and `n1v1.anomaly_detectors`; they run when the
settings name them (`risk_management.plugins`, `anomaly_detection.plugins`), in that order. They are asked before the
built-in checks and can only refuse an entry or make it smaller: what the built-in checks refuse they cannot approve,
and exits they do not see. One that raises refuses the entry, for nobody knows what it would have said.

What they say has to follow from what they are given and from their own saved state alone, or a replay will not do what
the day did: no clock, no network, no chance. `n1v1.testing.risk` checks it. The compiled backtest refuses them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, ClassVar

from n1v1.errors import InvalidValue, UnknownName, nearest
from n1v1.events import BarClosed, SignalRaised
from n1v1.risk.anomalies import SEVERITIES
from n1v1.strategies.bar import Bar
from n1v1.values import PPB, Instrument, nearest_ppb

RISK_MANAGERS = "n1v1.risk_managers"
ANOMALY_DETECTORS = "n1v1.anomaly_detectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An entry that a strategy asks for, and the account at that moment. Amounts and price in quote currency.

    drawdown, daily_loss: fractions. open_positions: symbols that are held or ordered.
    """

    signal: SignalRaised
    price: float
    equity: float
    free_cash: float
    drawdown: float
    daily_loss: float
    open_positions: int


@dataclass(frozen=True, slots=True)
class Opinion:
    """scale: what is to be left of the entry, 0 to 1. reason: why it is refused or made smaller."""

    scale: float = 1.0
    reason: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.scale <= 1.0:
            raise InvalidValue(f"an opinion's scale: expected 0 to 1, got {self.scale}")
        if self.scale < 1.0 and not self.reason:
            raise InvalidValue(f"an opinion that leaves {self.scale} of an entry has to say why")


NO_OBJECTION = Opinion()


def refuse(reason: str) -> Opinion:
    return Opinion(0.0, reason)


class RiskManagerInterface(ABC):
    """A check of your own on every entry."""

    @abstractmethod
    def evaluate_signal(self, proposal: Proposal) -> Opinion:
        """NO_OBJECTION, `Opinion(scale, reason)` or `refuse(reason)`."""

    def save(self) -> dict[str, Any]:
        """Everything that the next opinion depends on, as JSON can hold it."""
        return {}

    def load(self, saved: Mapping[str, Any]) -> None:  # noqa: B027  # most have no state
        """The reverse of `save`."""


@dataclass(frozen=True, slots=True)
class AnomalyResult:
    """severity: one of n1v1.risk.anomalies.SEVERITIES (none, low, medium, high, critical)."""

    severity: str = "none"
    score: float = 0.0
    detail: str = ""

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise InvalidValue(f"expected a severity of {', '.join(SEVERITIES)}; got {self.severity!r}")


class BaseAnomalyDetector(ABC):
    """Says how unusual the newest of a symbol's last bars is. It keeps no state: it is shown all that it needs."""

    lookback: ClassVar[int] = 50
    """Bars that `detect` is shown at most; at first there are fewer."""

    @abstractmethod
    def detect(self, data: Sequence[Bar], symbol: str) -> AnomalyResult:
        """data: oldest first, the newest last."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the risk managers together say. refused: why, or None."""

    scale_ppb: int = PPB
    refused: str | None = None


def judged(managers: Mapping[str, RiskManagerInterface], proposal: Proposal) -> Judgement:
    """Ask them in order; the first refusal decides, and scales multiply."""
    scale_ppb = PPB
    for name, manager in managers.items():
        try:
            opinion = manager.evaluate_signal(proposal)
            scale_ppb = scale_ppb * nearest_ppb(opinion.scale) // PPB
        except Exception as error:  # noqa: BLE001  # whatever a plug-in raises: what was not checked is not made
            return Judgement(0, f"{name} failed: {type(error).__name__}: {error}")
        if scale_ppb == 0:
            return Judgement(0, f"{name}: {opinion.reason}")
    return Judgement(scale_ppb)


class AnomalyWatch:
    """The detectors, the last bars of every symbol that they look at, and what they said of the newest."""

    def __init__(self, detectors: Mapping[str, BaseAnomalyDetector]) -> None:
        self._detectors = detectors
        self._longest = max((detector.lookback for detector in detectors.values()), default=0)
        self._bars: dict[str, deque[Bar]] = {}
        self._said: dict[str, str] = {}

    @property
    def is_on(self) -> bool:
        return bool(self._detectors)

    def said_of(self, symbol: str) -> str:
        """What the detectors found in the symbol's last bar, in words; empty for nothing."""
        return self._said.get(symbol, "")

    def observe(self, closed: BarClosed, instrument: Instrument) -> int:
        """The worst severity that any detector sees in the bar, as a place in SEVERITIES."""
        bars = self._bars.setdefault(closed.symbol, deque(maxlen=self._longest))
        bars.append(bar_of(closed, instrument))
        seen = [(name, self._seen(detector, bars)) for name, detector in self._detectors.items()]
        worst = max(SEVERITIES.index(result.severity) for _, result in seen)
        found = [f"{name}: {result.detail or result.severity}" for name, result in seen if result.severity != "none"]
        self._said[closed.symbol] = ", ".join(found)
        return worst

    @staticmethod
    def _seen(detector: BaseAnomalyDetector, bars: Iterable[Bar]) -> AnomalyResult:
        """A detector that raises has seen the worst: a market that could not be looked at is not entered."""
        shown = list(bars)[-detector.lookback :]
        try:
            return detector.detect(shown, shown[-1].symbol)
        except Exception as error:  # noqa: BLE001  # whatever a plug-in raises
            return AnomalyResult(SEVERITIES[-1], 0.0, f"failed: {type(error).__name__}: {error}")

    def save(self) -> dict[str, Any]:
        bars = {symbol: [list(bar) for bar in bars] for symbol, bars in self._bars.items()}
        return {"bars": bars, "said": dict(self._said)}

    def load(self, saved: Mapping[str, Any]) -> None:
        self._bars = {
            symbol: deque((Bar(*bar) for bar in bars), self._longest) for symbol, bars in saved["bars"].items()
        }
        self._said = dict(saved["said"])


def bar_of(closed: BarClosed, instrument: Instrument) -> Bar:
    price = instrument.price_float
    prices = (price(closed.open), price(closed.high), price(closed.low), price(closed.close))
    return Bar(*prices, instrument.quantity_float(closed.volume), closed.ts_ns, closed.symbol)


def risk_managers(names: Iterable[str]) -> dict[str, RiskManagerInterface]:
    """The installed risk managers of these names, in this order. Raises UnknownName or InvalidValue."""
    return {name: _made(RISK_MANAGERS, name, RiskManagerInterface) for name in names}


def anomaly_detectors(names: Iterable[str]) -> dict[str, BaseAnomalyDetector]:
    """The installed anomaly detectors of these names, in this order. Raises UnknownName or InvalidValue."""
    return {name: _made(ANOMALY_DETECTORS, name, BaseAnomalyDetector) for name in names}


def _made(group: str, name: str, kind: Any) -> Any:
    """Any: the classes are abstract, so type[T] cannot name them."""
    installed = {entry.name: entry for entry in entry_points(group=group)}
    if name not in installed:
        raise UnknownName(f"no plug-in of {group} is called {name!r}{nearest(name, installed)}")
    factory: Callable[[], Any] = installed[name].load()
    made = factory()
    if not isinstance(made, kind):
        raise InvalidValue(f"{group} {name!r}: expected a {kind.__name__}, got {type(made).__name__}")
    return made

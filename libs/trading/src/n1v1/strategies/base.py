"""What a strategy is, and how an instance of one runs on one symbol.

A `Strategy` is a description: a key, typed parameters with bounds, a fixed-size state and a kernel `on_bar` that
advances the state by one closed bar and answers LONG, SHORT, EXIT or NO_SIGNAL. A `Runner` is a strategy at work on one
symbol; every form of strategy has one, and the signals stage knows nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from n1v1.bars import ClosedBar
from n1v1.errors import InvalidValue, StrategyError, nearest
from n1v1.events import NO_WISH, Action, Wish
from n1v1.kernels import Record, load_record, new_record, store_record
from n1v1.values import Instrument, nearest_ppb

NO_SIGNAL = 0
LONG = 1
SHORT = -1
EXIT = 2

ACTIONS = {LONG: Action.BUY, SHORT: Action.SELL, EXIT: Action.CLOSE}
_PLAIN_REASONS = {LONG: "the rule says long", SHORT: "the rule says short", EXIT: "the rule says out"}

BAR = np.dtype([("open", "f8"), ("high", "f8"), ("low", "f8"), ("close", "f8"), ("volume", "f8"), ("close_ns", "i8")])
"""A closed bar as strategies see it: prices in quote currency, volume in base currency, close time in ns UTC."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an instance says of one bar. action None: nothing, because `reason`. values: the numbers it looked at.

    wish: how an entry should be made; see `n1v1.events.Wish`.
    """

    action: Action | None
    strength: float
    reason: str
    values: tuple[tuple[str, float], ...] = ()
    wish: Wish = NO_WISH


NOTHING = Verdict(None, 0.0, "")
"""The answer to a bar without a signal when nobody asks why."""


Explanation = tuple[str, tuple[tuple[str, float], ...]]
"""A reason, and the numbers it follows from, by name in a fixed order."""


class Runner(Protocol):
    """One instance on one symbol. `save` and `load` carry everything the next verdict depends on."""

    def on_bar(self, bar: ClosedBar, explain: bool = True) -> Verdict:
        """Advance by one closed bar.

        explain: whether somebody wants to know why there is no signal, and the numbers behind the verdict. Without it
        the verdict may lack both; action, strength, reason and wish of a signal are the same either way.
        """
        ...

    def save(self) -> dict[str, Any]: ...

    def load(self, saved: Mapping[str, Any]) -> None: ...


class Bound(NamedTuple):
    """Allowed range of a parameter, both ends included."""

    low: float
    high: float


class Strategy:
    """Base of the compiled form. Subclasses fill in the class attributes; nothing is ever instantiated per bar."""

    key: ClassVar[str]
    Params: ClassVar[type[Any]]
    State: ClassVar[np.dtype[Any]]
    bounds: ClassVar[Mapping[str, Bound]] = {}
    timeframes: ClassVar[tuple[str, ...]] = ()
    """The higher ones that its kernel makes of the bars it hears: see `n1v1.strategies.aggregate`."""

    @staticmethod
    def on_bar(params: Any, state: Record, bar: Record) -> int:
        """Advance `state` by one bar and answer LONG, SHORT, EXIT or NO_SIGNAL. A kernel."""
        raise NotImplementedError

    @staticmethod
    def reason(params: Any, signal: int) -> str:
        """Why an order is wanted: what `signal` (LONG, SHORT or EXIT) means under these parameters.

        The same for every bar; numbers of a bar belong to the values of `explain`.
        """
        return _PLAIN_REASONS[signal]

    @staticmethod
    def explain(params: Any, state: Record, signal: int) -> Explanation:
        """The reason for the last answer and the numbers behind it. Called after `on_bar`, never compiled.

        Of a signal the reason is that of `reason`, whatever this says.
        """
        return "the rule says nothing", ()

    @staticmethod
    def warmup_bars(params: Any) -> int:
        """Bars that must have been seen before the first signal is possible."""
        raise NotImplementedError

    @staticmethod
    def contradiction(params: Any) -> str | None:
        """What is wrong between parameters that are each within their bounds, or None."""
        return None

    @staticmethod
    def wish(params: Any) -> Wish:
        """How every entry should be made. The parameters position_size, stop_loss_pct and take_profit_pct say it."""
        named = {"fraction_ppb": "position_size", "stop_ppb": "stop_loss_pct", "target_ppb": "take_profit_pct"}
        given = {field: getattr(params, name, 0.0) for field, name in named.items()}
        wished: dict[str, Any] = {field: nearest_ppb(value) for field, value in given.items() if value}
        return Wish(**wished)

    @classmethod
    def parameters(cls, given: Mapping[str, Any]) -> Any:
        """`given` over the defaults, typed and within bounds.

        Raises InvalidValue naming the strategy, the parameter, what was expected and what came.
        """
        defaults = cls.Params()
        unknown = set(given) - set(defaults._fields)
        if unknown:
            name = min(unknown)
            raise InvalidValue(f"{cls.key} has no parameter {name!r}{nearest(name, defaults._fields)}")
        typed = {
            name: typed_parameter(f"{cls.key}.{name}", value, type(getattr(defaults, name)), cls.bounds.get(name))
            for name, value in given.items()
        }
        params = cls.Params(**typed)
        wrong = cls.contradiction(params)
        if wrong is not None:
            raise InvalidValue(f"{cls.key}: {wrong}")
        return params


def typed_parameter(name: str, value: Any, expected: type[Any], bound: Bound | None) -> Any:
    """`value` as one of bool, int, float and str, within its bound. name: as in 'ema_cross.fast_ema'.

    Raises InvalidValue naming the parameter, what was expected and what came.
    """
    if isinstance(value, bool) is not (expected is bool) or not isinstance(value, int | float | str | bool):
        raise InvalidValue(f"{name}: expected {expected.__name__}, got {value!r}")
    try:
        typed = expected(value)
    except (ValueError, OverflowError) as error:
        raise InvalidValue(f"{name}: expected {expected.__name__}, got {value!r}") from error
    if expected is int and isinstance(value, float) and typed != value:
        raise InvalidValue(f"{name}: expected a whole number, got {value!r}")
    if bound is not None and not bound.low <= typed <= bound.high:
        raise InvalidValue(f"{name}: expected {bound.low} to {bound.high}, got {value!r}")
    return typed


def _answer(strategy: type[Strategy], params: Any, signal: int) -> Verdict:
    wish = NO_WISH if signal == EXIT else strategy.wish(params)
    return Verdict(ACTIONS[signal], 1.0, strategy.reason(params, signal), (), wish)


class CompiledRunner:
    """A compiled-form strategy on one symbol, event by event."""

    def __init__(self, strategy: type[Strategy], params: Any, instrument: Instrument) -> None:
        self._strategy = strategy
        self._params = params
        self._instrument = instrument
        self._state: Record = new_record(strategy.State)
        self._bar: Record = new_record(BAR)
        self._answers = {signal: _answer(strategy, params, signal) for signal in ACTIONS}

    def on_bar(self, bar: ClosedBar, explain: bool = True) -> Verdict:
        self._see(bar)
        signal = self._strategy.on_bar(self._params, self._state, self._bar)
        if signal == NO_SIGNAL:
            return Verdict(None, 0.0, *self._explanation(signal)) if explain else NOTHING
        if signal not in ACTIONS:
            raise StrategyError(f"{self._strategy.key} answered {signal!r}, expected LONG, SHORT, EXIT or NO_SIGNAL")
        answer = self._answers[signal]
        return replace(answer, values=self._explanation(signal)[1]) if explain else answer

    def _explanation(self, signal: int) -> Explanation:
        return self._strategy.explain(self._params, self._state, signal)

    def _see(self, bar: ClosedBar) -> None:
        price = self._instrument.price_float
        seen = self._bar
        seen.open, seen.high, seen.low, seen.close = (
            price(bar.open),
            price(bar.high),
            price(bar.low),
            price(bar.close),
        )
        seen.volume = self._instrument.quantity_float(bar.volume)
        seen.close_ns = bar.ts_ns

    def save(self) -> dict[str, Any]:
        return {"state": save_state(self._state, self._strategy.State)}

    def load(self, saved: Mapping[str, Any]) -> None:
        load_state(self._state, self._strategy.State, saved["state"], self._strategy.key)


def save_state(state: Record, layout: np.dtype[Any]) -> str:
    """The bytes of a record as text."""
    stored = np.zeros((), layout)
    store_record(state, stored)
    return base64.b64encode(stored.tobytes()).decode()


def load_state(state: Record, layout: np.dtype[Any], text: str, owner: str) -> None:
    """The reverse of `save_state`. owner: whose state it is. Raises InvalidValue when it is of another layout."""
    raw = base64.b64decode(text)
    if len(raw) != layout.itemsize:
        raise InvalidValue(f"saved state of {owner} has {len(raw)} bytes instead of {layout.itemsize}")
    load_record(state, np.frombuffer(raw, layout).reshape(()))

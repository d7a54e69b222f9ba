"""The plain form: a class with `on_bar(bar)`, state on `self`, nothing else to know.

    class Breakout(PythonStrategy):
        def __init__(self, period: int = 20):
            self.highest = Highest(period)

        def on_bar(self, bar: Bar) -> Signal | None:
            before = self.highest.value
            self.highest.update(bar.high)
            return buy("closed above every high before", stop=0.03) if bar.close > before else None

One object is at work on one symbol. Its parameters are those of `__init__`, by their names, types and defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, get_type_hints

import numpy as np

from n1v1.bars import ClosedBar
from n1v1.errors import InvalidValue, StrategyError, nearest
from n1v1.events import NO_WISH, Action, Wish
from n1v1.kernels import Record, new_record
from n1v1.strategies.aggregate import AGGREGATE, aggregate, higher_ns
from n1v1.strategies.bar import Bar
from n1v1.strategies.base import NOTHING, Bound, Explanation, Verdict, load_state, save_state, typed_parameter
from n1v1.strategies.saving import restored, saved
from n1v1.strategies.streaming import Indicator
from n1v1.strategies.wishes import Number, stop_wish, wish_of, wished_style
from n1v1.styles import Style, style_of
from n1v1.values import Instrument, decimal_places

__all__ = ["Bar", "Bound", "PythonRunner", "PythonStrategy", "Signal", "buy", "close", "move_stop", "sell", "style_of"]


@dataclass(frozen=True, slots=True)
class Signal:
    """What a plain strategy wants; made by `buy`, `sell`, `close` and `move_stop`, which say what the fields mean."""

    action: Action
    reason: str
    strength: float = 1.0
    size: float | None = None
    value: Number | None = None
    quantity: Number | None = None
    stop: float | None = None
    target: float | None = None
    trail: float | None = None
    stop_price: float | None = None
    target_price: float | None = None
    limit: Number | None = None
    trigger: Number | None = None
    time_in_force: str | None = None
    post_only: bool = False
    execution: str | Style | None = None

    def __post_init__(self) -> None:
        if not self.reason:
            raise InvalidValue("a signal needs a reason")
        if not 0.0 <= self.strength <= 1.0:
            raise InvalidValue(f"strength: expected 0 to 1, got {self.strength!r}")
        if (self.size, self.value, self.quantity).count(None) < 2:
            raise InvalidValue("expected at most one of size, value and quantity")
        for name, below in (("size", 1.0), ("stop", 0.99), ("trail", 0.99), ("target", 10.0)):
            given = getattr(self, name)
            if given is not None and not 0.0 < given <= below:
                raise InvalidValue(f"{name}: expected a share above 0 and at most {below:g}, got {given!r}")
        if None not in (self.stop, self.stop_price) or None not in (self.target, self.target_price):
            raise InvalidValue("expected a distance or a price, got both: stop and stop_price, target and target_price")


def buy(
    reason: str,
    *,
    strength: float = 1.0,
    size: float | None = None,
    value: Number | None = None,
    quantity: Number | None = None,
    stop: float | None = None,
    target: float | None = None,
    trail: float | None = None,
    stop_price: float | None = None,
    target_price: float | None = None,
    limit: Number | None = None,
    trigger: Number | None = None,
    time_in_force: str | None = None,
    post_only: bool = False,
    execution: str | Style | None = None,
) -> Signal:
    """Be long. Whatever is left open, the risk policy decides.

    strength: 0 to 1. size: share of equity; or value: in quote currency; or quantity: in base currency.
    stop, target, trail: distances of the protective orders from this bar's close, as shares of it (0.03 is 3 %); or
    stop_price, target_price: where they are. limit: the worst price to enter at; without it a market order.
    trigger: enter there, once the price has come so far (a stop order; with a limit a stop-limit order).
    time_in_force: GTC, IOC, FOK or GTD, of an entry with a limit or a trigger. post_only: never take.
    execution: twap, vwap, dca, split or adaptive, or what `style_of` makes of one; see docs/execution.md.
    Raises InvalidValue for what cannot be meant.
    """
    return Signal(
        *(Action.BUY, reason, strength, size, value, quantity),
        *(stop, target, trail, stop_price, target_price, limit),
        trigger=trigger,
        time_in_force=time_in_force,
        post_only=post_only,
        execution=execution,
    )


def sell(
    reason: str,
    *,
    strength: float = 1.0,
    size: float | None = None,
    value: Number | None = None,
    quantity: Number | None = None,
    stop: float | None = None,
    target: float | None = None,
    trail: float | None = None,
    stop_price: float | None = None,
    target_price: float | None = None,
    limit: Number | None = None,
    trigger: Number | None = None,
    time_in_force: str | None = None,
    post_only: bool = False,
    execution: str | Style | None = None,
) -> Signal:
    """Be out of a long position, or short where that is allowed. The rest is as in `buy`."""
    return Signal(
        *(Action.SELL, reason, strength, size, value, quantity),
        *(stop, target, trail, stop_price, target_price, limit),
        trigger=trigger,
        time_in_force=time_in_force,
        post_only=post_only,
        execution=execution,
    )


def close(reason: str, *, execution: str | Style | None = None) -> Signal:
    """Have no position. execution: as in `buy`."""
    return Signal(Action.CLOSE, reason, execution=execution)


def move_stop(price: Number, reason: str) -> Signal:
    """Let the stop of the position stand at `price` from now on, where it must be nearer to the market than before.

    The target stays. Refused without a position, and where the stop trails by itself.
    """
    return Signal(Action.MOVE_STOP, reason, trigger=price)


class PythonStrategy:
    """Base of the plain form. A subclass defines `on_bar`, and `__init__` with a default for every parameter.

    bounds: allowed range of a parameter, by name. timeframes: the higher ones it wants to see.
    state: names of the attributes to save; without it every attribute of `self` is saved.
    """

    bounds: ClassVar[Mapping[str, Bound]] = {}
    timeframes: ClassVar[tuple[str, ...]] = ()
    state: ClassVar[tuple[str, ...]] = ()

    higher: dict[str, Bar | None]
    """The last bar of each higher timeframe that has closed; None before the first. Filled in by the runner."""

    def on_bar(self, bar: Bar) -> Signal | None:
        """What to do after this bar; None: nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define on_bar(bar)")

    def on_higher_bar(self, timeframe: str, bar: Bar) -> None:
        """A bar of a higher timeframe has closed. Called before `on_bar` of the base bar that closes it."""

    def warmup_bars(self) -> int:
        """Bars that must have been seen before the first signal is possible."""
        return 0

    def explain(self) -> Explanation:
        """Why the last answer was None, and the numbers on `self`. Only called when somebody asks."""
        return "on_bar answered nothing", tuple(_numbers(self))

    def save(self) -> dict[str, Any]:
        """Everything that the next answer depends on, for JSON. Raises InvalidValue naming what cannot be saved."""
        names = self.state or tuple(name for name in vars(self) if name not in _OF_THE_RUNNER)
        return {name: saved(getattr(self, name), f"{type(self).__name__}.self.{name}") for name in names}

    def load(self, content: Mapping[str, Any]) -> None:
        """Take up what `save` answered, on a new object with the same parameters."""
        for name, value in content.items():
            setattr(self, name, restored(value))

    @classmethod
    def parameters(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` over the defaults of `__init__`, typed and within bounds.

        Raises InvalidValue naming the strategy, the parameter, what was expected and what came.
        """
        accepted = _accepted(cls)
        unknown = set(given) - set(accepted)
        if unknown:
            name = min(unknown)
            raise InvalidValue(f"{cls.__name__} has no parameter {name!r}{nearest(name, accepted)}")
        typed = {
            name: typed_parameter(f"{cls.__name__}.{name}", value, _type_of(cls, accepted[name]), cls.bounds.get(name))
            for name, value in given.items()
        }
        missing = [name for name, one in accepted.items() if one.default is one.empty and name not in typed]
        if missing:
            raise InvalidValue(f"{cls.__name__} needs a value for the parameter {missing[0]!r}")
        return {name: typed.get(name, one.default) for name, one in accepted.items()}


_OF_THE_RUNNER = frozenset({"higher"})


def _accepted(strategy: type[PythonStrategy]) -> dict[str, inspect.Parameter]:
    if strategy.__init__ is object.__init__:
        return {}
    _, *accepted = inspect.signature(strategy.__init__).parameters.values()
    wrong = [one.name for one in accepted if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY)]
    if wrong:
        raise InvalidValue(f"{strategy.__name__}.__init__: every parameter needs a name of its own, got {wrong[0]!r}")
    return {one.name: one for one in accepted}


def _type_of(strategy: type[PythonStrategy], parameter: inspect.Parameter) -> type[Any]:
    """What is annotated, or the type of the default."""
    annotated = get_type_hints(strategy.__init__).get(parameter.name)
    if annotated in (bool, int, float, str):
        return annotated  # type: ignore[no-any-return]  # one of the four
    return type(parameter.default)


def _numbers(strategy: PythonStrategy) -> Iterator[tuple[str, float]]:
    for name, value in vars(strategy).items():
        if name.startswith("_"):
            continue
        if isinstance(value, Indicator):
            yield from value.numbers(name)
        elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
            yield name, float(value)


class PythonRunner:
    """A plain strategy on one symbol."""

    def __init__(self, strategy: PythonStrategy, instrument: Instrument, timeframe: str | None = None) -> None:
        self._strategy = strategy
        self._decide = strategy.on_bar
        self._instrument = instrument
        self._price_scale = 10 ** decimal_places(instrument.tick_size)
        self._quantity_scale = 10 ** decimal_places(instrument.lot_size)
        self._higher: dict[str, tuple[int, Record]] = {
            name: (higher_ns(name, timeframe), new_record(AGGREGATE)) for name in strategy.timeframes
        }
        strategy.higher = dict.fromkeys(strategy.timeframes)

    def on_bar(self, bar: ClosedBar, explain: bool = True) -> Verdict:
        scale = self._price_scale
        seen = _new_bar(
            Bar,
            (
                bar.open / scale,
                bar.high / scale,
                bar.low / scale,
                bar.close / scale,
                bar.volume / self._quantity_scale,
                bar.ts_ns,
                bar.symbol,
            ),
        )
        if self._higher:
            self._hear_higher(seen)
        signal = self._decide(seen)
        if signal is None:
            return Verdict(None, 0.0, *self._strategy.explain()) if explain else NOTHING
        verdict = _verdict(signal, seen, self._instrument)
        return replace(verdict, values=self._strategy.explain()[1]) if explain else verdict

    def _hear_higher(self, bar: Bar) -> None:
        strategy = self._strategy
        for timeframe, (length_ns, state) in self._higher.items():
            closings = aggregate(state, bar, length_ns)
            for closed in (state.before, state.closed)[2 - closings :]:
                strategy.higher[timeframe] = higher = higher_bar(closed, bar.symbol)
                strategy.on_higher_bar(timeframe, higher)

    def save(self) -> dict[str, Any]:
        higher = {timeframe: save_state(state, AGGREGATE) for timeframe, (_, state) in self._higher.items()}
        return {"strategy": self._strategy.save(), "higher": higher}

    def load(self, content: Mapping[str, Any]) -> None:
        self._strategy.load(content["strategy"])
        for timeframe, (_, state) in self._higher.items():
            load_state(state, AGGREGATE, content["higher"][timeframe], f"the {timeframe} bars")
            if state.count:
                self._strategy.higher[timeframe] = higher_bar(state.closed, self._instrument.symbol)


_new_bar = tuple.__new__  # a third faster than Bar(...), whose arguments are bound by Python code


def higher_bar(closed: Record, symbol: str) -> Bar:
    return Bar(closed.open, closed.high, closed.low, closed.close, closed.volume, closed.close_ns, symbol)


def plain_strategy(factory: type[PythonStrategy], given: Mapping[str, Any]) -> PythonStrategy:
    """Build a plain strategy. Raises InvalidValue when it or its own constructor refuses the parameters."""
    parameters = factory.parameters(given)
    try:
        return factory(**parameters)
    except Exception as error:  # whatever a user's constructor raises is the answer to give
        found = f"{type(error).__name__}: {error}"
        raise InvalidValue(f"{factory.__name__} refused its parameters {parameters!r}: {found}") from error


def _verdict(signal: Any, bar: Bar, instrument: Instrument) -> Verdict:
    if not isinstance(signal, Signal):
        raise StrategyError(
            f"on_bar answered {signal!r}, expected buy(...), sell(...), close(...), move_stop(...) or None"
        )
    return Verdict(signal.action, signal.strength, signal.reason, (), _wish(signal, bar, instrument))


def _wish(signal: Signal, bar: Bar, instrument: Instrument) -> Wish:
    if signal.action is Action.CLOSE:
        return NO_WISH if signal.execution is None else Wish(style=wished_style(signal.execution))
    if signal.action is Action.MOVE_STOP:
        return stop_wish(signal.trigger, instrument)
    return wish_of(
        side=-1 if signal.action is Action.SELL else 1,
        close=bar.close,
        instrument=instrument,
        size=signal.size,
        value=signal.value,
        quantity=signal.quantity,
        stop=signal.stop,
        target=signal.target,
        trail=signal.trail,
        stop_price=signal.stop_price,
        target_price=signal.target_price,
        limit=signal.limit,
        trigger=signal.trigger,
        time_in_force=signal.time_in_force,
        post_only=signal.post_only,
        execution=signal.execution,
    )

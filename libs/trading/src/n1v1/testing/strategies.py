"""Whether a strategy keeps what every strategy has to keep, whatever its form.

    check_strategy(MyStrategy, {"period": 10})

tries it on a random market (or on your bars) and raises `CheckFailed`, which says which check failed, at which bar and
what differed. For pytest, one test per check:

    class TestMyStrategy(StrategyConformance):
        strategy = MyStrategy
        parameters = {"period": 10}
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from n1v1.errors import InvalidValue, StrategyError
from n1v1.events import BarClosed
from n1v1.strategies import registry
from n1v1.strategies.base import Bound, Runner, Strategy, Verdict
from n1v1.strategies.plain import PythonStrategy, plain_strategy
from n1v1.testing.bars import TESTED, random_bars
from n1v1.values import Instrument

BARS = 1_200
CUTS = 4


class CheckFailed(StrategyError, AssertionError):
    """A strategy breaks a rule. The message names the check, the bar and what differed."""


@dataclass(frozen=True)
class Trial:
    """A strategy, its parameters and a market to try them on.

    strategy: a class, or a name or file that the registry finds. seed: of the cut points.
    """

    strategy: type[Any]
    parameters: Mapping[str, Any]
    bars: Sequence[BarClosed]
    instrument: Instrument
    seed: int
    cuts: int
    signals_min: int = 1
    """Fewer signals than this on the bars, and the checks would say little."""

    def runner(self) -> Runner:
        return registry.runner_of(self.strategy, self.parameters, self.instrument, self.bars[0].timeframe)

    @cached_property
    def whole(self) -> list[Verdict]:
        """What it says of every bar in one run."""
        return said(self.runner(), self.bars, "run")

    @cached_property
    def cut_points(self) -> list[int]:
        chance = random.Random(self.seed)  # noqa: S311  # printed, so that a failure can be repeated
        inside = range(1, len(self.bars))
        return sorted(chance.sample(inside, min(self.cuts, len(inside))))

    @property
    def name(self) -> str:
        return self.strategy.__name__


@dataclass(frozen=True)
class StrategyReport:
    """What was tried. signals: on `bars` bars."""

    strategy: str
    checks: tuple[str, ...]
    bars: int
    signals: int
    seed: int
    cut_points: tuple[int, ...] = field(default=())


def check_strategy(
    strategy: type[Any] | str,
    parameters: Mapping[str, Any] | None = None,
    *,
    bars: Sequence[BarClosed] | None = None,
    instrument: Instrument = TESTED,
    seed: int | None = None,
    cuts: int = CUTS,
    signals_min: int = 1,
) -> StrategyReport:
    """Run every check. seed: of the points at which runs are cut; without it a new one, which the report names.

    Raises CheckFailed for the first check that fails.
    """
    trial = trial_of(
        strategy, parameters, bars=bars, instrument=instrument, seed=seed, cuts=cuts, signals_min=signals_min
    )
    for check in CHECKS.values():
        check(trial)
    return StrategyReport(
        strategy=trial.name,
        checks=tuple(CHECKS),
        bars=len(trial.bars),
        signals=sum(verdict.action is not None for verdict in trial.whole),
        seed=trial.seed,
        cut_points=tuple(trial.cut_points),
    )


def trial_of(
    strategy: type[Any] | str,
    parameters: Mapping[str, Any] | None = None,
    *,
    bars: Sequence[BarClosed] | None = None,
    instrument: Instrument = TESTED,
    seed: int | None = None,
    cuts: int = CUTS,
    signals_min: int = 1,
) -> Trial:
    return Trial(
        strategy=registry.find(strategy) if isinstance(strategy, str) else strategy,
        parameters=parameters or {},
        bars=random_bars(BARS, instrument=instrument) if bars is None else bars,
        instrument=instrument,
        seed=random.SystemRandom().randrange(2**32) if seed is None else seed,
        cuts=cuts,
        signals_min=signals_min,
    )


def said(
    runner: Runner, bars: Sequence[BarClosed], check: str, *, first: int = 0, explain: bool = True
) -> list[Verdict]:
    """What a runner says of every bar. first: the number of the first of them, for the message."""
    verdicts = []
    for number, bar in enumerate(bars, first):
        try:
            verdicts.append(runner.on_bar(bar, explain))
        except Exception as error:
            raise CheckFailed(f"{check}: {_at(number, bar)} raised {type(error).__name__}: {error}") from error
    return verdicts


def check_parameters(trial: Trial) -> None:
    """Every parameter has a type and every number a range that holds its default and refuses what is outside."""
    declared = _declared(trial.strategy)
    bounds: Mapping[str, Bound] = getattr(trial.strategy, "bounds", {})
    for name in set(bounds) - set(declared):
        raise CheckFailed(f"parameters: there are bounds for {name!r}, which is no parameter of {trial.name}")
    for name, default in declared.items():
        if not isinstance(default, int | float) or isinstance(default, bool):
            continue
        if name not in bounds:
            raise CheckFailed(f"parameters: {name} has no bounds; say bounds = {{{name!r}: Bound(low, high)}}")
        _check_bound(trial, name, default, bounds[name])


def _check_bound(trial: Trial, name: str, default: float, bound: Bound) -> None:
    if not bound.low <= default <= bound.high:
        raise CheckFailed(f"parameters: the default of {name} is {default}, outside {bound.low} to {bound.high}")
    for outside in (bound.low - 1, bound.high + 1):
        try:
            trial.strategy.parameters({name: outside})
        except InvalidValue:
            continue
        raise CheckFailed(f"parameters: {name}={outside} is outside its bounds and was accepted")


def _declared(strategy: type[Any]) -> Mapping[str, Any]:
    """Parameters and defaults, of the forms that declare them."""
    if issubclass(strategy, Strategy):
        defaults: Mapping[str, Any] = strategy.Params()._asdict()
        return defaults
    return strategy.parameters({}) if issubclass(strategy, PythonStrategy) else {}


def check_same_in_same_out(trial: Trial) -> None:
    """A second run over the same bars says the same, and so does one that nobody asks for explanations."""
    _compare("same in, same out", trial.bars, trial.whole, said(trial.runner(), trial.bars, "same in, same out"))
    quiet = said(trial.runner(), trial.bars, "same without explanations", explain=False)
    for number, (bar, asked, short) in enumerate(zip(trial.bars, trial.whole, quiet, strict=True)):
        if _signal(asked) != _signal(short):
            raise CheckFailed(
                f"same without explanations: {_at(number, bar)} was {_signal(asked)!r} with, {_signal(short)!r} without"
            )


def check_no_look_ahead(trial: Trial) -> None:
    """A run that ends at a random bar has said of every bar what the whole run says of it."""
    expected = trial.whole
    for cut in trial.cut_points:
        check = f"no look-ahead (cut after bar {cut - 1}, seed {trial.seed})"
        _compare(check, trial.bars[:cut], expected[:cut], said(trial.runner(), trial.bars[:cut], check))


def check_state_survives(trial: Trial) -> None:
    """What is saved at a random bar and loaded into a new strategy goes on as if nothing had happened."""
    expected, undisturbed = trial.whole, trial.runner()
    said(undisturbed, trial.bars, "run")
    for cut in trial.cut_points:
        check = f"state survives (saved after bar {cut - 1}, seed {trial.seed})"
        before, after = trial.runner(), trial.runner()
        said(before, trial.bars[:cut], check)
        after.load(_through_json(before, check))
        rest = said(after, trial.bars[cut:], check, first=cut)
        _compare(check, trial.bars[cut:], expected[cut:], rest, first=cut)
        if after.save() != undisturbed.save():
            raise CheckFailed(f"{check}: in the end the state is not the one of a run without a restart")


def _through_json(runner: Runner, check: str) -> Mapping[str, Any]:
    try:
        text = json.dumps(runner.save(), allow_nan=False)
    except Exception as error:
        raise CheckFailed(f"{check}: what it saves is not for JSON: {error}") from error
    content: Mapping[str, Any] = json.loads(text)
    return content


def check_warm_up(trial: Trial) -> None:
    """The warm-up is stated, and no signal comes before it is over."""
    bars = warm_up_bars(trial.strategy, trial.parameters)
    for number, verdict in enumerate(trial.whole[: max(0, bars - 1)]):
        if verdict.action is not None:
            found = f"{_at(number, trial.bars[number])} has a signal ({verdict.action}: {verdict.reason})"
            raise CheckFailed(f"warm-up: {found}, but the warm-up is said to take {bars} bars")


def warm_up_bars(strategy: type[Any], parameters: Mapping[str, Any]) -> int:
    """What the strategy says of itself; 0 for a form that says nothing."""
    try:
        if issubclass(strategy, Strategy):
            return strategy.warmup_bars(strategy.parameters(parameters))
        if issubclass(strategy, PythonStrategy):
            return plain_strategy(strategy, parameters).warmup_bars()
    except NotImplementedError:
        raise CheckFailed(f"warm-up: {strategy.__name__} does not define warmup_bars") from None
    return 0


def check_signals(trial: Trial) -> None:
    """There are signals: a strategy that says nothing passes every other check."""
    found = sum(verdict.action is not None for verdict in trial.whole)
    if found < trial.signals_min:
        raise CheckFailed(
            f"signals: {found} on {len(trial.bars)} bars, expected at least {trial.signals_min}; "
            "give it other bars or parameters"
        )


CHECKS: Mapping[str, Callable[[Trial], None]] = {
    "parameters": check_parameters,
    "signals": check_signals,
    "same in, same out": check_same_in_same_out,
    "no look-ahead": check_no_look_ahead,
    "state survives": check_state_survives,
    "warm-up": check_warm_up,
}


class StrategyConformance:
    """Inherit from it and say which strategy: pytest then runs one test per check."""

    strategy: ClassVar[type[Any] | str]
    parameters: ClassVar[Mapping[str, Any]] = {}
    bars: ClassVar[Sequence[BarClosed] | None] = None
    seed: ClassVar[int | None] = None
    signals_min: ClassVar[int] = 1

    def _trial(self) -> Trial:
        return trial_of(self.strategy, self.parameters, bars=self.bars, seed=self.seed, signals_min=self.signals_min)

    def test_parameters_are_typed_and_bounded(self) -> None:
        check_parameters(self._trial())

    def test_there_are_signals(self) -> None:
        check_signals(self._trial())

    def test_same_in_same_out(self) -> None:
        check_same_in_same_out(self._trial())

    def test_it_does_not_look_ahead(self) -> None:
        check_no_look_ahead(self._trial())

    def test_its_state_survives_a_restart(self) -> None:
        check_state_survives(self._trial())

    def test_its_warm_up_is_true(self) -> None:
        check_warm_up(self._trial())


def _compare(
    check: str, bars: Sequence[BarClosed], expected: Sequence[Verdict], found: Sequence[Verdict], *, first: int = 0
) -> None:
    for number, (bar, one, other) in enumerate(zip(bars, expected, found, strict=True), first):
        if one != other and repr(one) != repr(other):  # NaN is equal to NaN here
            raise CheckFailed(f"{check}: {_at(number, bar)}: {difference(one, other)}")


def difference(expected: Verdict, found: Verdict) -> str:
    """What two verdicts differ in."""
    if _signal(expected) != _signal(found):
        return f"expected {_signal(expected)!r}, found {_signal(found)!r}"
    before, now = dict(expected.values), dict(found.values)
    names = [name for name in sorted({*before, *now}) if repr(before.get(name)) != repr(now.get(name))]
    if names:
        return ", ".join(f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in names)
    return f"the reason was {expected.reason!r} and is {found.reason!r}"


def _signal(verdict: Verdict) -> tuple[Any, ...]:
    if verdict.action is None:
        return ()
    return (verdict.action.value, verdict.strength, verdict.reason, verdict.wish)


def _at(number: int, bar: BarClosed) -> str:
    return f"bar {number} (closed at {bar.ts_ns} ns)"

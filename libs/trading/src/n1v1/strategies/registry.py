"""Finding strategies by name.

Strategies are installed through the entry-point group `n1v1.strategies`; the built-in ones use the same door. A
strategy has two names: its key (`ema_cross`) and its class (`EMACrossStrategy`). A file given as
`path/to/file.py` or `path/to/file.py:ClassName` needs no installation.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from n1v1.errors import InvalidValue, StrategyError, UnknownName, nearest
from n1v1.ids import digest
from n1v1.strategies.aggregate import higher_ns
from n1v1.strategies.base import CompiledRunner, Runner, Strategy
from n1v1.strategies.plain import PythonRunner, PythonStrategy, plain_strategy
from n1v1.values import Instrument

GROUP = "n1v1.strategies"
_FORMS = (Strategy, PythonStrategy)


def snake_name(class_name: str) -> str:
    """The key of a class name: EMACrossStrategy is ema_cross, MyBreakoutStrategy my_breakout."""
    stem = class_name.removesuffix("Strategy") or class_name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", stem).lower()


def find(name: str) -> type[Any]:
    """The strategy class of a key, a class name or a file.

    Raises UnknownName with the nearest name, StrategyError when a file cannot be loaded, or InvalidValue when it does
    not hold exactly one strategy.
    """
    if name.partition(":")[0].endswith(".py"):
        return _from_file(name)
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    key = name if name in installed else snake_name(name)
    if key not in installed:
        raise UnknownName(f"no strategy is called {name!r}{nearest(key, installed)}")
    found: type[Any] = installed[key].load()
    return found


def key_of(strategy: type[Any]) -> str:
    return str(getattr(strategy, "key", snake_name(strategy.__name__)))


def runner(name: str, parameters: Mapping[str, Any], instrument: Instrument, timeframe: str | None = None) -> Runner:
    """The strategy called `name`, at work on one symbol.

    timeframe: of the bars that it will hear. Where it is known, a strategy that wants to see a higher timeframe which
    cannot be made of these bars is refused.
    Raises UnknownName, StrategyError or InvalidValue; each says what was expected, what came and where.
    """
    return runner_of(find(name), parameters, instrument, timeframe)


def runner_of(
    strategy: type[Any], parameters: Mapping[str, Any], instrument: Instrument, timeframe: str | None = None
) -> Runner:
    """As `runner`, of a class that is at hand."""
    for higher in getattr(strategy, "timeframes", ()):
        higher_ns(higher, timeframe)
    if issubclass(strategy, Strategy):
        return CompiledRunner(strategy, strategy.parameters(parameters), instrument)
    if issubclass(strategy, PythonStrategy):
        return PythonRunner(plain_strategy(strategy, parameters), instrument, timeframe)
    from n1v1.strategies.classic import ClassicRunner, classic_strategy  # pandas, only where it is needed

    classic = classic_strategy(strategy, parameters, symbol=instrument.symbol, timeframe=timeframe)
    return ClassicRunner(classic, instrument, timeframe)


def _from_file(name: str) -> type[Any]:
    path_text, _, class_name = name.partition(":")
    path = Path(path_text)
    if not path.is_file():
        raise UnknownName(f"there is no strategy file {path}")
    module = _loaded(path)
    defined_here = [kind for kind in vars(module).values() if getattr(kind, "__module__", "") == module.__name__]
    candidates = {kind.__name__: kind for kind in defined_here if _is_strategy(kind)}
    return _the_one(candidates, path=path, class_name=class_name)


def _loaded(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        f"n1v1_strategy_{path.stem}_{digest(str(path.resolve()))}", path
    )
    if specification is None or specification.loader is None:
        raise StrategyError(f"{path} cannot be imported as a Python module")
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # dataclasses look their module up while they are being defined
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # whatever a user's file raises while loading is the answer to give
        del sys.modules[module.__name__]
        raise StrategyError(f"{path} failed while it was loaded: {type(error).__name__}: {error}") from error
    return module


def _is_strategy(kind: Any) -> bool:
    return isinstance(kind, type) and (issubclass(kind, _FORMS) or hasattr(kind, "generate_signals"))


def _the_one(candidates: Mapping[str, type[Any]], *, path: Path, class_name: str) -> type[Any]:
    if class_name:
        if class_name not in candidates:
            raise UnknownName(f"{path} has no strategy {class_name!r}{nearest(class_name, candidates)}")
        return candidates[class_name]
    if len(candidates) != 1:
        found = ", ".join(sorted(candidates)) or "none"
        raise InvalidValue(f"expected exactly one strategy in {path}, found {found}; name one as {path}:ClassName")
    return next(iter(candidates.values()))

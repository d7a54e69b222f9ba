"""The configuration of a classic strategy, which the original framework had in two shapes: an object and a dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from n1v1.errors import InvalidValue

DEFAULT_HISTORY_BARS = 250
OWN_KEYS = ("name", "symbols", "timeframe", "required_history", "enabled", "params")


@dataclass
class StrategyConfig:
    """required_history: bars that a strategy wants to see. Raises InvalidValue, a ValueError, when one is missing."""

    name: str
    symbols: list[str]
    timeframe: str
    required_history: int
    enabled: bool = True
    params: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for field in ("name", "symbols", "timeframe", "required_history"):
            if not getattr(self, field):
                raise InvalidValue(f"StrategyConfig: missing {field}")


class RunConfig(dict[str, Any]):
    """Both shapes at once: `config.get('period')`, `config['params']`, `config.params` and `config.name` all answer.

    Parameters may be written flat or under `params`; either way they are found in both places.
    """

    def __init__(self, given: Mapping[str, Any], *, name: str, symbols: Sequence[str], timeframe: str) -> None:
        flat = {key: value for key, value in given.items() if key != "params"} | dict(given.get("params") or {})
        super().__init__(flat)
        self.params = {key: value for key, value in flat.items() if key not in OWN_KEYS}
        self["params"] = dict(self.params)
        self.name = str(flat.get("name", name))
        self.symbols = list(flat.get("symbols", symbols))
        self.timeframe = str(flat.get("timeframe", timeframe))
        self.enabled = bool(flat.get("enabled", True))
        self.required_history = int(flat.get("required_history", 0))
        """0: not said."""


def parameters_of(config: Any) -> dict[str, Any]:
    """The parameters in a StrategyConfig, a RunConfig or a plain dict, flat or under `params`."""
    if isinstance(config, Mapping):
        flat = {key: value for key, value in config.items() if key not in OWN_KEYS}
        return flat | dict(config.get("params") or {})
    return dict(getattr(config, "params", None) or {})


def setting_of(config: Any, name: str, default: Any) -> Any:
    """An own key of a configuration in any shape."""
    if isinstance(config, Mapping):
        return config.get(name, getattr(config, name, default))
    return getattr(config, name, default)

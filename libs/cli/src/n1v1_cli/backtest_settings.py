"""The options of `n1v1 backtest` as the settings they stand for: KEY=VALUE, as --set takes them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from n1v1_cli.errors import WrongOption

# Options that are one setting each, by the name of the option.
SETTING_OF = {
    "data": "market.dataset",
    "symbols": "market.symbols",
    "timeframe": "market.timeframe",
    "start": "market.start",
    "end": "market.end",
    "cash": "account.initial_balance",
    "fee": "trading.trade_fee",
    "slippage": "trading.slippage",
}


def overrides_of(args: argparse.Namespace) -> list[str]:
    """Raises WrongOption, or UnknownName for a strategy that does not exist."""
    simple = [
        f"{setting}={value}" for option, setting in SETTING_OF.items() if (value := getattr(args, option)) is not None
    ]
    return [*simple, *_strategies(args.strategy), *_parameters(args.strategy, args.params)]


def _strategies(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    files = [name for name in names if is_file(name)]
    installed = [name for name in names if not is_file(name)]
    return [f"strategies.active_strategies={json.dumps(installed)}", f"strategies.files={json.dumps(files)}"]


def is_file(name: str) -> bool:
    """file.py or file.py:Class."""
    return name.partition(":")[0].endswith(".py")


def _parameters(strategies: Sequence[str], given: Sequence[str]) -> list[str]:
    if not given:
        return []
    if not strategies:
        raise WrongOption("--params belongs to a --strategy, and none is named")
    from n1v1.strategies import registry

    keys = [registry.key_of(registry.find(name)) for name in strategies]
    merged: dict[str, dict[str, Any]] = {}
    for text in given:
        for name, value in parameters_in(text).items():
            key, parameter = _belongs_to(name, keys)
            if isinstance(value, Mapping) and name in keys:
                merged.setdefault(name, {}).update(value)
            else:
                merged.setdefault(key, {})[parameter] = value
    return [f"strategies.strategy_config={json.dumps(merged)}"]


def parameters_in(text: str) -> dict[str, Any]:
    """A JSON object, or pairs as in fast_ema=5,slow_ema=20. Raises WrongOption."""
    if text.lstrip().startswith("{"):
        try:
            found: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError as error:
            raise WrongOption(f'--params: expected JSON such as {{"fast_ema": 5}}, got {text!r} ({error})') from None
        return found
    pairs = [pair.partition("=") for pair in text.split(",")]
    if wrong := next((name for name, equals, _ in pairs if not equals or not name.strip()), None):
        raise WrongOption(f"--params: expected NAME=VALUE, as in fast_ema=5; got {wrong!r}")
    return {name.strip(): _value(value.strip()) for name, _, value in pairs}


def _belongs_to(name: str, keys: Sequence[str]) -> tuple[str, str]:
    """(strategy, parameter). Raises WrongOption when it is not clear whose parameter it is."""
    strategy, dot, parameter = name.partition(".")
    if dot and strategy in keys:
        return strategy, parameter
    if len(keys) == 1 or name in keys:
        return keys[0], name
    raise WrongOption(f"--params: {name!r} of which strategy? Write it as in {keys[0]}.{name}=...")


def _value(text: str) -> Any:
    """Numbers, true, false and null as JSON has them; everything else is text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text

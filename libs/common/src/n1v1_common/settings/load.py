"""Loads the settings from every source, checks them, and remembers where each value came from.

pydantic checks the tree. The sources are our own rather than those of pydantic-settings, because those drop
an unknown environment variable silently and cannot say on which line of which file a value stands or what it
overrode.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.layers import Assignment, Layer, layers_of
from n1v1_common.settings.meanings import meaning_of
from n1v1_common.settings.model import KEYLESS, Settings
from n1v1_common.settings.problems import problems_of, unknown_key
from n1v1_common.settings.tree import Key, dotted, fields, is_secret, sections

BUILT_IN = "built-in default"
HIDDEN = "(secret, not shown)"

CHOSEN_FOR_LIVE: tuple[Key, ...] = (
    ("exchange", "name"),
    ("exchange", "testnet"),
    ("market", "symbols"),
    ("strategies", "active_strategies"),
    ("risk_management", "max_position_size"),
    ("risk_management", "max_drawdown"),
    ("risk_management", "max_daily_drawdown"),
    ("risk_management", "position_fraction"),
    ("risk_management", "require_stop_loss"),
)
"""What can lose money has a default for paper only; in live mode somebody must have written it down."""

WHERE_NOT_WHAT = ("paths", "services")
"""Sections that say where things run, and so are no part of the hash."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting came from."""

    key: str
    value: object
    """The value in force; secrets are replaced by HIDDEN."""
    source: str
    overrode: tuple[Assignment, ...]
    """What it was given before, strongest first; ends with the default."""

    @property
    def meaning(self) -> str:
        """What the setting is for, on one line."""
        key = tuple(self.key.split("."))
        return meaning_of(key) if key in fields() else "A strategy's own parameter."


@dataclass(frozen=True, slots=True)
class Loaded:
    settings: Settings
    layers: tuple[Layer, ...]
    """Weakest first, without the defaults."""

    @property
    def hash(self) -> str:
        """SHA-256 of the settings, without secrets and without where on this machine things run.

        The same settings from other files, or in another state folder, have the same hash.
        """
        tree = plain(self.settings)
        for section in WHERE_NOT_WHAT:
            del tree[section]
        canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def origin_of(self, name: str) -> Origin:
        """What a setting is, where from, and what that overrode; a strategy's parameter may be asked for too.

        Raises:
            ConfigError: there is no such setting; says the nearest one.
        """
        key = tuple(name.split("."))
        field = fields().get(key)
        free_form = key[:2] == ("strategies", "strategy_config")
        if field is None and not free_form:
            raise ConfigError([_no_such_setting(key)])
        given = [layer[k] for layer in reversed(self.layers) for k in sorted(layer) if k[: len(key)] == key]
        default = (
            [] if field is None else [Assignment(_shown(key, field.get_default(call_default_factory=True)), BUILT_IN)]
        )
        history = [Assignment(_shown(key, each.value), each.source) for each in given] + default
        if not history:
            raise ConfigError([f"{name}: no source sets this parameter"])
        value = _shown(key, _at(self.settings, key)) if field is not None else history[0].value
        return Origin(name, value, history[0].source, tuple(history[1:]))


def load(
    files: Sequence[Path], env: Mapping[str, str], overrides: Sequence[str], *, holds_venue_keys: bool = True
) -> Loaded:
    """Settings from the files in their order, then the environment, then `section.key=value` overrides.

    holds_venue_keys: whether live mode needs the venue's keys here.

    Raises:
        ConfigError: everything that is wrong, one sentence each, with the place where it was written.
    """
    layers = layers_of(files, env, overrides)
    given = {key: assignment for layer in layers for key, assignment in layer.items()}
    try:
        settings = Settings.model_validate(_merged(layers), context=None if holds_venue_keys else KEYLESS)
    except ValidationError as error:
        # Without the cause: pydantic's own text shows the input, which may be a secret.
        raise ConfigError(problems_of(error, given)) from None
    if settings.environment.mode == "live":
        _check_chosen_for_live(settings, given)
    return Loaded(settings, tuple(layers))


def _check_chosen_for_live(settings: Settings, given: Mapping[Key, Assignment]) -> None:
    problems = [
        f"{dotted(key)}: has no default in live mode, because a wrong one could lose money; set it"
        for key in CHOSEN_FOR_LIVE
        if key not in given
    ]
    if settings.exchange.name == "simulator":
        problems.append("exchange.name: the simulator cannot trade live; name a venue, as in binance")
    if problems:
        raise ConfigError(problems)


def _merged(layers: Iterable[Layer]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for layer in layers:
        for key, assignment in layer.items():
            node = tree
            for name in key[:-1]:
                below = node.get(name)
                if not isinstance(below, dict):
                    below = node[name] = {}
                node = below
            node[key[-1]] = assignment.value
    return tree


def _no_such_setting(key: Key) -> str:
    if key in sections():
        names = ", ".join(dotted(known) for known in fields() if known[: len(key)] == key)
        return f"{dotted(key)} is a section; its settings are {names}"
    return f"{dotted(key)}: {unknown_key(key)}"


def _at(settings: Settings, key: Key) -> object:
    node: object = settings
    for name in key:
        node = getattr(node, name)
    return node


def _shown(key: Key, value: object) -> object:
    return HIDDEN if value is not None and is_secret(key) else value


def plain(value: object) -> Any:
    """For hashing: JSON types only, no secrets, one writing for equal decimals."""
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(name): plain(below) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [plain(below) for below in value]
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, Path):
        return str(value)
    return value

"""The sources of settings, weakest first: layers of assignments that remember where they were made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.files import leaves, read_file
from n1v1_common.settings.spellings import NO_MEANING_YET, SPELLINGS
from n1v1_common.settings.tree import Key, dotted, is_secret, sections

ENVIRONMENT_PREFIX = "N1V1__"
LEGACY_ENVIRONMENT_PREFIX = "CRYPTOBOT_"

PRECEDENCE = (
    "built-in default",
    "file (-c FILE, N1V1_CONFIG; a later file beats an earlier one)",
    "environment CRYPTOBOT_<SECTION>_<KEY>, as the original spells it",
    "environment N1V1__<SECTION>__<KEY>",
    "--set section.key=value",
)
"""From weakest to strongest."""


@dataclass(frozen=True, slots=True)
class Assignment:
    value: object
    source: str
    """Where, in words: `config.yaml:12`, `environment N1V1__MARKET__TIMEFRAME`, `--set`."""


Layer = Mapping[Key, Assignment]


def layers_of(files: Sequence[Path], env: Mapping[str, str], overrides: Sequence[str]) -> list[Layer]:
    """All layers that say anything, weakest first, in our own spelling.

    Raises:
        ConfigError: an unreadable file, a malformed --set, two spellings of one setting that contradict.
    """
    found = [_from_file(path) for path in files]
    found += [_from_legacy_environment(env), _from_environment(env), _from_overrides(overrides)]
    return [_in_our_spelling(layer) for layer in found if layer]


def _from_file(path: Path) -> Layer:
    tree, lines = read_file(path)
    layer = {}
    for key, value in leaves(tree, path):
        line = lines.get(key)
        # YAML and TOML have a type for dates; the settings write them as text.
        plain = value.isoformat() if isinstance(value, date) else value
        layer[key] = Assignment(plain, f"{path}:{line}" if line else str(path))
    return layer


def _from_environment(env: Mapping[str, str]) -> Layer:
    """N1V1__MARKET__TIMEFRAME=1h. An empty value counts as not set, as compose files pass what is missing."""
    for variable, _text in _set_variables(env, "N1V1_"):
        if "__" in variable and not variable.startswith(ENVIRONMENT_PREFIX):
            meant = ENVIRONMENT_PREFIX + variable.removeprefix("N1V1_")
            raise ConfigError([f"environment {variable}: settings begin with two underscores: {meant}"])
    layer = {}
    for variable, text in _set_variables(env, ENVIRONMENT_PREFIX):
        key = tuple(variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
        layer[key] = Assignment(_value_of(key, text), f"environment {variable}")
    return layer


def _from_legacy_environment(env: Mapping[str, str]) -> Layer:
    """CRYPTOBOT_EXCHANGE_API_KEY: one underscore, so the section is the longest known one that fits."""
    known = {key[0] for key in (*sections(), *SPELLINGS, *NO_MEANING_YET)}
    layer: dict[Key, Assignment] = {}
    for variable, text in _set_variables(env, LEGACY_ENVIRONMENT_PREFIX):
        name = variable.removeprefix(LEGACY_ENVIRONMENT_PREFIX).lower()
        fitting = [section for section in known if name.startswith(f"{section}_")]
        section = max(fitting, key=len, default="")
        key: Key = (section, name.removeprefix(f"{section}_")) if section else (name,)
        layer[key] = Assignment(_value_of(key, text), f"environment {variable}")
    return layer


def _set_variables(env: Mapping[str, str], prefix: str) -> Iterable[tuple[str, str]]:
    return sorted((name, text) for name, text in env.items() if name.startswith(prefix) and text)


def _from_overrides(overrides: Sequence[str]) -> Layer:
    layer = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        key = tuple(name.strip().split("."))
        if not equals or not all(key):
            shown = name if equals else override
            raise ConfigError([f"--set {shown}: expected section.key=value, as in --set market.timeframe=1h"])
        layer[key] = Assignment(_value_of(key, text) if text else None, "--set")
    return layer


_FREE_FORM = ("strategies", "strategy_config")


def _value_of(key: Key, text: str) -> object:
    """Text from the environment or the command line as a value. Most stays text: the tree knows its types.

    Lists and sections are written as JSON; brackets without quotes are understood for lists of names.
    Parameters of strategies have no declared type here, so there a number is recognised by its looks.
    """
    if is_secret(key):
        return text
    if text.startswith(("[", "{")):
        try:
            parsed: object = json.loads(text)
        except json.JSONDecodeError:
            return re.sub(r"^\[|\]$", "", text)
        return parsed
    if key[: len(_FREE_FORM)] == _FREE_FORM:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def _in_our_spelling(layer: Layer) -> Layer:
    ours: dict[Key, Assignment] = {}
    for key, assignment in layer.items():
        spelling = SPELLINGS.get(key)
        if spelling is not None:
            key = spelling.means
            source = f"{assignment.source} (as {dotted(spelling.name)})"
            assignment = Assignment(spelling.convert(assignment.value), source)
        twin = ours.get(key)
        if twin is not None and twin.value != assignment.value:
            places = f"{twin.source} says {twin.value}, {assignment.source} says {assignment.value}"
            raise ConfigError([f"{dotted(key)} is given twice, in two spellings: {places}"])
        ours[key] = assignment
    return ours

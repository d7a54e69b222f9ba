"""How a service gets its settings: a private file from the supervisor, or its own files and environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr, ValidationError

from n1v1_common.access.table import ACCESS
from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.load import Loaded, load
from n1v1_common.settings.model import KEYLESS, Settings
from n1v1_common.settings.problems import problems_of

SETTINGS_VARIABLE = "N1V1_SETTINGS"
"""Names the file that dump_for_service wrote. When it is set, nothing else is read."""
CONFIG_VARIABLE = "N1V1_CONFIG"
"""Settings files, separated like PATH, for a service that runs without the supervisor."""


def dump_for_service(loaded: Loaded, path: Path, changes: Mapping[str, object] | None = None) -> Settings:
    """Writes the settings, secrets included, to a file that only this user can read, all of it or nothing.

    changes: what differs for this one process, dotted: {"signals.worker_index": 2}; checked like the rest.
    Returns the settings as the service will see them.
    """
    tree = loaded.settings.model_dump(mode="python")
    for name, value in (changes or {}).items():
        *above, last = name.split(".")
        node = tree
        for section in above:
            node = node[section]
        node[last] = value
    settings = _validated(tree)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(settings.model_dump(mode="python"), file, default=_revealed)
    temporary.replace(path)
    return settings


def load_service_settings(env: Mapping[str, str], *, service: str = "") -> Settings:
    """The settings of this process.

    service: whose. One that is not to have the venue's keys does not need them in live mode.

    Raises:
        ConfigError: the file is missing or damaged, or the settings are wrong.
    """
    if dumped := env.get(SETTINGS_VARIABLE):
        return _read_dumped(Path(dumped))
    files = [Path(name) for name in env.get(CONFIG_VARIABLE, "").split(os.pathsep) if name]
    holds_venue_keys = service not in ACCESS or ACCESS[service].holds_venue_keys
    return load(files, env, (), holds_venue_keys=holds_venue_keys).settings


def _read_dumped(path: Path) -> Settings:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{SETTINGS_VARIABLE}={path}: cannot be read: {error.strerror}"]) from error
    except json.JSONDecodeError as error:
        raise ConfigError([f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}"]) from None
    return _validated(tree)


def _validated(tree: object) -> Settings:
    try:
        return Settings.model_validate(tree, context=KEYLESS)
    except ValidationError as error:
        raise ConfigError(problems_of(error, {})) from None


def _revealed(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Decimal | Path):
        return str(value)
    raise TypeError(f"settings hold no {type(value).__name__}")

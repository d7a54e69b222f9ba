"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from n1v1_common.settings.load import Loaded


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        type=Path,
        help="settings file (JSON, YAML or TOML); may be given several times, a later one beats an earlier one",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="one setting, as in --set market.timeframe=1d; beats files and environment",
    )


def settings_files(given: Sequence[Path], env: Mapping[str, str]) -> list[Path]:
    """The files of N1V1_CONFIG (separated as in PATH), then those given with -c."""
    named = [Path(name) for name in env.get("N1V1_CONFIG", "").split(os.pathsep) if name]
    return [*named, *given]


def load_settings(args: argparse.Namespace, defaults: Sequence[str] = ()) -> Loaded:
    """The settings that a command's options lead to.

    defaults: KEY=VALUE of the command itself; anything that a user has written beats them.

    Raises:
        ConfigError: everything that is wrong, one sentence each.
    """
    from n1v1_common.settings.load import BUILT_IN, load

    files = settings_files(args.config, os.environ)
    loaded = load(files, os.environ, args.overrides)
    unset = [default for default in defaults if loaded.origin_of(default.partition("=")[0]).source == BUILT_IN]
    return load(files, os.environ, [*unset, *args.overrides]) if unset else loaded


def state_dir_of(loaded: Loaded) -> Path:
    """N1V1_STATE_DIR beats the setting paths.state_dir, so that commands without settings find the same folder."""
    from n1v1_cli.stack.folder import STATE_DIR_VARIABLE, default_state_dir

    if STATE_DIR_VARIABLE in os.environ:
        return default_state_dir()
    return loaded.settings.paths.state_dir.absolute()

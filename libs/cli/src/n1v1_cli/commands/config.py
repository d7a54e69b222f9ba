"""n1v1 config: checks settings, shows them, explains where a value comes from, and which an account is locked to."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from n1v1_cli.options import add_settings_options, load_settings
from n1v1_common.user_name import user_name

if TYPE_CHECKING:
    from n1v1_common.settings.load import Loaded, Origin


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "config",
        help="check settings, explain where a value comes from",
        description="Exit code 0 when the settings are right, 2 when they are not.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    explain = actions.add_parser("explain", help="the value of one setting, where from, and what that overrode")
    explain.add_argument("key", metavar="KEY", help="as in risk_management.max_drawdown")
    check = actions.add_parser("check", help="whether the settings are right")
    show = actions.add_parser("show", help="every setting with its value and its source; secrets are hidden")
    lock = actions.add_parser(
        "lock",
        help="the settings that an account is locked to, and whether these are the same; with --reason: lock these",
        description="Exit code 0 when they are the same, 3 when they are not. With --reason every running service that "
        "has others ends, and stays away until it has these.",
    )
    lock.add_argument("--reason", help="lock these settings, and why")
    lock.add_argument("--actor", default=user_name(), help="who locks them; default: your user name")
    for action in (explain, check, show, lock):
        add_settings_options(action)


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError when the settings are wrong or there is no such key; of lock: see locking."""
    if args.action == "lock":
        from n1v1_cli import locking

        return locking.run(args)
    loaded = load_settings(args)
    if args.action == "explain":
        print(explanation(loaded.origin_of(args.key)))
    elif args.action == "show":
        print(listing(loaded))
    else:
        print(f"settings are right: {loaded.settings.environment.mode} mode, hash {loaded.hash}")
    return 0


def explanation(origin: Origin) -> str:
    from n1v1_common.settings.layers import PRECEDENCE

    places = [(written(place.value), place.source) for place in origin.overrode]
    places.insert(0, (written(origin.value), origin.source))
    width = max(len(value) for value, _source in places)
    history = [f"{value:<{width}}  {source}" for value, source in places]
    return "\n".join(
        [
            f"{origin.key} = {written(origin.value)}",
            f"  {origin.meaning}",
            "",
            f"  from      {history[0]}",
            *(f"  overrode  {line}" for line in history[1:]),
            "",
            "  sources, from weakest to strongest:",
            *(f"    {number}. {source}" for number, source in enumerate(PRECEDENCE, start=1)),
        ]
    )


def listing(loaded: Loaded) -> str:
    from n1v1_common.settings.tree import dotted, fields

    origins = [loaded.origin_of(dotted(key)) for key in fields()]
    settings = [f"{origin.key} = {written(origin.value)}" for origin in origins]
    width = min(max(map(len, settings)), 64)
    return "\n".join(f"{line:<{width}}  {origin.source}" for line, origin in zip(settings, origins, strict=True))


def written(value: object) -> str:
    """A value as one would write it in a file."""
    if value is None:
        return "(empty)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "(none)"
    return str(value)

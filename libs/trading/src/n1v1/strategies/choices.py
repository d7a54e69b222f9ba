"""Parameters that name one of a few ways. A kernel sees a number; whoever writes a configuration may use the name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n1v1.errors import InvalidValue, nearest

Choices = Mapping[str, Mapping[str, int]]
"""By parameter: the code of every name."""


def with_codes(key: str, given: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """`given` with every name of a choice replaced by its code; codes and other parameters stay as they are.

    key: of the strategy, for the message. Raises InvalidValue for a name that is none of the choices.
    """
    return {name: _code(key, name, value, choices.get(name, {})) for name, value in given.items()}


def _code(key: str, name: str, value: Any, codes: Mapping[str, int]) -> Any:
    if not codes or not isinstance(value, str) or value.isdecimal():
        return value
    if value not in codes:
        raise InvalidValue(f"{key}.{name}: expected {' or '.join(codes)}, got {value!r}{nearest(value, codes)}")
    return codes[value]

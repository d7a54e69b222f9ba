"""The settings tree as a table of dotted keys: which exist, which are secret, which is nearest."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from n1v1_common.settings.model import Settings

Key = tuple[str, ...]
"""Path of a setting: ("market", "symbols") is `market.symbols`."""

_LOOKS_SECRET = re.compile(r"key|secret|passw|token|passphrase|dsn", re.IGNORECASE)


def dotted(key: Iterable[object]) -> str:
    return ".".join(str(part) for part in key)


def _fields(model: type[BaseModel], above: Key) -> Iterator[tuple[Key, FieldInfo]]:
    for name, field in model.model_fields.items():
        here = (*above, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, here)
        else:
            yield here, field


@cache
def fields() -> dict[Key, FieldInfo]:
    """Every setting that holds a value, in the order of the tree."""
    return dict(_fields(Settings, ()))


@cache
def sections() -> frozenset[Key]:
    return frozenset(key[:depth] for key in fields() for depth in range(1, len(key)))


def is_secret(key: Key) -> bool:
    """Whether the value must not be shown. An unknown key counts as secret when its name sounds so."""
    field = fields().get(key)
    if field is None:
        return any(_LOOKS_SECRET.search(part) for part in key)
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def nearest(key: Key, spellings: Iterable[Key] = ()) -> str | None:
    """The existing key (or other accepted spelling) that was most likely meant; None when none is close.

    A misspelt name in the right section comes first, then the right name in the wrong section.
    """
    *above, name = key
    known = [*fields(), *sections(), *spellings]
    siblings = {known_key[-1]: known_key for known_key in known if known_key[:-1] == tuple(above)}
    if close := difflib.get_close_matches(name, siblings, n=1):
        return dotted(siblings[close[0]])
    elsewhere = {known_key[-1]: known_key for known_key in reversed(known)}
    if close := difflib.get_close_matches(name, elsewhere, n=1, cutoff=0.8):
        return dotted(elsewhere[close[0]])
    whole = {dotted(known_key): known_key for known_key in known}
    if close := difflib.get_close_matches(dotted(key), whole, n=1, cutoff=0.75):
        return close[0]
    return None

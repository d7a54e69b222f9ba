"""Turns pydantic's complaints into sentences: where it was written, what was expected, what was found."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from n1v1_common.settings.layers import Assignment
from n1v1_common.settings.spellings import SPELLINGS, refusal
from n1v1_common.settings.tree import Key, dotted, is_secret, nearest

_EXPECTED_KIND = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "finite_number": "a finite number",
    "string": "text",
    "tuple": "a list",
    "dict": "a section with keys",
    "model": "a section with keys",
    "path": "a path",
}


def problems_of(error: ValidationError, given: Mapping[Key, Assignment]) -> list[str]:
    """One sentence for each complaint. given: the assignment in force for each key, for its place."""
    problems = []
    for complaint in error.errors(include_url=False):
        key: Key = tuple(str(part) for part in complaint["loc"])
        if complaint["type"] == "extra_forbidden":
            problems += [f"{_where(each, given)}{dotted(each)}: {unknown_key(each)}" for each in _unknown(key, given)]
        else:
            problems.append(_problem(key, dict(complaint), given))
    return problems


def unknown_key(key: Key) -> str:
    if why := refusal(key):
        return why
    near = nearest(key, SPELLINGS)
    return f"there is no such setting; did you mean {near}?" if near else "there is no such setting"


def _unknown(key: Key, given: Mapping[Key, Assignment]) -> list[Key]:
    """The keys to complain about: an unknown section as a whole, or its keys where only those say more."""
    below = [each for each in given if each[: len(key)] == key]
    return below if below and not refusal(key) and not nearest(key, SPELLINGS) else [key]


def _problem(key: Key, complaint: Mapping[str, Any], given: Mapping[Key, Assignment]) -> str:
    about = f"{_where(key, given)}{dotted(key)}: " if key else ""
    if complaint["type"] == "value_error":
        return f"{about}{complaint['ctx']['error']}{_but_found(key, complaint['input'])}"
    return f"{about}expected {_expected(complaint)}, found {_found(key, complaint['input'])}"


def _where(key: Key, given: Mapping[Key, Assignment]) -> str:
    place = _place(key, given)
    return f"{place}: " if place else ""


def _place(key: Key, given: Mapping[Key, Assignment]) -> str | None:
    """Where the setting, the one that contains it, or the first one below it was written."""
    for depth in range(len(key), 0, -1):
        if assignment := given.get(key[:depth]):
            return assignment.source
    below = [assignment for known, assignment in given.items() if key and known[: len(key)] == key]
    return below[0].source if below else None


def _expected(complaint: Mapping[str, Any]) -> str:
    kind, context = complaint["type"], complaint.get("ctx", {})
    bounds = {
        "greater_than": "a number above {gt}",
        "greater_than_equal": "a number of at least {ge}",
        "less_than": "a number below {lt}",
        "less_than_equal": "a number of at most {le}",
        "literal_error": "one of {expected}",
        "string_pattern_mismatch": "text of the form {pattern}",
    }
    if template := bounds.get(kind):
        return template.format(**context)
    for prefix, words in _EXPECTED_KIND.items():
        if kind.startswith(prefix):
            return words
    return str(complaint["msg"])


def _but_found(key: Key, value: object) -> str:
    """What was found, for rules about one value; a rule about a whole section names its values itself."""
    return f"; found {_found(key, value)}" if isinstance(value, str | int | float) else ""


def _found(key: Key, value: object) -> str:
    if value is None:
        return "nothing"
    if is_secret(key):
        return "a value that is not shown"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value!r}"
    return "a section with keys" if isinstance(value, dict) else f"a {type(value).__name__}"

"""What a plain strategy keeps on `self`, as JSON and back.

Numbers, texts, None, lists, tuples, dicts, sets, deques, arrays of numbers, bars and indicators can be kept, in one
another as well. JSON knows fewer kinds, so every other one is an object {"<kind>": content}.
"""

from __future__ import annotations

import base64
import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from n1v1.errors import InvalidValue
from n1v1.strategies.bar import Bar
from n1v1.strategies.streaming import Indicator, indicator_from

INT64 = range(-(2**63), 2**63)


def saved(value: Any, path: str) -> Any:
    """`value` for JSON. path: where it was found ('Breakout.self.highs'), for the message.

    Raises InvalidValue when it is of a kind that cannot be saved.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value) if value in INT64 else {"int": str(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Indicator):
        return {"indicator": value.save()}
    return _saved_collection(value, path)


def _saved_collection(value: Any, path: str) -> Any:
    if isinstance(value, Bar):
        return {"bar": list(value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": [value.dtype.str, list(value.shape), content]}
    if type(value) is deque:
        return {"deque": [value.maxlen, _items(value, path)]}
    if type(value) is set:
        return {"set": _items(sorted(value), path)}
    if isinstance(value, dict):
        return {"dict": [[saved(key, path), saved(held, f"{path}[{key!r}]")] for key, held in value.items()]}
    if type(value) in (list, tuple):
        return _items(value, path) if type(value) is list else {"tuple": _items(value, path)}
    raise InvalidValue(
        f"{path} cannot be saved: it is of type {type(value).__name__}. Keep numbers, texts, lists, dicts, deques, "
        "arrays, bars and indicators, or define save() and load(saved)"
    )


def _items(values: Any, path: str) -> list[Any]:
    return [saved(value, f"{path}[{number}]") for number, value in enumerate(values)]


def restored(value: Any) -> Any:
    """The reverse of `saved`."""
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    ((kind, content),) = value.items()
    return _RESTORE[kind](content)


def _array(content: Any) -> Any:
    dtype, shape, raw = content
    return np.frombuffer(base64.b64decode(raw), np.dtype(dtype)).reshape(shape).copy()


_RESTORE: Mapping[str, Any] = {
    "int": int,
    "float": float,
    "indicator": indicator_from,
    "bar": lambda content: Bar(*content),
    "array": _array,
    "deque": lambda content: deque(map(restored, content[1]), maxlen=content[0]),
    "set": lambda content: set(map(restored, content)),
    "dict": lambda content: {restored(key): restored(held) for key, held in content},
    "tuple": lambda content: tuple(map(restored, content)),
}

"""Compiled code is kept between processes, below a folder that is named by everything it was compiled from.

Numba's own cache looks at the file of the outermost function alone: a change in a kernel that it calls would go
unnoticed, and a backtest would go on with the old arithmetic. Here the name of the folder is a hash of every source
file that took part, so a change of any of them compiles anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

KEPT_FOR_S = 30 * 24 * 3_600


def keep_between_processes(
    dispatcher: Any, sources: Iterable[str], facts: Iterable[str], folder: Path, *, allocates: bool
) -> None:
    """Load the code of `dispatcher` from `folder` if it is there, and store it once it was compiled.

    sources: the files of every function that it is made of. facts: whatever else decides what it does. Without a
    writable folder it is compiled each time. allocates: whether the code needs numba's runtime, which makes arrays.
    """
    place = folder / "compiled" / _digest(sources, facts)
    try:
        if not place.exists():
            _forget_old(folder / "compiled")
        place.mkdir(parents=True, exist_ok=True)
        os.utime(place)
    except OSError:
        return
    dispatcher._cache = _cache_in(place, allocates)(dispatcher.py_func)


def is_kept(dispatcher: Any) -> bool:
    """Whether there is anything to load for it."""
    folder = getattr(dispatcher._cache, "cache_path", None)  # without a folder numba has a cache that does nothing
    return folder is not None and any(Path(folder).glob("*.nbi"))


def _forget_old(folder: Path) -> None:
    """Every change of the code leaves a folder behind; those that nobody has used for a month go."""
    limit = time.time() - KEPT_FOR_S
    for place in folder.iterdir() if folder.exists() else ():
        if place.stat().st_mtime < limit:
            shutil.rmtree(place, ignore_errors=True)


def _digest(sources: Iterable[str], facts: Iterable[str]) -> str:
    content = hashlib.sha256("\n".join(facts).encode())
    for path in sorted(set(sources)):
        content.update(Path(path).read_bytes())
        content.update(b"\0")
    return content.hexdigest()[:20]


def _cache_in(folder: Path, allocates: bool) -> type[FunctionCache]:
    class Locator(_CacheLocator):
        def __init__(self, py_func: Any, py_file: str) -> None:
            self._line = py_func.__code__.co_firstlineno

        def get_cache_path(self) -> str:
            return str(folder)

        def get_source_stamp(self) -> str:
            return folder.name

        def get_disambiguator(self) -> str:
            return str(self._line)

        @classmethod
        def from_function(cls, py_func: Any, py_file: str) -> Locator:
            return cls(py_func, py_file)

    class Implementation(CompileResultCacheImpl):
        _locator_classes = [Locator]  # noqa: RUF012  # as numba declares it

    class InFolder(FunctionCache):
        _impl_class = Implementation

    class WithoutRuntime(InFolder):
        def load_overload(self, sig: Any, target_context: Any) -> Any:
            """Numba would begin with its runtime and all that it can compile, which compiled code does not ask for."""
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]  # as numba has it

    return InFolder if allocates else WithoutRuntime

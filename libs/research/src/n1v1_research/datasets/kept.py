"""Bars of a file that was read and checked, kept in the cache folder as plain columns for the next process.

<cache folder>/bars/<key>      SHA-256 of the rest (32 bytes), then the columns of STORED, each as in memory (int64)

The key is a hash of the file's content, of what it was read as, and of the code that reads: whatever of them changes,
the file is read anew. It spares a backtest of 50,000 bars the import of pyarrow and the reading, a sixth of a second.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_research.cache_folder import cache_folder
from n1v1_research.datasets.columns import Bars

STORED = ("open_ns", "open", "high", "low", "close", "volume")
"""The columns that a file of bars has; a bar closes one timeframe after it opens."""

FEWEST = 4_096
"""Bars. The cache is not to fill with files that take no time."""

_DIGEST_BYTES = hashlib.sha256().digest_size


def kept_bars(path: Path, sha256: str, instrument: Instrument, timeframe: str, read: Callable[[], Bars]) -> Bars:
    """What `read` makes of the file, or has made of it in another process.

    sha256: of the file's content, in hex. Raises what `read` raises. Without a writable folder every process reads.
    """
    place = cache_folder() / "bars" / _key(sha256, instrument, timeframe)
    found = _found(place, timeframe)
    if found is not None:
        return found
    bars = read()
    if len(bars) >= FEWEST and sha256_of(path) == sha256:  # else the file was changed while it was read
        _keep(bars, place)
    return bars


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key(sha256: str, instrument: Instrument, timeframe: str) -> str:
    return hashlib.sha256(f"{sha256} {instrument!r} {timeframe} {_code()}".encode()).hexdigest()


@cache
def _code() -> str:
    """Of this package: a stricter check must see files again that an older one let pass."""
    content = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        content.update(source.read_bytes())
    return content.hexdigest()


def _found(place: Path, timeframe: str) -> Bars | None:
    """None where there is nothing, or nothing whole."""
    try:
        content = place.read_bytes()
    except OSError:
        return None
    columns = memoryview(content)[_DIGEST_BYTES:]
    if hashlib.sha256(columns).digest() != content[:_DIGEST_BYTES]:
        return None
    open_ns, *values = np.frombuffer(columns, dtype=np.int64).reshape(len(STORED), -1)
    return Bars(open_ns, open_ns + timeframe_ns(timeframe), *values)


def _keep(bars: Bars, place: Path) -> None:
    columns = b"".join(getattr(bars, name).tobytes() for name in STORED)
    with contextlib.suppress(OSError):  # a cache that cannot be written is a cache that is not there
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
            file.write(hashlib.sha256(columns).digest() + columns)
        Path(file.name).replace(place)

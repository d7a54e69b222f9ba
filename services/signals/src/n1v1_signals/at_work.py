"""Which strategy is at work, noted where the next life of this worker finds it.

A strategy that takes too long, takes all memory or takes the process down with it ends the worker: by a signal of the
kernel, which no code of the strategy's has to agree to. The next life reads who was at work. A worker is also killed
without anybody's fault, so once is an accident; who was at work on the same bar twice is not asked again.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import mmap
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from n1v1.signals.stage import Instance

NOTE_BYTES = 4096
DEATHS_MAX = 2
_READ_AND_WRITE = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class Death(NamedTuple):
    """Who was at work, as what, when the worker ended. ts_ns: of the bar; 0: saving or loading the state."""

    instance: str
    fingerprint: str
    symbol: str
    ts_ns: int

    @property
    def what(self) -> str:
        moment = datetime.fromtimestamp(self.ts_ns // 1_000_000_000, UTC)
        return f"the {self.symbol} bar of {moment:%Y-%m-%d %H:%M}" if self.ts_ns else f"its state for {self.symbol}"


class AtWork:
    """The note of one worker: <folder>/<worker>.at-work, and <worker>.deaths.json beside it.

    limit_s: how long one strategy may take for one bar; 0: as long as it likes.
    """

    def __init__(self, folder: Path, worker: str, *, limit_s: float) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Opened now: a confined worker cannot open it any more.
        self._deaths = os.fdopen(os.open(folder / f"{worker}.deaths.json", _READ_AND_WRITE, 0o600), "r+")
        self._limit_s = limit_s
        descriptor = os.open(folder / f"{worker}.at-work", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, NOTE_BYTES)
            self._note = mmap.mmap(descriptor, NOTE_BYTES)
        finally:
            os.close(descriptor)
        self._left = self._note[:].partition(b"\0")[0].decode(errors="replace")
        self.rest()
        if limit_s:
            # Writes where the strategy was, and leaves the rest to the signal itself, which ends the process.
            faulthandler.register(signal.SIGALRM, file=sys.stderr, chain=True)

    def quarantined(self, instances: Sequence[Instance]) -> Mapping[str, str]:
        """The instances that are not to run any more, with the reason. Notes the death of the last life, if any.

        A strategy whose file or parameters have changed begins anew.
        """
        deaths = self._earlier_deaths()
        fingerprints = {instance.name: _fingerprint(instance) for instance in instances}
        if self._left:
            ts_ns, symbol, name = self._left.split(" ", 2)
            deaths.append(Death(name, fingerprints.get(name, ""), symbol, int(ts_ns)))
            self._left = ""
        deaths = [death for death in deaths if fingerprints.get(death.instance) == death.fingerprint]
        self._keep(deaths)
        return {
            death.instance: f"the worker died {DEATHS_MAX} times while it was at work on {death.what}"
            for death in deaths
            if deaths.count(death) >= DEATHS_MAX
        }

    def watch(self, instance: str, symbol: str, ts_ns: int) -> None:
        """This one is at work from now on."""
        note = f"{ts_ns} {symbol} {instance}".encode()[: NOTE_BYTES - 1]
        self._note[: len(note) + 1] = note + b"\0"
        if self._limit_s:
            signal.setitimer(signal.ITIMER_REAL, self._limit_s)

    def rest(self) -> None:
        """Nobody is."""
        self._note[:1] = b"\0"
        if self._limit_s:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _earlier_deaths(self) -> list[Death]:
        self._deaths.seek(0)
        try:
            return [Death(*death) for death in json.load(self._deaths)]
        except json.JSONDecodeError:  # none yet, or killed while writing: an accident more or less
            return []

    def _keep(self, deaths: Sequence[Death]) -> None:
        self._deaths.seek(0)
        self._deaths.truncate()
        json.dump(deaths, self._deaths)
        self._deaths.flush()


def _fingerprint(instance: Instance) -> str:
    """Of what the strategy is: its parameters, and its code where that is a file of the user's own."""
    path = Path(instance.strategy.partition(":")[0])
    code = path.read_bytes() if path.suffix == ".py" and path.is_file() else b""
    return hashlib.sha256(code + repr(instance).encode()).hexdigest()

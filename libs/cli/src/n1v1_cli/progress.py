"""A progress bar for work that takes long enough to want one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_S = 0.3
"""What is done sooner needs no bar, and does not wait for rich to be imported."""


class _Bar:
    def __init__(self, total: int) -> None:
        self._total = total
        self._began = time.monotonic()
        self.progress: Progress | None = None

    def __call__(self, done: int) -> None:
        if self.progress is None:
            if time.monotonic() - self._began < PATIENCE_S:
                return
            self.progress = self._started()
        self.progress.update(self.progress.task_ids[0], completed=done)

    def _started(self) -> Progress:
        from rich.progress import Progress

        progress = Progress(transient=True)
        progress.add_task("backtest", total=self._total)
        progress.start()
        return progress


@contextmanager
def shown_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Gives what is to be told how much is done. Nothing is shown where nobody looks: in a pipe or a file."""
    if not sys.stdout.isatty():
        yield lambda _: None
        return
    bar = _Bar(total)
    try:
        yield bar
    finally:
        if bar.progress is not None:
            bar.progress.stop()

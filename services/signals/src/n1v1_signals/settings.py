"""What the signals service takes from the settings."""

from __future__ import annotations

from n1v1_common.settings.model import Settings


def owned_partitions(settings: Settings) -> list[int]:
    """The partitions of this worker: every worker_count-th, beginning with its own index."""
    signals = settings.signals
    return list(range(signals.worker_index, signals.partitions, signals.worker_count))

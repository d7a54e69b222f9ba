"""Which settings decide what is traded. All who trade on one account must have them alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from n1v1_common.settings.load import plain
from n1v1_common.settings.model import Settings
from n1v1_common.settings.tree import Key, dotted, fields, is_secret

Deciding = Mapping[str, str]
"""Values as JSON by dotted key. Defaults are left out: a release may add a setting beside one that does not know it."""

NOT_DECIDING = frozenset(
    {
        "bus",
        "environment.debug",
        "environment.i_understand_live",
        "environment.log_level",
        "monitoring",
        "paths",
        "postgres",
        "redis",
        "replay",
        "servers",
        "services",
        "simulator",
        "telemetry",
        # how a venue is reached and watched, and which part of a recording is played
        "exchange.absence_margin_ms",
        "exchange.cancel_all_on_shutdown",
        "exchange.dead_man_switch_s",
        "exchange.egress",
        "exchange.options",
        "exchange.reconcile_every_s",
        "exchange.recv_window_ms",
        "exchange.rest_url",
        "exchange.share_rate_limit",
        "exchange.urls",
        "exchange.user_stream_silence_s",
        "exchange.ws_url",
        "market.archive",
        "market.bars_silence_s",
        "market.book_levels",
        "market.book_silence_s",
        "market.channels",
        "market.end",
        "market.path",
        "market.queue_size",
        "market.start",
        "market.ticker_silence_s",
        "market.trades_silence_s",
        # what differs from worker to worker
        "signals.bar_time_limit_s",
        "signals.confined",
        "signals.memory_limit_mb",
        "signals.worker_count",
        "signals.worker_index",
    }
)
"""Sections and settings. Whatever is not named here decides, secrets apart: a new setting does until somebody knows
better."""

FILES = ("strategies", "files")
"""By name: they may lie elsewhere on each machine."""


def deciding(settings: Settings) -> dict[str, str]:
    usual = Settings()
    written = ((key, _written(settings, key)) for key in fields() if _decides(key))
    return {dotted(key): value for key, value in written if value != _written(usual, key)}


def hash_of(values: Deciding) -> str:
    """SHA-256 of the keys and values."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()


def differences(ours: Deciding, theirs: Deciding) -> Iterator[tuple[str, str | None, str | None]]:
    """(key, our value, their value) of each that is not equal; None where it is the default."""
    for key in sorted({*ours, *theirs}):
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key), theirs.get(key)


def _decides(key: Key) -> bool:
    above = {dotted(key[:depth]) for depth in range(1, len(key) + 1)}
    return not is_secret(key) and not above & NOT_DECIDING


def _written(settings: Settings, key: Key) -> str:
    value: object = settings
    for name in key:
        value = getattr(value, name)
    if key == FILES:
        value = [path.name for path in settings.strategies.files]
    return json.dumps(plain(value), sort_keys=True)

"""Every stream and bucket of the system, and how long each keeps what it holds."""

from __future__ import annotations

from n1v1_common.bus.api import BucketSpec, StreamSpec

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
MIB = 1024 * 1024

MARKET_DATA = StreamSpec(
    name="MARKET_DATA",
    subjects=("market_data.v1.>",),
    description="bars, gaps and the end of each bar time",
    max_age_s=7 * DAY_S,
    max_bytes=1024 * MIB,
)

# Apart from the bars: a busy book would push them out of the stream, and workers need them to start. Not synced: one
# fsync a message would make the flow as slow as the disk; what a killed server has forgotten, market_data says.
MARKET_FLOW = StreamSpec(
    name="MARKET_FLOW",
    subjects=("market_flow.v1.>",),
    description="trades, books, best prices, funding, and what of them was lost",
    max_age_s=HOUR_S,
    max_bytes=512 * MIB,
    duplicate_window_s=60.0,
    is_synced=False,
)

# One stream for everything that trades: risk has to see signals, fills, equity and commands in one total order.
# The inboxes in Postgres must be kept at least as long as max_age_s.
TRADING = StreamSpec(
    name="TRADING",
    subjects=("signals.v1.>", "risk.v1.>", "execution.v1.>", "portfolio.v1.>", "reporting.v1.>", "control.v1.>"),
    description="signals, decisions, orders, fills, positions, equity and commands in one total order",
    max_age_s=30 * DAY_S,
    max_bytes=1024 * MIB,
)

DEAD_LETTERS = StreamSpec(
    name="DEAD_LETTERS",
    subjects=("dead_letters.v1.>",),
    description="messages a stage could not use, with the reason; kept until somebody had time to look",
    max_age_s=90 * DAY_S,
    max_bytes=256 * MIB,
)

# The server sends advisories once and forgets them; a stream on their subjects is what remembers.
ADVISORIES = StreamSpec(
    name="ADVISORIES",
    subjects=(
        "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
        "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>",
    ),
    description="the server's word on messages it gave up delivering",
    max_age_s=30 * DAY_S,
    max_bytes=64 * MIB,
)

ALL_STREAMS = (MARKET_DATA, MARKET_FLOW, TRADING, DEAD_LETTERS, ADVISORIES)

STRATEGY_STATE = BucketSpec(
    bucket="STRATEGY_STATE",
    description="snapshots of strategy state, by instance and symbol; one writer each",
    max_bytes=256 * MIB,
)

CONFIG_LOCK = BucketSpec(
    bucket="CONFIG_LOCK",
    description="the settings that everybody who trades on an account must have, by account; see config_lock.py",
    max_bytes=16 * MIB,
)

ALL_BUCKETS = (STRATEGY_STATE, CONFIG_LOCK)


def stream_of(subject: str) -> StreamSpec:
    """The stream that keeps a subject (wildcards allowed behind its first token). Raises LookupError for none."""
    for stream in ALL_STREAMS:
        if subject.split(".", 1)[0] in {kept.split(".", 1)[0] for kept in stream.subjects}:
            return stream
    raise LookupError(f"no stream keeps {subject!r}")

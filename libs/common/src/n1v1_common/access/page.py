"""The table of access as docs/security.md shows it: `python -m n1v1_common.access.page` prints it."""

from __future__ import annotations

import sys

from n1v1.pipeline import HEARS
from n1v1_common.access.table import ACCESS, Access
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import stream_of

_HEAD = "| | says | reads | PostgreSQL | Redis | venue's keys |\n|---|---|---|---|---|---|\n"


def table() -> str:
    return _HEAD + "".join(f"| {user} | {' | '.join(_cells(user, access))} |\n" for user, access in ACCESS.items())


def _cells(user: str, access: Access) -> list[str]:
    consumed = [stream_of(subject_filter(event)).name for event in HEARS.get(access.stage, ())]
    consumed += [stream.name for stream in access.consumes]
    looked_up = [stream.name for stream in access.looks_up if stream.name not in consumed]
    reads = [*dict.fromkeys(consumed), *(f"{name} (single messages)" for name in looked_up)]
    keys = [*(f"{key}* (read)" for key in access.reads_keys), *(f"{key}*" for key in access.writes_keys)]
    return [
        ", ".join(f"`{domain}.v1.>`" for domain in access.speaks) or "nothing",
        ", ".join(reads) or "nothing",
        f"schema {user}" if access.has_schema else "no role",
        ", ".join(keys) or "no user",
        "yes" if access.holds_venue_keys else "no",
    ]


if __name__ == "__main__":
    sys.stdout.write(table())

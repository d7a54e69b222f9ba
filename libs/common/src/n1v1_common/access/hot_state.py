"""The table of access as ACL users of Redis and Valkey.

Who writes a key does so by the scripts of state.redis_state and state.rate_budget; a script may do what its caller may.
Who only reads needs no script, and gets none: EVAL counts as a write to the keys it names.
"""

from __future__ import annotations

from collections.abc import Mapping

from n1v1_common.access.table import ACCESS, users_of_hot_state
from n1v1_common.state.hot_state import KEY_PREFIX

_CONNECTING = "+@connection -@dangerous"
_READING = "+hmget +time"
_WRITING = "+eval +evalsha +script|load +hget +hset +hmget +time"


def acl_users(passwords: Mapping[str, str]) -> list[str]:
    """A line for each user, as in an ACL file. passwords: in clear, of every user of the hot state."""
    return [f"user {user} {acl_rules(user, passwords[user])}" for user in users_of_hot_state()]


def acl_rules(user: str, password: str) -> str:
    access = ACCESS[user]
    keys = [f"%R~{KEY_PREFIX}{key}*" for key in access.reads_keys]
    keys += [f"~{KEY_PREFIX}{key}*" for key in access.writes_keys]
    commands = [_CONNECTING, _READING, *([_WRITING] if access.writes_keys else [])]
    return " ".join(["reset on", f">{password}", *keys, "-@all", *commands])

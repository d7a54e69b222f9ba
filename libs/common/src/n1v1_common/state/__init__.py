"""Hot state: small values that many processes read on every decision, each with a version and an age.

It is a copy. What it holds can be rebuilt from the streams, and nobody may trade on a value that is missing or old.
"""

from n1v1_common.state.breaker import BreakerFlags, Halt
from n1v1_common.state.errors import MissingState, StaleState, StateError, StateUnavailable
from n1v1_common.state.hot_state import HotState, Value, Versioned
from n1v1_common.state.memory import MemoryHotState

__all__ = [
    "BreakerFlags",
    "Halt",
    "HotState",
    "MemoryHotState",
    "MissingState",
    "StaleState",
    "StateError",
    "StateUnavailable",
    "Value",
    "Versioned",
]

"""What every script does: try one thing after the other, and say of each whether it worked."""

from __future__ import annotations

import os
import sys
import time
import traceback
from contextlib import contextmanager

REST, WS = os.environ["VENUE_REST"], os.environ["VENUE_WS"]
TLS_REST, TLS_WS, CA = os.environ["VENUE_TLS_REST"], os.environ["VENUE_TLS_WS"], os.environ["VENUE_CA"]
KEY, SECRET, SYMBOL = os.environ["VENUE_KEY"], os.environ["VENUE_SECRET"], os.environ["VENUE_SYMBOL"]
WITHIN_S = 20.0

_failed: list[str] = []


@contextmanager
def step(what: str):
    try:
        yield
    except Exception as error:  # the next step is tried all the same
        _failed.append(what)
        place = traceback.extract_tb(error.__traceback__)[-1]
        print(f"not ok {what}: {type(error).__name__}: {str(error)[:300]} ({place.name}:{place.lineno})")
    else:
        print(f"ok {what}")


def refusal(error_type, call):
    """The error that the call raises. Raises AssertionError when it does not."""
    try:
        call()
    except error_type as refused:
        return refused
    raise AssertionError("it was not refused")


def until(condition, what: str, within_s: float = WITHIN_S):
    """The condition's first true value. Raises TimeoutError."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise TimeoutError(f"{what} did not come within {within_s:.0f} s")


def end() -> None:
    sys.stdout.flush()
    os._exit(0)  # whatever threads a client has left running

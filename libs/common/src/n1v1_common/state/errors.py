"""Why a value of hot state cannot be used. All three mean: do not take new exposure on it."""

from __future__ import annotations


class StateError(Exception):
    """key: which value was asked for."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class StateUnavailable(StateError):
    """The server does not answer, or holds something else under the key. Trying again later may help."""


class MissingState(StateError):
    """Nothing was ever written, or it was lost; its owner has to write it again."""

    def __init__(self, key: str) -> None:
        super().__init__(key, f"{key} is not there")


class StaleState(StateError):
    """The value is older than the reader accepts; its owner has stopped writing."""

    def __init__(self, key: str, *, age_ms: int, max_age_ms: int) -> None:
        super().__init__(key, f"{key} is {age_ms} ms old, at most {max_age_ms} ms are accepted")
        self.age_ms = age_ms

"""What can be wrong with settings. Every message says what was expected, what was found, and where."""

from __future__ import annotations

from collections.abc import Sequence


class SettingsError(Exception):
    """Settings cannot be used. The caller prints the message and exits with code 2; it is not a crash."""


class ConfigError(SettingsError):
    """One or more settings are wrong, or a file cannot be read.

    problems: one sentence each, with the place where the setting was made. Never contains a secret.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        assert problems, "an error without a problem"
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

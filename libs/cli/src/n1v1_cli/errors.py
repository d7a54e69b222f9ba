"""What a command says instead of a traceback."""

from __future__ import annotations

from pathlib import Path


class CommandError(Exception):
    """The command cannot do what was asked; the message says why and what to do. Exit code 1."""

    exit_code = 1


class WrongOption(CommandError):
    """An option says something that cannot be meant. Exit code 2, as for every wrong use."""

    exit_code = 2


class UsedWithOtherSettings(CommandError):
    """The state folder belongs to an account that trades by other settings."""

    def __init__(self, differences: str) -> None:
        super().__init__(
            f"{differences}\nGo on with the new ones: n1v1 up --new-settings REASON. "
            "Begin anew beside the old: name another folder with N1V1_STATE_DIR."
        )


class NoStack(CommandError):
    """Nothing runs from the state folder, and the command needs a running stack."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(
            f"no stack runs from {state_dir}. Start one with: n1v1 up\n"
            "(A stack in another folder is named with N1V1_STATE_DIR.)"
        )

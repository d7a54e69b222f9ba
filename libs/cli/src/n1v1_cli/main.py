"""The `n1v1` command. A command's module is imported when it is used, so that --help answers at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class Command(NamedTuple):
    """module: has add_parser(subparsers) and run(args) -> exit code."""

    module: str
    help: str


COMMANDS = {
    "demo": Command("n1v1_cli.commands.demo", "replay years of BTC and ETH through the whole system, with a report"),
    "backtest": Command("n1v1_cli.commands.backtest", "run strategies over recorded data in this process"),
    "data": Command("n1v1_cli.commands.data", "recorded bars: import, list, verify, show, export"),
    "venue": Command("n1v1_cli.commands.venue", "an exchange by itself, for any Binance client to trade on"),
    "new": Command("n1v1_cli.commands.new", "the beginning of a strategy of your own, with its tests"),
    "lookahead-analysis": Command("n1v1_cli.commands.lookahead_analysis", "does a strategy know what comes?"),
    "recursive-analysis": Command(
        "n1v1_cli.commands.recursive_analysis", "how much history do a strategy's numbers need?"
    ),
    "up": Command("n1v1_cli.commands.up", "start servers and services and keep them running"),
    "status": Command("n1v1_cli.commands.status", "what runs, where, since when, and how it is"),
    "logs": Command("n1v1_cli.commands.logs", "the log of one service or server"),
    "down": Command("n1v1_cli.commands.down", "stop what `n1v1 up` started"),
    "orders": Command("n1v1_cli.commands.orders", "orders and what became of them"),
    "positions": Command("n1v1_cli.commands.positions", "what is held, at what price, with what profit"),
    "equity": Command("n1v1_cli.commands.equity", "the account's equity over time"),
    "trace": Command("n1v1_cli.commands.trace", "an order's way from the bar to the ledger, as a waterfall"),
    "why": Command("n1v1_cli.commands.why", "what each strategy and risk check said of a bar"),
    "ledger": Command("n1v1_cli.commands.ledger", "rebuild: positions, cash and fees from the ledger alone"),
    "audit": Command("n1v1_cli.commands.audit", "verify: is what the stages have said still what they said?"),
    "halt": Command("n1v1_cli.commands.halt", "no new exposure for the account, a strategy or a symbol"),
    "resume": Command("n1v1_cli.commands.resume", "end a halt, or close the circuit breaker"),
    "flatten": Command("n1v1_cli.commands.flatten", "halt, take back resting entries and close positions"),
    "dead-letters": Command("n1v1_cli.commands.dead_letters", "messages nobody could handle: list, requeue"),
    "secrets": Command("n1v1_cli.commands.secrets", "draw passwords for Docker Compose or Kubernetes"),
    "config": Command("n1v1_cli.commands.config", "check settings, explain where a value comes from"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0 done, 1 failed, 2 used wrongly (or wrong settings), 130 interrupted; a command may have more of its own.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if complaint := wrong_python(sys.version_info[:3], sys.executable):
        return _complain(complaint)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else EXIT_USAGE
    if words[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"n1v1 {version('n1v1-cli')}")
        return 0
    if words[0] not in COMMANDS:
        return _complain(unknown_command(words[0]))
    try:
        return _run(COMMANDS[words[0]], words)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left (n1v1 orders | head). Nothing more can be written, at exit neither.
        sys.stdout = None  # as Python itself has it where there is no output
        return 0


def wrong_python(found: tuple[int, ...], executable: str) -> str | None:
    """What to do about this version of Python; None when it is one of ours."""
    if OLDEST_PYTHON <= found[:2] <= NEWEST_PYTHON:
        return None
    version = ".".join(map(str, found))
    return (
        f"n1v1 runs on Python 3.11, 3.12 and 3.13; this is {version} ({executable}). "
        "Set it up with one of those: make setup PYTHON=/path/to/python3.12"
    )


def usage() -> str:
    """What `n1v1 --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: n1v1 COMMAND [OPTIONS]",
            "",
            "A distributed trading system: market data, signals, risk, execution, portfolio, reporting.",
            "",
            *lines,
            "",
            "n1v1 COMMAND --help says more about one. State is kept in $N1V1_STATE_DIR (~/.local/state/n1v1).",
        ]
    )


def unknown_command(word: str) -> str:
    from difflib import get_close_matches

    nearest = get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean: n1v1 {nearest[0]}?" if nearest else "n1v1 --help lists the commands"
    return f"there is no command {word!r}; {hint}"


def _run(command: Command, words: list[str]) -> int:
    from argparse import ArgumentParser
    from importlib import import_module

    module = import_module(command.module)
    parser = ArgumentParser(prog="n1v1", allow_abbrev=False)
    module.add_parser(parser.add_subparsers(dest="command"))
    args = parser.parse_args(words)
    try:
        exit_code: int = module.run(args)
    except Exception as error:
        exit_code_of_error = _exit_code_of(error)
        if exit_code_of_error is None:
            raise
        return _complain(str(error), exit_code_of_error)
    return exit_code


def _exit_code_of(error: Exception) -> int | None:
    """None for our own mistakes, which deserve their traceback. Imported here: it costs only who meets an error."""
    from n1v1.errors import N1v1Error
    from n1v1_cli.errors import CommandError
    from n1v1_cli.stack.supervisor import StackFailed
    from n1v1_common.servers.errors import ServerError
    from n1v1_common.settings.errors import SettingsError

    if isinstance(error, SettingsError):
        return EXIT_USAGE
    if isinstance(error, CommandError):
        return error.exit_code
    if isinstance(error, StackFailed | ServerError | N1v1Error):
        return EXIT_FAILED
    return None


def _complain(message: str, exit_code: int = EXIT_USAGE) -> int:
    print(f"n1v1: {message}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())

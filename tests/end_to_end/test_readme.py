"""Every command line of the README, run in its order from the root of the repository with a state folder of its own.

A comment right above a block says what is special about it:

    <!-- test: exit 3 -->                 each of its commands ends with this code instead of 0
    <!-- test: stop after "ready" -->     Ctrl-C once the output contains this text; the command ends with 130
    <!-- test: skip, because ... -->      not run; the reason is shown
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

# These run this very test.
RECURSIVE = ("make test", "make integration", ".ci/run")

DIRECTIVE = re.compile(r"<!-- test: (?P<what>.*?) -->")
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class ReadmeCommand:
    """One command line. line: where it stands in the README, from 1."""

    text: str
    line: int
    exit_code: int = 0
    stop_after: str | None = None
    skip_reason: str | None = None


def commands_of(readme: str) -> list[ReadmeCommand]:
    """The command lines of all ```bash and ```console blocks; in console blocks they follow `$ `."""
    found: list[ReadmeCommand] = []
    kind, directive, open_text, open_line = "", "", "", 0
    for number, line in enumerate(readme.splitlines(), start=1):
        if fence := re.match(r"\s*```(\w*)", line):
            kind = "" if kind else fence[1] or "text"
            directive = directive if kind else ""
        elif not kind:
            match = DIRECTIVE.search(line)
            directive = match["what"] if match else directive if not line.strip() else ""
        elif kind in ("bash", "console"):
            text = _command_in(line, kind, is_continued=bool(open_text))
            if text is None:
                continue
            open_line = open_line or number
            open_text = f"{open_text}\n{text}" if open_text else text
            if not text.endswith("\\"):
                found.append(_with_directive(open_text, open_line, directive))
                open_text, open_line = "", 0
    return found


def _command_in(line: str, kind: str, *, is_continued: bool) -> str | None:
    text = line.strip()
    if kind == "console" and not is_continued:
        return text.removeprefix("$ ") if text.startswith("$ ") else None
    return None if not text or text.startswith("#") else text


def _with_directive(text: str, line: int, directive: str) -> ReadmeCommand:
    if exit_code := re.fullmatch(r"exit (\d+)", directive):
        return ReadmeCommand(text, line, exit_code=int(exit_code[1]))
    if stop_after := re.fullmatch(r'stop after "(.+)"', directive):
        return ReadmeCommand(text, line, exit_code=INTERRUPTED, stop_after=stop_after[1])
    if reason := re.fullmatch(r"skip, because (.+)", directive):
        return ReadmeCommand(text, line, skip_reason=reason[1])
    assert not directive, f"README.md, above line {line}: unknown directive {directive!r}"
    return ReadmeCommand(text, line)


COMMANDS = commands_of(README.read_text()) if README.exists() else []


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A newcomer's: no state yet, and the commands of .venv on the path."""
    path = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "N1V1_STATE_DIR": str(tmp_path_factory.mktemp("state")), "PATH": path}
    yield environment
    subprocess.run(["n1v1", "down"], cwd=ROOT, env=environment, check=False)


@pytest.mark.stack
@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", COMMANDS, ids=[f"line {command.line}: {command.text}" for command in COMMANDS])
def test_a_command_of_the_readme_does_what_it_says(command: ReadmeCommand, environment: dict[str, str]) -> None:
    if command.skip_reason:
        pytest.skip(command.skip_reason)
    if any(part in command.text for part in RECURSIVE):
        pytest.skip("runs this test")
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command.text],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        output = _output_of(process, command.stop_after)
    assert process.returncode in _exit_codes(command), output
    if command.stop_after:
        assert command.stop_after in output


def _output_of(process: subprocess.Popen[str], stop_after: str | None) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if stop_after and stop_after in line:
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    return "".join(lines)


def _exit_codes(command: ReadmeCommand) -> tuple[int, ...]:
    # bash itself ends by the signal where it does not exec the command.
    return (INTERRUPTED, -signal.SIGINT) if command.stop_after else (command.exit_code,)


def test_there_is_a_readme_to_run() -> None:
    if not README.exists():
        pytest.skip("README.md is not written yet")
    assert COMMANDS


def test_command_lines_are_found_with_their_directives() -> None:
    readme = "\n".join([
        "```bash",
        "# a remark",
        "make demo",
        "n1v1 up \\",
        "    --detach",
        "```",
        "prose with `n1v1 status`",
        '<!-- test: stop after "ready" -->',
        "```console",
        "$ n1v1 up",
        "ready after 3 s",
        "```",
        "<!-- test: exit 3 -->",
        "",
        "```bash",
        "n1v1 status",
        "```",
        "```python",
        "print()",
        "```",
        "```bash",
        "n1v1 down",
        "```",
    ])  # fmt: skip
    assert commands_of(readme) == [
        ReadmeCommand("make demo", 3),
        ReadmeCommand("n1v1 up \\\n--detach", 4),
        ReadmeCommand("n1v1 up", 10, exit_code=130, stop_after="ready"),
        ReadmeCommand("n1v1 status", 16, exit_code=3),
        ReadmeCommand("n1v1 down", 22),
    ]

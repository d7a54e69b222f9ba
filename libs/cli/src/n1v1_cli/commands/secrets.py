"""n1v1 secrets: a file of passwords for an installation with Docker Compose or Kubernetes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from n1v1_cli.errors import CommandError


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    description = (
        "Draws a password for every service and server and adds to FILE, as NAME=value, those that are not in it yet. "
        "Only you can read the file. n1v1 up needs none: it draws its own below the state folder."
    )
    parser = subparsers.add_parser("secrets", help="draw passwords for Compose or Kubernetes", description=description)
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="deploy/.env for Compose; for Kubernetes see deploy/k8s"
    )


def run(args: argparse.Namespace) -> int:
    """Raises CommandError: the file cannot be read or written."""
    from secrets import token_hex

    from n1v1_common.access.secrets import names_of_secrets
    from n1v1_common.servers.passwords import write_private

    path: Path = args.file
    try:
        before = path.read_text() if path.exists() else ""
        missing = [name for name in names_of_secrets() if not _names(before, name)]
        # A letter first: nats-server reads a value that begins with a digit as a number.
        added = "".join(f"{name}=p{token_hex(24)}\n" for name in missing)
        write_private(path, before + ("" if not before or before.endswith("\n") else "\n") + added)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    print(f"{len(missing)} secrets were drawn and written to {path}" if missing else f"{path} has all of them already")
    return 0


def _names(text: str, name: str) -> bool:
    return any(line.startswith(f"{name}=") for line in text.splitlines())

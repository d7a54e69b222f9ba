"""n1v1 audit: is what the stages have said still what they said?"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from n1v1_cli.bus import settings_of
from n1v1_cli.errors import CommandError, WrongOption

if TYPE_CHECKING:
    from n1v1_common.settings.model import Settings
    from n1v1_common.storage.chain import Break, Head

EXIT_ALTERED = 3
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Checked:
    """One stage's log: how far it is whole, and where it is not."""

    stage: str
    head: Head
    found: Break | None


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.options import add_settings_options

    parser = subparsers.add_parser(
        "audit",
        help="verify: is what the stages have said still what they said?",
        description="verify reads the event log of every stage, in which each record is sealed with a hash over the "
        "record before, and names the first that was altered or is missing. Exit code 0 when every log is whole, 3 "
        "when one is not. Keep the heads that it prints: a log that somebody rewrote to its end is whole by itself, "
        "but does not lead through a head that was noted before.",
    )
    parser.add_argument("action", choices=("verify",))
    parser.add_argument("--stage", help="this stage alone (default: all that have a log)")
    parser.add_argument(
        "--noted",
        metavar="STAGE:RECORD:HASH",
        action="append",
        default=[],
        help="a head that was printed before; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Raises CommandError: no database there, no such stage, a head that cannot be read."""
    noted = heads_of(args.noted)
    checked = asyncio.run(verify(settings_of(args, as_admin=True), args.stage, noted, shows=not args.json))
    if args.json:
        print(json.dumps([_as_json(each) for each in checked], indent=2))
    else:
        for each in checked:
            print(told(each))
    return EXIT_ALTERED if any(each.found for each in checked) else 0


def heads_of(texts: Sequence[str]) -> Mapping[str, list[Head]]:
    """Noted heads by stage. Raises WrongOption."""
    from n1v1_common.storage.chain import Head

    heads: dict[str, list[Head]] = {}
    for text in texts:
        try:
            stage, sequence, digest = text.split(":")
            heads.setdefault(stage, []).append(Head(int(sequence), bytes.fromhex(digest)))
        except ValueError:
            expected = "expected STAGE:RECORD:HASH as audit verify prints it"
            raise WrongOption(f"--noted {text}: {expected}") from None
    return heads


async def verify(
    settings: Settings, stage: str | None, noted: Mapping[str, Sequence[Head]], *, shows: bool
) -> list[Checked]:
    """Every log, one after the other; one that is not whole does not keep the others from being read."""
    from n1v1_cli.database import opened_database
    from n1v1_common.storage.audit import check_log

    checked = []
    async with opened_database(settings) as connection:
        for name in await _stages(connection, [stage] if stage else sorted(noted), only=stage):
            with _progress(name, shows=shows) as progress:
                head, found = await check_log(connection, name, noted=noted.get(name, ()), progress=progress)
            checked.append(Checked(name, head, found))
    return checked


async def _stages(connection: Any, named: Sequence[str], *, only: str | None) -> list[str]:
    """Any: asyncpg is imported by those that need it."""
    from n1v1_common.storage.audit import schemas_with_a_log

    there = await schemas_with_a_log(connection)
    if not there:
        raise CommandError("no stage has an event log in this database yet; n1v1 up makes them")
    if unknown := [name for name in named if name not in there]:
        raise CommandError(f"no event log of {', '.join(unknown)} in this database; there are {', '.join(there)}")
    return [only] if only else there


def _progress(stage: str, *, shows: bool) -> Any:
    """A context of what is told how many records were read. Any: a status line, or nothing."""
    from contextlib import contextmanager

    @contextmanager
    def shown() -> Any:
        from rich.console import Console

        with Console(stderr=True).status(f"{stage}: reading") as status:
            yield lambda records: status.update(f"{stage}: {records:,} records")

    @contextmanager
    def silent() -> Any:
        yield lambda records: None

    return shown() if shows else silent()


def told(checked: Checked) -> str:
    """One line, which holds the head in the form that --noted takes."""
    if checked.found is None:
        head = f"{checked.stage}:{checked.head.sequence}:{checked.head.hash.hex()}"
        return f"{checked.stage}: {checked.head.sequence:,} records, whole; head {head}"
    found = checked.found
    when = f", stored {_time(found.stored_ns)}" if found.stored_ns else ""
    before = f"the {checked.head.sequence:,} before it are whole"
    return f"{checked.stage}: record {found.sequence}{when}, {found.what}; {before}"


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / NS_PER_S, UTC).isoformat(timespec="milliseconds")


def _as_json(checked: Checked) -> dict[str, object]:
    found = checked.found
    return {
        "stage": checked.stage,
        "whole_records": checked.head.sequence,
        "hash": checked.head.hash.hex(),
        "first_break": found and {"record": found.sequence, "stored_ns": found.stored_ns, "what": found.what},
    }

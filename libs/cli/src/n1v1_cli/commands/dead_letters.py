"""n1v1 dead-letters: messages that a stage could not use. List them; send one again once its cause is gone."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from n1v1_cli.bus import connected, settings_of
from n1v1_cli.errors import CommandError

if TYPE_CHECKING:
    from n1v1_common.bus.dead_letters import DeadLetter
    from n1v1_common.settings.model import Settings

NS_PER_S = 1_000_000_000


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.options import add_settings_options

    parser = subparsers.add_parser(
        "dead-letters",
        help="messages nobody could handle: list, requeue",
        description="Lists the messages that a stage could not use, with the reason, oldest first. Asks the bus of the "
        "running stack, or the one that -c and --set name.",
    )
    parser.add_argument("action", nargs="?", choices=("list", "requeue"), default="list", help="default: list")
    parser.add_argument("seq", nargs="?", metavar="NUMBER", type=int, help="requeue: which one, as the list numbers it")
    parser.add_argument("--force", action="store_true", help="requeue: even if it was sent again before")
    parser.add_argument("--limit", metavar="N", type=int, default=100, help="list: at most so many (default: 100)")
    parser.add_argument(
        "--from", metavar="NUMBER", type=int, default=1, dest="start_seq", help="list: begin at this one"
    )
    parser.add_argument("--json", action="store_true", help="list: as JSON, for programs")
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Raises CommandError: no bus there, no such letter, sent again before."""
    import asyncio

    if args.action == "requeue" and args.seq is None:
        raise CommandError("requeue needs the number of a letter. n1v1 dead-letters lists them")
    if args.action == "requeue":  # says again what others said, which an operator may not
        return asyncio.run(_requeue(settings_of(args, as_admin=True), args))
    return asyncio.run(_list(settings_of(args), args))


async def _list(settings: Settings, args: argparse.Namespace) -> int:
    from n1v1_common.bus.dead_letters import list_dead_letters
    from n1v1_common.bus.errors import StreamMissing

    bus = await connected(settings)
    try:
        letters = await list_dead_letters(bus, start_seq=args.start_seq, limit=args.limit)
    except StreamMissing:  # no service has ever been started here
        letters = []
    finally:
        await bus.drain()
    if args.json:
        _print_json(letters)
    elif letters:
        _print_table(letters)
        print("Send one again, once its cause is gone: n1v1 dead-letters requeue NUMBER")
    else:
        print("no dead letters")
    return 0


async def _requeue(settings: Settings, args: argparse.Namespace) -> int:
    from n1v1_common.bus.dead_letters import AlreadyRequeued, NoSuchDeadLetter, requeue
    from n1v1_common.bus.errors import BusError

    bus = await connected(settings)
    try:
        published = await requeue(bus, args.seq, force=args.force)
    except NoSuchDeadLetter as error:
        raise CommandError(f"{error}. n1v1 dead-letters lists those there are") from error
    except AlreadyRequeued as error:
        raise CommandError(f"{error}. To do it once more: n1v1 dead-letters requeue {args.seq} --force") from error
    except BusError as error:
        raise CommandError(f"dead letter {args.seq} could not be sent again: {error}") from error
    finally:
        await bus.drain()
    print(f"dead letter {args.seq} was sent again: message {published.seq} of {published.stream}")
    return 0


def _print_table(letters: list[DeadLetter]) -> None:
    from rich.markup import escape

    from n1v1_cli.tables import print_table

    columns = ("number", "stage", "subject", "reason", "deliveries", "age", "sent again")
    rows = [
        (
            str(letter.seq),
            letter.stage,
            letter.subject,
            escape(letter.reason),
            str(letter.deliveries),
            _age(letter),
            "yes" if letter.is_requeued else "",
        )
        for letter in letters
    ]
    print_table(columns, rows, numbers=("number", "deliveries", "age"))


def _print_json(letters: list[DeadLetter]) -> None:
    import json

    rows = [
        {
            "seq": letter.seq,
            "stage": letter.stage,
            "stream": letter.stream,
            "subject": letter.subject,
            "original_seq": letter.original_seq,
            "msg_id": letter.msg_id,
            "reason": letter.reason,
            "attempts": letter.deliveries,
            "age_s": _age_s(letter),
            "is_requeued": letter.is_requeued,
            "bytes": len(letter.data),
        }
        for letter in letters
    ]
    print(json.dumps({"dead_letters": rows}, indent=2))


def _age_s(letter: DeadLetter) -> int:
    return max(0, (time.time_ns() - letter.buried_ns) // NS_PER_S)


def _age(letter: DeadLetter) -> str:
    """In its largest whole unit: 45 s, 3 min, 7 h, 2 d."""
    seconds = _age_s(letter)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"

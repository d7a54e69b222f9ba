"""Halting, resuming and flattening: a durable command, and risk's answer to it."""

from __future__ import annotations

import argparse
import asyncio
import re
import time
import uuid
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from n1v1_cli.bus import connected, settings_of
from n1v1_cli.errors import CommandError, WrongOption
from n1v1_cli.options import add_settings_options
from n1v1_common.user_name import user_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from n1v1.events import CommandCarriedOut, OperatorCommand
    from n1v1.risk.halts import Operation
    from n1v1_common.bus.nats import NatsBus
    from n1v1_common.codec import Codec
    from n1v1_common.settings.model import Settings

ANSWER_WITHIN_S = 5.0
LOOK_AGAIN_S = 0.02
EXIT_NO_ANSWER = 3
COMMAND_NAME = re.compile(r"[-_.a-zA-Z0-9]{1,64}")


def add_operating_parser(subparsers: Any, name: str, description: str, *, ends_by_itself: bool) -> None:
    parser = subparsers.add_parser(name, help=description, description=description)
    parser.add_argument("--reason", required=True, help="why; it is kept with the command")
    parser.add_argument("--strategy", default="", metavar="KEY", help="only this strategy; default: all of them")
    parser.add_argument("--symbol", default="", metavar="SYMBOL", help="only this symbol; default: all of them")
    if ends_by_itself:
        parser.add_argument(
            "--for",
            dest="lasts",
            metavar="TIME",
            help="ends by itself after so much market time, as in 30m, 4h or 1d; default: with n1v1 resume",
        )
    parser.add_argument("--actor", default=user_name(), help="who asks for it; default: your user name")
    parser.add_argument("--id", metavar="NAME", help="a name of your own: a command of this name is carried out once")
    add_settings_options(parser)


def operate(args: argparse.Namespace, operation: Operation) -> int:
    """Give the command and print what risk says: 0 when it was carried out, 3 when nobody answers.

    Raises:
        WrongOption: no such strategy or symbol, or no time.
        CommandError: there is no bus.
    """
    settings = settings_of(args)
    command = _command(args, operation, settings)
    answer = asyncio.run(_given(settings, command, is_named=args.id is not None))
    if answer is None:
        print(
            f"nobody has answered within {ANSWER_WITHIN_S:.0f} s: risk is away, or cannot reach its database. "
            f"The command is kept ({command.id}) and will be carried out when risk is back."
        )
        return EXIT_NO_ANSWER
    print(in_words(answer))
    return 0


def in_words(answer: CommandCarriedOut) -> str:
    from n1v1.risk.halts import Operation, until_in_words

    where = f"account {answer.account}"
    what = where if answer.scope.is_account else f"{answer.scope} in {where}"
    if not answer.has_changed:
        return f"nothing changed in {what}: {answer.detail}"
    by = f"{answer.reason} ({answer.actor})"
    if answer.operation is Operation.RESUME:
        return f"{what} is trading: {by}"
    ends = until_in_words(answer.until_ns)
    if answer.operation is Operation.HALT:
        return f"{what} is halted: {by}, {ends}"
    return f"{what} is being flattened: {by}, {answer.detail}; entries are held back {ends}"


def _command(args: argparse.Namespace, operation: Operation, settings: Settings) -> OperatorCommand:
    from n1v1.errors import InvalidValue
    from n1v1.events import OperatorCommand
    from n1v1.risk.halts import Scope
    from n1v1.timeframes import timeframe_ns

    if args.strategy:
        from n1v1_common.settings.core import instances_of

        _check_name("--strategy", args.strategy, [instance.name for instance in instances_of(settings)])
    if args.symbol:
        _check_name("--symbol", args.symbol, settings.market.symbols)
    if args.id is not None and not COMMAND_NAME.fullmatch(args.id):
        raise WrongOption(f"--id: expected at most 64 letters, digits, - _ or ., got {args.id!r}")
    lasts = getattr(args, "lasts", None)
    try:
        lasts_ns = timeframe_ns(lasts) if lasts else 0
    except InvalidValue as error:
        raise WrongOption(f"--for: expected a time such as 30m, 4h or 1d, got {lasts!r}") from error
    return OperatorCommand(
        id=f"command:{args.id or uuid.uuid4()}",
        ts_ns=time.time_ns(),
        account=settings.account.id,
        operation=operation,
        scope=Scope(instance=args.strategy, symbol=args.symbol),
        reason=args.reason,
        actor=args.actor,
        lasts_ns=lasts_ns,
    )


def _check_name(option: str, name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name not in known:
        nearest = get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(known)}"
        raise WrongOption(f"{option}: {name!r} is not traded here; {hint}")


async def _given(settings: Settings, command: OperatorCommand, *, is_named: bool) -> CommandCarriedOut | None:
    """Publish the command and wait for risk's word on it; None when there was none in time.

    is_named: it may have been given and answered before.
    """
    from n1v1_common.bus.api import BusError, Outgoing
    from n1v1_common.stage.opening import codec_of

    codec = codec_of(settings)
    subject, data = codec.encode(command)
    bus = await connected(settings)
    try:
        [published] = await bus.publish([Outgoing(subject, data, command.id)], retry_for_s=ANSWER_WITHIN_S)
        return await _answer(bus, codec, command.id, after_seq=0 if is_named else published.seq)
    except BusError as error:
        raise CommandError(f"the command could not be given: {error}") from error
    finally:
        await bus.drain()


async def _answer(bus: NatsBus, codec: Codec, command_id: str, *, after_seq: int) -> CommandCarriedOut | None:
    """Risk's answer as the stream keeps it, which also has that to a command of the same name given before."""
    from n1v1.events import CommandCarriedOut
    from n1v1_common.codec.codec import subject_filter
    from n1v1_common.streams import TRADING

    subject, seq = subject_filter(CommandCarriedOut), after_seq
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < deadline:
        for stored in await bus.read(TRADING.name, start_seq=seq + 1, subject=subject):
            seq = stored.seq
            event, _ = codec.decode(stored.subject, stored.data)
            if isinstance(event, CommandCarriedOut) and event.cause_id == command_id:
                return event
        await asyncio.sleep(LOOK_AGAIN_S)
    return None

"""Opening and closing the circuit breaker: a durable command, and risk's answer to it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import time
import uuid
from typing import TYPE_CHECKING, Any

from n1v1_cli.bus import connected, settings_of
from n1v1_cli.errors import CommandError
from n1v1_cli.options import add_settings_options

if TYPE_CHECKING:
    from n1v1.events import BreakerChanged
    from n1v1_common.bus.api import Tap
    from n1v1_common.codec import Codec
    from n1v1_common.settings.model import Settings

ANSWER_WITHIN_S = 5.0


def add_breaker_parser(subparsers: Any, name: str, description: str) -> None:
    parser = subparsers.add_parser(name, help=description, description=description)
    parser.add_argument("--reason", required=True, help="why; it is kept with the command")
    add_settings_options(parser)


def command_breaker(args: argparse.Namespace, *, open_: bool) -> int:
    """Raises CommandError: no bus there, or nobody answered."""
    changed = asyncio.run(_command(settings_of(args), args.reason, open_=open_))
    state = "halted" if open_ else "trading"
    if changed is None:
        print(f"nothing changed: the account was {state} already, or risk is away; the command is kept for it")
    else:
        print(f"account {changed.account} is {state}: {changed.reason} ({changed.actor})")
    return 0


async def _command(settings: Settings, reason: str, *, open_: bool) -> BreakerChanged | None:
    """Publish the command and wait for risk's word on it; None when there was none in time."""
    from n1v1.events import BreakerChanged, BreakerCommand
    from n1v1_common.bus.api import BusError, Outgoing
    from n1v1_common.codec.codec import subject_filter
    from n1v1_common.stage.opening import codec_of

    command = BreakerCommand(
        id=f"command:{uuid.uuid4()}",
        ts_ns=time.time_ns(),
        account=settings.account.id,
        open=open_,
        reason=reason,
        actor=getpass.getuser(),
    )
    codec = codec_of(settings)
    subject, data = codec.encode(command)
    bus = await connected(settings)
    try:
        answers = await bus.tap(subject_filter(BreakerChanged))
        await bus.publish([Outgoing(subject, data, command.id)])
        return await _answer_to(command.id, answers, codec)
    except BusError as error:
        raise CommandError(f"the command could not be given: {error}") from error
    finally:
        await bus.drain()


async def _answer_to(command_id: str, answers: Tap, codec: Codec) -> BreakerChanged | None:
    from n1v1.events import BreakerChanged

    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            async for answer in answers:
                event, _ = codec.decode(answer.subject, answer.data)
                if isinstance(event, BreakerChanged) and event.cause_id == command_id:
                    return event
    except TimeoutError:
        return None
    return None

"""The bus of the running stack, or of the one that the options name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from n1v1_cli.errors import CommandError

if TYPE_CHECKING:
    from n1v1_cli.stack.record import StackRecord
    from n1v1_common.bus.nats import NatsBus
    from n1v1_common.settings.model import Settings

CONNECT_WITHIN_S = 5.0


def settings_of(args: argparse.Namespace, *, as_admin: bool = False) -> Settings:
    """Those that the options name, otherwise those of the running stack. Raises NoStack.

    as_admin: of the stack's administrator instead of its operator, who may give commands and read.
    """
    from n1v1_cli.errors import NoStack
    from n1v1_cli.options import load_settings
    from n1v1_cli.stack.folder import default_state_dir, stack_is_running
    from n1v1_cli.stack.record import read_record

    if args.config or args.overrides:
        return load_settings(args).settings
    state_dir = default_state_dir()
    record = read_record(state_dir)
    if record is None or not stack_is_running(state_dir):
        raise NoStack(state_dir)
    return settings_of_stack(record, as_admin=as_admin)


def settings_of_stack(record: StackRecord, *, as_admin: bool = False) -> Settings:
    """Those that commands for a running stack have."""
    from n1v1_common.settings.service import SETTINGS_VARIABLE, load_service_settings

    return load_service_settings({SETTINGS_VARIABLE: record.admin_settings if as_admin else record.settings})


async def connected(settings: Settings) -> NatsBus:
    from n1v1_common.bus.errors import BusUnavailable
    from n1v1_common.bus.nats import NatsBus
    from n1v1_common.stage.opening import bus_url

    try:
        return await NatsBus.connect(bus_url(settings), name="n1v1-cli", connect_timeout_s=CONNECT_WITHIN_S)
    except BusUnavailable as error:
        raise CommandError(f"the bus at {settings.bus.url} does not answer: {error}") from error

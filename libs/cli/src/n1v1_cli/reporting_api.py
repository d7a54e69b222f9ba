"""Asking the reporting API of the running stack, or of another address."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from n1v1_cli.errors import CommandError, NoStack

ANSWER_WITHIN_S = 30.0


def add_api_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api", metavar="URL", help="address of reporting; default: that of the running stack")
    parser.add_argument("--json", action="store_true", help="the answer as reporting gave it, for programs")


def ask(api: str | None, path: str, parameters: Mapping[str, object | None] = {}) -> dict[str, Any]:
    """The JSON object that reporting answers with. Parameters that are None are left out.

    Raises:
        NoStack: nothing runs and no address was given.
        CommandError: no answer, or no; with what reporting said.
    """
    from urllib.error import HTTPError
    from urllib.parse import urlencode
    from urllib.request import ProxyHandler, build_opener

    base = (api or _address_of_running_stack()).rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise CommandError(f"{base}: expected an address that begins with http:// or https://")
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    url = f"{base}/api/v1/{path}" + (f"?{query}" if query else "")
    # No proxy: reporting is on this machine or named by its own address.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_WITHIN_S) as answer:
            return _object(url, answer.read())
    except HTTPError as error:
        raise CommandError(_reason(url, error.code, error.read())) from error
    except OSError as error:
        raise CommandError(f"reporting at {base} does not answer: {getattr(error, 'reason', error)}") from error


def _address_of_running_stack() -> str:
    from n1v1_cli.stack.folder import default_state_dir, stack_is_running
    from n1v1_cli.stack.record import read_record

    state_dir = default_state_dir()
    record = read_record(state_dir)
    if record is None or not stack_is_running(state_dir):
        raise NoStack(state_dir)
    reporting = record.process("reporting")
    if reporting is None or not reporting.url:
        raise CommandError("the stack runs without reporting, or it is not up yet: n1v1 status shows what runs")
    return reporting.url


def _object(url: str, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CommandError(f"{url} did not answer with a JSON object; is it the address of reporting?")
    return found


def _reason(url: str, status: int, body: bytes) -> str:
    """What reporting said, without the machinery around it."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{url} answered {status} {HTTPStatus(status).phrase}; is it the address of reporting?"

"""The HTTP side: the lean probe server, an aiohttp application, and sockets that cannot be had."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from n1v1_common.lifecycle import CannotStart, PortTaken, ServiceContext
from n1v1_common.lifecycle.http import HttpPart, aiohttp_app, listening_socket, probes_only
from n1v1_common.lifecycle.run_file import read_run_file
from n1v1_common.settings.load import load
from n1v1_common.telemetry.tracing import configure_tracing


def _with_a_route_of_its_own() -> HttpPart:
    from aiohttp import web

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    def add_routes(_context: ServiceContext, app: web.Application) -> None:
        app.router.add_get("/hello", hello)

    return aiohttp_app(add_routes)


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[ServiceContext]:
    settings = load((), {}, (f"paths.state_dir={tmp_path}",)).settings
    tracing = configure_tracing(service="risk", spans_dir=tmp_path)
    yield ServiceContext("risk", "risk", settings, tracing)
    tracing.shutdown()


async def _say(port: int, request: bytes) -> tuple[int, str]:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        raw = await reader.read()
        writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("make", [probes_only, _with_a_route_of_its_own])
async def test_both_servers_give_the_three_probes(make: Any, context: ServiceContext) -> None:
    async with make()(context) as port:
        assert (await _say(port, _get("/healthz")))[0] == 200
        status, body = await _say(port, _get("/readyz"))
        assert (status, json.loads(body)["checks"]) == (503, {"service": "starting"})
        context.ready()
        assert (await _say(port, _get("/readyz?verbose")))[0] == 200
        assert "n1v1_service_ready 1.0" in (await _say(port, _get("/metrics")))[1]
        assert (await _say(port, _get("/elsewhere")))[0] == 404


async def test_a_service_may_have_routes_of_its_own(context: ServiceContext) -> None:
    async with _with_a_route_of_its_own()(context) as port:
        assert await _say(port, _get("/hello")) == (200, "hello")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /healthz HTTP/1.1\r\n\r\n", 405),
        (b"hello\r\n\r\n", 400),
        (b"\xff\xfe \x00 HTTP/1.1\r\n\r\n", 404),
    ],
)
async def test_the_lean_server_refuses_what_it_does_not_understand(
    request_bytes: bytes, status: int, context: ServiceContext
) -> None:
    async with probes_only()(context) as port:
        assert (await _say(port, request_bytes))[0] == status


async def test_a_client_that_says_too_much_or_leaves_early_does_no_harm(context: ServiceContext) -> None:
    async with probes_only()(context) as port:
        for rubbish in (b"x" * 100_000, b"GET /healthz"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(rubbish)
            writer.close()
        assert (await _say(port, _get("/healthz")))[0] == 200


async def test_a_port_can_be_had_once(context: ServiceContext) -> None:
    async with probes_only()(context) as port:
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is taken"):
            listening_socket("127.0.0.1", port, service="risk")
    listening_socket("127.0.0.1", port, service="risk").close()


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1 port 0 \(services\.risk\)"):
        listening_socket("192.0.2.1", 0, service="risk")


async def test_the_run_file_says_where_the_service_is_until_it_is_withdrawn(context: ServiceContext) -> None:
    state_dir = context.settings.paths.state_dir
    context.announce("0.0.0.0", 8123)
    found = read_run_file(state_dir, "risk")
    assert found is not None
    assert found.url == "http://127.0.0.1:8123"
    context.withdraw()
    assert read_run_file(state_dir, "risk") is None

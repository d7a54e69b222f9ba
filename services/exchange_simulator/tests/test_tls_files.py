"""The venue's own certificate authority."""

from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientConnectorCertificateError, ClientSession, TCPConnector, web

from n1v1_exchange_simulator.tls import VALID_FOR, TlsFiles, server_context, tls_files


async def served_name(files: TlsFiles, host: str, trusted: ssl.SSLContext) -> str:
    """Asks a server with these files for its page under `host`; every name leads to it."""

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=request.host.partition(":")[0])

    application = web.Application()
    application.router.add_get("/", hello)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(files)).start()
    port = runner.addresses[0][1]
    try:
        async with (
            ClientSession(connector=TCPConnector(ssl=trusted)) as session,
            session.get(f"https://127.0.0.1:{port}/", headers={"Host": host}, server_hostname=host) as answer,
        ):
            return await answer.text()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("host", ["api.binance.com", "stream.binance.com", "ws-api.binance.com", "localhost"])
async def test_who_trusts_the_authority_can_reach_the_venue_by_binances_names(tmp_path: Path, host: str) -> None:
    files = tls_files(tmp_path)
    assert await served_name(files, host, ssl.create_default_context(cafile=files.ca)) == host


async def test_any_other_name_and_any_other_authority_is_refused(tmp_path: Path) -> None:
    files = tls_files(tmp_path / "ours")
    other = tls_files(tmp_path / "other")
    with pytest.raises(ClientConnectorCertificateError):
        await served_name(files, "example.org", ssl.create_default_context(cafile=files.ca))
    with pytest.raises(ClientConnectorCertificateError):
        await served_name(files, "localhost", ssl.create_default_context(cafile=other.ca))


async def test_the_next_start_keeps_the_files_until_they_are_about_to_end(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = await asyncio.to_thread(tls_files, tmp_path, now=now)
    authority = first.ca.read_bytes()

    tls_files(tmp_path, now=now + timedelta(days=1))
    assert first.ca.read_bytes() == authority

    tls_files(tmp_path, now=now + VALID_FOR - timedelta(days=2))
    assert first.ca.read_bytes() != authority


def test_only_the_owner_may_read_the_key(tmp_path: Path) -> None:
    assert stat.S_IMODE(tls_files(tmp_path).key.stat().st_mode) == 0o600

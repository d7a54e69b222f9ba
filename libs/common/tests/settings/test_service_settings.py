"""How the supervisor hands a service its settings."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.load import load
from n1v1_common.settings.service import dump_for_service, load_service_settings
from n1v1_common.stage.opening import bus_url


def test_a_service_sees_what_the_supervisor_loaded_secrets_included(tmp_path: Path) -> None:
    overrides = ("exchange.api_key=abc", "market.symbols=BTC-USD", "risk_management.max_drawdown=0.25")
    loaded = load((), {}, (*overrides, f"paths.state_dir={tmp_path}"))
    path = tmp_path / "risk.json"
    dump_for_service(loaded, path)
    assert load_service_settings({"N1V1_SETTINGS": str(path)}) == loaded.settings


def test_the_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "risk.json"
    dump_for_service(load((), {}, ()), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["risk.json"]


def test_what_differs_for_one_process_is_changed_on_the_way_and_checked(tmp_path: Path) -> None:
    loaded = load((), {}, ("signals.partitions=3", "signals.worker_count=3"))
    path = tmp_path / "signals-2.json"
    dump_for_service(loaded, path, {"signals.worker_index": 2, "services.signals.port": 8123})
    seen = load_service_settings({"N1V1_SETTINGS": str(path)})
    assert (seen.signals.worker_index, seen.services.signals.port) == (2, 8123)
    with pytest.raises(ConfigError, match="worker_index=3 must be below"):
        dump_for_service(loaded, path, {"signals.worker_index": 3})


def test_without_the_supervisor_files_and_environment_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("market:\n  timeframe: 1h\n", encoding="utf-8")
    env = {
        "N1V1_CONFIG": str(path),
        "N1V1__SERVICES__RISK__PORT": "8080",
        "N1V1__SERVICES__RISK__HOST": "0.0.0.0",
    }
    settings = load_service_settings(env)
    assert settings.market.timeframe == "1h"
    assert (settings.services.risk.host, settings.services.risk.port) == ("0.0.0.0", 8080)


def test_a_missing_or_damaged_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.json: cannot be read"):
        load_service_settings({"N1V1_SETTINGS": str(tmp_path / "absent.json")})
    torn = tmp_path / "torn.json"
    torn.write_text('{"market": {"time', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"torn\.json:1:13: not valid JSON"):
        load_service_settings({"N1V1_SETTINGS": str(torn)})


def test_every_node_of_a_cluster_is_reached_with_the_user_of_the_settings() -> None:
    given = ["bus.url=nats://a:4222, nats://own:word@b:4222", "bus.user=n1v1", "bus.password=a/b"]
    settings = load([], {}, given).settings
    assert bus_url(settings) == "nats://n1v1:a%2Fb@a:4222,nats://own:word@b:4222"

from __future__ import annotations

from n1v1_cli.stack.readiness import explain


def test_each_check_is_named_and_reasons_are_kept() -> None:
    body = '{"service": "risk", "ready": false, "checks": {"bus": "ok", "redis": "connection refused"}}'
    assert explain(body) == "bus ok, redis: connection refused"


def test_anything_else_is_shown_as_it_is_on_one_line() -> None:
    assert explain("still\nstarting\n") == "still starting"
    assert explain('{"other": 1}') == '{"other": 1}'
    assert explain('["list"]') == '["list"]'

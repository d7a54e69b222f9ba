"""/docs on the real routes: nothing of it has to come from elsewhere."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from n1v1_common.lifecycle.health import Health
from n1v1_common.lifecycle.probes import Probes
from n1v1_common.telemetry.metrics import Metrics
from n1v1_reporting.api.app import application
from n1v1_reporting.api.docs_page import docs_page


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    answers = cast(Any, SimpleNamespace())  # Any: no route is asked anything here
    return application(answers, Probes("reporting", Health(), Metrics())).openapi()


def test_every_route_is_on_the_page_and_those_that_need_nothing_are_links(schema: dict[str, Any]) -> None:
    page = docs_page(schema)
    assert all(path in page for path in schema["paths"])
    assert '<a href="/api/v1/positions">' in page
    assert "<h2>GET /api/v1/orders/{order_id}</h2>" in page


def test_parameters_and_answers_are_said_with_their_types(schema: dict[str, Any]) -> None:
    page = docs_page(schema)
    assert "<tr><td><code>order_id</code><td>string, required" in page
    assert '<p>answers <a href="#Positions">Positions</a>' in page
    assert '<tr><td><code>positions</code><td>list of <a href="#Position">Position</a>' in page
    assert '<tr><td><code>protection</code><td>list of <a href="#Protection">Protection</a>' in page
    assert "<tr><td><code>bar_time</code><td>date-time or null" in page


def test_no_link_leads_nowhere(schema: dict[str, Any]) -> None:
    page = docs_page(schema)
    assert set(re.findall(r'href="#(\w+)"', page)) <= set(re.findall(r'id="(\w+)"', page))


def test_the_page_loads_nothing(schema: dict[str, Any]) -> None:
    page = docs_page(schema)
    assert "<script" not in page
    assert "http" not in page
    assert "src=" not in page

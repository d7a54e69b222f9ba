"""Metrics: one table of names; nothing outside it can be counted."""

from __future__ import annotations

import re

import pytest

from n1v1_common.telemetry.metrics import METRICS, Kind, MetricMisuse, Metrics, as_markdown


def test_a_bound_counter_appears_with_its_labels_and_meaning() -> None:
    metrics = Metrics()
    metrics.counter("risk_decisions_total", outcome="refused", reason="max_drawdown").inc()
    metrics.counter("risk_decisions_total", outcome="refused", reason="max_drawdown").inc()
    metrics.histogram("n1v1_postgres_seconds", statement="effect").observe(0.003)
    text = metrics.exposition().decode()
    assert 'risk_decisions_total{outcome="refused",reason="max_drawdown"} 2.0' in text
    assert "# HELP risk_decisions_total By outcome and reason code." in text
    assert 'n1v1_postgres_seconds_bucket{le="0.005",statement="effect"} 1.0' in text
    assert "_created" not in text


def test_two_processes_worth_of_metrics_do_not_share_numbers() -> None:
    first, second = Metrics(), Metrics()
    first.gauge("n1v1_service_ready").set(1)
    assert b"n1v1_service_ready 1.0" in first.exposition()
    assert b"n1v1_service_ready" not in second.exposition()


def test_a_name_outside_the_table_or_used_against_it_is_an_error() -> None:
    metrics = Metrics()
    with pytest.raises(MetricMisuse, match=r"did you mean risk_decisions_total\?"):
        metrics.counter("risk_decision_total")
    with pytest.raises(MetricMisuse, match="is a counter, not a gauge"):
        metrics.gauge("risk_decisions_total", outcome="a", reason="b")
    with pytest.raises(MetricMisuse, match="has the labels"):
        metrics.counter("risk_decisions_total", outcome="refused")


def test_every_name_is_unique_has_a_prefix_of_ours_and_ends_as_its_kind_demands() -> None:
    names = [spec.name for spec in METRICS]
    assert len(set(names)) == len(names)
    prefixes = "n1v1|market_data|signals|risk|execution|portfolio|reporting|exchange_simulator"
    for spec in METRICS:
        assert re.match(rf"({prefixes})_[a-z0-9_]+$", spec.name)
        assert (spec.kind is Kind.COUNTER) == spec.name.endswith("_total")
        assert (spec.kind is Kind.HISTOGRAM) == bool(spec.buckets)
        assert spec.meaning.endswith(".")


def test_every_metric_can_be_made() -> None:
    metrics = Metrics()
    make = {Kind.COUNTER: metrics.counter, Kind.GAUGE: metrics.gauge, Kind.HISTOGRAM: metrics.histogram}
    for spec in METRICS:
        make[spec.kind](spec.name, **dict.fromkeys(spec.labels, "x"))
    assert all(spec.name in metrics.exposition().decode() for spec in METRICS)


def test_the_document_names_every_metric() -> None:
    assert all(f"| `{spec.name}` |" in as_markdown() for spec in METRICS)

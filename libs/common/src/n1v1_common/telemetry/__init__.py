"""Logs, metrics and traces of a service.

logging.configure_logging     one event a line, JSON or for eyes, with the trace it belongs to
metrics.Metrics               counters, gauges and histograms from the one table of names
tracing.configure_tracing     spans of orders, to OTLP or to the local span store
spans.load_trace, waterfall   reading the local span store again
"""

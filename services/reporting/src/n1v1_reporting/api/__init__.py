"""The HTTP API: read-only, JSON, typed."""

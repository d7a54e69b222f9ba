"""Plumbing shared by the services: bus, storage, state, settings, lifecycle, telemetry, codec, embedded servers."""

"""Messages between the stages: `api` is what services use, `nats` and `memory` are the adapters behind it."""

"""What the passwords of an installation are called in the environment of its containers."""

from __future__ import annotations

from n1v1_common.access.table import users_of_the_bus

# Of the servers' administrators, and the keys of the simulated venue.
_OTHERS = (
    "N1V1_NATS_PASSWORD",
    "N1V1_POSTGRES_PASSWORD",
    "N1V1_REDIS_PASSWORD",
    "N1V1_SIMULATOR_API_KEY",
    "N1V1_SIMULATOR_API_SECRET",
)


def password_variable(user: str) -> str:
    return f"N1V1_{user.upper()}_PASSWORD"


def names_of_secrets() -> tuple[str, ...]:
    return (*(password_variable(user) for user in users_of_the_bus()), *_OTHERS)

"""What deploy/ tells servers and services is what the table of access says; nothing more reaches a container."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from n1v1_common.access import ACCESS
from n1v1_common.access.hot_state import acl_rules
from n1v1_common.access.table import users_of_hot_state, users_of_the_bus

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES = [user for user in users_of_the_bus() if user != "operator"]
SECRET = re.compile(r"N1V1_(?!_)[A-Z_]*(?:PASSWORD|API_KEY|API_SECRET)")


@pytest.fixture(scope="module")
def composed() -> Any:  # Any: YAML
    return yaml.safe_load((DEPLOY / "compose.yml").read_text())["services"]


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / "k8s" / "base" / f"{name}.yaml").read_text()))


def pod_of(name: str) -> Any:
    return documents(name)[0]["spec"]["template"]["spec"]


def secrets_in(told: object) -> set[str]:
    """The secrets whose names stand in a part of a file."""
    return set(SECRET.findall(repr(told)))


def expected_secrets(service: str) -> set[str]:
    own = {f"N1V1_{service.upper()}_PASSWORD"}
    return own | {"N1V1_SIMULATOR_API_KEY", "N1V1_SIMULATOR_API_SECRET"} if ACCESS[service].holds_venue_keys else own


def test_the_file_for_nats_follows_from_the_table() -> None:
    specification = importlib.util.spec_from_file_location("configuration", DEPLOY / "configuration.py")
    assert specification is not None
    assert specification.loader is not None
    configuration = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(configuration)
    told = configuration.NATS_FILE.read_text()
    assert told == configuration.nats_configuration(), "run: python deploy/configuration.py"


@pytest.mark.parametrize("user", users_of_hot_state())
def test_redis_is_told_of_every_user_what_the_table_says(composed: Any, user: str) -> None:
    variable = f"N1V1_{user.upper()}_PASSWORD"
    for words, password in (
        (composed["redis"]["command"], f"${{{variable}:?make them with n1v1 secrets deploy/.env}}"),
        (pod_of("redis")["containers"][0]["args"], f"$({variable})"),
    ):
        users = [i for i, word in enumerate(words) if word == "--user"]
        assert len(users) == len(users_of_hot_state())
        [at] = [i for i in users if words[i + 1] == user]
        end = min((i for i in users if i > at), default=len(words))
        assert " ".join(words[at + 2 : end]) == acl_rules(user, password)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_holds_its_own_password_and_no_other(composed: Any, service: str) -> None:
    told = composed[service]["environment"]
    pod = pod_of(service.replace("_", "-"))
    assert told["N1V1__BUS__USER"] == service
    assert secrets_in(told) == expected_secrets(service)
    assert secrets_in(pod["containers"]) == expected_secrets(service)
    for settings in (str(told), str(pod["containers"])):
        assert ("N1V1__POSTGRES__DSN" in settings) is ACCESS[service].has_schema
        assert ("N1V1__REDIS__URL" in settings) is (service in users_of_hot_state())


def test_no_secret_is_in_the_tree() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name not in (".env", "secrets.env"):
            assert not re.search(r"local-default-", path.read_text()), path

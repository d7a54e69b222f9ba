"""The component for three NATS nodes: what it renders to, and that servers which run by it become a cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from n1v1_cli.main import main
from n1v1_common.access import ADMIN
from n1v1_common.bus.api import BusError, Outgoing
from n1v1_common.bus.nats import NatsBus
from n1v1_common.install import install_bus
from n1v1_common.servers import ServerMissing, binaries
from n1v1_common.servers.ports import free_port
from n1v1_common.servers.process import ChildProcess, ProcessSpec
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Bus, Settings
from n1v1_common.streams import TRADING

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPONENT = DEPLOY / "k8s" / "components" / "nats-cluster"
NODES = [f"nats-{index}" for index in range(3)]
SECRET = "p5ecret"
"""Each of the secrets begins with a letter, as `n1v1 secrets` has it: NATS would take digits for a number."""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Any]:  # Any: YAML
    """The local overlay with the component, in a copy of deploy/."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl, which renders kustomizations")
    deploy = tmp_path_factory.mktemp("rendered") / "deploy"
    shutil.copytree(DEPLOY, deploy)
    overlay = deploy / "k8s" / "overlays" / "local"
    assert main(["secrets", str(overlay / "secrets.env")]) == 0
    file = overlay / "kustomization.yaml"
    file.write_text(file.read_text() + "components: [../../components/nats-cluster]\n")
    told = subprocess.run(
        ["kubectl", "kustomize", str(overlay)], check=True, capture_output=True, text=True, timeout=60
    )
    return list(yaml.safe_load_all(told.stdout))


def the(resources: Sequence[Any], kind: str, name: str) -> Any:
    [found] = [
        each
        for each in resources
        if each["kind"] == kind and re.fullmatch(rf"{name}(-\w{{10}})?", each["metadata"]["name"])
    ]
    return found


def test_three_nodes_start_together_and_find_each_other_before_they_are_ready(rendered: Sequence[Any]) -> None:
    nodes, service = the(rendered, "StatefulSet", "nats"), the(rendered, "Service", "nats")
    pod = nodes["spec"]["template"]
    assert (nodes["spec"]["replicas"], nodes["spec"]["podManagementPolicy"]) == (len(NODES), "Parallel")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"]
    assert {port["port"] for port in service["spec"]["ports"]} == {4222, 6222}
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    [container] = pod["spec"]["containers"]
    assert {port["containerPort"] for port in container["ports"]} == {4222, 6222, 8222}
    mounted = the(rendered, "ConfigMap", "nats")
    assert {volume.get("configMap", {}).get("name") for volume in pod["spec"]["volumes"]} >= {
        mounted["metadata"]["name"]
    }
    assert set(mounted["data"]) == {"nats-server.conf", "cluster.conf"}
    assert container["args"] == ["nats-server", "--config", "/etc/nats/n1v1/cluster.conf"]


def test_no_two_nodes_are_taken_away_at_once(rendered: Sequence[Any]) -> None:
    budget = the(rendered, "PodDisruptionBudget", "nats")["spec"]
    labels = the(rendered, "StatefulSet", "nats")["spec"]["template"]["metadata"]["labels"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_services_know_every_node_and_keep_three_copies(rendered: Sequence[Any]) -> None:
    told = the(rendered, "ConfigMap", "n1v1")["data"]
    settings = load([], told, []).settings
    assert settings.bus.url.split(",") == [f"nats://{node}.nats:4222" for node in NODES]
    assert settings.bus.replicas == len(NODES)


def environment_of(node: str, rename: Mapping[str, str]) -> dict[str, str]:
    """What the node is told, by the rules of Kubernetes: a value may name what stands before it.

    rename: addresses of the pods, and where they are here instead.
    """
    base = next(iter(yaml.safe_load_all((DEPLOY / "k8s" / "base" / "nats.yaml").read_text())))
    told = list(base["spec"]["template"]["spec"]["containers"][0]["env"])
    told += [change["value"] for change in yaml.safe_load((COMPONENT / "environment.yaml").read_text())]
    found: dict[str, str] = {}
    for variable in told:
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            text = SECRET
        elif "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == "metadata.name"
            text = node
        else:
            text = re.sub(r"\$\((\w+)\)", lambda named: found[named[1]], variable["value"])
        for address, here in rename.items():
            text = text.replace(address, here)
        found[variable["name"]] = text
    return found


def configured(folder: Path, *, client: int, monitoring: int, cluster: int) -> Path:
    """The files as they are mounted, but for the addresses and the data folder."""
    folder.mkdir()
    changes = {
        "port: 4222": f'listen: "127.0.0.1:{client}"',
        "http: 8222": f'http: "127.0.0.1:{monitoring}"',
        "store_dir: /data": f'store_dir: "{folder}/data"',
        "port: 6222": f'listen: "127.0.0.1:{cluster}"',
    }
    for file in (DEPLOY / "nats" / "nats-server.conf", COMPONENT / "cluster.conf"):
        text = file.read_text()
        for told, here in changes.items():
            text = text.replace(told, here)
        (folder / file.name).write_text(text)
    texts = [path.read_text() for path in folder.iterdir()]
    assert all(any(here in text for text in texts) for here in changes.values())
    return folder / "cluster.conf"


@asynccontextmanager
async def three_nodes(folder: Path) -> AsyncIterator[list[int]]:
    """Answers the ports for clients."""
    clients, routes = [free_port() for _ in NODES], [free_port() for _ in NODES]
    rename = {f"{node}.nats:6222": f"127.0.0.1:{port}" for node, port in zip(NODES, routes, strict=True)}
    async with AsyncExitStack() as running:
        for node, client, route in zip(NODES, clients, routes, strict=True):
            file = configured(folder / node, client=client, monitoring=free_port(), cluster=route)
            argv = [str(binaries.nats_server()), "--config", str(file)]
            log = folder / f"{node}.log"
            process = ChildProcess(ProcessSpec(name=node, argv=argv, log=log, env=environment_of(node, rename)))
            await process.start()
            running.push_async_callback(process.stop)
        yield clients


@pytest.mark.servers
@pytest.mark.timeout(90)
async def test_servers_run_by_the_files_are_one_cluster_with_the_rights_of_the_table(tmp_path: Path) -> None:
    try:
        binaries.nats_server()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    async with three_nodes(tmp_path) as ports:
        await install_bus(Settings(bus=Bus(url=urls(ADMIN, ports), replicas=3)))
        bus = await NatsBus.connect(urls("risk", ports), name="test", ack_timeout_s=1.0)
        await bus.publish([Outgoing("risk.v1.approved.x", b"", "one")], retry_for_s=10)
        with pytest.raises(BusError):
            await bus.publish([Outgoing("execution.v1.filled.x", b"", "two")], retry_for_s=0)
        await bus.drain()
        admin = await NatsBus.connect(urls(ADMIN, ports), name="test")
        info = await admin._connection.api(f"STREAM.INFO.{TRADING.name}")
        await admin.drain()
    members = {info["cluster"]["leader"], *(node["name"] for node in info["cluster"]["replicas"])}
    assert members == set(NODES)


def urls(user: str, ports: Sequence[int]) -> str:
    return ",".join(f"nats://{user}:{SECRET}@127.0.0.1:{port}" for port in ports)

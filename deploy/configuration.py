"""The parts of this folder that follow from the table of access: `python deploy/configuration.py` writes them.

nats/nats-server.conf: what each user may say and hear. The tests compare it with the table.
"""

from __future__ import annotations

from pathlib import Path

from n1v1_common.access import ADMIN
from n1v1_common.access.bus import authorization
from n1v1_common.access.secrets import password_variable
from n1v1_common.access.table import users_of_the_bus

NATS_FILE = Path(__file__).parent / "nats" / "nats-server.conf"
SIGNAL_PARTITIONS = 1

NATS = """\
# Written by deploy/configuration.py. NATS with JetStream on disk; passwords come from the environment.
port: 4222
http: 8222
jetstream {
    store_dir: /data
    max_memory_store: 256MB
    max_file_store: 16GB
    # One fsync a message. The default syncs every two minutes, and on a single node a power cut then loses orders.
    sync_interval: always
}
"""


def nats_configuration() -> str:
    passwords = {user: f"${password_variable(user)}" for user in users_of_the_bus()}
    return NATS + authorization({**passwords, ADMIN: "$N1V1_NATS_PASSWORD"}, signal_partitions=SIGNAL_PARTITIONS)


if __name__ == "__main__":
    NATS_FILE.write_text(nats_configuration())

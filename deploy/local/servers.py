"""The servers under Fairboard, each as a part: etcd, PostgreSQL under Patroni, Valkey with its Sentinels."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cli.embedded.postgres import OWNER, find_programs
from cli.embedded.redis import find_program as find_valkey
from cli.parts import POSTGRES_CHATTER, REDIS_CHATTER
from cli.supervisor import Part
from deploy.local.places import ETCD, MASTER, REDIS, Places
from deploy.local.programs import find_program
from deploy.local.python import python_for

REPLICATOR = "replicator"
ETCD_CHATTER = re.compile(r"")
"""All of it: what matters of etcd, Patroni and the session say."""
VALKEY_CHATTER = re.compile(REDIS_CHATTER.pattern + r"|# [+-](monitor|sentinel|slave|replica)")
PATRONI_CHATTER = re.compile(
    POSTGRES_CHATTER.pattern
    + r"|UTC \[\d+\]|accepting connections|server signaled|no response$|backend>"
    + r"|WARNING: (No standbys|Loop time|Retry got|Failed to determine|Concurrent update|Could not|Postgresql is not)"
    + r"|watchprefix failed|^server promoting"
)


def etcd(places: Places, name: str) -> Part:
    """One of three etcd, which keep who is the primary."""
    home, identity = places.home(name)
    client, peer = f"{name}-client", f"{name}-peer"
    values = {
        "ETCD_NAME": name,
        "ETCD_DATA_DIR": str(home / "data"),
        "ETCD_LISTEN_PEER_URLS": f"http://{places.listen(peer)}",
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": f"http://{places.address(peer)}",
        "ETCD_LISTEN_CLIENT_URLS": f"http://{places.listen(client)}",
        "ETCD_ADVERTISE_CLIENT_URLS": f"http://{places.address(client)}",
        "ETCD_INITIAL_CLUSTER": ",".join(f"{one}=http://{places.address(f'{one}-peer')}" for one in ETCD),
        "ETCD_INITIAL_CLUSTER_STATE": "new",
        "ETCD_INITIAL_CLUSTER_TOKEN": "fairboard",
        "ETCD_HEARTBEAT_INTERVAL": "250",
        "ETCD_ELECTION_TIMEOUT": "2500",
        "ETCD_AUTO_COMPACTION_RETENTION": "1",
        "ETCD_LOG_LEVEL": "warn",
    }
    program = str(places.program("etcd", lambda: find_program("etcd")))
    return Part(name, (program,), patience=3.0, identity=identity, environment=values, hides=ETCD_CHATTER)


def postgres(places: Places, name: str) -> Part:
    """One of three PostgreSQL under Patroni."""
    home, identity = places.home(name)
    configuration = places.file(name, "patroni/patroni.yml")
    sql, rest = f"{name}-sql", f"{name}-rest"
    values = {
        "PATRONI_NAME": name,
        "PATRONI_ETCD3_HOSTS": places.addresses(tuple(f"{one}-client" for one in ETCD)),
        "PATRONI_RESTAPI_LISTEN": places.listen(rest),
        "PATRONI_RESTAPI_CONNECT_ADDRESS": places.address(rest),
        "PATRONI_RESTAPI_USERNAME": "patroni",
        "PATRONI_RESTAPI_PASSWORD": places.secrets["PATRONI_PASSWORD"],
        "PATRONI_POSTGRESQL_LISTEN": places.listen(sql),
        "PATRONI_POSTGRESQL_CONNECT_ADDRESS": places.address(sql),
        "PATRONI_POSTGRESQL_DATA_DIR": str(home / "data"),
        "PATRONI_POSTGRESQL_BIN_DIR": str(places.program("postgres", lambda: find_programs("", identity)[0])),
        "PATRONI_POSTGRESQL_PGPASS": str(home / "pgpass"),
        "PATRONI_SUPERUSER_USERNAME": OWNER,
        "PATRONI_SUPERUSER_PASSWORD": places.secrets["POSTGRES_OWNER_PASSWORD"],
        "PATRONI_REPLICATION_USERNAME": REPLICATOR,
        "PATRONI_REPLICATION_PASSWORD": places.secrets["REPLICATION_PASSWORD"],
        "PATRONI_LOG_LEVEL": "WARNING",
    }
    python, own = python_for(identity)
    return Part(
        name,
        (str(python), "-m", "patroni", str(configuration)),
        patience=8.0,
        identity=identity,
        environment=values | own,
        hides=PATRONI_CHATTER,
        pid_file=home / "data" / "postmaster.pid",
    )


def board_redis(places: Places, name: str) -> Part:
    """One of three Valkey for the board. The first begins as the master; later it is whom the Sentinels choose."""
    return _valkey(places, name, "board.conf", _auth(places))


def broker(places: Places, name: str) -> Part:
    """The Valkey of the queues."""
    return _valkey(places, name, "broker.conf", _auth(places))


def sentinel(places: Places, name: str) -> Part:
    """One of three Sentinels, which choose the board's master."""
    password = places.secrets["REDIS_PASSWORD"]
    auth = [f"requirepass {password}", f"sentinel sentinel-pass {password}", f"sentinel auth-pass {MASTER} {password}"]
    return _valkey(places, name, "sentinel.conf", auth)


def _auth(places: Places) -> list[str]:
    password = places.secrets["REDIS_PASSWORD"]
    return [f"requirepass {password}", f"masterauth {password}"]


def _valkey(places: Places, name: str, file: str, auth: Sequence[str]) -> Part:
    home, identity = places.home(name)
    places.file(name, f"valkey/{file}")
    places.make_folder(name, "data")
    bind, _, port = places.listen(name).rpartition(":")
    values = {
        "VALKEY_FILE": file,
        "VALKEY_HOME": str(home / "data"),
        "VALKEY_BIND": bind,
        "VALKEY_PORT": port,
        "VALKEY_NAME": places.address(name).rpartition(":")[0],
        "VALKEY_MASTER": places.address(REDIS[0]).replace(":", " "),
        "VALKEY_AUTH": str(places.write(name, "auth.conf", "\n".join(auth) + "\n")),
        "VALKEY_SERVER": str(places.program("valkey-server", lambda: find_valkey(identity))),
    }
    argv = ("sh", str(places.file(name, "valkey/start.sh")))
    return Part(name, argv, patience=3.0, identity=identity, hides=VALKEY_CHATTER, environment=values)

"""The servers under Fairboard, each as a part: etcd, PostgreSQL under Patroni, Valkey with its Sentinels."""

from __future__ import annotations

from pathlib import Path

from cli.embedded.postgres import OWNER, find_programs
from cli.embedded.redis import find_program as find_valkey
from cli.parts import POSTGRES_CHATTER, REDIS_CHATTER
from cli.supervisor import Part
from deploy.local.places import ETCD, MASTER, REDIS, Places
from deploy.local.programs import find_program
from deploy.local.python import python_for

REPLICATOR = "replicator"


def etcd(places: Places, name: str) -> Part:
    """One of three etcd, which keep who is the primary."""
    home, identity = places.home(name)
    client, peer = (f"http://{places.address(f'{name}-{kind}')}" for kind in ("client", "peer"))
    members = ",".join(f"{one}=http://{places.address(f'{one}-peer')}" for one in ETCD)
    values = {
        "ETCD_NAME": name,
        "ETCD_DATA_DIR": str(home / "data"),
        "ETCD_LISTEN_PEER_URLS": peer,
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
        "ETCD_LISTEN_CLIENT_URLS": client,
        "ETCD_ADVERTISE_CLIENT_URLS": client,
        "ETCD_INITIAL_CLUSTER": members,
        **ETCD_SETTINGS,
    }
    return Part(name, (str(find_program("etcd")),), patience=3.0, identity=identity, environment=values)


ETCD_SETTINGS = {
    "ETCD_INITIAL_CLUSTER_STATE": "new",
    "ETCD_INITIAL_CLUSTER_TOKEN": "fairboard",
    "ETCD_HEARTBEAT_INTERVAL": "250",
    "ETCD_ELECTION_TIMEOUT": "2500",
    "ETCD_AUTO_COMPACTION_RETENTION": "1",
    "ETCD_LOG_LEVEL": "warn",
}


def postgres(places: Places, name: str) -> Part:
    """One of three PostgreSQL under Patroni."""
    home, identity = places.home(name)
    configuration = places.file(name, "patroni/patroni.yml")
    programs, _ = find_programs("", identity)
    python, own = python_for(identity)
    sql, rest = places.address(f"{name}-sql"), places.address(f"{name}-rest")
    values = {
        "PATRONI_NAME": name,
        "PATRONI_ETCD3_HOSTS": places.addresses(tuple(f"{one}-client" for one in ETCD)),
        "PATRONI_RESTAPI_LISTEN": rest,
        "PATRONI_RESTAPI_CONNECT_ADDRESS": rest,
        "PATRONI_RESTAPI_USERNAME": "patroni",
        "PATRONI_RESTAPI_PASSWORD": places.secrets["PATRONI_PASSWORD"],
        "PATRONI_POSTGRESQL_LISTEN": sql,
        "PATRONI_POSTGRESQL_CONNECT_ADDRESS": sql,
        "PATRONI_POSTGRESQL_DATA_DIR": str(home / "data"),
        "PATRONI_POSTGRESQL_BIN_DIR": str(programs),
        "PATRONI_POSTGRESQL_PGPASS": str(home / "pgpass"),
        "PATRONI_SUPERUSER_USERNAME": OWNER,
        "PATRONI_SUPERUSER_PASSWORD": places.secrets["POSTGRES_OWNER_PASSWORD"],
        "PATRONI_REPLICATION_USERNAME": REPLICATOR,
        "PATRONI_REPLICATION_PASSWORD": places.secrets["REPLICATION_PASSWORD"],
        "PATRONI_LOG_LEVEL": "WARNING",
    }
    return Part(
        name,
        (str(python), "-m", "patroni", str(configuration)),
        patience=8.0,
        identity=identity,
        environment=values | own,
        hides=POSTGRES_CHATTER,
        pid_file=home / "data" / "postmaster.pid",
    )


def board_redis(places: Places, name: str) -> Part:
    """One of three Valkey for the board. The first begins as the master; later it is whom the Sentinels choose."""
    options = [] if name == REDIS[0] else ["--replicaof", *places.address(REDIS[0]).split(":")]
    return _valkey(places, name, "valkey/board.conf", options)


def broker(places: Places, name: str) -> Part:
    """The Valkey of the queues."""
    return _valkey(places, name, "valkey/broker.conf", [])


def _valkey(places: Places, name: str, file: str, options: list[str]) -> Part:
    home, identity = places.home(name)
    password = places.secrets["REDIS_PASSWORD"]
    # Sentinel has the server write whom it follows into its file, which therefore outlives a restart.
    configuration = home / Path(file).name
    if not configuration.exists():
        lines = [
            "bind 127.0.0.1",
            f"port {places.ports[name]}",
            f'dir "{home}"',
            f"requirepass {password}",
            f"masterauth {password}",
            *([" ".join(["replicaof", *options[1:]])] if options else []),
        ]
        places.file(name, file, "\n".join(lines) + "\n")
    argv = (str(find_valkey(identity)), str(configuration))
    return Part(name, argv, patience=3.0, identity=identity, hides=REDIS_CHATTER)


def sentinel(places: Places, name: str) -> Part:
    """One of three Sentinels, which choose the board's master."""
    home, identity = places.home(name)
    password = places.secrets["REDIS_PASSWORD"]
    configuration = home / "sentinel.conf"
    if not configuration.exists():
        lines = [
            "bind 127.0.0.1",
            f"port {places.ports[name]}",
            f'dir "{home}"',
            f"requirepass {password}",
            f"sentinel sentinel-pass {password}",
            f"sentinel monitor {MASTER} {places.address(REDIS[0]).replace(':', ' ')} 2",
            f"sentinel auth-pass {MASTER} {password}",
            f"sentinel down-after-milliseconds {MASTER} 2000",
            f"sentinel failover-timeout {MASTER} 6000",
            f"sentinel parallel-syncs {MASTER} 2",
        ]
        places.file(name, "valkey/sentinel.conf", "\n".join(lines) + "\n")
    argv = (str(find_valkey(identity)), str(configuration), "--sentinel")
    return Part(name, argv, patience=2.0, identity=identity, hides=REDIS_CHATTER)

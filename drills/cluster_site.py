"""The whole cluster of deploy/local as a site: what only several nodes can show."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path

import psycopg2
from redis import Redis
from redis.exceptions import RedisError

from cli.embedded.identity import Identity
from config.catalogue import BOARD
from config.settings import PREFIX, Settings
from deploy.local.cluster import Cluster
from deploy.local.places import POSTGRES, REDIS
from deploy.local.process import Part
from deploy.local.state import status
from drills.link import Link
from drills.site import Hurtable
from drills.truth import until
from services.resources import Resources, for_background
from services.verify import verify
from tests.processes import ROOT, open_folder

MORE = {"FAIRBOARD_AUTH_ADDRESS_LIMIT": "0"}
HEAL_SECONDS = 120.0
ASK_SECONDS = 60.0


class ClusterSite:
    """Clients go through the balancer."""

    name = "cluster"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.links: Mapping[str, Link] = {}
        self.trust: ssl.SSLContext | None = ssl.create_default_context(cafile=str(cluster.authority))
        self.parts: Mapping[str, Part] = cluster.parts

    @property
    def urls(self) -> Sequence[str]:
        """The balancer."""
        return (self.cluster.url,)

    @cached_property
    def settings(self) -> Settings:
        """As a client process of the cluster has them."""
        own = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in self.cluster.environment.items()
            if name.startswith(PREFIX)
        }
        return Settings(_env_file=None, **own)  # type: ignore[arg-type]  # pydantic turns text into types

    @property
    def primary(self) -> Part:
        """The node that is the primary now."""
        return self.parts[self._named(self.cluster.primary)]

    @property
    def board(self) -> Part:
        """The master that the Sentinels agree on."""
        return self.parts[self._named(self.cluster.redis_master)]

    @property
    def broker(self) -> Hurtable:
        """Celery's Redis."""
        return self.parts["broker"]

    @property
    def identity(self) -> Identity | None:
        """The same for each node."""
        return self.parts[POSTGRES[0]].plan.identity

    @staticmethod
    def _named(found: object) -> str:
        names: list[str] = []

        def look() -> bool:
            name = found()  # type: ignore[operator]
            names.extend([name] if name else [])
            return bool(name)

        assert until(look, ASK_SECONDS) is not None, "nobody leads"
        return names[-1]

    def ask(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """As the owner, on the primary, waiting for there to be one."""
        answers: list[list[tuple[object, ...]]] = []

        def done() -> bool:
            with suppress(psycopg2.OperationalError, psycopg2.errors.ReadOnlySqlTransaction):
                answers.append(self._ask_once(query, parameters))
            return bool(answers)

        assert until(done, ASK_SECONDS) is not None, "no primary answers"
        return answers[0]

    def _ask_once(self, query: str, parameters: tuple[object, ...]) -> list[tuple[object, ...]]:
        url = self.settings.owner_url.replace("+psycopg2", "")
        options = "-c statement_timeout=10000"
        connection = psycopg2.connect(
            url, connect_timeout=2, target_session_attrs="read-write", options=options, tcp_user_timeout=5000
        )
        with closing(connection), connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(query, parameters)
            return list(cursor.fetchall()) if cursor.description else []

    def resources(self) -> Resources:
        """Found anew after each failover."""
        return self._resources

    @cached_property
    def _resources(self) -> Resources:
        return for_background(self.settings)

    def ready(self) -> bool:
        """As the balancer finds."""
        return status(f"{self.cluster.url}/readyz", self.cluster.authority) == 200

    def whole(self) -> bool:
        """Whether both standbys and both replicas follow, so that one more of anything may be taken away."""
        try:
            standbys = self._ask_once("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'", ())[0][0]
            told = self._ask_master()
        except (psycopg2.Error, RedisError):
            return False
        replicas = sum(told.get(f"slave{number}", {}).get("state") == "online" for number in range(len(REDIS)))
        return standbys == len(POSTGRES) - 1 and replicas == len(REDIS) - 1

    def _ask_master(self) -> dict[str, dict[str, str]]:
        """Not over a connection that was opened before it became the master."""
        name, password = self.cluster.redis_master(), self.cluster.places.secrets["REDIS_PASSWORD"]
        if name is None:
            return {}
        with Redis(port=self.cluster.ports[name], password=password, socket_timeout=1, protocol=2) as redis:
            return dict(redis.info("replication"))

    def heal(self) -> None:
        """Every part up and every server of Fairboard ready. Our own connections may be with a former master."""
        if "_resources" in self.__dict__:
            self._resources.redis.connection_pool.disconnect()
            self._resources.quick.forget_idle()
        for part in self.parts.values():
            part.thaw()
            part.start()
        self.cluster.wait_ready(HEAL_SECONDS)

    def differences(self) -> list[str]:
        """On the whole site."""
        return list(verify(self.resources(), BOARD))

    def command(self, *arguments: str) -> str:
        """As an operator runs it."""
        return self.cluster.command(*arguments).stdout


@contextmanager
def cluster_site(tree: Path = ROOT) -> Iterator[ClusterSite]:
    """A cluster in a folder that is removed afterwards, whose Fairboard runs from a source tree."""
    with open_folder() as folder, Cluster(folder, MORE, tree) as cluster:
        cluster.wait_ready()
        yield ClusterSite(cluster)

"""Real PostgreSQL and Redis (Valkey) as child processes, for `fairboard up` and for the tests.

    with embedded_postgres(directory) as url: ...
    with embedded_redis(directory) as url: ...

`EmbeddedPostgres` and `EmbeddedRedis` can also be started, stopped, killed and started again on the same port and data.
"""

from __future__ import annotations

from cli.embedded.postgres import EmbeddedPostgres, embedded_postgres
from cli.embedded.redis import EmbeddedRedis, embedded_redis
from cli.embedded.server import EmbeddedServer, EmbeddedServerError, free_port

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "EmbeddedServer",
    "EmbeddedServerError",
    "embedded_postgres",
    "embedded_redis",
    "free_port",
]

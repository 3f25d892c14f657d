"""Who is the master is for the Sentinels to say, however well a former one answers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from cli.embedded import EmbeddedRedis, free_port
from cli.embedded.redis import find_program
from services.redis_client import has_moved, make_redis
from tests.processes import open_folder
from tests.support.stack import wait_for

PASSWORD = "sentinel"
CONFIGURATION = """
bind 127.0.0.1
port {port}
requirepass {password}
sentinel monitor board 127.0.0.1 {master} 1
sentinel auth-pass board {password}
"""


@contextmanager
def watching(folder: Path, master: EmbeddedRedis) -> Iterator[int]:
    """A real Sentinel that watches a server; gives its port."""
    port, file = free_port(), folder / "sentinel.conf"
    file.write_text(CONFIGURATION.format(port=port, password=PASSWORD, master=master.port))
    argv = [str(find_program(None)), str(file), "--sentinel"]
    process = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def names_it(url: str) -> bool:
    """Whether the Sentinel answers and leads to the master."""
    try:
        return bool(make_redis(url).ping())
    except RedisError:
        return False


def test_a_subscription_with_a_former_master_is_known_to_be_one() -> None:
    with open_folder() as folder, ExitStack() as running:
        former, other = (EmbeddedRedis(folder / name, password=PASSWORD) for name in ("former", "other"))
        for server in (former, other):
            running.callback(server.stop)
            server.start()
        port = running.enter_context(watching(folder, former))
        url = f"redis+sentinel://:{PASSWORD}@127.0.0.1:{port}/0?master=board"
        sentinel = running.enter_context(Redis(port=port, password=PASSWORD, protocol=2))
        wait_for(lambda: names_it(url))
        redis = running.enter_context(make_redis(url))
        pubsub = running.enter_context(redis.pubsub())
        pubsub.subscribe("anything")
        assert not has_moved(redis, pubsub)
        sentinel.execute_command("SENTINEL", "REMOVE", "board")
        assert not has_moved(redis, pubsub), "nobody is named now"
        sentinel.execute_command("SENTINEL", "MONITOR", "board", "127.0.0.1", other.port, 1)
        assert has_moved(redis, pubsub)
        assert former.is_ready(), "and all the while it answers"

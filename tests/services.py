"""Private real servers for tests: a PostgreSQL cluster and a Redis, each in a folder and on a port of its own.

Nothing here touches a server of the system. Every process is ended by its pid; where the platform allows it, it also ends
with the test run that started it, so that a killed run leaves nothing behind.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from tests.waiting import eventually_sync

HOST = "127.0.0.1"
OWNER_ROLE = "plog_owner"
APP_ROLE = "plog_app"
START_SECONDS = 30.0
STOP_SECONDS = 20.0


def free_port() -> int:
    """A port that nothing listens on, from below the range of outgoing connections.

    A client that keeps trying a dead port of the outgoing range can end up connected to itself, and a server that is
    restarted on such a port may find it taken.
    """
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found between 20000 and 32000")


def missing(service: str) -> NoReturn:
    """Skip the test because `service` is not installed; fail it where every service is required (PLOG_REQUIRE_SERVICES=1)."""
    message = f"{service} is not installed"
    if os.environ.get("PLOG_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{message}, but PLOG_REQUIRE_SERVICES=1 requires it", pytrace=False)
    pytest.skip(message)


def require_program(*names: str) -> str:
    """The path of the first of these programs that is installed; without any, `missing`."""
    for name in names:
        if found := shutil.which(name):
            return found
    missing(names[0])


def unprivileged() -> list[str]:
    """What to put before a command so that file modes hold for it, as for anybody, where the tests run as root."""
    if os.geteuid() != 0:
        return []
    return [require_program("setpriv"), "--bounding-set=-dac_override,-dac_read_search", "--"]


def require_built(name: str) -> str:
    """The path of a program of that name, installed or built by deploy/dev/tools.sh; without it, `missing`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "plog" / "bin"
    found = os.environ.get(f"PLOG_{name.upper()}") or shutil.which(name) or shutil.which(name, path=str(cache))
    return found or missing(name)


class Server(ABC):
    """One server process on one port; `restart` keeps port and data."""

    def __init__(self, folder: Path, user: str | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        """What the server wrote."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError(f"{type(self).__name__} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers."""
        with self.log_file.open("ab") as log:
            command = [*_prefix(self._user, tied=True), *self._command()]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        try:
            eventually_sync(self._up, deadline=START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it politely and wait until it is gone; no-op where it is not running."""
        self._end(self._stop_signal)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL) and wait until it is gone; no-op where it is not running."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, if still running, and start again on the same port with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    _stop_signal = signal.SIGTERM

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    def _up(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{type(self).__name__} ended at its start: {self.log_file.read_text(errors='replace')[-2000:]}")
        return self._answers()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a frozen process would never see a polite signal
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


class RedisServer(Server):
    """A Redis that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._program = require_program("redis-server")

    @property
    def url(self) -> str:
        """`redis://…/0`."""
        return f"redis://{HOST}:{self.port}/0"

    def _command(self) -> list[str]:
        return [self._program, "--bind", HOST, "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


class InfluxServer(Server):
    """An InfluxDB 2 with an organisation `plog`, a bucket `plog` and a token that may do everything."""

    ORG = BUCKET = "plog"
    TOKEN = "a-token-of-the-tests"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._program = require_built("influxd")

    @property
    def url(self) -> str:
        """`http://…`."""
        return f"http://{HOST}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which PLOG uses it, without their prefix."""
        given = {"URL": self.url, "ORG": self.ORG, "BUCKET": self.BUCKET, "TOKEN": self.TOKEN}
        return {f"INFLUXDB__{name}": value for name, value in given.items()}

    def create(self) -> None:
        """Start it and set it up."""
        self.start()
        names = {"username": "admin", "password": "a-password-of-the-tests", "org": self.ORG, "bucket": self.BUCKET}
        httpx.post(f"{self.url}/api/v2/setup", json={**names, "token": self.TOKEN}).raise_for_status()

    def query(self, flux: str) -> list[dict[str, Any]]:
        """The rows that a Flux query finds in the bucket, from where `from(bucket)` would stand on."""
        with InfluxDBClient(self.url, self.TOKEN, org=self.ORG) as client:
            tables = client.query_api().query(
                f'from(bucket: "{self.BUCKET}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) {flux}'
            )
            return [record.values for table in tables for record in table.records]

    def _command(self) -> list[str]:
        places = {"--bolt-path": "influxd.bolt", "--sqlite-path": "influxd.sqlite", "--engine-path": "engine"}
        paths = [part for option, name in places.items() for part in (option, str(self.folder / name))]
        return [self._program, "--reporting-disabled", "--http-bind-address", f"{HOST}:{self.port}", *paths]

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=1).is_success
        except httpx.HTTPError:
            return False


class PostgresServer(Server):
    """A PostgreSQL cluster with two roles: `plog_owner`, who owns the databases, and `plog_app`, who owns nothing.

    Local connections are trusted; it listens on loopback and on a unix socket inside its folder. Sizes are small. What is
    committed outlives the processes, as the kernel has it; only where it `is_durable` is it on the disk, where it outlives the
    machine, at ten times the cost of making and dropping a database.
    """

    def __init__(self, folder: Path, *, is_durable: bool = False) -> None:
        super().__init__(folder, user="postgres" if os.geteuid() == 0 else None)
        self._is_durable = is_durable
        self._bin = _postgres_bin()
        self._data = folder / "data"

    def create(self) -> None:
        """Make the cluster, start it and make the roles."""
        if self._user is not None:
            shutil.chown(self.folder, self._user, self._user)
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        self.start()
        self.execute(f"CREATE ROLE {OWNER_ROLE} LOGIN", f"CREATE ROLE {APP_ROLE} LOGIN")

    def url(self, database: str, role: str = OWNER_ROLE) -> str:
        """The SQLAlchemy URL of a database, for asyncpg."""
        return f"postgresql+asyncpg://{role}@{HOST}:{self.port}/{database}"

    @staticmethod
    def as_role(url: str, role: str) -> str:
        """The same database as another role; the URL of any other kind of database as it is."""
        return url.replace(f"://{OWNER_ROLE}@", f"://{role}@")

    def create_database(self, template: str = "template1") -> str:
        """A fresh database, owned by `plog_owner`, a copy of `template` (which nobody may be connected to); its name."""
        name = f"plog_{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE {name} OWNER {OWNER_ROLE} TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, also under open connections."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, *statements: str, database: str = "postgres") -> str:
        """Run statements as superuser, each in its own transaction; the rows come back as unaligned text."""
        commands = [part for statement in statements for part in ("-c", statement)]
        where = ("-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database)
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, *commands)

    _stop_signal = signal.SIGINT  # PostgreSQL's "fast" shutdown: it does not wait for clients

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "32MB",
            "max_connections": "200",
            "max_wal_size": "256MB",
            "timezone": "UTC",
            "log_min_messages": "warning",
            "fsync": "on" if self._is_durable else "off",
            "full_page_writes": "on" if self._is_durable else "off",
        }
        return [f"{self._bin}/postgres", "-D", str(self._data), *(f"--{name}={value}" for name, value in settings.items())]

    def _answers(self) -> bool:
        ready = [f"{self._bin}/pg_isready", "-q", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres"]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        command = [*_prefix(self._user), f"{self._bin}/{program}", *arguments]
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed with code {done.returncode}: {done.stderr.strip()}")
        return done.stdout


def _postgres_bin() -> Path:
    """The folder of the newest installed PostgreSQL; Debian keeps its programs off the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    return Path(require_program("initdb")).resolve().parent


def _prefix(user: str | None, *, tied: bool = False) -> list[str]:
    """Run as another user (PostgreSQL refuses root), and end with this process, where Linux' setpriv is there for it.

    One call for both, because changing the user clears the tie. The kernel ties to the starting thread, so only the main
    thread may do it.
    """
    tie = tied and threading.current_thread() is threading.main_thread() and shutil.which("setpriv") is not None
    options = [
        *(("--reuid", user, "--regid", user, "--clear-groups") if user is not None else ()),
        *(("--pdeathsig", "TERM") if tie else ()),
    ]
    return ["setpriv", *options, "--"] if options else []

"""A private PostgreSQL server for tests: made, started, killed and removed by the test that uses it."""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from manyfit.model.errors import NotFound, StoreError

REQUIRED = "MANYFIT_REQUIRE_POSTGRES"
"""With this in the environment set to 1, tests that need a server fail where there is none."""

_PORT = 5432
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_USERS = ("postgres", "nobody")
_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # short ones: so must the path of a socket be
_PR_SET_PDEATHSIG = 1
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "max_connections": "200",
    "shared_buffers": "32MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "log_min_messages": "warning",
}


def find_binaries() -> Path:
    """Return the folder with `initdb` and `postgres`. Raises `NotFound`."""
    for folder in _folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NotFound("PostgreSQL is not installed here; next: apt-get install postgresql")


def _folders() -> Iterator[Path]:
    if config := shutil.which("pg_config"):
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(answer.stdout.strip())
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class PrivatePostgres:
    """
    A server in a temporary folder, reached by a Unix socket only; a context manager.

    It syncs its log like any other. Its processes end with this process, whatever ends that. When this
    process is root, they run as another user, since PostgreSQL refuses root.
    """

    def __init__(self) -> None:
        self._binaries = find_binaries()
        self._owner = _owner()
        self._folder = Path(tempfile.mkdtemp(prefix="mf-pg-", dir=_place_for(self._owner)))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PrivatePostgres":
        try:
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the server ----------------------------------------------------------------------------------

    def _make(self) -> None:
        if self._owner is not None:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        options = [
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        made = subprocess.run(
            [self._binaries / "initdb", *options], capture_output=True, text=True, check=False, **self._as_owner()
        )
        if made.returncode:
            raise StoreError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-k", self._folder, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, in a process without threads
                **self._as_owner(),
            )
        self._wait_until_it_answers()

    def kill_immediate(self) -> None:
        """End the server without letting it write anything: what `pg_ctl stop -m immediate` does."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Kill the server if it runs, and start it again; it recovers from its log."""
        self.kill_immediate()
        self.start()

    def terminate_backends(self) -> int:
        """End the connection of everybody; return how many there were."""
        found = self._rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return len(found)

    def close(self) -> None:
        """Stop the server and remove everything."""
        self.kill_immediate()
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- databases -----------------------------------------------------------------------------------

    def dsn(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        socket = str(self._folder).replace("/", "%2F")
        return f"postgresql://postgres@{socket}:{_PORT}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{secrets.token_hex(6)}"
        self._rows(f"CREATE DATABASE {name}")
        return self.dsn(name)

    def _rows(self, statement: str) -> list[tuple[object, ...]]:
        import psycopg

        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _wait_until_it_answers(self) -> None:
        import psycopg

        give_up_at = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._rows("SELECT 1")
            except psycopg.OperationalError as error:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() >= give_up_at:
                    log = (self._folder / "log").read_text(errors="replace")
                    raise StoreError(f"the private PostgreSQL server does not start: {log[-2000:]}") from error
                time.sleep(0.05)
            else:
                return

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _as_owner(self) -> dict[str, Any]:
        """Return what makes a child process run as the owner of the data."""
        if self._owner is None:
            return {"cwd": self._folder}
        owner = self._owner
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": self._folder}


def _owner() -> pwd.struct_passwd | None:
    """Return as whom the server runs; None for the user of this process."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NotFound(f"PostgreSQL refuses to run as root, and there is none of the users {', '.join(_USERS)}")


def _place_for(owner: pwd.struct_passwd | None) -> Path:
    """Return a folder in which this process can make one that `owner` reaches: not every `/tmp` is open to all."""
    for place in map(Path, _PLACES):
        is_open = owner is None or all(_is_open(folder) for folder in (place, *place.parents))
        if is_open and os.access(place, os.W_OK | os.X_OK):
            return place
    whom = owner.pw_name if owner else "this user"
    raise NotFound(f"none of {', '.join(_PLACES)} is open to {whom}; next: chmod 1777 /tmp")


def _is_open(folder: Path) -> bool:
    return folder.is_dir() and bool(folder.stat().st_mode & stat.S_IXOTH)


def _end_with_parent() -> None:
    """Ask the kernel to end this process at once when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)

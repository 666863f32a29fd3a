"""The private PostgreSQL server of the tests goes with whoever made it."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from manyfit.model.errors import NotFound
from manyfit.testing import postgres as module

pytest.importorskip("psycopg")


def test_a_missing_server_is_named(monkeypatch):
    """The message says what to install."""
    monkeypatch.setattr(module, "_folders", lambda: iter([Path("/nowhere")]))

    with pytest.raises(NotFound, match="apt-get install postgresql"):
        module.find_binaries()


def test_a_restarted_server_has_its_databases(postgres):
    """What was committed is there again, also after a kill."""
    dsn = postgres.new_database()
    import psycopg

    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    postgres.restart()

    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.mark.slow
def test_a_server_does_not_outlive_its_maker(postgres):
    """Even when that is killed: no process is left."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            server = module.PrivatePostgres()
            server.__enter__()
            os.write(writer, f"{server._process.pid} {server._folder}\n".encode())
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        number, folder = pipe.readline().split()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    try:
        give_up_at = time.monotonic() + 30
        while is_running(int(number)):
            assert time.monotonic() < give_up_at, "the server is still there"
            time.sleep(0.05)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False

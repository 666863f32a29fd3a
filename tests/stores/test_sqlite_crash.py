"""Whatever dies or breaks at whatever moment: the SQLite store loses nothing acknowledged and doubles nothing."""

import os
import random
import shutil
import signal
import sqlite3

import pytest
from tests.stores.crashes import A, finish, in_child, records
from tests.stores.sql_stores import PLAN, audit, script

from manyfit.model.errors import StoreCorrupt, StoreError, StoreFull
from manyfit.stores.sqlite import create_sqlite, open_sqlite
from manyfit.stores.sqlite import database as database_module
from manyfit.stores.sqlite.schema import damage_in
from manyfit.testing.stores import accepted_lines, add, claimed, counts, end, line, run, segment


def open_store(path):
    return create_sqlite(path, sweep="tiny")


def connection_of(store):
    return store._database._connection


def parquet_in(folder):
    parquet = folder / "base.parquet"
    parquet.write_bytes(b"PAR1 pretended PAR1")
    return parquet


def audited(path):
    """Return which laws the tables of the database *path* break."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return audit(lambda statement: connection.execute(statement).fetchall())
    finally:
        connection.close()


class Deadline:
    """Counts the statements of a connection, and kills this process at one of them."""

    def __init__(self, store, number=0):
        self.n_seen = 0
        self._number = number
        connection_of(store).set_trace_callback(self._on_statement)

    def _on_statement(self, text):
        self.n_seen += 1
        if self.n_seen == self._number:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_death_at_every_statement(tmp_path):
    """A process that dies at any statement of any operation leaves a database that can be finished exactly."""
    parquet = parquet_in(tmp_path)
    store = open_store(tmp_path / "whole.db")
    counter = Deadline(store)
    script(store, parquet)
    store.close()
    assert counter.n_seen > 80
    for number in range(1, counter.n_seen + 1):
        path = tmp_path / f"{number}.db"
        open_store(path).close()
        code, said = in_child(lambda ack, path=path, number=number: dying(path, number, parquet, ack))
        assert code == -signal.SIGKILL
        assert audited(path) == []
        store = open_store(path)
        finish(store, PLAN, said)
        store.close()
        assert audited(path) == []


def dying(path, number, parquet, acknowledge):
    store = open_store(path)
    Deadline(store, number)
    script(store, parquet, acknowledge)


def test_death_while_the_tables_are_made(tmp_path):
    """A process that dies while it makes the database leaves none, or one that the next makes whole."""
    codes = []
    while 0 not in codes:
        path = tmp_path / f"{len(codes)}.db"
        number = len(codes) + 1
        code, _ = in_child(lambda ack, path=path, number=number: creating(path, number))
        codes.append(code)
        store = open_store(path)
        add(store, PLAN)
        finish(store, PLAN)
        store.close()

    assert len(codes) > 20
    assert set(codes[:-1]) == {-signal.SIGKILL}


def creating(path, number):
    real, seen = sqlite3.connect, []

    def connect(*args, **options):
        connection = real(*args, **options)

        def on_statement(text):
            seen.append(text)
            if len(seen) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(on_statement)
        return connection

    database_module.sqlite3.connect = connect
    open_store(path)


class PowerLoss:
    """Keeps a copy of the database as it was on the disk at the last sync: all that a power failure leaves."""

    def __init__(self, path, kept, patch):
        self._path, self._kept, self._real = path, kept, os.fdatasync
        kept.mkdir()
        self._copy()
        patch.setattr(database_module.os, "fdatasync", self._sync)
        self.n_syncs = 0

    def _sync(self, fd):
        self._real(fd)
        if os.fstat(fd).st_ino == os.stat(f"{self._path}-wal").st_ino:
            self.n_syncs += 1
            self._copy()

    def _copy(self):
        for name in (self._path.name, f"{self._path.name}-wal"):
            source = self._path.with_name(name)
            if source.exists():
                shutil.copy(source, self._kept / name)


def test_a_power_failure_loses_nothing_acknowledged(tmp_path, monkeypatch):
    """What was on the disk at the last sync has every result acknowledged by then, and can be finished."""
    path, said = tmp_path / "power.db", []
    store = open_store(path)
    connection_of(store).execute("PRAGMA wal_autocheckpoint = 0")
    power = PowerLoss(path, tmp_path / "disk", monkeypatch)

    def acknowledge(unit, index):
        said.append((unit, index))
        left = tmp_path / f"left-{len(said)}"
        shutil.copytree(tmp_path / "disk", left)
        assert audited(left / "power.db") == []
        after = open_store(left / "power.db")
        finish(after, PLAN, said)
        after.close()

    script(store, parquet_in(tmp_path), acknowledge)

    assert len(said) == 6
    assert power.n_syncs >= 6


def test_what_was_read_survives_a_power_failure(tmp_path, monkeypatch):
    """The end of a cycle is not durable at once; whoever is given its results made it so first."""
    path = tmp_path / "read.db"
    store = create_sqlite(path, sweep="tiny", monotonic=lambda: 0.0)
    reader = open_store(path)
    add(store, segment([1], [2]))
    first = claimed(store)
    store.record(first, line(0))
    store.sync()
    power = PowerLoss(path, tmp_path / "disk", monkeypatch)
    store.cycle(first, end(first, "d"))
    assert power.n_syncs == 0

    lines = accepted_lines(reader)

    after = open_store(tmp_path / "disk" / "read.db")
    assert lines == accepted_lines(after) == [(first.unit, 1, line(0))]


def test_a_failed_sync_is_never_forgotten(tmp_path, monkeypatch):
    """After the disk has failed to sync, nothing is called durable by this handle any more."""
    store = open_store(tmp_path / "failed.db")
    add(store, PLAN)
    lease = claimed(store)
    store.record(lease, line(0))
    with monkeypatch.context() as patch:

        def fail(fd):
            raise OSError(5, "Input/output error")

        patch.setattr(database_module.os, "fdatasync", fail)
        with pytest.raises(StoreError, match="disk failed"):
            store.sync()

    store.record(lease, line(1))
    with pytest.raises(StoreError, match="start again"):
        store.sync()


@pytest.mark.parametrize("zeros", [False, True])
def test_a_torn_log_keeps_what_was_synced(tmp_path, zeros):
    """A write-ahead log cut off or zeroed behind what was synced has every result acknowledged by then."""
    path, parquet = tmp_path / "torn.db", parquet_in(tmp_path)
    log, sizes, said = tmp_path / "torn.db-wal", [], []

    def acknowledge(unit, index):
        said.append((unit, index))
        sizes.append(log.stat().st_size)

    store = open_store(path)
    connection_of(store).execute("PRAGMA wal_autocheckpoint = 0")
    script(store, parquet, acknowledge)
    content, size = log.read_bytes(), log.stat().st_size
    seed = random.Random(3)
    cuts = sorted({*sizes, *(seed.randrange(sizes[0], size) for _ in range(25))})
    for number, cut in enumerate(cuts):
        copy = tmp_path / str(number) / "torn.db"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        copy.with_name("torn.db-wal").write_bytes(content[:cut] + (b"\0" * (size - cut) if zeros else b""))
        assert audited(copy) == []
        after = open_store(copy)
        finish(after, PLAN, [one for one, synced in zip(said, sizes, strict=True) if synced <= cut])
        after.close()


def test_a_log_damaged_in_what_was_synced_is_seen_or_loses_its_end(tmp_path):
    """A flipped bit in the log ends it there: what is left is a state the sweep was in, and can be finished."""
    path = tmp_path / "flip.db"
    log = tmp_path / "flip.db-wal"
    store = open_store(path)
    connection_of(store).execute("PRAGMA wal_autocheckpoint = 0")
    script(store, parquet_in(tmp_path))
    whole = accepted_lines(store)
    content, seed = log.read_bytes(), random.Random(5)
    for number in range(25):
        copy = tmp_path / str(number) / "flip.db"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        at = seed.randrange(len(content))
        damaged = content[:at] + bytes([content[at] ^ (1 << seed.randrange(8))]) + content[at + 1 :]
        copy.with_name("flip.db-wal").write_bytes(damaged)
        if not SqliteTables(copy):
            continue  # so early that there is no sweep yet
        assert audited(copy) == []
        after = open_store(copy)
        assert set(accepted_lines(after)) <= set(whole)
        finish(after, PLAN)
        after.close()


def SqliteTables(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sweep'").fetchone()[0]
    finally:
        connection.close()


def test_flipped_bits_in_the_database_are_seen(tmp_path):
    """Results come back as they were, or the damage is reported: never other results without a word."""
    path, seed = tmp_path / "bits.db", random.Random(11)
    store = open_store(path)
    add(store, segment(*[[5 * n + i for i in range(5)] for n in range(40)]))
    while (lease := store.claim(A)) is not None:
        run(store, lease)
    before = accepted_lines(store)
    store.close()
    content, n_seen = path.read_bytes(), 0
    for number in range(150):
        at = seed.randrange(len(content))
        copy = tmp_path / f"{number}.db"
        copy.write_bytes(content[:at] + bytes([content[at] ^ (1 << seed.randrange(8))]) + content[at + 1 :])
        try:
            damaged = open_sqlite(copy, sweep="tiny")
            after = accepted_lines(damaged)
            damaged.close()
        except StoreError:
            n_seen += 1
            continue
        except LookupError:
            n_seen += 1
            continue
        if after != before:
            assert damage_in(copy), (at, number)
            n_seen += 1
    assert n_seen > 20


def test_a_flipped_bit_in_results_is_seen(tmp_path):
    """Any changed byte of accepted lines, or of the end that accepts them, is reported as damage."""
    path = tmp_path / "lines.db"
    store = open_store(path)
    add(store, PLAN)
    run(store, claimed(store))
    connection = sqlite3.connect(path)
    for table, column in (("line", "content"), ("epoch", "ended")):
        (content,) = connection.execute(f"SELECT {column} FROM {table}").fetchone()
        for at in range(0, len(content), 7):
            damaged = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            connection.execute(f"UPDATE {table} SET {column} = ?", (damaged,))
            connection.commit()
            with pytest.raises(StoreCorrupt, match="backup"):
                accepted_lines(store)
        connection.execute(f"UPDATE {table} SET {column} = ?", (content,))
        connection.commit()
    connection.execute("DELETE FROM line")
    connection.commit()
    with pytest.raises(StoreCorrupt, match="0 bytes"):
        accepted_lines(store)


def test_a_full_disk_is_survived(tmp_path):
    """While there is no space results are refused; afterwards the same handle goes on, and nothing is doubled."""
    store = open_store(tmp_path / "full.db")
    add(store, PLAN)
    lease = claimed(store)
    store.record(lease, line(0))
    connection = connection_of(store)
    (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {n_pages}")
    store.record(lease, b" " * 100_000 + line(1))
    with pytest.raises(StoreFull, match="space"):
        store.sync()
    with pytest.raises(StoreFull):
        store.complete(lease, end(lease, "dd.."))
    connection.execute("PRAGMA max_page_count = 1000000")

    store.complete(lease, end(lease, "dd.."))

    assert len(records(store)) == 2
    assert counts(store).done == 2
    store.close()
    assert audited(tmp_path / "full.db") == []

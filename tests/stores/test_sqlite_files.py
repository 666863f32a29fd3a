"""The files of a SQLite store: which database, which sweep, which schema, on which disk."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.stores.crashes import A, B, records

from manyfit.model.errors import NotFound, Refused, StoreCorrupt, StoreError, StoreUnsuitable, UserError
from manyfit.stores.sqlite import create_sqlite, open_sqlite, parse_url, remove_sweep, schema, sweeps_in, url_of
from manyfit.stores.sqlite.place import check_place
from manyfit.testing.stores import accepted_lines, add, claimed, counts, run, segment

FIRST = Path(__file__).parent / "assets" / "sqlite-schema-1.sql"

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:35 / /home rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2
41 40 254:1 / /home/me/fast\\040disk rw - xfs /dev/nvme0n1 rw
42 22 0:36 / /cloud rw - fuse.s3fs s3fs rw
43 22 0:37 / /mnt/win rw - fuseblk /dev/sdb1 rw
44 22 0:38 / /lustre rw - lustre mgs:/scratch rw
"""


# -- where ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["/home/me", "/cloud/x", "/lustre", "/home"])
def test_network_file_systems_are_refused(folder):
    """The message names the file system and what to use in its place."""
    with pytest.raises(StoreUnsuitable, match=r"network file system.*local disk.*PostgreSQL"):
        check_place(Path(folder), MOUNTS)


@pytest.mark.parametrize("folder", ["/", "/homes", "/home/me/fast disk/x", "/mnt/win", "/tmp"])
def test_local_disks_are_taken(folder):
    """Also one that is mounted inside of a network file system."""
    assert check_place(Path(folder), MOUNTS) is None


def test_a_network_disk_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    """Creation looks at the mounts of this process."""
    text = f"22 1 0:5 / {tmp_path} rw - nfs server:/x rw\n"
    mounts = tmp_path.parent / f"{tmp_path.name}-mounts"
    mounts.write_text(text)
    monkeypatch.setattr("manyfit.stores.sqlite.place.MOUNTS", mounts)

    with pytest.raises(StoreUnsuitable):
        create_sqlite(tmp_path / "n.db", sweep="tiny")

    assert list(tmp_path.iterdir()) == []


# -- which ---------------------------------------------------------------------------------------------


def test_one_database_holds_many_sweeps(tmp_path):
    """Each handle sees its own; the same plan in two of them is two plans."""
    path = tmp_path / "many.db"
    first, second = (create_sqlite(path, sweep=name) for name in ("one", "two"))
    for store in (first, second):
        add(store, segment([1, 2]))
    run(first, claimed(first))

    assert (counts(first).done, counts(second).done) == (2, 0)
    assert [sweep.name for sweep in sweeps_in(path)] == ["one", "two"]
    with pytest.raises(Refused, match="one, two"):
        open_sqlite(path)
    with pytest.raises(NotFound, match=r"'three'.*one, two"):
        open_sqlite(path, sweep="three")


def test_creating_twice_opens(tmp_path):
    """A second creation, also by another process, changes nothing."""
    first = create_sqlite(tmp_path / "a.db", sweep="tiny", declaration=b"name = 'tiny'")
    second = create_sqlite(tmp_path / "a.db", sweep="tiny")

    assert first.id == second.id
    assert len(sweeps_in(tmp_path / "a.db")) == 1


def test_a_removed_sweep_is_gone_with_its_files(tmp_path):
    """Rows and kept files go, those of other sweeps stay, and the name is free again."""
    path = tmp_path / "many.db"
    stores = [create_sqlite(path, sweep=name) for name in ("one", "two")]
    for store in stores:
        add(store, segment([1]))
        store.artifacts.put("artifacts/ab/c", store.sweep.encode())
        run(store, claimed(store))

    remove_sweep(path, "one")

    assert [sweep.name for sweep in sweeps_in(path)] == ["two"]
    assert stores[1].artifacts.read("artifacts/ab/c") == b"two"
    assert len(records(stores[1])) == 1
    assert [folder.name for folder in (tmp_path / "many.db.files").iterdir()] == [stores[1].id]
    connection = sqlite3.connect(path)
    for table in ("unit", "epoch", "line", "entry", "file"):
        assert connection.execute(f"SELECT count(DISTINCT sweep) FROM {table}").fetchone() == (1,)
    assert counts(create_sqlite(path, sweep="one")).planned == 0
    with pytest.raises(NotFound):
        remove_sweep(path, "three")


def test_files_stay_when_the_removal_fails(tmp_path, monkeypatch):
    """Kept files are back in their place when the database keeps the sweep."""
    path = tmp_path / "kept.db"
    store = create_sqlite(path, sweep="tiny")
    store.artifacts.put("artifacts/ab/c", b"model")

    def fail(database, number):
        raise StoreError("no")

    monkeypatch.setattr("manyfit.stores.sqlite.store.delete_sweep", fail)
    with pytest.raises(StoreError):
        remove_sweep(path, "tiny")

    assert open_sqlite(path).artifacts.read("artifacts/ab/c") == b"model"


@pytest.mark.parametrize(
    ("url", "path", "sweep"),
    [
        ("sqlite:///f.db#vowels", "f.db", "vowels"),
        ("sqlite:////abs/my%20f.db#a%20b", "/abs/my f.db", "a b"),
        ("sqlite:///f.db", "f.db", None),
    ],
)
def test_urls_name_file_and_sweep(url, path, sweep):
    """Three slashes before a relative path, four before an absolute one."""
    assert parse_url(url) == (Path(path), sweep)
    if sweep:
        assert url_of(Path(path), sweep) == url


def test_a_url_without_a_file_is_refused():
    """The message shows what a URL looks like."""
    with pytest.raises(UserError, match=r"sqlite:///name.db"):
        parse_url("sqlite://f.db")


def test_the_url_of_a_store_opens_it(tmp_path):
    """Whatever stands in the names."""
    store = create_sqlite(tmp_path / "a #b%.db", sweep="vowels/2 #1")
    path, sweep = parse_url(store.url)

    assert open_sqlite(path, sweep=sweep).id == store.id


def test_what_is_missing_or_something_else_is_refused(tmp_path):
    """No file, a file that is no database, a database of another program."""
    with pytest.raises(NotFound, match="no database"):
        open_sqlite(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("no database, but long enough to be looked at\n" * 100)
    for call in (open_sqlite, lambda p: create_sqlite(p, sweep="tiny"), sweeps_in):
        with pytest.raises(Refused, match=r"text\.db is not a SQLite database; check the name"):
            call(tmp_path / "text.db")
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    for call in (open_sqlite, lambda p: create_sqlite(p, sweep="tiny")):
        with pytest.raises(Refused, match="another program"):
            call(tmp_path / "other.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(Refused, match="not a database of manyfit"):
        open_sqlite(tmp_path / "empty.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "other.db", "text.db"]


def test_a_store_that_is_no_database_any_more_is_damaged(tmp_path):
    """Where a store has been, text in its place is no mistake in the name."""
    create_sqlite(tmp_path / "lab.db", sweep="tiny").close()
    (tmp_path / "lab.db").write_text("something else was written over it\n" * 100)

    with pytest.raises(StoreCorrupt, match="damaged"):
        open_sqlite(tmp_path / "lab.db")


def test_a_refused_open_leaves_nothing_open(tmp_path):
    """The database is let go at once, also while somebody still looks at the error."""
    path = tmp_path / "lab.db"
    for name in ("one", "two"):
        create_sqlite(path, sweep=name).close()

    with pytest.raises(Refused, match="several sweeps") as caught:
        open_sqlite(path)

    descriptors = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert caught.value
    assert not [found for found in descriptors if found.startswith(str(path))]


def test_a_closed_connection_stays_closed(tmp_path):
    """Closing it again does nothing, and makes no lock file."""
    store = create_sqlite(tmp_path / "lab.db", sweep="tiny")
    store.close()
    (tmp_path / "lab.db-lock").unlink()

    store.close()

    assert not (tmp_path / "lab.db-lock").exists()


# -- the schema ----------------------------------------------------------------------------------------


def first_schema(path):
    """Make the database that the first release of the schema left, with an open lease of a lost worker."""
    connection = sqlite3.connect(path)
    connection.executescript(FIRST.read_text())
    connection.close()
    return path


def test_a_database_of_the_first_schema_is_read(tmp_path):
    """Every result that was in it is there, and the sweep goes on."""
    store = open_sqlite(first_schema(tmp_path / "old.db"))

    before = records(store)

    assert len(before) == 5
    assert [sweep.name for sweep in sweeps_in(tmp_path / "old.db")] == ["tiny"]
    assert (counts(store).planned, counts(store).done, counts(store).cancelled) == (7, 4, 1)
    assert [path.read_bytes() for path in store.bases()] == [b"PAR1 pretended PAR1"]
    store.expire([A])
    while (lease := store.claim(B)) is not None:
        run(store, lease)
    assert store.finished()
    assert before <= records(store)
    assert (counts(store).done, counts(store).cancelled) == (6, 1)


def test_an_older_schema_is_migrated_after_a_copy(tmp_path, monkeypatch):
    """In one transaction, with the database as it was beside it; twice is harmless."""
    path = first_schema(tmp_path / "old.db")
    before = accepted_lines(open_sqlite(path))
    monkeypatch.setattr(schema, "SCHEMA", schema.SCHEMA + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.SCHEMA - 1: "ALTER TABLE sweep ADD COLUMN colour TEXT;"})

    for _ in range(2):
        store = open_sqlite(path)
        assert before == accepted_lines(store)
        store.close()

    connection = sqlite3.connect(path)
    assert connection.execute("SELECT colour FROM sweep").fetchall() == [(None,)]
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA,)
    connection.close()
    monkeypatch.undo()
    assert before == accepted_lines(open_sqlite(tmp_path / "old.db.schema1"))


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    """The transaction is undone, and the version stays."""
    path = first_schema(tmp_path / "old.db")
    migration = "ALTER TABLE sweep ADD COLUMN colour TEXT;\nALTER TABLE nothing ADD COLUMN colour TEXT;"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCHEMA", schema.SCHEMA + 1)
        patch.setattr(schema, "MIGRATIONS", {schema.SCHEMA - 1: migration})
        with pytest.raises(StoreError):
            open_sqlite(path)

    assert len(records(open_sqlite(path))) == 5
    columns = sqlite3.connect(path).execute("SELECT name FROM pragma_table_info('sweep')").fetchall()
    assert ("colour",) not in columns


def test_a_newer_schema_is_refused(tmp_path):
    """The message says what to upgrade, and the database is not touched."""
    path = first_schema(tmp_path / "new.db")
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.SCHEMA + 1}")
    connection.close()
    shutil.copy(path, tmp_path / "before.db")

    with pytest.raises(StoreError, match="upgrade manyfit"):
        open_sqlite(path)

    assert path.read_bytes() == (tmp_path / "before.db").read_bytes()


def test_the_stored_database_has_the_schema_of_this_code(tmp_path):
    """A change of schema.sql needs a new version, a migration, and another stored database."""
    made = create_sqlite(tmp_path / "made.db", sweep="tiny")
    made.close()

    assert tables(first_schema(tmp_path / "old.db")) == tables(tmp_path / "made.db")


def tables(path):
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [(name, " ".join(text.split())) for name, text in found if not name.startswith("sqlite_")]
    finally:
        connection.close()


def test_two_processes_make_one_database(tmp_path):
    """Whoever comes second finds the tables made."""
    path = tmp_path / "race.db"
    database = schema.open_database(path, create=True)
    schema._bring_up(database, path)
    database.close()

    store = create_sqlite(path, sweep="tiny")
    add(store, segment([1]))
    run(store, claimed(store, A))
    assert store.finished()


def test_every_table_and_column_is_documented():
    """The page about the tables names them all."""
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "sql-stores.md").read_text()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    connection = sqlite3.connect(":memory:")
    connection.executescript(Path(schema.__file__).with_name("schema.sql").read_text())
    found = connection.execute(
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
        " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
    ).fetchall()

    assert len(found) > 50
    assert [(table, column) for table, column in found if f"`{column}`" not in rows.get(table, "")] == []

"""A handle on one sweep of a database that is open."""

import os
import socket
from collections.abc import Callable

from manyfit.contracts.artifacts import ArtifactStore
from manyfit.stores.sql.database import Database
from manyfit.stores.sql.store import SqlStore, Sweep, Times
from manyfit.stores.sql.sweeps import ListedSweep, pick_sweep


def open_sweep(
    database: Database,
    name: str | None,
    *,
    url_of: Callable[[str], str],
    artifacts_of: Callable[[ListedSweep], ArtifactStore],
    times: Times,
    by: str | None,
) -> SqlStore:
    """
    Return a handle on the sweep *name* of *database*; for None, on the only one.

    The handle owns *database*, which is closed when there is no such sweep (`NotFound`) or no telling
    which (`Refused`). *url_of* returns the URL of a sweep by its name, *artifacts_of* the place of its
    kept files. *by* names the handle in entries and seals (None: after this process).
    """
    try:
        found = pick_sweep(database, name)
        sweep = Sweep(number=found.number, name=found.name, id=found.id, url=url_of(found.name))
        return SqlStore(database, sweep, artifacts_of(found), times, by or f"{socket.gethostname()}-{os.getpid()}")
    except BaseException:
        database.close()
        raise

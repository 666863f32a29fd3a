"""Where the files of a store are on this machine: logs, tables of results, what runners leave behind."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

from manyfit.connect.addresses import Address, Kind, parse
from manyfit.contracts.store import Store

SPOOLS = "spool"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFiles:
    """
    The files that belong to one sweep on this machine.

    They are the same for all machines where the store is a folder or a database file on a shared disk,
    and of this machine alone where it is a server.
    """

    folder: Path

    @property
    def logs(self) -> Path:
        """Return the folder of the workers' logs."""
        return self.folder / "workers"

    @property
    def status_log(self) -> Path:
        return self.folder / "status.log"

    @property
    def run_log(self) -> Path:
        """Return the file that receives what a run in the background says."""
        return self.folder / "run.log"

    @property
    def audit_log(self) -> Path:
        """Return the file that receives what the runners of audits print."""
        return self.folder / "audit.log"

    @property
    def results(self) -> Path:
        """Return the folder of the tables that every run writes anew."""
        return self.folder / "results"

    def spool(self, life: str) -> Path:
        """Return the folder in which the runner of one worker leaves files for a store without a folder."""
        return self.folder / SPOOLS / life


def local_files(store: Store) -> LocalFiles:
    """Return where the files of *store* are here. Nothing is made."""
    if store.artifacts.folder is not None:
        return LocalFiles(folder=store.artifacts.folder.parent)
    address = parse(store.url, Path.cwd())
    if address.kind is not Kind.POSTGRESQL:
        return LocalFiles(folder=Path(address.place))
    return LocalFiles(folder=store_files(address).folder / _sanitised(store.sweep))


def store_files(address: Address) -> LocalFiles:
    """Return where files are that belong to a store of several sweeps, and to none of them."""
    match address.kind:
        case Kind.DIRECTORY:
            return LocalFiles(folder=address.path / ".manyfit")
        case Kind.SQLITE:
            return LocalFiles(folder=address.path.with_name(f"{address.path.name}.files"))
        case Kind.POSTGRESQL:
            from platformdirs import user_state_path

            return LocalFiles(folder=user_state_path("manyfit") / _name_of(address.place))
        case _:
            assert_never(address.kind)


def _name_of(place: str) -> str:
    """Return a name for a database that people recognise and that no other database has."""
    parts = urlsplit(place)
    digest = hashlib.sha256(f"{parts.hostname}:{parts.port}{parts.path}".encode()).hexdigest()[:8]
    return f"{_sanitised((parts.hostname or 'local') + parts.path.replace('/', '-'))}-{digest}"


def _sanitised(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:60]

"""The store in a SQLite database."""

from manyfit.stores.sqlite.store import SqliteStore, parse_url, remove_sweep, sweeps_in, url_of

__all__ = ["SqliteStore", "parse_url", "remove_sweep", "sweeps_in", "url_of"]

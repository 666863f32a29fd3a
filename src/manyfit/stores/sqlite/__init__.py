"""The store in a SQLite database."""

from manyfit.stores.sqlite.store import create_sqlite, open_sqlite, parse_url, remove_sweep, sweeps_in, url_of

__all__ = ["create_sqlite", "open_sqlite", "parse_url", "remove_sweep", "sweeps_in", "url_of"]

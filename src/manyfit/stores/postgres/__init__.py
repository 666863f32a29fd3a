"""The store in a PostgreSQL database. Importing it raises `MissingExtra` where the driver is not installed."""

from manyfit.model.errors import MissingExtra

try:
    import psycopg as _driver  # noqa: F401 - only whether it is there
except ImportError as error:
    raise MissingExtra("a PostgreSQL store needs psycopg; next: pip install 'manyfit[postgres]'") from error

from manyfit.stores.postgres.place import parse_url
from manyfit.stores.postgres.store import create_postgres, open_postgres, remove_sweep, sweeps_in

__all__ = ["create_postgres", "open_postgres", "parse_url", "remove_sweep", "sweeps_in"]

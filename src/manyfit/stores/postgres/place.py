"""Where a PostgreSQL database is: its URL, with and without what is secret."""

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from manyfit.model.errors import UserError

SCHEME = "postgresql://"

_SECRET = frozenset(("password", "sslpassword"))
_IN_PLACE = frozenset(("user", "host", "port", "dbname"))


def parse_url(url: str) -> tuple[str, str | None]:
    """Return the connection string and the sweep of `postgresql://host/db#sweep`; no sweep is None."""
    dsn, _, sweep = url.partition("#")
    return dsn, unquote(sweep) or None


def parameters_of(dsn: str) -> dict[str, str]:
    """Return what a URL or a libpq connection string says. Raises `UserError`, which does not repeat it."""
    try:
        return {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    except ProgrammingError:
        raise UserError(
            "the URL of the PostgreSQL database cannot be read (it may hold a password and is not shown here); "
            f"write {SCHEME}user@host:5432/database"
        ) from None


def shown(parameters: Mapping[str, str]) -> str:
    """Return the URL of a database without its passwords."""
    user = quote(parameters.get("user", ""), safe="")
    host = quote(parameters.get("host", ""), safe="[]:,")
    port = parameters.get("port", "")
    place = f"{user}@{host}" if user else host
    rest = {key: value for key, value in parameters.items() if key not in _IN_PLACE | _SECRET}
    query = f"?{urlencode(sorted(rest.items()), quote_via=quote)}" if rest else ""
    return f"{SCHEME}{place}{f':{port}' if port else ''}/{quote(parameters.get('dbname', ''), safe='')}{query}"


def url_of(place: str, sweep: str) -> str:
    """Return the URL of a sweep in the database *place*."""
    return f"{place}#{quote(sweep, safe='')}"


def without_secrets(text: str, parameters: Mapping[str, str]) -> str:
    """Return a message with every password blotted out."""
    for key in _SECRET:
        if parameters.get(key):
            text = text.replace(parameters[key], "***").replace(quote(parameters[key], safe=""), "***")
    return text

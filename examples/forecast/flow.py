"""The flow of water in a pipe, hour by hour, in litres a second: 1,268 hours with some gaps."""

from importlib.util import find_spec
from pathlib import Path

import polars as pl


def load() -> pl.DataFrame:
    """Return the columns time and flow."""
    package = find_spec("river")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("pip install --no-deps river brings the data")
    file = Path(package.submodule_search_locations[0]) / "datasets" / "water-flow.csv"
    return pl.read_csv(file, try_parse_dates=True).rename({"Time": "time", "Water flow [l/s]": "flow"})

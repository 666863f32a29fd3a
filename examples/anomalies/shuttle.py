"""Readings of a space shuttle: 9 columns, and whether a row is one of the 7 in 100 anomalies."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import polars as pl


def load(n_rows: int = 4000) -> pl.DataFrame:
    """Return the first rows of 49,097, with the columns f1 to f9 and anomaly."""
    package = find_spec("river")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("pip install --no-deps river brings the data")
    file = Path(package.submodule_search_locations[0]) / "datasets" / "shuttle.csv.gz"
    with gzip.open(file) as text:
        return pl.read_csv(text.read()).head(n_rows)

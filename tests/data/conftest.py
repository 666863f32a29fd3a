"""Sweeps and tables for the tests of the data part."""

import numpy as np
import polars as pl
import pytest

from manyfit.data.profiles import profile
from manyfit.data.rows import open_rows
from manyfit.declare import from_mapping


def sweep_of(data, **changes):
    """Return a small sweep on *data*."""
    mapping = {"name": "s", "data": data, "pipelines": {"p": {"steps": ["SVC"]}}, **changes}
    spec, mistakes = from_mapping(mapping)
    assert mistakes == [], [str(mistake) for mistake in mistakes]
    return spec


class Bench:
    """A folder with tables and a host cache."""

    def __init__(self, folder, cache):
        self.folder, self.cache = folder, cache

    def write(self, frame, name="a.csv"):
        path = self.folder / name
        writer = {"csv": frame.write_csv, "parquet": frame.write_parquet, "arrow": frame.write_ipc}
        writer[name.rpartition(".")[2]](path)
        return path

    def profile(self, data="a.csv", **changes):
        return profile(sweep_of(data, **changes), folder=self.folder, file="f.toml", cache=self.cache)

    def good(self, data="a.csv", **changes):
        """Return the only profile of a sweep without mistakes."""
        profiles, mistakes = self.profile(data, **changes)
        assert mistakes == [], [str(mistake) for mistake in mistakes]
        (found,) = profiles.values()
        return found

    def wrong(self, data="a.csv", **changes):
        """Return the mistakes of a sweep, as key and message."""
        profiles, mistakes = self.profile(data, **changes)
        assert profiles == {}
        return {mistake.key: mistake.message for mistake in mistakes}

    def rows(self, fingerprint, data="a.csv", **changes):
        return open_rows(sweep_of(data, **changes), self.folder, "", fingerprint, cache=self.cache)


@pytest.fixture
def bench(tmp_path):
    (tmp_path / "sweep").mkdir()
    return Bench(tmp_path / "sweep", tmp_path / "cache")


@pytest.fixture
def table():
    """Sixty rows: two features, a text, three classes, six groups, a day and a run number."""
    n = 60
    draw = np.random.RandomState(0)
    return pl.DataFrame(
        {
            "Run": np.arange(n),
            "f1": draw.normal(size=n),
            "f2": draw.normal(size=n) * 10,
            "oracle_x": draw.normal(size=n),
            "color": ["red", "blue"] * (n // 2),
            "speaker": [f"s{i % 6}" for i in range(n)],
            "day": [f"2024-01-{1 + i // 2:02d}" for i in range(n)],
            "set": ["train"] * 40 + ["test"] * 20,
            "target": ["a", "b", "c"] * (n // 3),
        }
    )

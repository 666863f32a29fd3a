"""Content keys: equal for equal content in any format, different after any change."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer

from manyfit.data.arrays import open_arrays, store_arrays
from manyfit.data.folders import cache_root


@pytest.fixture
def cancer():
    bunch = load_breast_cancer()
    frame = pl.DataFrame(bunch.data, schema=[name.replace(" ", "_") for name in bunch.feature_names])
    return frame.with_columns(
        target=pl.Series([str(bunch.target_names[code]) for code in bunch.target]),
        run=pl.Series(np.arange(len(frame))),
        odd=pl.Series(np.arange(len(frame)) % 2 == 1),
        gap=pl.when(pl.int_range(len(frame)) > 3).then(pl.int_range(len(frame))),
    )


def test_formats_do_not_matter(bench, cancer):
    """CSV, Parquet and Arrow with the same values have one fingerprint, and so have other widths of numbers."""
    for name in ("a.csv", "a.parquet", "a.arrow"):
        bench.write(cancer, name)
    bench.write(
        cancer.with_columns(pl.col("run").cast(pl.Int16), pl.col("target").cast(pl.Categorical)), "c.parquet"
    )
    keys = {bench.good(name).fingerprint for name in ("a.csv", "a.parquet", "a.arrow", "c.parquet")}
    assert len(keys) == 1


def test_the_order_of_columns_matters(bench, cancer):
    """A forest on the same columns in another order is another forest: it is another table, on every host."""
    bench.write(cancer, "a.parquet")
    before = bench.good("a.parquet")
    bench.write(cancer.select(reversed(cancer.columns)), "b.parquet")
    after = bench.good("b.parquet")
    assert after.fingerprint != before.fingerprint
    assert after.column_fingerprints == before.column_fingerprints
    assert [list(one.columns[""]) for one in (before, after)] == [
        list(before.columns[""]),
        list(reversed(before.columns[""])),
    ]


@pytest.mark.parametrize("column", ["mean_radius", "target", "run", "odd", "gap"])
def test_one_changed_cell_is_seen(bench, cancer, column):
    """Another value in one cell changes the key of its column and of the table, of no other column."""
    bench.write(cancer, "a.parquet")
    before = bench.good("a.parquet")
    changed = cancer[column].to_list()
    changed[17] = (
        changed[18] if changed[18] != changed[17] else {"malignant": "benign"}.get(changed[17], "malignant")
    )
    bench.write(cancer.with_columns(pl.Series(column, changed)), "a.parquet")
    after = bench.good("a.parquet")
    assert after.fingerprint != before.fingerprint
    differing = {
        name for name, key in before.column_fingerprints.items() if after.column_fingerprints[name] != key
    }
    assert differing == {column}


def test_a_null_is_not_an_empty_value(bench, tmp_path):
    """Missing and empty are different texts; missing and zero are different numbers."""
    frames = [pl.DataFrame({"t": ["a", ""]}), pl.DataFrame({"t": ["a", None]})]
    frames += [pl.DataFrame({"t": [1, 0]}), pl.DataFrame({"t": [1, None]}), pl.DataFrame({"t": [1.0, 0.0]})]
    keys = [store_arrays(frame, tmp_path).fingerprint for frame in frames]
    assert len(set(keys)) == len(keys)
    nan = store_arrays(pl.DataFrame({"t": [1.0, float("nan")]}), tmp_path)
    assert nan.fingerprint == store_arrays(pl.DataFrame({"t": [1.0, None]}), tmp_path).fingerprint


def test_shifted_texts_differ(tmp_path):
    """Moving a letter from one cell to the next changes the key."""
    one, two = pl.DataFrame({"t": ["ab", "c"]}), pl.DataFrame({"t": ["a", "bc"]})
    assert store_arrays(one, tmp_path).fingerprint != store_arrays(two, tmp_path).fingerprint


def test_a_damaged_copy_is_made_again(tmp_path, cancer):
    """A converted table that lost bytes is not opened; converting again replaces it."""
    arrays = store_arrays(cancer, tmp_path)
    os.truncate(arrays.folder / "numbers.npy", 1000)
    assert open_arrays(arrays.fingerprint, tmp_path) is None
    again = store_arrays(cancer, tmp_path)
    assert again.numbers().shape == (569, 33)
    assert [path.name for path in arrays.folder.parent.iterdir()] == [arrays.fingerprint]


CONVERT = """
import os, sys
from pathlib import Path
import polars, sklearn.model_selection  # once, before there are any threads
from manyfit.data.profiles import profile
from manyfit.declare import from_mapping
spec, _ = from_mapping({"name": "s", "data": "a.csv", "pipelines": {"p": {"steps": "SVC"}}})
folder = Path(sys.argv[1])
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        profiles, mistakes = profile(spec, folder=folder, file="", cache=folder / "cache")
        os.write(1, profiles[""].fingerprint.encode() + b"\\n")  # one call: lines stay whole
        os._exit(len(mistakes))
    children.append(pid)
sys.exit(sum(os.waitpid(pid, 0)[1] for pid in children))
"""


def test_eight_processes_convert_at_once(tmp_path, cancer):
    """Several processes that find nothing converted end with one whole copy and no rubbish."""
    cancer.write_csv(tmp_path / "a.csv")
    command = [sys.executable, "-W", "ignore", "-c", CONVERT, str(tmp_path)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert len(output) == 8
    (fingerprint,) = set(output)
    assert [path.name for path in (tmp_path / "cache" / "tables").iterdir()] == [fingerprint]
    assert len(list((tmp_path / "cache" / "views").iterdir())) == 1


def test_the_cache_can_be_elsewhere(monkeypatch, tmp_path):
    """$MANYFIT_CACHE names the folder of converted data."""
    monkeypatch.setenv("MANYFIT_CACHE", str(tmp_path))
    assert cache_root() == tmp_path

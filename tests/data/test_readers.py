"""Every kind of source becomes the same table."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_iris

from manyfit.data.readers import frame_of, read_file
from manyfit.model.errors import UserError


@pytest.fixture
def iris():
    return load_iris()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow", "feather", "ipc", "json", "ndjson"])
def test_frames_in_files(tmp_path, table, suffix):
    """Each file format gives the columns and values that were written."""
    path = tmp_path / f"a.{suffix}"
    write = {
        "csv": table.write_csv,
        "tsv": lambda target: table.write_csv(target, separator="\t"),
        "parquet": table.write_parquet,
        "json": table.write_json,
        "ndjson": table.write_ndjson,
    }
    write.get(suffix, table.write_ipc)(path)
    found = read_file(path, "a")
    assert found.with_columns(pl.col("day").cast(pl.String)).equals(table)


def test_arrays_in_files(tmp_path, iris):
    """X and y of an NPZ are x0, x1, ... and target; an NPY matrix has columns, a structured one names."""
    np.savez(tmp_path / "a.npz", X=iris.data, y=iris.target, weight=np.ones(150))
    found = read_file(tmp_path / "a.npz", "a.npz")
    assert found.columns == ["x0", "x1", "x2", "x3", "target", "weight"]
    assert found["target"].to_list() == iris.target.tolist()
    np.save(tmp_path / "a.npy", iris.data)
    assert read_file(tmp_path / "a.npy", "a.npy").to_numpy().tolist() == iris.data.tolist()
    np.save(tmp_path / "b.npy", np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")]))
    assert read_file(tmp_path / "b.npy", "b.npy").to_dict(as_series=False) == {"a": [1, 3], "b": [2.5, 4.5]}


def test_damaged_files_are_named(tmp_path):
    """A file that cannot be read is a UserError with its name; pickles in arrays are not loaded."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing PAR1")
    np.savez(tmp_path / "a.npz", X=np.array([{}], dtype=object))
    np.savez(tmp_path / "b.npz", X=np.zeros((3, 2)), y=np.zeros(4))
    for name in ("a.parquet", "a.npz", "b.npz"):
        with pytest.raises(UserError, match=name):
            read_file(tmp_path / name, name)


def test_headers_of_text_files(tmp_path):
    """Quotes in a name are read as CSV writes them; a name that stands twice is refused, and so is a folder."""
    (tmp_path / "a.csv").write_text('"f""1",b c,ü\n1,2,3\n')
    assert read_file(tmp_path / "a.csv", "a.csv").columns == ['f"1', "b c", "ü"]
    (tmp_path / "b.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(UserError, match='more than one column is called "a"'):
        read_file(tmp_path / "b.csv", "b.csv")
    (tmp_path / "c.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        read_file(tmp_path / "c.csv", "c.csv")


def test_what_functions_return(iris):
    """A Bunch, an (X, y) pair, columns, and frames of either library all become one table."""
    names = ["x0", "x1", "x2", "x3"]
    pandas = pd.DataFrame(iris.data, columns=names).assign(target=iris.target)
    pair = frame_of((iris.data, iris.target))
    assert pair.columns == [*names, "target"]
    assert frame_of(pandas).equals(pair)
    assert frame_of(pair.lazy()).equals(pair)
    assert frame_of({name: pandas[name].to_numpy() for name in pandas}).equals(pair)
    assert frame_of((pandas[names], iris.target)).equals(pair)
    bunch = frame_of(iris)
    assert bunch.columns[0] == "sepal length (cm)"
    assert bunch["target"].unique().sort().to_list() == ["setosa", "versicolor", "virginica"]
    with pytest.raises(UserError, match="int"):
        frame_of(3)


def test_pandas_columns_with_gaps():
    """Texts, categories and nullable integers of pandas keep their values and their gaps."""
    frame = pd.DataFrame(
        {"t": ["a", None], "c": pd.Categorical(["x", "y"]), "i": pd.array([1, None], dtype="Int64")}
    )
    assert frame_of(frame).to_dict(as_series=False) == {"t": ["a", None], "c": ["x", "y"], "i": [1, None]}

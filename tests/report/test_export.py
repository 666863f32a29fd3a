"""Exported tables: declared columns, plain decimals, the same bytes each time, whole or not at all."""

import csv
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.sweeps import candidate, cells, failed, new_store, run, scored, segment

from manyfit.api.exporting import export_sweep
from manyfit.contracts.store import Store
from manyfit.model.errors import Refused, UserError
from manyfit.report.export.columns import KNOWN, USUAL, Column, Kind, declared_columns, param_columns
from manyfit.report.export.folders import made_whole
from manyfit.report.export.frames import Runs, runs_of
from manyfit.report.export.writing import dictionary, write_table, written
from manyfit.report.lines import COLUMNS

ODD = [1e-12, 1e300, 5e-324, 0.1, 1 / 3, -2.5e-17, 123456789.125, 1e16, 1.7976931348623157e308]


def outcome(of: Any, on: Any) -> Mapping[str, Any]:
    if of.shown["C"] == 3:
        return failed(message='a "quoted", broken\nline é')
    body = scored(cv={"accuracy": ODD[int(of.shown["C"]) + (on.fold or 0)], "f1_macro": None})
    series = {"loss_curve": [1.0, 1e-12, None], "n_iter": [3]}
    return {**body, "details": {"train": {"series": series}}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A sweep with odd numbers, a failure with an odd message, and series."""
    several = [candidate("svc", C=c, kernel="rbf") for c in (1, 2, 3)] + [candidate("knn", C=4.5, deep=None)]
    made = segment(several[:3], cells(3))
    spec = {"rank_by": "accuracy", "keep": {"series": True}, "data": {"source": "x.csv"}}
    from dataclasses import replace

    made = replace(made, header=replace(made.header, spec=spec, fingerprints={"": "f00d"}))
    found = new_store(tmp_path, made)
    run(found, outcome)
    return found


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_decimals_are_plain_and_exact(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    """No exponent whatever the size, and the same number again when it is read."""
    folder = tmp_path_factory.getbasetemp() / "decimals"
    folder.mkdir(exist_ok=True)
    write_table(pl.LazyFrame({"v": values}), "t", folder)
    texts = (folder / "t.csv").read_bytes().decode().split("\r\n")[1:-1]
    assert [float(text) for text in texts] == values
    assert all(re.fullmatch(r"-?\d+(\.\d+)?", text) for text in texts), texts


def test_an_export_has_a_row_for_each_run(store: Store, tmp_path: Path) -> None:
    """CSV and Parquet agree; missing values are empty, texts whatever they contain are whole."""
    done = export_sweep(store, tmp_path / "out")
    rows = read_csv(tmp_path / "out/runs.csv")
    frame = pl.read_parquet(tmp_path / "out/runs.parquet")
    assert (len(rows), frame.height, done.n_runs) == (9, 9, 9)
    assert [row["key"] for row in rows] == frame["key"].to_list()
    assert next(row["cv_accuracy"] for row in rows if row["param_C"] == "1") == f"1{'0' * 300}"
    broken = next(row for row in rows if row["outcome"] == "failed")
    assert broken["failure_message"] == 'a "quoted", broken\nline é'
    assert broken["cv_accuracy"] == ""
    assert {row["cv_f1_macro"] for row in rows} == {""}
    assert frame.schema["fold"] == pl.Int64
    assert frame.schema["finished_at"] == pl.Datetime("us", "UTC")
    assert re.fullmatch(r"2001-09-09T01:46:4\d\.000000Z", rows[0]["finished_at"])
    assert (tmp_path / "out/runs.csv").read_bytes().count(b"\r\n") == 10


def test_series_are_a_table_of_their_own(store: Store, tmp_path: Path) -> None:
    """In the order of the runs, one row for each number, with its place in the whole series."""
    done = export_sweep(store, tmp_path / "out")
    rows = read_csv(tmp_path / "out/series.csv")
    runs = [row["key"] for row in read_csv(tmp_path / "out/runs.csv") if row["outcome"] == "succeeded"]
    assert done.n_series == 12
    assert list(dict.fromkeys(row["key"] for row in rows)) == runs
    mine = [row for row in rows if row["key"] == runs[0] and row["series"] == "loss_curve"]
    assert [(row["step"], row["value"]) for row in mine] == [("0", "1"), ("1", "0.000000000001"), ("2", "")]
    assert pl.read_parquet(tmp_path / "out/series.parquet").height == len(rows) == 24


def test_the_same_store_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    """Also where results were compacted in between; an export is repeated in place."""
    from manyfit.report.compact import compact

    first = export_sweep(store, tmp_path / "out").files
    compact(store, tmp=tmp_path)
    again = export_sweep(store, tmp_path / "out").files
    assert [file.sha256 for file in again] == [file.sha256 for file in first]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(file.name for file in first)


def test_metadata_says_where_the_tables_come_from(store: Store, tmp_path: Path) -> None:
    """Sweep, counts, fingerprints, versions, and the checksum of each file."""
    done = export_sweep(store, tmp_path / "out")
    facts = json.loads((tmp_path / "out/metadata.json").read_text())
    assert (facts["format"], facts["version"], facts["sweep"]) == ("manyfit-export", 1, "vowels")
    assert (facts["counts"]["done"], facts["counts"]["failed"], facts["complete"]) == (6, 3, True)
    assert facts["fingerprints"] == {"": "f00d"}
    assert facts["exported_with"]["manyfit"]
    assert {file["name"]: file["sha256"] for file in facts["files"]} == {
        file.name: file.sha256 for file in done.files if file.name != "metadata.json"
    }
    assert [column["name"] for column in facts["columns"]] == list(done.columns)


def test_the_dictionary_describes_every_column(store: Store, tmp_path: Path) -> None:
    """With type, unit, missing values and range, as the CSV file writes them."""
    done = export_sweep(store, tmp_path / "out")
    lines = (tmp_path / "out/DICTIONARY.md").read_text().splitlines()
    described = [line.split("|")[1].strip(" `") for line in lines if line.startswith("| `")]
    assert described == [*done.columns, "key", "series", "step", "value", "n_values"]
    by_name = {
        line.split("|")[1].strip(" `"): [part.strip() for part in line.split("|")[2:-1]]
        for line in lines
        if "|" in line
    }
    assert by_name["param_C"] == [
        "integer",
        "",
        "searched parameter C; missing: another pipeline's, or None",
        "0",
        "1 … 3",
    ]
    assert by_name["cv_f1_macro"][-2:] == ["9", "none"]
    assert by_name["time_fit"][1] == "s"
    assert "read_parquet" in "\n".join(lines)


def test_a_pipe_in_a_text_breaks_no_table() -> None:
    """Cells are escaped, and stay in their line."""
    runs = Runs(frame=pl.DataFrame({"a": ["x|y\nz"]}), columns=[Column(name="a", kind=Kind.TEXT)])
    assert "| `a` | text |  |  | 0 | `x\\|y z` |" in list(dictionary("s", runs, None))


# -- columns -----------------------------------------------------------------------------------------


def test_declared_columns_come_as_declared(store: Store) -> None:
    """In their order, with their types: an integer as a float, everything as text."""
    runs = runs_of(store, [("cv_accuracy", "float"), ("fold", "float"), ("seed", "text"), ("details", "")])
    assert runs.frame.columns == ["cv_accuracy", "fold", "seed", "details"]
    assert [runs.frame.schema[name] for name in ("fold", "seed")] == [pl.Float64, pl.String]
    assert set(runs.frame["seed"]) == {"0"}
    as_text = runs_of(store, [("cv_accuracy", "text")]).frame["cv_accuracy"]
    assert f"1{'0' * 300}" in as_text.to_list()
    assert as_text.null_count() == 3


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ([("cv_acuracy", "")], 'no column "cv_acuracy"; did you mean "cv_accuracy"'),
        ([("fold", "boolean")], "column fold is integer, and is declared as boolean"),
        ([("cv_accuracy", "integer")], "column cv_accuracy is float, and is declared as integer"),
        ([("fold", "number")], '"number" is no type of a column'),
        ([("fold", ""), ("fold", "float")], "declared more than once"),
    ],
)
def test_columns_that_cannot_be_are_errors(store: Store, tmp_path: Path, declared: Any, why: str) -> None:
    """Nothing is written then."""
    with pytest.raises(UserError, match=re.escape(why)):
        export_sweep(store, tmp_path / "out", columns=declared)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vowels.sweep"]


def test_every_column_of_results_can_be_exported() -> None:
    """Each has a type and a meaning; a new one has to be described here, too."""
    left_out = {"final"}
    assert set(COLUMNS) - left_out <= set(KNOWN)
    assert all(column.meaning for column in KNOWN.values())
    assert set(USUAL) <= set(KNOWN)


def test_types_of_parameters_follow_from_their_values() -> None:
    """Integers, numbers, truth values, texts; a mixture is written as JSON, null is missing."""
    texts = [
        '{"a":1,"b":1,"c":true,"d":"x","e":[1,2],"f":null}',
        '{"a":2,"b":0.5,"c":false,"d":3,"g":99999999999999999999}',
    ]
    columns, values = param_columns(texts)
    kinds = {column.name: column.kind for column in columns}
    assert kinds == {
        "param_a": Kind.INTEGER,
        "param_b": Kind.FLOAT,
        "param_c": Kind.BOOLEAN,
        "param_d": Kind.TEXT,
        "param_e": Kind.TEXT,
        "param_f": Kind.BOOLEAN,
        "param_g": Kind.FLOAT,
    }
    assert values["param_d"] == ["x", "3"]
    assert values["param_e"] == ["[1,2]", None]
    assert values["param_b"] == [1.0, 0.5]
    assert math.isclose(float(str(values["param_g"][1])), 1e20)


def test_declared_columns_keep_unit_and_meaning() -> None:
    """A wider type is all that a declaration changes."""
    (found,) = declared_columns([("peak_bytes", "float")], list(KNOWN.values()))
    assert (found.kind, found.unit, found.meaning) == (Kind.FLOAT, "B", KNOWN["peak_bytes"].meaning)


# -- folders -----------------------------------------------------------------------------------------


def test_what_is_not_an_export_is_not_replaced(store: Store, tmp_path: Path) -> None:
    """Files of somebody else, also beside those of an export, a file, a link."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("x")
    export_sweep(store, tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("mine", "out", "file", "link"):
        with pytest.raises(Refused):
            export_sweep(store, tmp_path / name)
    assert (tmp_path / "mine/thesis.tex").read_text() == (tmp_path / "out/notes.txt").read_text() == "x"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_place_that_cannot_be_written_is_named(store: Store, tmp_path: Path) -> None:
    """Not a mistake of manyfit. A long name stands for permissions, which root does not lack."""
    with pytest.raises(UserError, match=r"x cannot be written: .*; export to another folder"):
        export_sweep(store, tmp_path / ("x" * 250))


def test_an_error_leaves_the_earlier_export(store: Store, tmp_path: Path) -> None:
    """All of it, and nothing aside."""
    export_sweep(store, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(RuntimeError, match="disk"):
        write_half(tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "vowels.sweep"]


def write_half(folder: Path) -> None:
    """Fail when half of an export is written."""
    with made_whole(folder) as aside:
        (aside / "runs.csv").write_text("half")
        raise RuntimeError("disk")


KILLED = """
import os, sys
from pathlib import Path
from manyfit.report.export import folders
from manyfit.report.export.folders import made_whole
step, folder = sys.argv[1:]
if step == "between":
    rename = Path.rename
    def once(self, target):
        if ".new-" in self.name:
            os._exit(9)
        return rename(self, target)
    Path.rename = once
with made_whole(Path(folder)) as aside:
    (aside / "runs.csv").write_text("half")
    if step == "writing":
        os._exit(9)
"""


@pytest.mark.parametrize("step", ["writing", "between"])
def test_a_killed_export_leaves_nothing_half(store: Store, tmp_path: Path, python_path: str, step: str) -> None:
    """Whatever it was killed at, the next one finds the earlier export, or its own place, and tidies up."""
    first = export_sweep(store, tmp_path / "out").files
    environment = {**os.environ, "PYTHONPATH": python_path}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, step, str(tmp_path / "out")], env=environment, check=False, timeout=60
    )
    assert done.returncode == 9
    halves = [path for path in (tmp_path / "out").glob("*") if path.read_bytes() == b"half"]
    assert halves == []
    with pytest.raises(RuntimeError, match="disk"):
        write_half(tmp_path / "out")
    assert written(tmp_path / "out/runs.csv", first[0].n_rows) == first[0], "the earlier one is there again"

    again = export_sweep(store, tmp_path / "out").files

    assert again == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "vowels.sweep"]


def test_a_run_that_is_left_out_says_so(tmp_path: Path) -> None:
    """An unfinished sweep is exported as far as it is, and the export says that it is not complete."""
    store = new_store(tmp_path, segment([candidate(C=1), candidate(C=2)], cells(3), unit_size=3))
    run(store, lambda of, on: scored(cv={"accuracy": 0.5}), units=1)
    done = export_sweep(store, tmp_path / "out")
    assert (done.n_runs, done.complete, done.n_series) == (3, False, 0)
    assert not (tmp_path / "out/series.csv").exists()


def test_lines_of_a_dictionary_are_made_once() -> None:
    """They come one by one: a dictionary of a wide table needs no memory of its own."""
    runs = Runs(frame=pl.DataFrame({"a": [1.5, None]}), columns=[Column(name="a", kind=Kind.FLOAT, unit="s")])
    lines = dictionary("s", runs, None)
    assert isinstance(lines, Iterator)
    assert "| `a` | float | s |  | 1 | 1.5 |" in list(lines)

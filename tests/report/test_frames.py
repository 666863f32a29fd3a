"""The frame of accepted results: every field of a line, one row for each task."""

import json
from pathlib import Path

import polars as pl
import pytest
from tests.report.sweeps import (
    candidate,
    cell,
    cells,
    failed,
    key_of,
    new_store,
    register,
    run,
    scored,
    segment,
    submit,
)

from manyfit.model.errors import StoreCorrupt
from manyfit.model.lease import End, EndKind
from manyfit.model.unit import Mode
from manyfit.report.frames import results_frame
from manyfit.report.lines import COLUMNS

SVC = candidate("svc", C=1.0, kernel="rbf", features="all")
KNN = candidate("knn", n_neighbors=3)


def row_of(frame: pl.DataFrame, key: str) -> dict:
    return frame.row(by_predicate=pl.col("key") == key, named=True)


def test_row_holds_all_of_a_success(tmp_path: Path) -> None:
    """A success becomes one row with its plan, its scores, timings, counts and texts."""
    on = cell("a", 1, 7)
    store = new_store(tmp_path, segment([SVC], [on]))
    body = {
        **scored(cv={"accuracy": 0.1 + 0.2, "f1_macro": None}, train={"accuracy": 1}),
        "warnings": [["ConvergenceWarning", 'said "no" in [1, 2]', 3], ["UserWarning", "x", 2]],
        "details": {"cv": {"confusion_matrix": [[1, 2], [3, 4]]}},
        "artifacts": {"model": {"sha256": "ab"}},
    }
    run(store, lambda *_: body, at=1_790_000_000.25)
    row = results_frame(store).row(0, named=True)
    assert {name: row[name] for name in ("candidate_key", "pipeline", "features", "split", "fold", "seed")} == {
        "candidate_key": SVC.key,
        "pipeline": "svc",
        "features": "all",
        "split": "a",
        "fold": 1,
        "seed": 7,
    }
    assert row["key"] == key_of(SVC, on)
    assert (row["generation"], row["mode"], row["attempt"], row["epoch"]) == (0, "fit", 1, 1)
    assert (row["outcome"], row["final"], row["worker"]) == ("succeeded", True, "w-1")
    assert (row["cv_accuracy"], row["cv_f1_macro"], row["train_accuracy"]) == (0.1 + 0.2, None, 1.0)
    assert (row["time_load"], row["time_fit"], row["peak_bytes"]) == (0.1, 2.0, 1 << 20)
    assert (row["n_train"], row["n_cv"], row["n_warnings"]) == (50, 50, 5)
    assert json.loads(row["warnings"]) == body["warnings"]
    assert json.loads(row["details"]) == body["details"]
    assert json.loads(row["artifacts"]) == body["artifacts"]
    assert json.loads(row["params"]) == {"C": 1.0, "kernel": "rbf"}
    assert row["finished_at"].timestamp() == 1_790_000_000.25


@pytest.mark.parametrize("name", ["C:\\users\\q", 'a "b"', "\\", '\\"', "two\nlines\t\x1b", "Größe 😀"])
def test_names_that_need_escapes_stay_themselves(tmp_path: Path, name: str) -> None:
    """Backslashes, quotes and control characters in names of users stand in the JSON columns as they went in."""
    store = new_store(tmp_path, segment([SVC, KNN], [cell()]))
    body = {
        **scored(cv={"accuracy": 1}),
        "warnings": [["UserWarning", name, 2]],
        "details": {"cv": {"categories": [name], name: 0.1}},
        "artifacts": {"predictions": {"classes": [name, "b"]}},
    }
    run(store, lambda of, _: body if of == SVC else {**body, "warnings": [], "details": {"n": 1}, "artifacts": {}})
    frame = results_frame(store)
    for column in ("details", "artifacts", "warnings"):
        assert json.loads(row_of(frame, key_of(SVC, cell()))[column]) == body[column]
    other = row_of(frame, key_of(KNN, cell()))
    assert (json.loads(other["details"]), other["warnings"], other["n_warnings"]) == ({"n": 1}, None, 0)


def test_row_holds_all_of_a_failure(tmp_path: Path) -> None:
    """A failure has its class, error, message and fingerprint, and no scores."""
    store = new_store(tmp_path, segment([SVC, KNN], [cell()]))
    run(store, lambda of, _: failed("oom", "MemoryError", "2 GiB") if of == SVC else scored(cv={"accuracy": 1}))
    row = row_of(results_frame(store), key_of(SVC, cell()))
    assert (row["outcome"], row["failure_class"], row["failure_error"]) == ("failed", "oom", "MemoryError")
    assert (row["failure_message"], row["failure_fingerprint"]) == ("2 GiB", "f0")
    assert row["cv_accuracy"] is None
    assert row["n_cv"] is None


def test_sets_and_metrics_of_single_tasks_are_kept(tmp_path: Path) -> None:
    """A set or metric that only one task of many has becomes a column too, with null elsewhere."""
    many = [candidate("svc", C=n) for n in range(40)]

    def outcome(of, on):
        return scored(rare={"odd:1": 0.5}) if of.key == many[33].key else scored(cv={"accuracy": of.shown["C"]})

    store = new_store(tmp_path, segment(many, [cell()]))
    run(store, outcome)
    frame = results_frame(store)
    assert frame["rare_odd:1"].drop_nulls().to_list() == [0.5]
    assert frame["cv_accuracy"].null_count() == 1


@pytest.mark.parametrize("score", [5e-324, 1.7976931348623157e308, -1e-310, 123456789.123456789, 0, -0.0, 1e22])
def test_scores_are_exact(tmp_path: Path, score: float) -> None:
    """Scores come out as the floats that went in, to the last bit."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    run(store, lambda *_: scored(cv={"accuracy": score}))
    assert results_frame(store)["cv_accuracy"][0].hex() == float(score).hex()


def test_empty_store_has_an_empty_frame(tmp_path: Path) -> None:
    """Before any result there is a frame with the fixed columns and no rows, lazily and not."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    assert results_frame(store).is_empty()
    assert results_frame(store).columns == [*COLUMNS, "doubtful"]
    assert results_frame(store, lazy=True).collect().schema == results_frame(store).schema


def test_attempts_that_are_tried_again_are_not_current(tmp_path: Path) -> None:
    """Only the final attempt of a task is its result; all attempts are there when asked for."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    run(store, lambda *_: {**failed("crash"), "final": False}, units=1)
    run(store, lambda *_: scored(cv={"accuracy": 0.5}), worker="w-2")
    assert results_frame(store)["attempt"].to_list() == [2]
    assert results_frame(store, current=False)["attempt"].sort().to_list() == [1, 2]


def test_highest_generation_counts(tmp_path: Path) -> None:
    """After a retry the result of the higher generation is the task's, the earlier one is history."""
    store = new_store(tmp_path, segment([SVC, KNN], [cell()]))
    run(store, lambda *_: failed())
    submit(store, segment([SVC], [cell()], generation=1, mode=Mode.KEEP), n_new=0)
    run(store, lambda *_: scored(cv={"accuracy": 0.5}), worker="w-2")
    frame = results_frame(store)
    assert frame.height == 2
    assert row_of(frame, key_of(SVC, cell()))["outcome"] == "succeeded"
    assert row_of(frame, key_of(SVC, cell()))["mode"] == "keep"
    assert row_of(frame, key_of(KNN, cell()))["outcome"] == "failed"
    assert results_frame(store, current=False).height == 3


def test_removed_tasks_leave_and_come_back(tmp_path: Path) -> None:
    """A removed task leaves the frame; declared again it is there again, with its newest result."""
    store = new_store(tmp_path, segment([SVC, KNN], [cell()]))
    run(store, lambda *_: scored(cv={"accuracy": 0.1}))
    submit(store, segment([KNN], [cell(seed=1)], removed=[key_of(SVC, cell())]))
    assert results_frame(store)["pipeline"].to_list() == ["knn"]
    assert results_frame(store, current=False).height == 2
    submit(store, segment([SVC], [cell()], generation=1), n_new=0)
    assert sorted(results_frame(store)["pipeline"]) == ["knn", "svc"]


def test_line_of_a_task_that_the_unit_does_not_have_is_refused(tmp_path: Path) -> None:
    """A result whose index lies outside its unit is corruption, not a result of another task."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    lease = store.claim(register(store))
    assert lease is not None
    line = {"index": 1, "key": "k", "attempt": 1, "outcome": "succeeded", "final": True, "finished_at": 1.0}
    store.record(lease, json.dumps(line).encode() + b"\n")
    store.complete(lease, End(kind=EndKind.DONE, indices=(0,), marks="d", by=lease.worker))
    with pytest.raises(StoreCorrupt, match="name tasks that the unit does not have"):
        results_frame(store)


def test_tasks_of_split_units_are_theirs(tmp_path: Path) -> None:
    """Children of a split unit index into the tasks of the unit that was planned."""
    store = new_store(tmp_path, segment([SVC], cells(6), unit_size=6))
    lease = store.claim(register(store))
    assert lease is not None
    store.complete(
        lease,
        End(
            kind=EndKind.SPLIT,
            indices=tuple(range(6)),
            marks="......",
            parts=((0, 2, 4), (1, 3, 5)),
            by=lease.worker,
        ),
    )
    run(store, lambda _, on: scored(cv={"accuracy": on.fold}), worker="w-2")
    frame = results_frame(store)
    assert frame.height == 6
    assert frame["cv_accuracy"].to_list() == [float(fold) for fold in frame["fold"]]
    assert all(row["key"] == key_of(SVC, cell("s", row["fold"])) for row in frame.iter_rows(named=True))

"""The leaderboard against the same computed in plain Python."""

import statistics
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report.sweeps import candidate, cell, cells, failed, key_of, new_store, run, scored, segment, submit

from manyfit.model.errors import NotFound
from manyfit.report.best import best_candidates, best_per_pipeline
from manyfit.report.compact import compact
from manyfit.report.leaderboard import leaderboard
from manyfit.report.results import aggregated_results

SVCS = [candidate("svc", C=n / 10) for n in range(4)]
RF = candidate("rf", n=3)


def cv(value):
    return scored(cv={"accuracy": value, "f1_macro": value / 2}, train={"accuracy": 1.0, "f1_macro": 1.0})


SCORES = st.one_of(
    st.none(), st.just("failed"), st.sampled_from([0.5, 0.25]), st.floats(-1e3, 1e3).map(lambda value: value + 0.0)
)


@settings(max_examples=25, deadline=None)
@given(st.lists(SCORES, min_size=20, max_size=20), st.booleans(), st.booleans())
def test_same_as_plain_python(values: list, greater: bool, compacted: bool) -> None:
    """Means, deviations, counts and order are those of the definition, whatever is missing, failed or equal."""
    candidates, on = [*SVCS, RF], cells(2, seeds=(0, 1))
    tasks = {
        key_of(one, place): values[4 * n + m] for n, one in enumerate(candidates) for m, place in enumerate(on)
    }

    def outcome(of, place):
        value = tasks[key_of(of, place)]
        return failed() if value == "failed" else cv(value) if value is not None else scored(train={"accuracy": 1})

    with tempfile.TemporaryDirectory() as folder:
        store = new_store(Path(folder), segment(candidates, on))
        run(store, outcome)
        if compacted:
            compact(store, tmp=Path(folder))
        board = leaderboard(store, greater_is_better=lambda _: greater)
        store.close()
    expected = []
    for one in candidates:
        mine = [tasks[key_of(one, place)] for place in on]
        numbers = [value for value in mine if isinstance(value, float)]
        mean = statistics.fmean(numbers) if numbers else None
        std = statistics.stdev(numbers) if len(numbers) > 1 else None
        expected.append((one.key, mean, std, mine.count("failed")))
    assert board["rank"].to_list() == [1, 2, 3, 4, 5]
    rows = {row["candidate_key"]: row for row in board.iter_rows(named=True)}
    for key, mean, std, n_failed in expected:
        assert rows[key]["score"] == (mean if mean is None else pytest.approx(mean, abs=1e-9))
        assert rows[key]["std"] == (std if std is None else pytest.approx(std, rel=1e-6, abs=1e-6))
        assert (rows[key]["n_failed"], rows[key]["n_done"], rows[key]["n_planned"]) == (n_failed, 4 - n_failed, 4)
    keys = [
        (row["score"] is None, -(row["score"] or 0) * (1 if greater else -1), row["candidate_key"])
        for row in board.iter_rows(named=True)
    ]
    assert keys == sorted(keys)


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e6, 1e300])
def test_ties_stand_in_the_order_of_keys(tmp_path: Path, scale: float) -> None:
    """Equal scores are ordered by candidate key, though they were added up in different orders."""
    values = [0.1 * scale, 0.2 * scale, 0.3 * scale, 0.7 * scale, 1e-9 * scale]
    turn = {one.key: n for n, one in enumerate(SVCS)}
    store = new_store(tmp_path, segment(SVCS, cells(5)))
    run(store, lambda of, on: cv(values[(on.fold + turn[of.key]) % 5]))
    board = leaderboard(store)
    for column in ("score", "std", "f1_macro"):
        assert board[column].n_unique() == 1
    assert board["score"][0] == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert board["candidate_key"].to_list() == sorted(one.key for one in SVCS)


def test_planned_counts_what_has_no_result_yet(tmp_path: Path) -> None:
    """n_planned counts tasks without results and those of later segments, not removed ones or repeats."""
    store = new_store(tmp_path, segment(SVCS, cells(4)))
    run(store, lambda *_: cv(0.5), units=2)
    assert leaderboard(store)["n_planned"].to_list() == [4, 4]
    more = cells(4, seeds=(1,))
    submit(store, segment(SVCS[:1], more, removed=[key_of(SVCS[1], cell(fold=3)), key_of(SVCS[0], cell(fold=0))]))
    submit(store, segment(SVCS[:1], cells(4)[1:], generation=1), n_new=0)
    board = leaderboard(store)
    counts = {row["params"]: (row["n_done"], row["n_planned"]) for row in board.iter_rows(named=True)}
    assert counts == {"C=0": (3, 7), "C=0.1": (3, 3)}


def test_set_that_ranks(tmp_path: Path) -> None:
    """Each split is ranked by cv, else validate, else the first other set, never by train."""
    on = [cell("folds"), cell("folds", None), cell("held", None), cell("other", None), cell("none", None)]

    def outcome(_, place):
        rest = {"train": {"accuracy": 1.0}}
        sets = {
            "folds": ["cv"] if place.fold is not None else ["validate", "test"],
            "held": ["validate", "test", "a"],
            "other": ["test", "b"],
            "none": [],
        }[place.split]
        return scored(**rest, **{name: {"accuracy": 0.1 * len(name)} for name in sets})

    store = new_store(tmp_path, segment([RF], on))
    run(store, outcome)
    board = leaderboard(store)
    ranked = {row["split"]: (row["set"], row["score"]) for row in board.iter_rows(named=True)}
    assert ranked == {
        "folds": ("cv", 0.2),
        "held": ("validate", 0.8),
        "other": ("b", 0.1),
        "none": (None, None),
    }
    assert "test_accuracy" in board.columns


def test_top_counts_in_each_split_and_variant_rows_stand_apart(tmp_path: Path) -> None:
    """`top` gives the best of each split; one candidate on two variants is two rows."""
    raw = [candidate("svc", C=n, variant="raw") for n in range(3)]
    flat = [candidate("svc", C=n, variant="flat") for n in range(3)]
    on = [cell(split, 0, 0, variant) for split in ("a", "b") for variant in ("raw", "flat")]
    store = new_store(tmp_path, segment([*raw, *flat], on))
    run(store, lambda of, place: cv(of.shown["C"] + (0.5 if place.variant == "raw" else 0)))
    board = leaderboard(store, top=2)
    found = board.select("split", "rank", "variant", "params").rows()
    assert found == [
        ("a", 1, "raw", "C=2"),
        ("a", 2, "flat", "C=2"),
        ("b", 1, "raw", "C=2"),
        ("b", 2, "flat", "C=2"),
    ]


def test_filters_and_metric(tmp_path: Path) -> None:
    """Split and pipeline select rows, another metric ranks; unknown names are refused with a proposal."""
    store = new_store(tmp_path, segment([*SVCS, RF], [cell("a"), cell("b")]))
    run(store, lambda of, _: scored(cv={"accuracy": 0.5, "f1_macro": of.shown.get("C", 9)}))
    board = leaderboard(store, metric="f1_macro", split="b", pipeline="svc")
    assert board["params"].to_list() == ["C=0.3", "C=0.2", "C=0.1", "C=0"]
    assert board["split"].unique().to_list() == ["b"]
    assert board["accuracy"].to_list() == [0.5] * 4
    with pytest.raises(NotFound, match='did you mean "f1_macro"'):
        leaderboard(store, metric="f1_makro")
    with pytest.raises(NotFound, match='the pipeline "svm"; did you mean "svc"'):
        leaderboard(store, pipeline="svm")
    with pytest.raises(NotFound, match='the split "c"'):
        leaderboard(store, split="c")


def test_before_the_first_result(tmp_path: Path) -> None:
    """A sweep without results has an empty leaderboard with its columns; without a plan it says what to do."""
    empty = new_store(tmp_path)
    with pytest.raises(NotFound, match="no plan yet"):
        leaderboard(empty)
    board = leaderboard(submit(empty, segment(SVCS, cells(2))))
    assert board.is_empty()
    assert {"rank", "score", "n_planned", "candidate_key"} <= set(board.columns)


def test_best_candidates_leave_out_failed_and_unscored(tmp_path: Path) -> None:
    """Models are kept for the k best of each split whose tasks all succeeded."""
    store = new_store(tmp_path, segment(SVCS, [cell("a", 0), cell("a", 1), cell("b", 0)]))

    def outcome(of, place):
        c = of.shown["C"]
        return failed() if c == 0.3 and place.fold == 1 else cv(c) if c else scored()

    run(store, outcome)
    best = best_candidates(store, 2)
    assert [(one.split, one.rank, one.candidate) for one in best] == [
        ("a", 1, SVCS[2].key),
        ("a", 2, SVCS[1].key),
        ("b", 1, SVCS[3].key),
        ("b", 2, SVCS[2].key),
    ]


def test_best_per_pipeline(tmp_path: Path) -> None:
    """Each pipeline has one row for each split, the better pipeline first."""
    store = new_store(tmp_path, segment([*SVCS, RF], [cell("a")]))
    run(store, lambda of, _: cv(of.shown.get("C", 0.2)))
    assert best_per_pipeline(store).select("pipeline", "score").rows() == [("svc", 0.3), ("rf", 0.2)]


def test_aggregated_results(tmp_path: Path) -> None:
    """The aggregated table has mean and deviation of every score of every set."""
    store = new_store(tmp_path, segment([RF], cells(2)))
    run(store, lambda _, on: cv(float(on.fold)))
    row = aggregated_results(store).row(0, named=True)
    assert (row["cv_accuracy"], row["cv_f1_macro"], row["train_accuracy"]) == (0.5, 0.25, 1.0)
    assert row["std_cv_accuracy"] == pytest.approx(statistics.stdev([0.0, 1.0]))
    assert (row["pipeline"], row["params"], row["n_done"], row["time_fit"]) == ("rf", "n=3", 2, 2.0)
    assert isinstance(aggregated_results(store), pl.DataFrame)

"""Which sets are compared, and what stands beside what."""

import polars as pl
import pytest
from tests.api.running import run_here
from tests.vowels import vowels

from manyfit import Sweep
from manyfit.model.errors import NotFound
from manyfit.report.generalisation import generalisation
from manyfit.report.held_out import compared_sets


@pytest.mark.parametrize(
    ("scored", "pair"),
    [
        (("train", "cv", "validate", "test"), ("cv", "test")),
        (("test", "validate", "train"), ("validate", "test")),
        (("cv", "test"), ("cv", "test")),
        (("cv", "validate", "train"), ("cv", "validate")),
        (("cv", "zoo", "later"), ("cv", "later")),
        (("cv", "validate", "later"), ("cv", "later")),
        (("test", "later", "train"), ("train", "test")),
        (("train", "cv"), ("train", "cv")),
        (("train", "validate"), ("train", "validate")),
        (("cv",), None),
        (("test", "later"), None),
        (("train",), None),
        ((), None),
    ],
)
def test_the_sets_that_are_compared(scored, pair):
    """Test before other held-out sets, folds before a validation set, training rows where nothing else is."""
    assert compared_sets(scored) == pair
    assert compared_sets(scored[::-1]) == pair


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Four candidates by log loss, which falls: random folds, and speakers held out."""
    folder = tmp_path_factory.mktemp("gaps")
    vowels().write_parquet(folder / "vowels.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANYFIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        sweep = Sweep(
            folder=folder,
            name="gaps",
            data={"source": "vowels.parquet", "target": "vowel", "group": "speaker", "index": "id"},
            metrics=["accuracy", "log_loss"],
            rank_by="log_loss",
            splits={
                "both": {"train": "speaker <> 'speaker 3'", "test": "speaker = 'speaker 3'", "folds": 3},
                "only": {"folds": 2},
            },
            pipelines={
                "tree": {"steps": ["DecisionTreeClassifier"], "grid": {"max_depth": [3, 12]}},
                "lda": {"steps": ["LinearDiscriminantAnalysis"]},
            },
            score_train=False,
        )
        return run_here(sweep, patch).store


def test_gaps_are_positive_where_it_is_worse_whatever_the_metric(store):
    """A loss that grows and an accuracy that falls are both a positive gap; ranks are by what is better."""
    losses = generalisation(store, greater_is_better=lambda metric: metric != "log_loss")
    assert losses["gap"].to_list() == pytest.approx((losses["held_out"] - losses["validation"]).to_list())
    assert losses["validation"].is_sorted()
    hits = generalisation(store, metric="accuracy")
    assert hits["gap"].to_list() == pytest.approx((hits["validation"] - hits["held_out"]).to_list())
    assert hits["validation"].is_sorted(descending=True)
    best = hits.sort("held_out", descending=True)["held_out_rank"].to_list()
    assert best == sorted(best)
    assert set(hits["validation_set"]) == {"cv"}
    assert set(hits["held_out_set"]) == {"test"}


def test_a_split_with_one_set_has_nothing_to_compare(store):
    """Without scores on training rows, folds alone say nothing of a gap."""
    assert set(generalisation(store)["split"]) == {"both"}
    assert generalisation(store, split="only").is_empty()


def test_filters_are_those_of_the_leaderboard(store):
    """The best of each split, one pipeline, and names that are not there."""
    assert generalisation(store, top=1).height == 1
    assert set(generalisation(store, pipeline="tree")["pipeline"]) == {"tree"}
    with pytest.raises(NotFound, match='did you mean "both"'):
        generalisation(store, split="bohh")


def test_means_are_those_of_the_tasks(store):
    """Validation is the mean over folds, and its deviation stands beside it."""
    from manyfit.report.results import raw_results

    tasks = raw_results(store).filter(pl.col("split") == "both").collect()
    for row in generalisation(store, metric="accuracy").to_dicts():
        mine = tasks.filter(pl.col("candidate_key") == row["candidate_key"])
        assert row["validation"] == pytest.approx(mine["cv_accuracy"].mean())
        assert row["std"] == pytest.approx(mine["cv_accuracy"].std())
        assert row["held_out"] == pytest.approx(mine["test_accuracy"].mean())
        assert row["n_done"] == 4

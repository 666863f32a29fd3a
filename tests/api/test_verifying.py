"""Models on rows that they never saw: real sweeps on vowels of fifteen speakers, judged by scikit-learn."""

import json

import numpy as np
import polars as pl
import pytest
from sklearn import metrics
from tests.api.running import run_here
from tests.vowels import vowels

from manyfit import Sweep
from manyfit.api.results import Results
from manyfit.connect import open_store
from manyfit.model.errors import NotFound, UserError
from manyfit.report.verifications import verifications
from manyfit.testing.independent import audit

SPEAKERS = [f"speaker {n}" for n in range(15)]
HELD_OUT = ("speaker 3", "speaker 7", "speaker 11")
ABSENT = ("speaker 13", "speaker 14")
"""Speakers in no set of the split "named"."""

NAMED = f"speaker NOT IN {(*HELD_OUT, *ABSENT)}"
DATA = {
    "source": "vowels.parquet",
    "target": "vowel",
    "group": "speaker",
    "index": "id",
    "labels": {"heed": "HEED"},
    "categories": {"front": ["HEED", "hid", "head", "had"]},
}
PIPELINES = {
    "knn": {"steps": ["StandardScaler", "KNeighborsClassifier"], "grid": {"n_neighbors": [1, 7]}},
    "lda": {"steps": ["LinearDiscriminantAnalysis"]},
}
SPLITS = {
    "named": {"train": NAMED, "test": f"speaker IN {HELD_OUT}", "folds": 3},
    "each": {"kind": "leave_one_group_out"},
    "random": {"folds": 3},
}


def sweep(folder, *, rows=None, **parts):
    (vowels() if rows is None else rows).write_parquet(folder / "vowels.parquet")
    declared = {
        "name": "vowels",
        "data": DATA,
        "metrics": ["accuracy", "f1_macro"],
        "rank_by": "accuracy",
        "pipelines": PIPELINES,
        "splits": SPLITS,
    }
    return Sweep(folder=folder, **{**declared, **parts})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A sweep that ran; tests may add verifications to it."""
    folder = tmp_path_factory.mktemp("vowels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANYFIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return run_here(sweep(folder), patch)


# -- what is verified --------------------------------------------------------------------------------


def test_unseen_groups_are_those_without_a_training_row(done):
    """Held-out speakers and those in no set are verified, each row with the set that it is in."""
    found = done.verify(unseen_groups=True, split="named")
    rows = found.rows()
    assert set(rows["speaker" if "speaker" in rows.columns else "group"]) == {*HELD_OUT, *ABSENT}
    assert rows.height == 66 * 5
    assert set(rows.filter(pl.col("group").is_in(HELD_OUT))["set"]) == {"test"}
    assert set(rows.filter(pl.col("group").is_in(ABSENT))["set"]) == {""}
    assert done.verify(unused_rows=True, split="named").rows().height == 66 * 2


def test_every_fold_answers_for_the_groups_that_it_held_out(done):
    """Of a split with folds alone each fold answers, and no row is answered by one that knew its speaker."""
    found = done.verify(unseen_groups=True, split="each")
    rows = found.rows()
    assert rows.height == 990
    assert rows["row"].n_unique() == 990
    tasks = done.tasks().select("key", "held_out")
    joined = rows.join(tasks, left_on="task", right_on="key", how="left")
    assert (joined["held_out"] == joined["group"]).all()
    (row,) = found.models().to_dicts()
    cv = done.tasks().filter(pl.col("candidate_key") == row["candidate_key"], pl.col("split") == "each")
    assert row["verified"] == pytest.approx(cv["cv_accuracy"].mean())


def test_a_kept_model_changes_nothing_about_folds_that_answer(tmp_path, monkeypatch, recwarn):
    """The fit that keeps a model knows every group: folds go on to answer for all, without warnings."""
    linear = {"steps": [{"use": "LogisticRegression", "max_iter": 2}]}
    parts = {"splits": {"each": SPLITS["each"]}, "pipelines": {"linear": linear, "lda": PIPELINES["lda"]}}
    results = run_here(sweep(tmp_path, **parts, keep={"models": "best:1"}), monkeypatch)
    found = results.verify(unseen_groups=True, top=None)
    assert found.summary.notes == ()
    assert found.rows()["pipeline"].value_counts()["count"].to_list() == [990, 990]
    assert not [one for one in recwarn if "converge" in str(one.message)]


def test_the_row_table_gives_every_score_again(done):
    """Scores, shares by class and category, groups: scikit-learn computes the same from the stored rows."""
    found = done.verify(unseen_groups=True, split="named", top=3)
    assert len(found.summary.models) == 3
    table = found.rows()
    for at, model in enumerate(found.summary.models):
        rows = table.filter(pl.col("task").is_in(model.tasks))
        y, predicted = rows["true"].to_numpy(), rows["predicted"].to_numpy()
        assert "HEED" in set(y)
        assert model.verified == pytest.approx(metrics.accuracy_score(y, predicted))
        assert model.figures.scores["f1_macro"] == pytest.approx(metrics.f1_score(y, predicted, average="macro"))
        report = metrics.classification_report(y, predicted, output_dict=True, zero_division=np.nan)
        for row in found.classes(at).to_dicts():
            assert row["recall"] == pytest.approx(report[row["class"]]["recall"])
            assert row["support"] == report[row["class"]]["support"]
            if row["n_predicted"]:
                assert row["precision"] == pytest.approx(report[row["class"]]["precision"])
        for row in found.groups(at).to_dicts():
            mine = rows.filter(pl.col("group") == row["group"])
            assert row["accuracy"] == pytest.approx(metrics.accuracy_score(mine["true"], mine["predicted"]))
        front = ["HEED", "hid", "head", "had"]
        true, said = np.isin(y, front), np.isin(predicted, front)
        assert found.categories(at)["recall"][0] == pytest.approx(metrics.recall_score(true, said))
        names = found.confusion_matrix(at)["true"].to_list()
        ours = found.confusion_matrix(at).drop("true").to_numpy()
        assert np.array_equal(ours, metrics.confusion_matrix(y, predicted, labels=names))
        if model.pipeline != "lda":
            chances = rows.select(f"p:{name}" for name in names).to_numpy()
            assert chances.sum(axis=1) == pytest.approx(1.0)
            assert rows["confidence"].to_numpy() == pytest.approx(chances.max(axis=1))
        assert rows["correct"].mean() == pytest.approx(model.verified)


def test_a_model_that_knows_its_speakers_by_heart_is_seen(done):
    """Random folds promise what unseen speakers do not keep: the gap of the nearest neighbour is large."""
    found = done.verify(unseen_groups=True, split="named", top=3).models()
    nearest = found.filter(pl.col("params") == "n_neighbors=1").row(0, named=True)
    assert nearest["set"] == "cv"
    assert nearest["validation"] > 0.9
    assert nearest["gap"] > 0.3
    assert nearest["gap"] == pytest.approx(nearest["validation"] - nearest["verified"])
    gaps = done.generalisation(split="named")
    row = gaps.filter(pl.col("params") == "n_neighbors=1").row(0, named=True)
    assert (row["validation_set"], row["held_out_set"]) == ("cv", "test")
    assert row["gap"] == pytest.approx(row["validation"] - row["held_out"])
    assert row["gap"] > 0.3
    board = done.leaderboard(split="named")
    assert board["gap"].to_list() == pytest.approx((board["score"] - board["test_accuracy"]).to_list())


def test_one_task_is_compared_with_its_own_score(done):
    """The fit of one fold, by its key: its rows are those of the speaker that it held out."""
    task = (
        done.tasks().filter((pl.col("split") == "each") & (pl.col("held_out") == "speaker 6")).row(0, named=True)
    )
    found = done.verify(unseen_groups=True, task=task["key"][:12])
    assert set(found.rows()["group"]) == {"speaker 6"}
    (row,) = found.models().to_dicts()
    assert row["validation"] == task["cv_accuracy"]
    assert row["gap"] == pytest.approx(0.0)


# -- other tables ------------------------------------------------------------------------------------


def noisy(rows):
    """Return vowels that nobody spoke: others by a little, under ids of their own."""
    noise = np.random.RandomState(0).normal(scale=0.05, size=rows.height)
    return rows.with_columns(id=pl.format("new {}", "id"), F0=pl.col("F0") + noise)


def test_rows_that_trained_are_left_out_and_told(done, tmp_path):
    """By the text of the index or by equal content; --keep-seen keeps them."""
    known = vowels()
    table = pl.concat(
        [
            known.head(5).with_columns(F0=pl.col("F0") + 1),
            known[10:17].with_columns(id=pl.format("other {}", "id")),
            noisy(known.head(40)),
        ]
    )
    table.write_csv(tmp_path / "new.csv")
    found = done.verify(tmp_path / "new.csv", split="random")
    (model,) = found.summary.models
    assert (model.counts["seen_by_index"], model.counts["seen_by_content"]) == (5, 7)
    assert set(found.rows()["id"]) == set(noisy(known.head(40))["id"])
    assert found.rows()["row"].to_list() == list(range(12, 52))
    assert any(note.startswith("leakage: 12 rows") and "5 by index" in note for note in found.summary.notes)
    kept = done.verify(tmp_path / "new.csv", split="random", keep_seen=True)
    assert kept.rows().height == 52
    known.head(20).write_csv(tmp_path / "all.csv")
    with pytest.raises(UserError, match=r"no row is left.*20 by index.*--keep-seen"):
        done.verify(tmp_path / "all.csv", split="random")


def test_the_same_rows_are_drawn_from_a_table_in_any_order(done, tmp_path):
    """Sampled by what rows are: another order and another format of the file give the same rows."""
    table = noisy(vowels())
    table.write_parquet(tmp_path / "a.parquet")
    table.sample(fraction=1.0, shuffle=True, seed=3).write_csv(tmp_path / "b.csv")
    for sample in ("balanced:4", "stratified:50", "per-class:3,cap=5"):
        first, again, other = (
            done.verify(tmp_path / name, split="random", sample=sample, seed=seed).rows()
            for name, seed in (("a.parquet", 5), ("b.csv", 5), ("a.parquet", 6))
        )
        assert set(first["id"]) == set(again["id"])
        assert first.sort("id")["predicted"].to_list() == again.sort("id")["predicted"].to_list()
        assert set(first["id"]) != set(other["id"])
    assert set(first["true"].value_counts()["count"]) == {5}


def test_models_of_one_split_have_the_same_rows(done):
    """What is compared is compared on equal rows."""
    rows = done.verify(unseen_groups=True, split="named", top=None, sample="balanced:6", seed=1).rows()
    per_task = rows.group_by("task").agg(pl.col("row").sort()).sort("task")["row"].to_list()
    assert len(per_task) == 3
    assert all(one == per_task[0] for one in per_task)


# -- errors ------------------------------------------------------------------------------------------


def test_what_cannot_be_verified_is_told(done, tmp_path):
    """No rows named, two ways at once, no unseen group, no such split or task, a sample with too few rows."""
    for asked, message in (
        ({}, "say which rows"),
        ({"data": "x.csv", "unseen_groups": True}, "in one way"),
        ({"unseen_groups": True, "split": "random"}, 'split "random" leaves no group unseen'),
        ({"unused_rows": True, "split": "each"}, "leaves no row out"),
        ({"unseen_groups": True, "split": "nmaed"}, 'did you mean "named"'),
        ({"unseen_groups": True, "task": "zz"}, "no task has a key"),
        ({"unseen_groups": True, "split": "named", "sample": "per-class:31"}, r"too few are there of had \(30\)"),
        ({"data": tmp_path / "none.csv"}, "there is no file"),
        ({"unseen_groups": True, "where": "F99 > 1"}, '"F99", and there is no such column'),
        ({"unseen_groups": True, "metric": "acuracy"}, 'did you mean "accuracy"'),
    ):
        with pytest.raises(UserError, match=message):
            done.verify(**asked)


@pytest.mark.slow
def test_groups_are_needed_for_unseen_groups(tmp_path, monkeypatch):
    """A sweep without a group column says what to write."""
    data = {**DATA, "group": None}
    made = sweep(
        tmp_path,
        data={name: value for name, value in data.items() if value},
        splits={"cv": 2},
        pipelines={"lda": PIPELINES["lda"]},
    )
    results = run_here(made, monkeypatch)
    with pytest.raises(UserError, match=r'write group = "..." in \[data\]'):
        results.verify(unseen_groups=True)


def test_a_condition_chooses_rows(done, tmp_path):
    """Classes that the sweep does not have are refused, and can be left out."""
    table = noisy(vowels().head(44))
    table.with_columns(vowel=pl.when(pl.col("vowel") == "had").then(pl.lit("hat")).otherwise("vowel")).write_csv(
        tmp_path / "new.csv"
    )
    with pytest.raises(
        UserError, match=r'4 rows are of classes in "vowel" that the sweep does not have: "hat \(4\)"'
    ):
        done.verify(tmp_path / "new.csv", split="random")
    found = done.verify(tmp_path / "new.csv", split="random", where="vowel <> 'hat'")
    assert found.rows().height == 40
    assert not found.classes().filter(pl.col("class") == "had")["support"][0]


# -- stores ------------------------------------------------------------------------------------------


def test_the_same_verification_is_stored_once(done):
    """Ids name content: the same rows of the same models are one verification, listed and read again."""
    before = {one.id for one in done.verifications()}
    first = done.verify(unseen_groups=True, split="named", sample="balanced:3", seed=11)
    again = done.verify(unseen_groups=True, split="named", sample="balanced:3", seed=11)
    assert first.id == again.id
    assert {one.id for one in done.verifications()} == {*before, first.id}
    reopened = next(one for one in verifications(open_store(done.store.url)) if one.id == first.id)
    assert reopened.summary == first.summary
    assert reopened.rows().equals(first.rows())
    assert json.loads(json.dumps(reopened.to_json())) == reopened.to_json()
    assert not audit(done.folder).violations


@pytest.mark.slow
def test_numbers_are_verified_too(tmp_path, monkeypatch):
    """A regression: MAE, RMSE and R2 in all and by group, and a gap that is positive where it is worse."""
    spec = {"source": "vowels.parquet", "target": "F0", "group": "speaker", "problem": "regression"}
    made = sweep(
        tmp_path,
        rows=vowels().drop("id", "vowel"),
        data=spec,
        metrics=["rmse", "r2"],
        rank_by="rmse",
        splits={"named": {"train": NAMED, "folds": 3}},
        pipelines={"ridge": {"steps": ["Ridge"]}},
    )
    results = run_here(made, monkeypatch)
    (row,) = results.verify(unused_rows=True, sample="stratified:200").models().to_dicts()
    found = results.verifications()[0]
    rows = found.rows()
    assert rows.height == 200
    assert row["verified"] == pytest.approx(metrics.root_mean_squared_error(rows["true"], rows["predicted"]))
    assert row["gap"] == pytest.approx(row["verified"] - row["validation"])
    for group in found.groups().to_dicts():
        mine = rows.filter(pl.col("group") == group["group"])
        assert group["mae"] == pytest.approx(metrics.mean_absolute_error(mine["true"], mine["predicted"]))
        assert group["r2"] == pytest.approx(metrics.r2_score(mine["true"], mine["predicted"]))


def test_a_plot_has_every_model_by_name(done, tmp_path):
    """As an SVG with the names of the models as texts."""
    pytest.importorskip("matplotlib")
    import matplotlib as mpl

    found = done.verify(unseen_groups=True, split="named", top=3)
    with mpl.rc_context({"svg.fonttype": "none"}):
        text = found.plot(tmp_path / "gap.svg").read_text()
    for name in ("knn n_neighbors=1", "knn n_neighbors=7", "lda", "accuracy", "in the sweep (cv)"):
        assert name in text
    with pytest.raises(UserError, match=r"endings: \.png"):
        found.plot(tmp_path / "gap.gif")


def test_nothing_to_verify_without_results(tmp_path):
    """A sweep that was only submitted has no model yet."""
    sweep(tmp_path).plan().submit()
    with pytest.raises(NotFound, match="no task has a score yet"):
        Results(open_store(tmp_path / "vowels.sweep")).verify(unseen_groups=True)

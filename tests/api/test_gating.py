"""Gates on real models: vowels of fifteen speakers, four of whom are held out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import metrics
from tests.api.running import run_here
from tests.vowels import vowels

from manyfit import Sweep, load
from manyfit.api.gating import Judgement, Subject, judge, read_gates, subject_of, write_starter
from manyfit.model.errors import NotFound, Refused, SweepMistakes, UserError
from manyfit.model.gates import (
    CalibrationGate,
    ChampionGate,
    Gates,
    LatencyGate,
    MetricGate,
    PairedTest,
    Regression,
    SchemaGate,
)

HELD_OUT = ("speaker 3", "speaker 7", "speaker 11", "speaker 14")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep that ran: three pipelines, four speakers held out, models kept as bundles."""
    found = tmp_path_factory.mktemp("gates")
    vowels().write_parquet(found / "vowels.parquet")
    sweep = Sweep(
        folder=found,
        name="vowels",
        data={
            "source": "vowels.parquet",
            "target": "vowel",
            "group": "speaker",
            "index": "id",
            "labels": {"heed": "HEED"},
        },
        features={"all": ["F*"], "few": ["F0", "F1"]},
        metrics=["accuracy", "f1_macro", "log_loss"],
        rank_by="accuracy",
        pipelines={
            "lda": {"steps": ["LinearDiscriminantAnalysis"]},
            "knn": {"steps": ["KNeighborsClassifier"], "grid": {"n_neighbors": [1]}},
        },
        splits={"named": {"train": f"speaker NOT IN {HELD_OUT}", "test": f"speaker IN {HELD_OUT}"}},
        keep={"models": "all"},
    )
    with pytest.MonkeyPatch.context() as patch:
        run_here(sweep, patch)
    return found


@pytest.fixture(scope="module")
def tasks(folder: Path) -> pl.DataFrame:
    return Sweep.stored(folder / "vowels.sweep").results().tasks()


def key_of(tasks: pl.DataFrame, pipeline: str, features: str = "all") -> str:
    return tasks.filter((tasks["pipeline"] == pipeline) & (tasks["features"] == features))["key"][0]


@pytest.fixture(scope="module")
def lda(folder: Path, tasks: pl.DataFrame) -> Subject:
    return subject_of(str(folder / "vowels.sweep"), task=key_of(tasks, "lda"))


@pytest.fixture(scope="module")
def knn(folder: Path, tasks: pl.DataFrame) -> Subject:
    return subject_of(str(folder / "vowels.sweep"), task=key_of(tasks, "knn"))


def gates_of(*named: MetricGate, **parts) -> Gates:
    return Gates(file="gates.toml", metrics=named, **parts)


def metric_gate(metric: str, at: int = 0, **named) -> MetricGate:
    return MetricGate(key=f"metrics[{at}]", metric=metric, **{"at_least": 0.0, **named})


def values(found: Judgement) -> list:
    return [verdict.value for verdict in found.verdicts]


def test_the_held_out_set_is_that_of_the_sweep(lda: Subject, tasks: pl.DataFrame) -> None:
    """Scores on the held-out set are those that the sweep stored, to the last bit."""
    names = ("accuracy", "f1_macro", "log_loss")
    found = judge(lda, gates_of(*(metric_gate(name) for name in names)))
    row = tasks.filter(tasks["key"] == key_of(tasks, "lda")).row(0, named=True)
    assert values(found) == [row[f"test_{name}"] for name in names]
    assert found.facts.n_rows == row["n_test"] == 4 * 66
    assert found.facts.data == "set test of split named"


def test_classes_and_groups_are_those_of_scikit_learn(lda: Subject, folder: Path) -> None:
    """Recall by shown class and accuracy by speaker agree with scikit-learn on the same rows."""
    table = vowels().filter(pl.col("speaker").is_in(HELD_OUT))
    told = lda.trained.predict(table, by_name=True)["predicted"]
    gates = gates_of(metric_gate("recall", of_class="*"), metric_gate("accuracy", 1, group="*"))
    found = {verdict.what: verdict.value for verdict in judge(lda, gates).verdicts}
    recalls = metrics.recall_score(table["vowel"], told, labels=["heed", "hud"], average=None)
    assert found["recall, class HEED"] == pytest.approx(recalls[0])
    assert found["recall, class hud"] == pytest.approx(recalls[1])
    mine = table["speaker"] == "speaker 7"
    assert found["accuracy, group speaker 7"] == pytest.approx(
        metrics.accuracy_score(table.filter(mine)["vowel"], told.filter(mine))
    )
    assert len(found) == 11 + 4


def test_a_class_is_known_by_its_text_and_by_its_name(lda: Subject) -> None:
    """`heed` and its label HEED are the same class."""
    gates = gates_of(metric_gate("recall", of_class="heed"), metric_gate("recall", 1, of_class="HEED"))
    one, two = judge(lda, gates).verdicts
    assert one.value == two.value is not None
    assert one.what == two.what


def test_a_bundle_is_judged_on_a_file(lda: Subject, folder: Path, tasks: pl.DataFrame, tmp_path: Path) -> None:
    """A bundle file and a table give the verdicts that the sweep gives, and the size is that of the file."""
    vowels().filter(pl.col("speaker").is_in(HELD_OUT)).write_csv(tmp_path / "unseen.csv")
    kept = tasks.filter(tasks["key"] == key_of(tasks, "lda"))["artifacts"].str.json_path_match("$.model.file")[0]
    path = folder / "vowels.sweep" / kept
    subject = subject_of(str(path))
    gates = gates_of(
        metric_gate("accuracy"), metric_gate("recall", 1, of_class="*"), size_bytes=path.stat().st_size
    )
    found = judge(subject, gates, data=str(tmp_path / "unseen.csv"))
    other = judge(lda, gates)
    assert values(found) == values(other)
    assert found.passed
    assert not judge(subject, replace(gates, size_bytes=1000), data=str(tmp_path / "unseen.csv")).passed
    with pytest.raises(UserError, match="--data"):
        judge(subject, gates)
    with pytest.raises(UserError, match="--task"):
        subject_of(str(path), task="abc")


def champion_gate(**named) -> ChampionGate:
    return ChampionGate(key="champion[0]", **{"metric": "accuracy", **named})


def test_a_champion_is_compared_on_the_same_rows(lda: Subject, knn: Subject) -> None:
    """The gain is the difference of the two accuracies, and it changes its sign when the models change places."""
    gates = Gates(file="", champion=(champion_gate(margin=0.5),))
    one, two = judge(lda, gates, champion=knn), judge(knn, gates, champion=lda)
    table = vowels().filter(pl.col("speaker").is_in(HELD_OUT))
    right = [
        (subject.trained.predict(table, by_name=True)["predicted"] == table["vowel"]).mean()
        for subject in (lda, knn)
    ]
    assert values(one) == [pytest.approx(right[0] - right[1])]
    assert values(two) == [pytest.approx(right[1] - right[0])]
    assert judge(lda, gates, champion=knn).verdicts == one.verdicts


def test_the_worse_model_does_not_pass(lda: Subject, knn: Subject) -> None:
    """By accuracy one neighbour is better, by log loss worse: who is better passes, who is worse does not."""
    not_shown = Regression.NOT_SHOWN
    for gate, worse, better in (
        (champion_gate(margin=0.02), lda, knn),
        (champion_gate(metric="log_loss", margin=0.1, regression=not_shown), knn, lda),
        (champion_gate(test=PairedTest.MCNEMAR, regression=not_shown), lda, knn),
    ):
        gates = Gates(file="", champion=(gate,))
        assert judge(better, gates, champion=worse).passed
        assert not judge(worse, gates, champion=better).passed


def test_groups_may_be_drawn_whole(lda: Subject, knn: Subject) -> None:
    """With by_group the four speakers are drawn, and the bounds become wider."""
    rows, whole = (
        judge(lda, Gates(file="", champion=(champion_gate(by_group=by_group),)), champion=knn)
        for by_group in (False, True)
    )
    assert "264 rows resampled" in rows.verdicts[0].says
    assert "4 groups resampled" in whole.verdicts[0].says


def test_other_classes_of_a_champion_are_matched_by_their_texts(lda: Subject) -> None:
    """A champion whose classes stand in another order is the same champion; an unknown class is wrong."""
    order = np.argsort(lda.trained.classes)[::-1]
    turned = _Turned(lda.trained.estimator, np.argsort(order))
    trained = replace(lda.trained, estimator=turned, classes=tuple(np.array(lda.trained.classes)[order]))
    gates = Gates(file="", champion=(champion_gate(), replace(champion_gate(metric="brier"), key="champion[1]")))
    assert values(judge(lda, gates, champion=replace(lda, trained=trained))) == [
        0.0,
        pytest.approx(0.0, abs=1e-12),
    ]
    strange = replace(lda.trained, classes=tuple(f"{name}?" for name in lda.trained.classes))
    found = judge(lda, gates, champion=replace(lda, trained=strange))
    assert "champion 0.0000" in found.verdicts[0].says


class _Turned:
    """An estimator with the class codes of another in a new order."""

    def __init__(self, estimator, codes) -> None:
        self.estimator, self.codes = estimator, codes
        self.classes_ = np.arange(len(codes))

    def predict(self, X):
        return self.codes[self.estimator.predict(X)]

    def predict_proba(self, X):
        return self.estimator.predict_proba(X)[:, np.argsort(self.codes)]


def test_features_must_be_those_of_the_champion(
    lda: Subject, knn: Subject, folder: Path, tasks: pl.DataFrame
) -> None:
    """Models on the same features pass, a model on two of them does not, and the difference is told."""
    gates = Gates(file="", schema=SchemaGate(champion=True))
    few = subject_of(str(folder / "vowels.sweep"), task=key_of(tasks, "lda", "few"))
    assert judge(lda, gates, champion=knn).passed
    found = judge(few, gates, champion=lda)
    assert not found.passed
    assert "missing: F2" in found.verdicts[0].says
    named = Gates(file="", schema=SchemaGate(names=("F0", "F1")))
    assert judge(few, named).passed
    assert not judge(few, replace(named, schema=SchemaGate(names=("F1", "F0")))).passed
    assert not judge(few, replace(named, schema=SchemaGate(names=("F0", "F1"), types=("int", "int")))).passed


def test_calibration_and_latency_are_measured(lda: Subject) -> None:
    """Brier's score is scikit-learn's; a latency names its machine and the number of predictions."""
    gates = Gates(
        file="",
        latency=LatencyGate(rows=500, median_seconds=60.0, p95_seconds=1e-9, repeats=3, warm_up=1),
        calibration=CalibrationGate(ece_at_most=1.0, brier_at_most=2.0),
    )
    found = judge(lda, gates)
    assert [verdict.passed for verdict in found.verdicts] == [True, False, True, True]
    assert "3 predictions on" in found.verdicts[0].says
    table = vowels().filter(pl.col("speaker").is_in(HELD_OUT))
    told = lda.trained.predict(table, by_name=True)
    chances = told.select(f"p:{name}" for name in lda.trained.classes).to_numpy()
    codes = [lda.trained.classes.index(name) for name in table["vowel"]]
    assert found.verdicts[3].value == pytest.approx(
        metrics.brier_score_loss(codes, chances, labels=range(11), scale_by_half=False)
    )


def test_mistakes_that_only_the_model_can_tell(lda: Subject) -> None:
    """Unknown metrics, classes and groups, and a missing champion, are told all at once, with their keys."""
    gates = gates_of(
        metric_gate("acuracy"),
        metric_gate("recal", 1, of_class="*"),
        metric_gate("recall", 2, of_class="hidd"),
        metric_gate("accuracy", 3, group="speaker 33"),
        metric_gate("roc_auc", 4),
        champion=(champion_gate(metric="roc_auc_ovr"),),
    )
    with pytest.raises(SweepMistakes) as caught:
        judge(lda, gates)
    messages = {mistake.key: mistake.message for mistake in caught.value.mistakes}
    assert set(messages) == {
        "metrics[0].metric",
        "metrics[1].metric",
        "metrics[2].class",
        "metrics[3].group",
        "metrics[4].metric",
        "champion",
        "champion[0].metric",
    }
    assert 'did you mean "accuracy"' in messages["metrics[0].metric"]
    assert 'did you mean "hid"' in messages["metrics[2].class"]
    assert 'did you mean "speaker 3"' in messages["metrics[3].group"]


def test_rows_that_there_are_not(lda: Subject, folder: Path, tmp_path: Path) -> None:
    """An unknown set, a table without a target and a model that is not there are refused."""
    with pytest.raises(UserError, match='no set "tset"; did you mean "test"'):
        judge(lda, gates_of(metric_gate("accuracy"), set="tset"))
    vowels().drop("vowel").write_csv(tmp_path / "bare.csv")
    with pytest.raises(UserError, match="vowel"):
        judge(lda, gates_of(metric_gate("accuracy")), data=str(tmp_path / "bare.csv"))
    with pytest.raises(NotFound):
        subject_of(str(tmp_path / "nothing.model"))


def test_a_starter_is_written_once(tmp_path: Path) -> None:
    """The example can be read, and a file that is there is left alone."""
    path = write_starter(tmp_path / "gates.toml")
    assert read_gates(path).metrics
    with pytest.raises(Refused, match="exists"):
        write_starter(path)


def test_load_gives_the_model_that_the_gates_judge(lda: Subject, folder: Path, tasks: pl.DataFrame) -> None:
    """`manyfit.load` of the same task has the same features and classes."""
    other = load(folder / "vowels.sweep", key_of(tasks, "lda"))
    assert other.schema == lda.trained.schema
    assert other.classes == lda.trained.classes

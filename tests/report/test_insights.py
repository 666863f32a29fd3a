"""What a report says of results, as values."""

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from tests.report.sweeps import candidate, cells, failed, new_store, run, scored, segment

from manyfit.fit.metrics import greater_is_better
from manyfit.report.insights import comparing, factors
from manyfit.report.insights.curves import Answers, curves_of
from manyfit.report.insights.details import results_of, series_of
from manyfit.report.insights.factors import Factor
from manyfit.report.insights.standing import Standing, all_results, chosen, fold_scores, standings

GRID = [(c, kernel) for c in (0.01, 1.0, 100.0) for kernel in ("linear", "rbf")]


def _score(c: float, kernel: str) -> float:
    return 0.5 + 0.1 * math.log10(c) / 2 + (0.05 if kernel == "rbf" else 0.0)


def _standing(folder: Path, *, metric: str | None = None) -> Standing:
    people = [candidate("svc", C=c, kernel=kernel) for c, kernel in GRID]
    store = new_store(folder, segment(people, cells(2)))

    def outcome(of, on):
        score = _score(c=of.shown["C"], kernel=of.shown["kernel"]) + 0.01 * on.fold
        known = scored(cv={"accuracy": score, "f1_macro": 1 - score}, train={"accuracy": score + 0.2})
        return {**known, "timings": {"fit": 1.0 + GRID.index((of.shown["C"], of.shown["kernel"]))}}

    run(store, outcome)
    found = standings(store, all_results(store), metric=metric, greater_is_better=greater_is_better)
    one = chosen(found, ["s"])
    assert one is not None
    return one


def test_effects_are_differences_of_means(tmp_path: Path) -> None:
    """The effect of a parameter is the difference between its best and worst mean; the largest stands first."""
    (family,) = factors.families(_standing(tmp_path), {})
    assert [one.name for one in family.factors] == ["C", "kernel"]
    assert family.factors[0].effect == pytest.approx(0.2)
    assert family.factors[1].effect == pytest.approx(0.05)
    assert [level.text for level in family.factors[0].levels] == ["0.01", "1", "100"]
    assert family.factors[0].log
    assert not family.factors[1].numeric


def test_heat_maps_have_means_in_their_cells(tmp_path: Path) -> None:
    """A cell is the mean score of the candidates with both values, whichever name comes first."""
    found = factors.families(_standing(tmp_path), {})
    (grid,) = factors.grids(found, 3)
    assert (grid.across.name, grid.down.name) == ("C", "kernel")
    assert grid.columns == ("0.01", "1", "100")
    assert grid.rows == ("linear", "rbf")
    for row, kernel in enumerate(grid.rows):
        for column, c in enumerate((0.01, 1.0, 100.0)):
            assert grid.means[row][column] == pytest.approx(_score(c, kernel) + 0.005)
    assert factors.grids_of(found, ("kernel", "C"))[0].means == grid.means
    assert factors.grids_of(found, ("kernel", "gamma")) == []


def test_many_drawn_values_are_looked_at_in_bins() -> None:
    """A parameter that was drawn at random is a range: bins of neighbours, none of them of one candidate."""
    values = tuple(10 ** (4 * i / 40 - 2) * 1.0123456 for i in range(40))
    factor = Factor(name="C", values=values, scores=tuple(float(i) for i in range(40)))
    assert factor.is_range
    assert factor.log
    assert [len(level.scores) for level in factor.levels] == [5] * 8
    assert [level.mean for level in factor.levels] == pytest.approx([2.0 + 5 * i for i in range(8)])
    grid = Factor(name="C", values=(0.1, 0.3, 1, 3, 10, 30, 100, 300), scores=(1.0,) * 8)
    assert not grid.is_range


def test_absent_and_none_are_different_values() -> None:
    """A candidate without a parameter takes no part in its effect; one with None does."""
    of = factors._value
    assert of({}, "depth") is None
    assert of({"depth": None}, "depth") == "None"
    assert of({"depth": 3}, "depth") == 3
    assert of({"layers": [1, 2]}, "layers") == "(1,2)"
    assert of({"flag": True}, "flag") == "True"


def test_the_front_has_what_nothing_beats(tmp_path: Path) -> None:
    """A candidate is on the front when none that is as quick has a better score, in the metric's direction."""
    rising = comparing.front(_standing(tmp_path))
    best = [(point.seconds, round(point.score, 4)) for point in rising if point.best]
    assert best == [(1.0, 0.405), (2.0, 0.455), (3.0, 0.505), (4.0, 0.555), (5.0, 0.605), (6.0, 0.655)]
    falling = comparing.front(_falling(_standing(tmp_path / "b")))
    assert [point.seconds for point in falling if point.best] == [1.0]


def _falling(standing: Standing) -> Standing:
    return Standing(
        split=standing.split,
        metric=standing.metric,
        set=standing.set,
        greater=False,
        board=standing.board,
        results=standing.results,
    )


def test_scores_by_fold_are_those_of_their_candidate(tmp_path: Path) -> None:
    """The spread of a candidate is made of its own folds, in order."""
    standing = _standing(tmp_path)
    rows = list(standing.scored.iter_rows(named=True))
    for row, folds in zip(rows, fold_scores(standing, rows), strict=True):
        assert len(folds) == 2
        assert folds[1] - folds[0] == pytest.approx(0.01)
        assert sum(folds) / 2 == pytest.approx(row["score"])


def test_gaps_are_by_candidate(tmp_path: Path) -> None:
    """Scores on another set stand beside those that rank, candidate by candidate."""
    (gap,) = comparing.gaps(_standing(tmp_path))
    assert (gap.ranked, gap.other) == ("cv", "train")
    assert [other - score for score, other in zip(gap.scores, gap.others, strict=True)] == pytest.approx([0.2] * 6)


def test_steps_of_a_thinned_series_reach_to_its_end(tmp_path: Path) -> None:
    """Three values of a hundred rounds stand at rounds 1, 50 or 51, and 100; whole series at their own places."""
    people = [candidate("gb", C=1.0)]

    def outcome(of, on):
        series = {"cv accuracy": [0.5, 0.7, 0.8], "train_score": [3.0, 2.0]}
        told = {"series": series, "n_values": {"cv accuracy": 100}}
        return {**scored(cv={"accuracy": 0.8}), "details": {"train": told}}

    store = new_store(tmp_path, segment(people, cells(2)))
    run(store, outcome)
    (standing,) = standings(store, all_results(store), metric=None, greater_is_better=greater_is_better)
    (results,) = results_of(store, standing, standing.leaders(1))
    thinned, whole = series_of("gb C=1", "gb", results)
    assert (thinned.name, thinned.n_steps, whole.n_steps) == ("cv accuracy", 100, 0)
    assert [thinned.steps(len(line)) for line in thinned.lines] == [[1, 51, 100], [1, 51, 100]]
    assert whole.steps(2) == [1, 2]


def test_series_of_training_are_read_by_fold(tmp_path: Path) -> None:
    """Series that models left are lines by fold; their mean goes on as long as any line; one number is none."""
    store = new_store(tmp_path, segment([candidate("net", C=1)], cells(2)))

    def outcome(of, on):
        series = {"loss": [1.0, 0.5, 0.25][: 3 - on.fold], "n_iter": [3]}
        return {**scored(cv={"accuracy": 0.5}), "details": {"train": {"series": series}}}

    run(store, outcome)
    (standing,) = standings(store, all_results(store), metric=None, greater_is_better=greater_is_better)
    (results,) = results_of(store, standing, standing.leaders(1))
    (series,) = series_of("net C=1", "net", results)
    assert (series.name, series.lines) == ("loss", ((1.0, 0.5, 0.25), (1.0, 0.5)))
    assert series.mean() == [1.0, 0.5, 0.25]


def test_timings_leave_failures_out(tmp_path: Path) -> None:
    """What a pipeline took is summed over tasks that succeeded, fused ones apart."""
    store = new_store(tmp_path, segment([candidate("a", C=1), candidate("b", C=1)], cells(3)))

    def outcome(of, on):
        if of.pipeline == "b":
            return failed()
        fusion = {"fusion": {"rule": "r", "guarantee": "exact"}} if on.fold == 0 else {}
        return {**scored(cv={"accuracy": 0.5}), **fusion, "timings": {"fit": 2.0, "load": 0.5}}

    run(store, outcome)
    (found,) = comparing.timings(all_results(store).frame)
    assert (found.pipeline, found.n_tasks, found.n_fused) == ("a", 3, 1)
    assert (found.fit_seconds, found.fused_seconds, found.other_seconds) == (6.0, 2.0, 1.5)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_areas_are_those_of_scikit_learn(n_classes: int) -> None:
    """Areas by class, and their macro mean, are scikit-learn's, the mean over folds; ties count together."""
    random = np.random.default_rng(0)
    parts = []
    for _ in range(3):
        true = np.arange(80) % n_classes
        scores = np.round(random.random((80, n_classes)) + 0.5 * np.eye(n_classes)[true], 1)
        parts.append(Answers(true=true, predicted=scores.argmax(axis=1), scores=scores, precision=scores))
    found = curves_of(parts, [f"class {i}" for i in range(n_classes)])
    assert found is not None
    codes = [1] if n_classes == 2 else range(n_classes)
    for code, roc, precision in zip(codes, found.roc, found.precision, strict=False):
        truth = [(part.true == code, part.scores[:, code]) for part in parts]
        assert roc.area == pytest.approx(np.mean([roc_auc_score(*one) for one in truth]))
        assert precision.area == pytest.approx(np.mean([average_precision_score(*one) for one in truth]))
    assert found.share == pytest.approx(1 / n_classes)
    if n_classes > 2:
        assert found.roc[-1].area == pytest.approx(np.mean([one.area for one in found.roc[:-1]]))


def test_precision_is_that_of_the_first_threshold_with_so_much_recall() -> None:
    """A precision-recall curve is a step function through scikit-learn's points, and never interpolates."""
    random = np.random.default_rng(1)
    true = (random.random(60) < 0.3).astype(int)
    scores = np.column_stack([1 - random.random(60), random.random(60)])
    part = Answers(true=true, predicted=true, scores=scores, precision=scores)
    found = curves_of([part], ["no", "yes"])
    assert found is not None
    precision, recall, _ = precision_recall_curve(true, scores[:, 1])
    points = set(np.round(precision, 9))
    curve = found.precision[0]
    assert all(round(float(value), 9) in points for value in curve.y)
    assert curve.y[-1] == pytest.approx(precision[recall == 1.0].max())


def test_curves_need_both_classes() -> None:
    """Where a fold lacks a class, there are no curves rather than wrong ones."""
    scores = np.column_stack([np.zeros(4), np.arange(4.0)])
    part = Answers(true=np.zeros(4, dtype=int), predicted=np.zeros(4), scores=scores, precision=scores)
    assert curves_of([part], ["no", "yes"]) is None
    assert curves_of([], ["no", "yes"]) is None

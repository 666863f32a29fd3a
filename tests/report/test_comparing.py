"""Comparisons of candidates with scores of the test's choosing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tests.report.sweeps import candidate, cell, cells, failed, key_of, new_store, run, scored, segment

from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound, UserError
from manyfit.report.comparing import Says, compare, compared, contests, divisions_text, notes_on
from manyfit.report.ranking import diagram, name_of, ranked_over
from manyfit.report.ranking import notes_on as notes_on_ranking

SVC, OTHER_SVC, RF, KNN = candidate("svc", C=1), candidate("svc", C=9), candidate("rf", n=3), candidate("knn", k=5)
KNOWN = {"svc C=1": SVC, "svc C=9": OTHER_SVC, "rf": RF, "knn": KNN}
DIGITS = [0.90, 0.94, 0.91, 0.95, 0.92, 0.93]


def store_of(
    folder: Path, values: dict, *, n_folds: int = 6, seeds: tuple = (0,), spec: dict | None = None
) -> Store:
    """Return a store whose candidates have the scores in *values*, by fold and seed; None is a failure."""
    on = cells(n_folds, seeds=seeds)
    named = {name: KNOWN.get(name) or candidate(name) for name in values}
    by_key = {one.key: values[name] for name, one in named.items()}
    part = segment(list(named.values()), on)
    if spec:
        part = replace(part, header=replace(part.header, spec={**part.header.spec, **spec}))

    def outcome(of, place):
        own = by_key[of.key]
        value = own(place.fold, place.seed) if callable(own) else own[place.fold]
        if value is None:
            return failed()
        return {**scored(cv={"accuracy": value}), "n_rows": {"train": 100, "cv": 25}}

    store = new_store(folder, part)
    run(store, outcome)
    return store


def test_the_best_of_each_pipeline_is_compared_with_the_best(tmp_path: Path) -> None:
    """The second candidate of a pipeline is left out, others stand in the order of their means."""
    values = {"svc C=1": DIGITS, "svc C=9": [x - 0.001 for x in DIGITS], "rf": [0.5] * 6, "knn": [0.6] * 6}
    store = store_of(tmp_path, values)
    found = compared(store)[0]
    assert found.best.name == "svc C=1"
    assert [pairing.contender.pipeline for pairing in found.pairings] == ["knn", "rf"]
    single = compared(store, top=3)[0]
    assert [pairing.contender.params for pairing in single.pairings] == ["C=9", "k=5"]


def test_scores_are_paired_by_fold_and_seed(tmp_path: Path) -> None:
    """The differences are those of equal folds and seeds, with the ratio of the rows that results say."""
    rng = np.random.default_rng(0)
    noise = {(fold, seed): float(value) for (fold, seed), value in np.ndenumerate(rng.normal(size=(5, 2)) * 0.1)}
    gap = {(fold, seed): float(value) for (fold, seed), value in np.ndenumerate(rng.normal(size=(5, 2)) * 0.01)}
    values = {
        "svc C=1": lambda fold, seed: 0.8 + noise[fold, seed],
        "rf": lambda fold, seed: 0.79 + noise[fold, seed] + gap[fold, seed],
    }
    found = compared(store_of(tmp_path, values, n_folds=5, seeds=(0, 1)))[0]
    pairing = found.pairings[0]
    differences = np.array([-0.01 + value for value in gap.values()])
    error = differences.std(ddof=1) * np.sqrt(1 / 10 + 25 / 100)
    assert pairing.n_pairs == 10
    assert pairing.difference == pytest.approx(differences.mean())
    assert pairing.p == pytest.approx(2 * stats.t.sf(abs(differences.mean()) / error, 9))
    assert divisions_text(found.contest) == "5 folds x 2 seeds"
    # the signed-rank test takes pairs for independent: those of one division of the rows
    assert pairing.p_wilcoxon == pytest.approx(
        stats.wilcoxon(differences.reshape(5, 2)[:, 0], method="exact").pvalue
    )


def test_only_cells_that_both_have_are_paired(tmp_path: Path) -> None:
    """A failed fit takes its pair out on both sides, and a note says so."""
    values = {"svc C=1": DIGITS, "rf": [None, *(x - 0.01 - 0.001 * n for n, x in enumerate(DIGITS[1:]))]}
    found = compared(store_of(tmp_path, values))[0]
    pairing = found.pairings[0]
    assert pairing.n_pairs == 5
    assert pairing.difference == pytest.approx(-0.012)
    assert any("5 of 6" in note for note in notes_on(found))


def test_verdicts(tmp_path: Path) -> None:
    """What is clearly worse is called worse, what may be chance is not, equal scores are equal."""
    rng = np.random.default_rng(1)
    worse = [x - 0.2 - 0.001 * n for n, x in enumerate(DIGITS)]
    close = [x - 0.002 + 0.02 * float(rng.normal()) for x in DIGITS]
    close = [x - (np.mean(close) - np.mean(DIGITS)) - 0.002 for x in close]
    found = compared(store_of(tmp_path, {"svc C=1": DIGITS, "rf": worse, "knn": close, "twin": DIGITS}))[0]
    says = {pairing.contender.pipeline: pairing.says for pairing in found.pairings}
    best = found.best.pipeline
    assert best in ("svc", "twin")
    other = "twin" if best == "svc" else "svc"
    assert says == {"rf": Says.WORSE, "knn": Says.NOT_SHOWN, other: Says.EQUAL}


def test_losses_are_better_when_smaller(tmp_path: Path) -> None:
    """With a metric that is better when smaller, the best has the smallest mean and more is worse."""
    store = store_of(tmp_path, {"svc C=1": DIGITS, "rf": [x - 0.2 - 0.001 * n for n, x in enumerate(DIGITS)]})
    found = compared(store, greater_is_better=lambda _: False)[0]
    assert found.best.pipeline == "rf"
    assert found.pairings[0].says is Says.WORSE
    assert found.pairings[0].difference > 0


def test_p_values_allow_for_all_comparisons(tmp_path: Path) -> None:
    """The smaller of two p-values is doubled, and the verdict follows the adjusted one."""
    close = [x - 0.02 + 0.012 * (-1) ** n for n, x in enumerate(DIGITS)]
    values = {"svc C=1": DIGITS, "rf": close, "knn": [x - 0.02 + 0.03 * (-1) ** n for n, x in enumerate(DIGITS)]}
    contest = contests(store_of(tmp_path, values))[0]
    by_name = {one.contender.pipeline: one for one in compare(contest).pairings}
    assert by_name["rf"].p_holm == pytest.approx(2 * by_name["rf"].p)
    level = by_name["rf"].p * 1.5
    assert {one.contender.pipeline: one.says for one in compare(contest, alpha=level).pairings}[
        "rf"
    ] is Says.NOT_SHOWN


def test_few_folds_say_nothing(tmp_path: Path) -> None:
    """With three folds no verdict is given however large the difference, and a note says what would help."""
    found = compared(store_of(tmp_path, {"svc C=1": DIGITS, "rf": [0.1, 0.2, 0.15]}, n_folds=3))[0]
    assert found.pairings[0].says is Says.TOO_FEW
    assert "too few" in notes_on(found)[0]


@pytest.mark.parametrize(
    ("kind", "said"), [("stratified", "more seeds give them"), ("leave_one_group_out", "more seeds do not")]
)
def test_more_seeds_are_advised_where_they_divide_rows(tmp_path: Path, kind: str, said: str) -> None:
    """The note on too few pairs asks for nothing that would not help."""
    spec = {"splits": [{"name": "s", "folds": {"kind": kind}}]}
    found = compared(store_of(tmp_path, {"svc C=1": DIGITS, "rf": [0.1, 0.2, 0.15]}, n_folds=3, spec=spec))[0]
    assert said in notes_on(found)[0]


def test_one_difference_everywhere_is_no_evidence(tmp_path: Path) -> None:
    """A difference without any spread is not judged by a t-test."""
    found = compared(store_of(tmp_path, {"svc C=1": DIGITS, "rf": [x - 0.1 for x in DIGITS]}))[0]
    assert found.pairings[0].says is Says.NO_SPREAD
    assert found.pairings[0].p is None


def test_seeds_on_one_set_of_rows_are_no_folds(tmp_path: Path) -> None:
    """Ten seeds on one validation set give no p-value: they say nothing about other rows."""
    on = [cell("s", None, seed) for seed in range(10)]
    store = new_store(tmp_path, segment([SVC, RF], on))
    score = {key_of(SVC, place): 0.9 + place.seed / 1000 for place in on}
    run(store, lambda of, place: scored(validate={"accuracy": score.get(key_of(of, place), 0.5)}))
    found = compared(store)[0]
    assert found.pairings[0].p is None
    assert found.pairings[0].says is Says.ONE_SET
    assert "one set of rows" in notes_on(found)[0]


@pytest.mark.parametrize(("shuffle", "n_pairs"), [(True, 10), (False, 5)])
def test_seeds_that_divide_no_rows_are_averaged(tmp_path: Path, shuffle: bool, n_pairs: int) -> None:
    """Where folds are the same for every seed, a fold has one score: repeating it is no new evidence."""
    folds = {"n": 5, "kind": "stratified", "shuffle": shuffle}
    values = {"svc C=1": lambda fold, seed: 0.9 + fold / 100 + seed / 50, "rf": lambda fold, seed: 0.8 + fold / 90}
    spec = {"splits": [{"name": "s", "folds": folds}]}
    found = compared(store_of(tmp_path, values, n_folds=5, seeds=(0, 1), spec=spec))[0]
    assert found.pairings[0].n_pairs == n_pairs
    assert found.pairings[0].difference == pytest.approx(
        -0.11 + np.mean([fold / 90 - fold / 100 for fold in range(5)])
    )


def test_data_variants_are_compared_apart(tmp_path: Path) -> None:
    """Each data variant has its own best and its own comparisons."""
    pairs = [candidate(name, variant=variant) for variant in ("a", "b") for name in ("svc", "rf")]
    on = [*cells(5, variant="a"), *cells(5, variant="b")]
    store = new_store(tmp_path, segment(pairs, on))
    better = {"a": "svc", "b": "rf"}
    run(
        store,
        lambda of, place: scored(
            cv={"accuracy": 0.9 if of.pipeline == better[of.variant] else 0.8 + place.fold / 99}
        ),
    )
    assert {found.contest.variant: found.best.pipeline for found in compared(store)} == better


def test_names_that_are_not_there(tmp_path: Path) -> None:
    """An unknown metric is refused with those there are."""
    store = store_of(tmp_path, {"svc C=1": DIGITS, "rf": DIGITS})
    with pytest.raises(NotFound, match="acuracy"):
        compared(store, metric="acuracy")


def _contests(tmp_path: Path, tables: list) -> list:
    found = []
    for number, values in enumerate(tables):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = contests(store_of(folder, {name: [value] * 6 for name, value in values.items()}))
        found += [replace(one, sweep=f"set-{number}") for one in made]
    return found


def test_ranks_over_data_sets(tmp_path: Path) -> None:
    """Pipelines are ranked by their best on each data set; what some data set lacks is left out and named."""
    tables = [{"svc": 0.9, "rf": 0.8, "knn": 0.7}, {"svc": 0.6, "rf": 0.7, "knn": 0.1}, {"svc": 0.9, "rf": 0.8}]
    ranking = ranked_over(_contests(tmp_path, tables))
    assert ranking is not None
    assert ranking.names == ("svc", "rf")
    assert ranking.ranks == pytest.approx((4 / 3, 5 / 3))
    assert ranking.data_sets == ("set-0", "set-1", "set-2")
    assert ranking.left_out == ("knn",)
    assert any("too few" in note for note in notes_on_ranking(ranking))
    assert ranking.p_wilcoxon == pytest.approx(1.0)


def test_losses_rank_the_other_way(tmp_path: Path) -> None:
    """Where smaller is better, the smallest score has rank 1."""
    found = [replace(one, greater_is_better=False) for one in _contests(tmp_path, [{"svc": 0.9, "rf": 0.8}] * 2)]
    ranking = ranked_over(found)
    assert ranking is not None
    assert ranking.names == ("rf", "svc")


def test_no_ranking_without_two_data_sets_or_with_two_metrics(tmp_path: Path) -> None:
    """One data set gives no ranking, and scores of different metrics cannot be ranked together."""
    found = _contests(tmp_path, [{"svc": 0.9, "rf": 0.8}] * 2)
    assert ranked_over(found[:1], name=name_of) is None
    with pytest.raises(UserError, match="--metric accuracy"):
        ranked_over([found[0], replace(found[1], metric="f1_macro")])


def test_bars_join_what_is_not_different(tmp_path: Path) -> None:
    """Each group is a column of its own, from its first line to its last."""
    ranking = ranked_over(_contests(tmp_path, [{"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.1}] * 6))
    assert ranking is not None
    assert [line[2] for line in diagram(ranking)] == [" │", " │ │", "   │ │", "     │"]


def test_without_results_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """A sweep that has not run yet gives no comparison, and no choice."""
    store = new_store(tmp_path, segment([SVC, RF], cells(5)))
    assert compared(store) == []
    assert ranked_over([]) is None

"""
Which candidates differ: paired comparisons with the best over folds and seeds.

Scores of two candidates are compared on the cells that both have: the same training rows, the same held-out rows,
the same seed. Scores of candidates that were not chosen are never collected, which keeps memory small.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import polars as pl

from manyfit.contracts.store import Store
from manyfit.report.aggregate import GROUP
from manyfit.report.frames import NEEDED, Results, load_results, ranking_of
from manyfit.report.leaderboard import GreaterIsBetter, rank, scorers_rise, selected
from manyfit.report.lines import COLUMNS
from manyfit.report.planned import label_of, segments_of
from manyfit.report.statistics import (
    Practical,
    corrected_t_test,
    holm,
    practical_difference,
    wilcoxon,
)

FEWEST_CELLS = 5
"""With fewer pairs nothing is said: the signed-rank test cannot fall below p = 0.125 with four."""

Division = tuple[int, int]
"""A fold and the seed that divided the rows."""

_READ = NEEDED | {*GROUP, "pipeline", "features", "params", "fold", "seed", "outcome", "fused_by", "time_fit"}
_LEAVE_OUT = frozenset(COLUMNS) - _READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A candidate on one split and data variant; `score` is its mean, `time_fit` its mean seconds of fitting."""

    candidate_key: str
    pipeline: str
    params: str
    features: str
    score: float
    time_fit: float | None

    @property
    def name(self) -> str:
        """What tells it apart from others: pipeline, searched parameters as shown, feature set."""
        return " ".join(part for part in (self.pipeline, self.params, self.features) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """
    Contenders on one split and data variant with their scores, best first.

    `scores` maps candidate keys to scores by division; where the seed divides no rows, a fold has one score, the
    mean over seeds. `ratios` are rows tested to rows trained on. With `divided` False there is one set of rows.
    `n_doubtful` scores come from fusion rules that an audit switched off.
    """

    sweep: str
    split: str
    variant: str
    set: str
    metric: str
    greater_is_better: bool
    contenders: tuple[Contender, ...]
    scores: Mapping[str, Mapping[Division, float]]
    ratios: Mapping[Division, float]
    divided: bool
    seed_divides: bool = True
    n_doubtful: int = 0

    @property
    def n_folds(self) -> int:
        """Folds of one division of the rows."""
        return len({fold for fold, _ in self.ratios})


class Says(Enum):
    """What a comparison with the best says of a candidate."""

    WORSE = "worse"
    BETTER = "better"
    NOT_SHOWN = "not shown"
    EQUAL = "equal"
    TOO_FEW = "too few folds"
    NO_SPREAD = "no spread"
    ONE_SET = "one set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """
    A candidate against the best of its contest.

    `difference` is its mean score less that of the best over the `n_pairs` cells that both have, `low` and `high`
    its confidence interval. `p` and `p_wilcoxon`, which is over the folds of the first seed, are two-sided and for
    this comparison alone; `p_holm` and `p_wilcoxon_holm` allow for all comparisons of the contest. None: nothing
    can be said.
    """

    contender: Contender
    n_pairs: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_wilcoxon: float | None
    p_holm: float | None = None
    p_wilcoxon_holm: float | None = None
    practical: Practical | None = None
    says: Says = Says.NOT_SHOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All contenders of a contest against the best of them."""

    contest: Contest
    best: Contender
    pairings: tuple[Pairing, ...]
    alpha: float
    rope: float | None


def contests(
    store: Store,
    *,
    metric: str | None = None,
    split: str | None = None,
    top: int | None = None,
    greater_is_better: GreaterIsBetter = scorers_rise,
) -> list[Contest]:
    """
    Return one contest for each split and data variant: the best candidate of each pipeline, or the *top* ones.

    Best by the mean of *metric* (the sweep's own when None) on the set that ranks the leaderboard. Candidates
    without a score are left out. Raises `NotFound` for a metric or split that no result has.
    """
    metric = metric or ranking_of(store).rank_by
    results = selected(load_results(store, leave_out=_LEAVE_OUT), metric, split=split)
    rises = greater_is_better(metric)
    ranked = rank(results, metric, descending=rises).filter(pl.col("score").is_not_null())
    if ranked.is_empty():
        return []
    described = _described(ranked, results)
    found = []
    for part in described.partition_by("split", "variant", maintain_order=True):
        chosen = part.unique("pipeline", keep="first", maintain_order=True) if top is None else part.head(top)
        found.append(_contest(store, results, chosen, metric, rises=rises))
    return found


def _described(ranked: pl.DataFrame, results: Results) -> pl.DataFrame:
    """Return *ranked* with what each candidate is, and its mean time of fitting."""
    about = results.frame.group_by(GROUP).agg(
        pl.col("pipeline", "params", "features").first(), pl.col("time_fit").mean()
    )
    return ranked.join(about.collect(engine="streaming"), on=GROUP, how="left", maintain_order="left")


def _contest(store: Store, results: Results, chosen: pl.DataFrame, metric: str, *, rises: bool) -> Contest:
    place = chosen.row(0, named=True)
    rows = _rows(results, chosen, f"{place['set']}_{metric}", place["set"])
    seed_divides = _seed_divides(store, place["split"])
    if not seed_divides:
        rows = rows.with_columns(pl.lit(0, dtype=pl.Int64).alias("seed"))
    divided = rows["fold"].is_not_null().any()
    means = rows.group_by("candidate_key", "fold", "seed").agg(pl.col("score", "ratio").mean())
    scores: dict[str, dict[Division, float]] = {}
    ratios: dict[Division, float] = {}
    for row in means.sort("candidate_key", "seed", "fold").iter_rows(named=True):
        division = (-1 if row["fold"] is None else row["fold"], row["seed"])
        scores.setdefault(row["candidate_key"], {})[division] = row["score"]
        ratios[division] = row["ratio"]
    return Contest(
        sweep=store.sweep,
        split=place["split"],
        variant=place["variant"],
        set=place["set"],
        metric=metric,
        greater_is_better=rises,
        contenders=tuple(_contender(row) for row in chosen.iter_rows(named=True)),
        scores=scores,
        ratios=_with_ratios(ratios),
        divided=bool(divided),
        seed_divides=seed_divides,
        n_doubtful=int(rows["doubtful"].sum()),
    )


def _contender(row: Mapping[str, object]) -> Contender:
    time_fit = row["time_fit"]
    return Contender(
        candidate_key=str(row["candidate_key"]),
        pipeline=str(row["pipeline"]),
        params=label_of(str(row["params"])),
        features=str(row["features"] or ""),
        score=float(str(row["score"])),
        time_fit=None if time_fit is None else float(str(time_fit)),
    )


def _rows(results: Results, chosen: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    """Return the scores of the chosen candidates, one row for each cell."""
    here = chosen.select(GROUP).lazy()
    rows = results.frame.join(here, on=GROUP, how="semi").filter(pl.col(column).is_not_null())
    known = results.frame.collect_schema().names()
    ratio = pl.lit(None, dtype=pl.Float64)
    if {f"n_{name}", "n_train"} <= set(known):
        ratio = pl.col(f"n_{name}") / pl.col("n_train")
    return rows.select(
        "candidate_key", "fold", "seed", "doubtful", pl.col(column).alias("score"), ratio.alias("ratio")
    ).collect(engine="streaming")


def _with_ratios(ratios: Mapping[Division, float | None]) -> dict[Division, float]:
    """Return *ratios* with those that no result says: of k equal folds, one is held out."""
    n_folds = len({fold for fold, _ in ratios})
    usual = 1 / max(1, n_folds - 1)
    return {division: usual if ratio is None else ratio for division, ratio in ratios.items()}


def _seed_divides(store: Store, split: str) -> bool:
    """Whether cells of *split* with other seeds have other folds; else their scores are of the same rows."""
    spec = store.segment(segments_of(store)[-1]).header.spec
    declared = [one for one in spec.get("splits") or () if one["name"] == split]
    folds = declared[0].get("folds") if declared else None
    return not folds or (folds.get("shuffle", True) and folds["kind"] in _SHUFFLED)


_SHUFFLED = frozenset({"stratified", "plain", "group", "stratified_group"})


def compare(contest: Contest, *, alpha: float = 0.05, rope: float | None = None) -> Comparison:
    """
    Compare every contender with the best: corrected resampled t-test and signed-rank test, adjusted after Holm.

    `says` follows the adjusted t-test at *alpha*. With *rope*, the difference that does not matter in practice,
    each pairing also has the probabilities of the Bayesian correlated t-test.
    """
    best, *others = contest.contenders
    pairings = [_pairing(contest, best, other, alpha, rope) for other in others]
    by_t = holm([one.p for one in pairings])
    by_rank = holm([one.p_wilcoxon for one in pairings])
    adjusted = [
        replace(one, p_holm=t, p_wilcoxon_holm=w) for one, t, w in zip(pairings, by_t, by_rank, strict=True)
    ]
    final = tuple(replace(one, says=_says(contest, one, alpha)) for one in adjusted)
    return Comparison(contest=contest, best=best, pairings=final, alpha=alpha, rope=rope)


def _pairing(contest: Contest, best: Contender, other: Contender, alpha: float, rope: float | None) -> Pairing:
    one, two = contest.scores[best.candidate_key], contest.scores[other.candidate_key]
    both = sorted(one.keys() & two.keys())
    differences = [two[division] - one[division] for division in both]
    mean = float(np.mean(differences)) if both else None
    if not contest.divided or len(both) < 2:
        return Pairing(
            contender=other, n_pairs=len(both), difference=mean, low=None, high=None, p=None, p_wilcoxon=None
        )
    ratio = float(np.mean([contest.ratios[division] for division in both]))
    test = corrected_t_test(differences, ratio=ratio, confidence=1 - alpha)
    return Pairing(
        contender=other,
        n_pairs=len(both),
        difference=mean,
        low=test.low,
        high=test.high,
        p=test.p,
        p_wilcoxon=wilcoxon(_of_one_seed(dict(zip(both, differences, strict=True)))),
        practical=None if rope is None else practical_difference(differences, ratio=ratio, rope=rope),
    )


def _of_one_seed(differences: Mapping[Division, float]) -> list[float]:
    """
    Return the differences of the first seed alone.

    The signed-rank test takes pairs for independent. Folds of one division nearly are; repeated with other seeds
    they are not, and the test would find differences where there are none.
    """
    first = min(seed for _, seed in differences)
    return [value for (_, seed), value in differences.items() if seed == first]


def _says(contest: Contest, pairing: Pairing, alpha: float) -> Says:
    if not contest.divided:
        return Says.ONE_SET
    if pairing.n_pairs < FEWEST_CELLS or pairing.difference is None:
        return Says.TOO_FEW
    if pairing.p_holm is None:
        return Says.NO_SPREAD
    if pairing.difference == 0 and pairing.p == 1.0 and pairing.low == pairing.high:
        return Says.EQUAL
    if pairing.p_holm >= alpha:
        return Says.NOT_SHOWN
    return Says.BETTER if (pairing.difference > 0) == contest.greater_is_better else Says.WORSE


def compared(
    store: Store,
    *,
    metric: str | None = None,
    split: str | None = None,
    top: int | None = None,
    alpha: float = 0.05,
    rope: float | None = None,
    greater_is_better: GreaterIsBetter = scorers_rise,
) -> list[Comparison]:
    """Return one comparison for each split and data variant of *store*; see `contests` and `compare`."""
    found = contests(store, metric=metric, split=split, top=top, greater_is_better=greater_is_better)
    return [compare(contest, alpha=alpha, rope=rope) for contest in found]


def _more(contest: Contest) -> str:
    """Say what gives more pairs: seeds do only where they divide the rows."""
    if contest.seed_divides:
        return "more folds or more seeds give them"
    return "more folds give them (the seed does not divide the rows here, so that more seeds do not)"


def notes_on(comparison: Comparison) -> list[str]:
    """Return what a reader has to know about this comparison beside its numbers."""
    contest, says = comparison.contest, {pairing.says for pairing in comparison.pairings}
    notes = []
    if Says.ONE_SET in says:
        notes.append(
            f'split "{contest.split}" has one set of rows and no folds: scores of several seeds say nothing about'
            " other rows; add folds to the split, or compare on the same rows with `manyfit gate --champion`"
        )
    if Says.TOO_FEW in says:
        least = min(pairing.n_pairs for pairing in comparison.pairings)
        notes.append(
            f"only {least} pairs of scores: too few to say anything; {FEWEST_CELLS} are needed, {_more(contest)}"
        )
    if Says.NO_SPREAD in says:
        notes.append("no spread: the difference is the same in every fold, which no t-test can judge")
    if contest.n_doubtful:
        notes.append(
            f"{contest.n_doubtful:,} scores are doubtful: an audit switched off the rule that computed them"
        )
    return [*notes, *_missing(comparison)]


def _missing(comparison: Comparison) -> Iterable[str]:
    """Say where pairs are missing."""
    n_cells = len(comparison.contest.ratios)
    short = [pairing for pairing in comparison.pairings if pairing.n_pairs < n_cells]
    if short:
        names = ", ".join(dict.fromkeys(pairing.contender.pipeline for pairing in short))
        least = min(pairing.n_pairs for pairing in short)
        yield (
            f"compared on the cells that both have: {least} of {n_cells} for some ({names});"
            " the others failed or did not run yet"
        )


def divisions_text(contest: Contest) -> str:
    """Return over what scores were taken: ``5 folds x 2 seeds``."""
    if not contest.divided:
        return f'one set of rows, "{contest.set}"'
    n_seeds = len({seed for _, seed in contest.ratios})
    folds = f"{contest.n_folds} fold{'s' if contest.n_folds != 1 else ''}"
    return f"{folds} x {n_seeds} seeds" if n_seeds > 1 else folds


def mean_ratio(contest: Contest) -> float:
    """Return rows tested to rows trained on, the mean over cells."""
    values: Sequence[float] = list(contest.ratios.values())
    return float(np.mean(values)) if values else 0.0

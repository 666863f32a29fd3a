"""Ranks of competitors over several data sets, and which of them are not shown to differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from manyfit.model.errors import UserError
from manyfit.report.comparing import Contender, Contest
from manyfit.report.statistics import Friedman, alike, critical_difference, friedman, wilcoxon

FEWEST_SETS = 5
"""With fewer data sets nothing is said."""
MANY_SETS = 10
"""From here on the chi-squared distribution is a good one for Friedman's statistic (Demsar 2006)."""

NameOf = Callable[[Contender], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """
    Competitors over data sets, best mean rank first.

    `scores` has one row for each of `data_sets` and one column for each of `names`, as measured. `groups` are
    positions in `names`: competitors whose mean ranks are less than `critical_difference` apart. `p_wilcoxon` is
    of two competitors, for which it says more than ranks do. `left_out` are competitors that some data set lacks.
    """

    metric: str
    names: tuple[str, ...]
    data_sets: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    friedman: Friedman
    critical_difference: float
    groups: tuple[tuple[int, ...], ...]
    alpha: float
    p_wilcoxon: float | None
    left_out: tuple[str, ...]

    @property
    def ranks(self) -> tuple[float, ...]:
        """Mean ranks, 1 the best, ascending."""
        return self.friedman.ranks


def pipeline_of(contender: Contender) -> str:
    """Take the best candidate of a pipeline for the pipeline."""
    return contender.pipeline


def name_of(contender: Contender) -> str:
    """Tell candidates apart by their parameters."""
    return contender.name


def ranked_over(contests: Sequence[Contest], *, name: NameOf = pipeline_of, alpha: float = 0.05) -> Ranking | None:
    """
    Rank the competitors of *contests*, each of which is one data set.

    None where there are fewer than two data sets or two competitors that all of them have. Raises `UserError`
    for contests of different metrics.
    """
    metrics = sorted({contest.metric for contest in contests})
    if len(metrics) > 1:
        raise UserError(
            f"the sweeps rank by different metrics ({', '.join(metrics)}); say one: --metric {metrics[0]}"
        )
    tables = [_scores(contest, name) for contest in contests]
    seen = list(dict.fromkeys(one for table in tables for one in table))
    names = [one for one in seen if all(one in table for table in tables)]
    if len(contests) < 2 or len(names) < 2:
        return None
    sign = 1.0 if contests[0].greater_is_better else -1.0
    matrix = np.array([[table[one] for one in names] for table in tables])
    ranks = friedman(sign * matrix).ranks
    order = sorted(range(len(names)), key=lambda at: (ranks[at], names[at]))
    shown = matrix[:, order]
    found = friedman(sign * shown)
    difference = critical_difference(len(names), len(contests), alpha=alpha)
    return Ranking(
        metric=metrics[0],
        names=tuple(names[at] for at in order),
        data_sets=tuple(_data_sets(contests)),
        scores=tuple(tuple(float(value) for value in row) for row in shown),
        friedman=found,
        critical_difference=difference,
        groups=tuple(alike(found.ranks, difference)),
        alpha=alpha,
        p_wilcoxon=wilcoxon(list(shown[:, 0] - shown[:, 1])) if len(names) == 2 else None,
        left_out=tuple(one for one in seen if one not in names),
    )


def _scores(contest: Contest, name: NameOf) -> dict[str, float]:
    """Return the score of each competitor; of several with one name the best stands first."""
    found: dict[str, float] = {}
    for contender in contest.contenders:
        found.setdefault(name(contender), contender.score)
    return found


def _data_sets(contests: Sequence[Contest]) -> list[str]:
    """Return names of the data sets that say no more than tells them apart."""
    parts = [(one.sweep, one.variant, one.split) for one in contests]
    telling = [at for at in range(3) if len({part[at] for part in parts}) > 1]
    return [" ".join(part[at] for at in telling if part[at]) or part[0] for part in parts]


def notes_on(ranking: Ranking) -> list[str]:
    """Return what a reader has to know about this ranking beside its numbers."""
    n, notes = len(ranking.data_sets), []
    if n < FEWEST_SETS:
        notes.append(f"{n} data sets are too few to say anything; {FEWEST_SETS} or more are needed")
    elif n <= MANY_SETS:
        notes.append(f"with {n} data sets only large differences are found, and p-values are rough")
    if ranking.left_out:
        notes.append(f"not ranked, since some data set lacks them: {', '.join(ranking.left_out)}")
    return notes


def diagram(ranking: Ranking) -> list[tuple[str, str, str]]:
    """
    Return one line for each competitor: mean rank, name, and bars that join those not shown to differ.

    A bar is a column of its own, from the first line of its group to the last.
    """
    lines = []
    for at, (rank, name) in enumerate(zip(ranking.ranks, ranking.names, strict=True)):
        bars = "".join(" │" if at in group else "  " for group in ranking.groups)
        lines.append((f"{rank:.3f}", name, bars.rstrip()))
    return lines

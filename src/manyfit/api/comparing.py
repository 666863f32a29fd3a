"""Comparisons of candidates in one sweep, and over several."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from manyfit.contracts.store import Store

if TYPE_CHECKING:
    from manyfit.report.comparing import Comparison
    from manyfit.report.ranking import Ranking
    from manyfit.report.simplest import Choice

SHOWN_CANDIDATES = 10
"""Candidates that are compared where single ones are asked for and nobody says how many."""


def compared(
    stores: Sequence[Store],
    *,
    metric: str | None = None,
    split: str | None = None,
    top: int | None = None,
    alpha: float = 0.05,
    rope: float | None = None,
) -> "list[Comparison]":
    """
    Return one comparison for each split and data variant of each sweep: others against the best.

    The best candidate of each pipeline, or the *top* best candidates. Raises `NotFound` for a metric or a split
    that no result has.
    """
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report import comparing

    return [
        comparison
        for store in stores
        for comparison in comparing.compared(
            store,
            metric=metric,
            split=split,
            top=top,
            alpha=alpha,
            rope=rope,
            greater_is_better=greater_is_better,
        )
    ]


def ranked_over(comparisons: "Sequence[Comparison]", *, candidates: bool, alpha: float) -> "Ranking | None":
    """
    Rank pipelines, or single candidates, over all that was compared, each split and data variant a data set.

    None where there are fewer than two data sets or competitors in all of them.
    """
    from manyfit.report import ranking

    name = ranking.name_of if candidates else ranking.pipeline_of
    return ranking.ranked_over([one.contest for one in comparisons], name=name, alpha=alpha)


def simplest(
    store: Store,
    *,
    metric: str | None = None,
    split: str | None = None,
    pipeline: str | None = None,
    orders: Sequence[str] = (),
) -> "list[Choice]":
    """Return the simplest candidate within one standard error of the best; see `within_one_error`."""
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report.simplest import Order, order_of, within_one_error

    return within_one_error(
        store,
        metric=metric,
        split=split,
        pipeline=pipeline,
        orders=tuple(order_of(text) for text in orders) or (Order(),),
        greater_is_better=greater_is_better,
    )

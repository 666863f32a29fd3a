"""Naive Bayes. Costs: `benchmarks/calibrate_costs.py`."""

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import NEVER_MATTER, Params, TableFamily, number, rule

_COUNTING = ("MultinomialNB", "BernoulliNB", "ComplementNB", "CategoricalNB")
_SMALLEST_ALPHA = 1e-10


def _cost(name: str, params: Params, size: FitSize) -> float:
    return 1e-8 * size.n_rows * size.n_columns * max(size.n_classes, 1) + 5e-8 * size.n_rows * size.n_columns


FAMILY = TableFamily(
    name="bayes",
    covers=frozenset(f"sklearn.naive_bayes:{name}" for name in ("GaussianNB", *_COUNTING)),
    rules=(
        NEVER_MATTER,
        rule("force_alpha", when=lambda p: number(p, "alpha", 0.0) >= _SMALLEST_ALPHA, only=_COUNTING),
        rule("fit_prior", when=lambda p: p.get("class_prior") is not None, only=("MultinomialNB", "BernoulliNB")),
    ),
    seeded=lambda path, params: False,
    cost=_cost,
)

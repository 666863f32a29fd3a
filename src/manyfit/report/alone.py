"""Which results tell how long a fit takes alone: what was computed together took each task a part of the whole."""

from manyfit.model.candidate import Candidate
from manyfit.plan.choosing import SHARED_STEPS
from manyfit.plan.costs import CostModel

SMALL_PART = 0.1
"""Shared steps that should take no more than this part of a fit leave its seconds nearly what they are alone."""


def is_as_alone(costs: CostModel, candidate: Candidate, n_train: int, rule: str) -> bool:
    """Whether a result of *candidate* that was computed by *rule* ("": alone) took about as long as alone."""
    if rule != SHARED_STEPS:
        return not rule
    size = costs.size(candidate, n_train)
    before = sum(costs.step_seconds(step, size) for step in candidate.steps[:-1])
    return before <= SMALL_PART * costs.formula_seconds(candidate, n_train)

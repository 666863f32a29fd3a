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
    seconds = [costs.step_seconds(step, size) for step, size in costs.steps(candidate, n_train)]
    return sum(seconds[:-1]) <= SMALL_PART * sum(seconds)

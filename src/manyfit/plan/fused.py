"""What a plan says of shared work, as values that a table, JSON or a notebook can show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from manyfit.contracts.fusion import Guarantee
from manyfit.plan.choosing import SHARED_STEPS
from manyfit.plan.totals import Part, Steps, Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionSummary:
    """
    Tasks of one pipeline that are computed in one way: `rule` is empty for those that are computed alone.

    `estimator` is the class of the step that this is about ("": all steps before the last). Where `last` is
    false it is one of these, its seconds are part of theirs, and `n_tasks` counts fits of it. `shares` completes
    "shares ...", `guarantee` is what the rule promises, `reason` says why tasks are computed alone. Seconds are
    predicted for these steps only: each alone, and as they will be computed.
    """

    pipeline: str
    estimator: str
    rule: str
    shares: str
    guarantee: str
    reason: str
    last: bool
    n_candidates: int
    n_tasks: int
    alone_seconds: float
    seconds: float


def fusion_of(totals: Totals) -> list[FusionSummary]:
    """Return what is shared and what is not, pipeline by pipeline."""
    return [row for pipeline in totals.by_pipeline for row in _of_pipeline(totals, pipeline)]


def _of_pipeline(totals: Totals, pipeline: str) -> Iterator[FusionSummary]:
    parts: Sequence[Part] = [part for part in totals.parts if part.pipeline == pipeline]
    yield from (_of_steps(steps) for steps in totals.steps if steps.pipeline == pipeline)
    yield from (_of_part(part) for part in parts if not part.last)
    yield from (_of_part(part) for part in parts if part.last)


def _of_steps(steps: Steps) -> FusionSummary:
    return FusionSummary(
        pipeline=steps.pipeline,
        estimator="",
        rule=SHARED_STEPS,
        shares=f"the steps before the last: {steps.n_computed:,} fits of them instead of {steps.n_alone:,}",
        guarantee=Guarantee.EXACT.value,
        reason="",
        last=False,
        n_candidates=steps.n_candidates,
        n_tasks=steps.n_tasks,
        alone_seconds=steps.alone_seconds,
        seconds=steps.seconds,
    )


def _of_part(part: Part) -> FusionSummary:
    rule = part.rule
    return FusionSummary(
        pipeline=part.pipeline,
        estimator=part.path.rpartition(":")[2],
        rule=rule.name if rule else "",
        shares=rule.shares if rule else "",
        guarantee=rule.guarantee.value if rule else "",
        reason=part.reason,
        last=part.last,
        n_candidates=part.n_candidates,
        n_tasks=part.n_tasks,
        alone_seconds=part.alone_seconds,
        seconds=part.seconds,
    )

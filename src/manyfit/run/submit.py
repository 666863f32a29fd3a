"""Submitting a plan: what is new goes into the store, once, whoever else submits at the same time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from manyfit.contracts.store import Store
from manyfit.model.control import AddSegment
from manyfit.model.errors import PositionTaken
from manyfit.model.keys import SegmentId, content_key
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Mode
from manyfit.plan.difference import Difference, difference
from manyfit.plan.tasks import Plan
from manyfit.plan.units import Draft
from manyfit.run.known import known_tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """
    What is submitted: the plan, the header of its segments, how many workers are expected.

    `mode` is that of tasks that are fitted: `Mode.KEEP` when every model is kept.
    """

    plan: Plan
    header: SegmentHeader
    n_workers: int
    removing: bool = True
    mode: Mode = Mode.FIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What a submission changed."""

    difference: Difference
    n_segments: int
    n_tasks: int


def compare(store: Store, submission: Submission) -> Difference:
    """Return what submitting would change. Nothing is written."""
    known = known_tasks(store) if store.entries() else {}
    return difference(submission.plan, known, submission.header.metrics, removing=submission.removing)


def submit(
    store: Store, submission: Submission, *, on_segment: Callable[[int], None] = lambda n_tasks: None
) -> Submitted:
    """
    Bring the store's plan to that of *submission*; the same submission again changes nothing.

    Large plans are published in parts, so that workers start before the end; *on_segment* is called
    with the tasks published so far. When someone else changes the plan meanwhile, the rest is compared
    anew. Killed at any point, it is completed by submitting again.
    """
    total = n_segments = 0
    while True:
        position = len(store.entries())
        change = compare(store, submission)
        try:
            for segment, n_new, more in _with_more(_segments(change, submission)):
                store.submit(segment, position=position + 1, more=more, n_new=n_new)
                position += 1
                n_segments += 1
                total += segment.n_tasks
                on_segment(total)
            if _left_open(store):
                store.submit(_closing(submission), position=position + 1, n_new=0)
        except PositionTaken:
            continue
        return Submitted(difference=change, n_segments=n_segments, n_tasks=total)


def _segments(change: Difference, submission: Submission) -> Iterator[tuple[Segment, int]]:
    """Yield the segments that make the change, each with its number of new tasks."""
    draft = Draft(
        header=submission.header,
        n_workers=submission.n_workers,
        removed=change.removed,
        mode=submission.mode,
    )
    for segment in draft.segments(change.fresh):
        yield segment, segment.n_tasks
    for rerun in change.reruns:
        again = Draft(
            header=replace(submission.header, supersedes=rerun.supersedes),
            n_workers=submission.n_workers,
            mode=Mode.SCORE if rerun.score_only else submission.mode,
            generation=rerun.generation,
        )
        for segment in again.segments(rerun.plan):
            yield segment, segment.n_tasks - sum(rerun.supersedes.values())


def _left_open(store: Store) -> bool:
    """Whether the last segment says that more follow: its submitter was killed, and nothing more is to come."""
    added = [entry.action for entry in store.entries() if isinstance(entry.action, AddSegment)]
    return bool(added) and added[-1].more


def _closing(submission: Submission) -> Segment:
    """Return a segment without units, which ends a submission that was left open."""
    id_ = SegmentId(content_key(["closing", dict(submission.header.spec)])[:16])
    return Segment(id=id_, header=submission.header, candidates=(), cells=(), units=())


def _with_more(segments: Iterator[tuple[Segment, int]]) -> Iterator[tuple[Segment, int, bool]]:
    """Add to each segment whether another follows."""
    waiting: tuple[Segment, int] | None = None
    for following in segments:
        if waiting is not None:
            yield *waiting, True
        waiting = following
    if waiting is not None:
        yield *waiting, False

"""Submitting a plan: what is new goes into the store, once, whoever else submits at the same time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from manyfit.contracts.store import Store
from manyfit.model.control import AddSegment, Entry, SetTerms, terms_in_force
from manyfit.model.errors import PositionTaken
from manyfit.model.keys import SegmentId, content_key
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.terms import Terms
from manyfit.model.unit import Mode
from manyfit.model.wire import header_to_json
from manyfit.plan.difference import Difference, difference
from manyfit.plan.tasks import Plan
from manyfit.plan.units import Draft
from manyfit.run.known import known_tasks
from manyfit.run.terms import declared_terms, merged_terms, with_old_names


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
    """
    What a submission changed.

    `terms` are the conditions of claiming that it put in force, None when it left them as they were.
    `declaration` says that the sweep's declaration changed without any task that is new.
    """

    difference: Difference
    n_segments: int
    n_tasks: int
    terms: Terms | None = None
    declaration: bool = False


def compare(store: Store, submission: Submission) -> Difference:
    """Return what submitting would change. Nothing is written."""
    known = known_tasks(store) if store.entries() else {}
    return difference(submission.plan, known, submission.header.metrics, removing=submission.removing)


def submit(
    store: Store, submission: Submission, *, on_segment: Callable[[int], None] = lambda n_tasks: None
) -> Submitted:
    """
    Bring the store's plan to that of *submission*; the same submission again changes nothing.

    What the sweep declares of priority, tenant, concurrency and needs is put in force before its first
    task can be claimed, for the tasks of earlier submissions too. The rule for what a person set by
    command meanwhile: it stays until the declaration says something new about it (see `merged_terms`).
    A declaration that changed without new tasks is stored in a segment without units, so that the last
    segment always has what was submitted last.

    Large plans are published in parts, so that workers start before the end; *on_segment* is called
    with the tasks published so far. When someone else changes the plan meanwhile, the rest is compared
    anew. Killed at any point, it is completed by submitting again.
    """
    published = _Published(on_segment=on_segment)
    while True:
        try:
            return _bring(store, submission, published)
        except PositionTaken:
            continue


@dataclass(slots=True)
class _Published:
    """What a submission has brought into the store so far, over all its tries."""

    on_segment: Callable[[int], None]
    n_segments: int = 0
    n_tasks: int = 0
    terms: Terms | None = None

    def add(self, segment: Segment) -> None:
        self.n_segments += 1
        self.n_tasks += segment.n_tasks
        self.on_segment(self.n_tasks)


def _bring(store: Store, submission: Submission, published: _Published) -> Submitted:
    """Publish what is missing, behind the entries that there are now. Raises `PositionTaken`."""
    entries = store.entries()
    position = len(entries)
    change = compare(store, submission)
    last = _last_header(store, entries)
    wanted = _wanted_terms(last, terms_in_force(entries), submission, change)
    if wanted != terms_in_force(entries):
        position += 1
        store.append(SetTerms(terms=wanted), position=position)
        published.terms = wanted
    first = position
    for segment, n_new, more in _with_more(_segments(change, submission)):
        position += 1
        store.submit(segment, position=position, more=more, n_new=n_new)
        published.add(segment)
    outdated = last is not None and _declaration(last) != _declaration(submission.header)
    bare = _left_open(store) or (outdated and position == first)
    if bare:
        store.submit(_bare(submission, position + 1), position=position + 1, n_new=0)
    return Submitted(
        difference=change,
        n_segments=published.n_segments,
        n_tasks=published.n_tasks,
        terms=published.terms,
        declaration=bare and not published.n_segments,
    )


def _declaration(header: SegmentHeader) -> tuple[dict[str, Any], int]:
    return dict(header.spec), header.priority


def _last_header(store: Store, entries: Sequence[Entry]) -> SegmentHeader | None:
    added = (entry.action for entry in reversed(entries) if isinstance(entry.action, AddSegment))
    last = next(added, None)
    return None if last is None else store.segment(last.segment).header


def _wanted_terms(
    last: SegmentHeader | None, in_force: Terms, submission: Submission, change: Difference
) -> Terms:
    """Return the terms that are in force after this submission; *last* is the header of the previous one."""
    before = None if last is None else with_old_names(declared_terms(last), change.renamed)
    declared = with_old_names(declared_terms(submission.header), change.renamed)
    return merged_terms(in_force, before, declared)


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


def _bare(submission: Submission, position: int) -> Segment:
    """
    Return a segment without units: it brings the declaration, and ends a submission that was left open.

    It is named by its place in the chain as well: a declaration that comes back is another segment.
    """
    id_ = SegmentId(content_key(["bare", header_to_json(submission.header), position])[:16])
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

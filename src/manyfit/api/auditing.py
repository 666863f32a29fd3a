"""Auditing a sweep: a sample of its fused results is fitted again alone, and compared."""

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from manyfit.connect import local_files
from manyfit.contracts.executor import Work, WorkTask
from manyfit.contracts.fusion import Guarantee
from manyfit.contracts.store import Store
from manyfit.model.audit import Certificate
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import Audit, certificates
from manyfit.model.errors import DataChanged, Refused
from manyfit.model.keys import TaskKey, content_key, task_key
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Mode
from manyfit.model.wire import header_to_json
from manyfit.report.audits import Compared, Scores, Stored, Tally, certificate, compare, compare_failure, scores_of
from manyfit.run.control import last_header, publish
from manyfit.run.known import segments_of
from manyfit.run.libraries import all_versions
from manyfit.run.pool import Pool

if TYPE_CHECKING:
    from manyfit.report.fused import Population

SAMPLE = 200
SMALL_SAMPLE = 20
SMALL_SHARE = 0.05
"""The audit at the end of a run takes up to this part of the time that the run took, its runners' start aside."""
SMALL_LEAST_SECONDS = 1.0
"""So long it takes at least, if there is something to compare: enough for many tiny fits."""

_SECONDS_FOR_MORE = 5.0
"""An audit of fewer seconds has one runner: to start another would take longer than it saves."""
_WORK_TASKS = 8
_REPEATED = 5
_CONTROLS = 5
_SAME = Guarantee.EXACT.value
_NOISE_FACTOR = 10.0
"""A rule is to blame for differences that are this much larger than those between machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLook:
    """How far an audit is; `left_seconds` is None until there is something to go by."""

    n_done: int
    n_total: int
    elapsed_seconds: float
    left_seconds: float | None

    @property
    def rate(self) -> float:
        """Tasks in a second."""
        return self.n_done / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0


OnAuditLook = Callable[[AuditLook], None]
Bodies = Generator[tuple[TaskKey, Mapping[str, Any]], None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """One task as its segment has it."""

    header: SegmentHeader
    header_key: str
    candidate: Candidate
    cell: Cell


def audit(
    store: Store,
    *,
    sample: int = SAMPLE,
    seed: int = 0,
    n_runners: int = 1,
    threads: int | None = None,
    seconds: float | None = None,
    progress: OnAuditLook = lambda look: None,
    pool: Pool | None = None,
    everything: "Population | None" = None,
) -> Certificate:
    """
    Fit *sample* fused results of *store* again alone, compare every score, and store the certificate.

    The fits run in *n_runners* processes of their own with *threads* each, as many as the sweep declares
    where that is None: the number can change the last digits; or in *pool*, which stays the caller's.
    *everything* is what to draw from, for callers that have read it. After *seconds* from the first result
    on no more are waited for, once there is one of each rule. Raises `DataChanged` when the data is not that
    of the sweep, and `Refused` when this machine does not give the scores of stand-alone fits of the sweep
    either; then nothing is stored.
    """
    from manyfit.report.fused import population

    everything = everything or population(store)
    if everything.frame.is_empty():
        return certificate((), seed=seed, drawn_from=everything.digest(), versions=all_versions())
    header = last_header(store)
    declared = header.spec.get("workers", {}).get("threads", 1)
    with ExitStack() as stack:
        if pool is None:
            log = local_files(store).audit_log
            log.parent.mkdir(parents=True, exist_ok=True)
            made_here = Pool(n_runners, threads or declared, executor=header.executor, output=log)
            pool = stack.enter_context(made_here)
        found = _Audit(store=store, pool=pool, everything=everything, seed=seed, progress=progress)
        made = found.run(sample, seconds)
    publish(store, Audit(certificate=made))
    return made


def small_audit(
    store: Store,
    *,
    run_seconds: float,
    n_runners: int,
    threads: int,
    progress: OnAuditLook = lambda look: None,
    pool: Pool | None = None,
) -> Certificate | None:
    """
    Audit a few results in about `SMALL_SHARE` of *run_seconds*; None when nothing was fused since the last audit.

    Raises what `audit` raises.
    """
    from manyfit.report.fused import population

    everything = population(store)
    before = certificates(store.entries())[-1:]
    if everything.frame.is_empty() or any(one.drawn_from == everything.digest() for one in before):
        return None
    seconds = max(SMALL_LEAST_SECONDS, SMALL_SHARE * run_seconds)
    return audit(
        store,
        sample=SMALL_SAMPLE,
        seed=len(store.entries()),
        n_runners=n_runners if seconds > _SECONDS_FOR_MORE else 1,
        threads=threads,
        seconds=seconds,
        progress=progress,
        pool=pool,
        everything=everything,
    )


@dataclass(slots=True, kw_only=True)
class _Audit:
    """One audit while it goes on."""

    store: Store
    pool: Pool
    everything: "Population"
    seed: int
    progress: OnAuditLook
    _began: float = field(default_factory=time.monotonic)
    _planned: dict[TaskKey, _Planned] = field(default_factory=dict)

    def run(self, sample: int, seconds: float | None) -> Certificate:
        from manyfit.report.fused import stored_results

        keys = self.everything.draw(sample, self.seed)
        stored = stored_results(self.store, keys)
        tallies = self._tallies()
        alone: dict[TaskKey, Mapping[str, Any]] = {}
        n_rules, until = len(tallies), 0.0
        with closing(self._told(self._in_turn(keys, n_rules, stored), len(keys))) as bodies:
            for key, body in bodies:
                alone[key] = body
                _note(tallies[stored[key].rule], key, stored[key], body)
                until = until or time.monotonic() + (math.inf if seconds is None else seconds)
                if time.monotonic() >= until and len(alone) >= n_rules:
                    break
        self._look_twice(tallies, stored, alone)
        return certificate(
            tallies.values(), seed=self.seed, drawn_from=self.everything.digest(), versions=all_versions()
        )

    def _tallies(self) -> dict[str, Tally]:
        groups = self.everything.frame.group_by("fused_by", "guarantee").len().sort("fused_by", "guarantee")
        tallies: dict[str, Tally] = {}
        for rule, guarantee, n in groups.iter_rows():
            known = tallies.setdefault(rule, Tally(rule=rule, guarantee=guarantee, n_fused=0))
            known.n_fused += n
        return tallies

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _told(
        self, bodies: Iterable[tuple[TaskKey, Any]], n_total: int
    ) -> Generator[tuple[TaskKey, Any], None, None]:
        """Pass *bodies* on, and tell about them."""
        first: float | None = None
        self.progress(AuditLook(n_done=0, n_total=n_total, elapsed_seconds=self._elapsed(), left_seconds=None))
        for n_done, item in enumerate(bodies, 1):
            now = self._elapsed()
            # The start of the runners says nothing of what is left.
            left = None if first is None else (now - first) / (n_done - 1) * (n_total - n_done)
            first = now if first is None else first
            self.progress(AuditLook(n_done=n_done, n_total=n_total, elapsed_seconds=now, left_seconds=left))
            yield item

    # -- stand-alone fits ----------------------------------------------------------------------------

    def _in_turn(self, keys: Sequence[TaskKey], n_rules: int, stored: Mapping[TaskKey, Stored]) -> Bodies:
        """Fit one task of each rule, which come first, and when they have ended the others."""
        self._plan(keys, stored)
        yield from self._fitted(keys[:n_rules], stored)
        yield from self._fitted(keys[n_rules:], stored)

    def _plan(self, keys: Sequence[TaskKey], stored: Mapping[TaskKey, Stored]) -> Mapping[TaskKey, _Planned]:
        """Look up what the tasks with these *keys* are: all at once, since it reads the whole plan."""
        new = {key: stored[key].generation for key in keys if key not in self._planned}
        if new:
            self._planned |= _planned(self.store, new)
        return self._planned

    def _fitted(self, keys: Sequence[TaskKey], stored: Mapping[TaskKey, Stored]) -> Bodies:
        """Fit the tasks with these *keys* alone. Raises `DataChanged`."""
        planned = self._plan(keys, stored)
        by_header: dict[str, list[TaskKey]] = {}
        for key in keys:
            by_header.setdefault(planned[key].header_key, []).append(key)
        for name, some in by_header.items():
            works = [_work(part, planned, keys) for part in _parts(some, planned, self.pool.n)]
            for index, body in self.pool.run(works, segment=f"audit-{name}"):
                _check_data(body)
                yield keys[index], body

    # -- before a rule is blamed ---------------------------------------------------------------------

    def _look_twice(
        self,
        tallies: Mapping[str, Tally],
        stored: Mapping[TaskKey, Stored],
        alone: Mapping[TaskKey, Mapping[str, Any]],
    ) -> None:
        """Blame no rule for estimators that never give the same scores twice, or for another machine."""
        doubted = [key for tally in tallies.values() for key in tally.wrong()[:_REPEATED]]
        steady = set()
        for key, body in self._fitted(doubted, stored):
            before = alone[key]
            again = compare(key, scores_of(before), scores_of(body), stored[key].guarantee)
            if not again.n_wrong and bool(body.get("failure")) is bool(before.get("failure")):
                steady.add(key)
        for tally in tallies.values():
            tally.excuse(steady, doubted)
        left = [tally.compared[key] for tally in tallies.values() for key in tally.wrong()]
        if left:
            self._check_machine(max(one.worst for one in left))

    def _check_machine(self, worst: float) -> None:
        """Raise `Refused` when results that the sweep fitted alone differ here about as much as *worst*."""
        from manyfit.report.fused import stored_results

        keys = self.everything.draw_alone(_CONTROLS, self.seed)
        stored = stored_results(self.store, keys)
        here = self._scores(keys, stored)
        found = [compare(key, stored[key].scores, here[key], _SAME) for key in here]
        differing = [one for one in found if one.n_wrong]
        again = self._scores([one.key for one in differing], stored)
        steady = [one for one in differing if again.get(one.key) == here[one.key]]
        noise = max((one.worst for one in steady), default=0.0)
        if steady and worst <= _NOISE_FACTOR * noise:
            raise Refused(
                f"this machine cannot audit the sweep: {len(steady)} of {len(keys)} results that were fitted"
                f" alone come out differently here too (task {steady[0].key[:8]}); audit it with the library"
                " versions and on a machine like those that ran it"
            )

    def _scores(self, keys: Sequence[TaskKey], stored: Mapping[TaskKey, Stored]) -> dict[TaskKey, Scores]:
        """Return the scores of stand-alone fits, those that succeed."""
        return {key: scores_of(body) for key, body in self._fitted(keys, stored) if not body.get("failure")}


def _note(tally: Tally, key: TaskKey, stored: Stored, body: Mapping[str, Any]) -> None:
    failure = body.get("failure")
    compared: Compared | None
    if failure:
        compared = compare_failure(key, stored.scores, failure)
    else:
        compared = compare(key, stored.scores, scores_of(body), stored.guarantee)
    if compared is None:
        tally.n_unable += 1
    else:
        tally.compared[key] = compared


def _check_data(body: Mapping[str, Any]) -> None:
    failure = body.get("failure") or {}
    if failure.get("error") == DataChanged.__name__:
        raise DataChanged(f"the audit compares nothing: {failure['message']}")


def _planned(store: Store, generations: Mapping[TaskKey, int]) -> dict[TaskKey, _Planned]:
    """Return the tasks with these keys as they were when the result of that generation was made."""
    found: dict[TaskKey, _Planned] = {}
    for segment in segments_of(store):
        header = _alone(segment.header)
        name = content_key(header_to_json(header))[:16]
        for key, candidate, cell, generation in _tasks_of(segment):
            if key in generations and (key not in found or generation <= generations[key]):
                found[key] = _Planned(header=header, header_key=name, candidate=candidate, cell=cell)
    return found


def _tasks_of(segment: Segment) -> Iterator[tuple[TaskKey, Candidate, Cell, int]]:
    keys = [candidate.key for candidate in segment.candidates]
    for unit in segment.units:
        for candidate, cell in zip(unit.candidates, unit.cells, strict=True):
            key = task_key(keys[candidate], segment.cells[cell].key)
            yield key, segment.candidates[candidate], segment.cells[cell], unit.generation


def _alone(header: SegmentHeader) -> SegmentHeader:
    """Return *header* for fits that share nothing and keep nothing."""
    spec = {**header.spec, "keep": {"models": "none", "n_best": 0, "predictions": False}}
    return replace(header, spec=spec, supersedes={}, costs={}, memory_bytes={}, priority=0, alone=True)


def _parts(keys: Sequence[TaskKey], planned: Mapping[TaskKey, _Planned], n: int) -> Iterator[list[TaskKey]]:
    """Divide *keys* among *n* runners: tasks that are fitted on the same rows, a few at a time."""
    by_rows: dict[tuple[str, str], list[TaskKey]] = {}
    for key in keys:
        by_rows.setdefault((planned[key].cell.key, planned[key].candidate.features), []).append(key)
    size = max(1, min(_WORK_TASKS, len(keys) // (2 * n)))
    for some in by_rows.values():
        yield from (some[at : at + size] for at in range(0, len(some), size))


def _work(keys: Sequence[TaskKey], planned: Mapping[TaskKey, _Planned], numbers: Sequence[TaskKey]) -> Work:
    place = {key: number for number, key in enumerate(numbers)}
    return Work(
        header=planned[keys[0]].header,
        mode=Mode.FIT,
        tasks=[
            WorkTask(index=place[key], key=key, candidate=planned[key].candidate, cell=planned[key].cell)
            for key in keys
        ],
        inputs={},
        fuse=False,
    )

"""Driving a sweep on this machine: submit, start workers, watch, compact, keep the best models, end."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from manyfit import connect
from manyfit.api.journal import StatusLog
from manyfit.contracts.store import Store
from manyfit.launchers.local import LocalLauncher, Pool, ProcessState, WorkerProcess
from manyfit.model.errors import Interrupted
from manyfit.model.keys import UnitId
from manyfit.model.shell import quoted
from manyfit.model.snapshot import Snapshot, WorkerView
from manyfit.model.worker import WorkerInfo, WorkerState
from manyfit.report.pace import Pace
from manyfit.report.progress import Leader, Progress
from manyfit.report.quality.vigil import Vigil
from manyfit.report.reasons import silent, situation
from manyfit.run.control import hold_once, last_header
from manyfit.run.identity import worker_info
from manyfit.run.terms import unmet_here

WORKER_MODULE = "manyfit.cli.worker"
LOOK_SECONDS = 0.5
COMPACT_SECONDS = 30.0
PATIENT_SECONDS = 3.0
"""All workers idle for so long, with tasks left, is worth a word about the reason."""
LEAST_BUSY = 1e-6
"""Share of their time that workers spend on fits, at least: a pace of 0 would never end."""
OVERDUE = 0.25
"""A fit that takes longer than predicted goes on for this part of what it took so far: nobody knows better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """
    One look at a running sweep, for a display.

    `best` is the leader of each pipeline on each split so far. `rate` is tasks settled in a
    second since this run began; `left_seconds` is None until there is something to go by. `obstacles`
    say why tasks are left that this run does not get on with. `checks` say what is wrong with results so far.
    """

    snapshot: Snapshot
    best: Sequence[Leader]
    rate: float
    left_seconds: float | None
    elapsed_seconds: float
    notes: Sequence[str] = ()
    obstacles: Sequence[str] = ()
    checks: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveOptions:
    """How a sweep is run here: workers, threads of each, the filter that workers apply."""

    n_workers: int
    threads: int = 1
    only: Sequence[str] = ()
    idle_timeout: float = 600.0


@dataclass(slots=True)
class Rate:
    """
    Tasks settled in a second, and the time that is left.

    The work that is left is what the plan predicted, corrected for each pipeline by what its tasks really took. It
    goes on at the pace of the workers alive: the share of their time since `started` that went into fits.
    """

    started: float
    settled_at_start: int
    cost_at_start: float
    _looked_at: float | None = None
    _worker_seconds: float = 0.0
    _opened: dict[UnitId, float] = field(default_factory=dict)

    def look(self, snapshot: Snapshot, now: float, pace: Pace | None = None) -> tuple[float, float | None]:
        """Return (tasks in a second, seconds left or None). Without *pace* predictions count as they are."""
        elapsed = max(1e-9, now - self.started)
        settled = snapshot.counts.done + snapshot.counts.failed
        rate = max(0, settled - self.settled_at_start) / elapsed
        n_alive = max(1, sum(worker.alive for worker in snapshot.workers))
        # Who has nothing to claim any more neither shows how fast fits go nor makes them go faster.
        n_busy = n_alive if snapshot.counts.pending else min(n_alive, len(snapshot.open_units))
        self._worker_seconds += n_busy * (now - (self.started if self._looked_at is None else self._looked_at))
        self._looked_at = now
        opened = self._opened
        self._opened = {unit: opened.get(unit, now) for unit in snapshot.open_units}
        if elapsed < 2.0 or snapshot.cost_done_seconds <= self.cost_at_start:
            return rate, None
        return rate, self._left(snapshot, now, pace or Pace(), max(1, n_busy))

    def _left(self, snapshot: Snapshot, now: float, pace: Pace, n_busy: int) -> float:
        begun = at_work = waiting = 0.0
        for task in pace.long_tasks(self._opened):
            # How far a unit of several tasks is, is in the count of its results.
            if task.alone and task.unit in self._opened:
                spent = now - self._opened[task.unit]
                begun += min(spent, task.seconds)
                at_work = max(at_work, task.seconds - spent, OVERDUE * spent)
            else:
                waiting = max(waiting, task.seconds)
        done = (snapshot.cost_done_seconds - self.cost_at_start) * (pace.done_ratio() or 1.0)
        rest = (snapshot.cost_seconds - snapshot.cost_done_seconds) * pace.rest_ratio()
        busy = min(1.0, max(LEAST_BUSY, (done + begun) / max(1e-9, self._worker_seconds)))
        rest = max(0.0, rest - begun)
        # What waits is no longer than all that is left: a straggler that was cancelled is known to nobody here.
        return max(rest / (busy * n_busy), min(waiting, rest), at_work)


@dataclass(slots=True)
class _Follow:
    """Reads results for the display, in a tenth of the time at most: very short tasks need the cores more."""

    progress: Progress
    clock: Callable[[], float]
    due_at: float = 0.0

    def now_and_then(self) -> None:
        began = self.clock()
        if began >= self.due_at:
            self.progress.poll()
            ended = self.clock()
            self.due_at = ended + 9 * (ended - began)


@dataclass(slots=True)
class Drive:
    """Local workers on one store until nothing is left, or until a person stops it."""

    store: Store
    address: connect.Address
    options: DriveOptions
    on_look: Callable[[Look], None] = lambda look: None
    clock: Callable[[], float] = time.monotonic
    compacting: bool = True
    notes: list[str] = field(default_factory=list)
    _before: Snapshot | None = None
    _noticed: set[int] = field(default_factory=set)
    obstacles: list[str] = field(default_factory=list)
    _here: WorkerInfo | None = None
    _idle_since: float | None = None
    _waits: str = ""
    _judged: set[str] = field(default_factory=set)

    def start(self) -> Pool:
        """Start the workers; they wait for the plan, so this may come before it is submitted."""
        self._before = self.store.snapshot()
        launcher = LocalLauncher(
            self._command(),
            log_folder=self.files.logs,
            # In the environment, since everybody on this machine sees command lines.
            environment={**os.environ, **self.address.environment},
            tell=self.notes.append,
        )
        n_workers = 0 if self._nothing_runs_here(self._before) else self.options.n_workers
        return launcher.start(n_workers, on_death=self._died)

    def _nothing_runs_here(self, snapshot: Snapshot) -> bool:
        """Whether no task that is left may run here: workers would wait until a person does something."""
        self._here = self._here or worker_info(self.options.threads, time.time)
        left = [name for name, counts in snapshot.per_pipeline.items() if counts.pending + counts.running]
        lacking = unmet_here(snapshot.terms, self._here, left)
        for pipeline, texts in lacking.items():
            self._obstacle(f"{pipeline} cannot run here: {'; '.join(texts)}")
        held = [pipeline for pipeline in left if pipeline in snapshot.held]
        for pipeline in held:
            why = snapshot.held[pipeline] or "by a person"
            self._obstacle(f"{pipeline} is paused: {why}; next: manyfit resume {quoted(snapshot.sweep)}")
        return bool(left) and set(left) <= {*lacking, *held} and not snapshot.planning

    def _obstacle(self, text: str) -> None:
        if text not in self.obstacles:
            self.obstacles.append(text)
            self.notes.append(text)

    @property
    def files(self) -> connect.LocalFiles:
        """Where logs are on this machine."""
        return connect.local_files(self.store)

    def watch(self, pool: Pool) -> None:
        """
        Watch until every worker has ended, and leave nothing running whatever happens.

        Raises `Interrupted` after a clean stop by Ctrl-C.
        """
        self.files.folder.mkdir(parents=True, exist_ok=True)
        log = StatusLog(self.files.status_log)
        try:
            self._loop(pool, log)
        except KeyboardInterrupt:
            pool.stop()
            log.write("interrupted; nothing is lost")
            raise Interrupted("stopped cleanly") from None
        finally:
            pool.stop()
        self.compact(threshold_rows=1)
        log.end(self.store.snapshot())

    def _loop(self, pool: Pool, log: StatusLog) -> None:
        first = self._before or self.store.snapshot()
        settled = first.counts.done + first.counts.failed
        rate = Rate(started=self.clock(), settled_at_start=settled, cost_at_start=first.cost_done_seconds)
        follow = _Follow(self._progress(), self.clock)
        compacted = started = self.clock()
        while True:
            alive = pool.poll()
            self._notice(pool.processes)
            now = self.clock()
            snapshot = self.store.snapshot()
            follow.now_and_then()
            over = self._idle(snapshot) and self._nothing_runs_here(snapshot)
            self._say_why_idle(snapshot, now, log)
            per_second, left = rate.look(snapshot, now, follow.progress.pace)
            look = Look(
                snapshot=snapshot,
                best=follow.progress.leaders(),
                rate=per_second,
                left_seconds=left,
                elapsed_seconds=now - started,
                notes=tuple(self.notes),
                obstacles=tuple(self.obstacles),
                checks=follow.progress.vigil.lines(),
            )
            self._hold(follow.progress.vigil, log)
            self.on_look(look)
            log.look(look.snapshot, per_second, left, now)
            if not alive or over:
                return
            if now - compacted > COMPACT_SECONDS:
                self.compact(threshold_rows=100_000)
                compacted = self.clock()
            time.sleep(LOOK_SECONDS)

    def _hold(self, vigil: Vigil, log: StatusLog) -> None:
        """Hold pipelines most of whose fits diverge, where the sweep asks for it."""
        for pipeline, reason in vigil.mostly_diverging().items():
            if pipeline in self._judged:
                continue
            self._judged.add(pipeline)
            if not self._holds_bad_pipelines():
                continue
            counts = self.store.snapshot().per_pipeline.get(pipeline)
            if counts is not None and counts.pending and hold_once(self.store, pipeline, reason):
                log.write(f"{pipeline} is paused: {reason}")

    def _holds_bad_pipelines(self) -> bool:
        return bool((last_header(self.store).spec.get("checks") or {}).get("hold"))

    def _say_why_idle(self, snapshot: Snapshot, now: float, log: StatusLog) -> None:
        """Note once why all workers are idle although tasks are left: it may last for ever."""
        if not self._idle(snapshot):
            self._idle_since = None
            return
        self._idle_since = now if self._idle_since is None else self._idle_since
        if now - self._idle_since < PATIENT_SECONDS:
            return
        self._idle_since = now
        why = silent(situation(self.store))
        if why and why != self._waits:
            self._waits = why
            self._obstacle(why)
            log.write(why)

    def _idle(self, snapshot: Snapshot) -> bool:
        """Whether workers wait and nobody does anything, although tasks are left."""
        counts = snapshot.counts
        if not counts.pending or counts.running or snapshot.open_units:
            return False
        return any(view.alive and _waits(view) for view in snapshot.workers)

    def _progress(self) -> Progress:
        from manyfit.fit.metrics import greater_is_better

        metric = str(last_header(self.store).spec["rank_by"])
        return Progress(store=self.store, metric=metric, greater_is_better=greater_is_better(metric))

    def compact(self, *, threshold_rows: int) -> None:
        """Compact accepted results when there are at least *threshold_rows* of them outside the bases."""
        if not self.compacting:
            return
        from manyfit.report.compact import compact

        with tempfile.TemporaryDirectory(prefix="manyfit-") as folder:
            compact(self.store, threshold_rows=threshold_rows, tmp=Path(folder))

    def _notice(self, workers: Sequence[WorkerProcess]) -> None:
        """Note once, in its own words, why a worker ended that should not have."""
        for worker in workers:
            if worker.state is ProcessState.ENDED and worker.exit_code and worker.pid not in self._noticed:
                self._noticed.add(worker.pid)
                self._obstacle(f"worker {worker.number} ended: {_last_line(worker.log)}")
            if worker.state is ProcessState.DIED and worker.pid not in self._noticed:
                self._noticed.add(worker.pid)
                self._obstacle(
                    f"worker {worker.number} was killed {worker.n_restarts + 1} times; see {worker.log}"
                )

    def _died(self, pid: int) -> None:
        """Give back at once what a dead worker of this host held."""
        here = socket.gethostname()
        workers = self.store.snapshot().workers
        dead = [view.info.id for view in workers if view.info.pid == pid and view.info.host == here]
        self.store.expire(dead)

    def _command(self) -> list[str]:
        filters = [part for text in self.options.only for part in ("--only", text)]
        return [
            sys.executable,
            "-m",
            WORKER_MODULE,
            self.address.url,
            "--lifeline",
            "{lifeline}",
            "--threads",
            str(self.options.threads),
            "--idle-timeout",
            str(self.options.idle_timeout),
            *filters,
        ]


def _waits(view: WorkerView) -> bool:
    return view.beat is not None and view.beat.state in (WorkerState.IDLE, WorkerState.PAUSED, WorkerState.DRAINED)


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else f"it said nothing; see {log}"

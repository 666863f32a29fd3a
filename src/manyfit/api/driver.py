"""Driving a sweep on this machine: submit, start workers, watch, compact, keep the best models, end."""

import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from manyfit.api.journal import StatusLog
from manyfit.contracts.store import Store
from manyfit.launchers.local import LocalLauncher, Pool, ProcessState, WorkerProcess
from manyfit.model.errors import Interrupted
from manyfit.model.snapshot import Snapshot
from manyfit.report.progress import Leader, Progress
from manyfit.run.control import last_header

WORKER_MODULE = "manyfit.cli.worker"
LOOK_SECONDS = 0.5
COMPACT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """
    One look at a running sweep, for a display.

    `best` is the leader of each pipeline on each split so far. `rate` is tasks settled in a
    second since this run began; `left_seconds` is None until there is something to go by.
    """

    snapshot: Snapshot
    best: Sequence[Leader]
    rate: float
    left_seconds: float | None
    elapsed_seconds: float
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveOptions:
    """How a sweep is run here: workers, threads of each, the filter that workers apply."""

    n_workers: int
    threads: int = 1
    only: Sequence[str] = ()
    idle_timeout: float = 600.0


@dataclass(slots=True)
class Rate:
    """Tasks settled in a second, and the time that is left by predicted work and real pace."""

    started: float
    settled_at_start: int
    cost_at_start: float

    def look(self, snapshot: Snapshot, now: float) -> tuple[float, float | None]:
        """Return (tasks in a second, seconds left or None)."""
        elapsed = max(1e-9, now - self.started)
        settled = snapshot.counts.done + snapshot.counts.failed
        rate = max(0, settled - self.settled_at_start) / elapsed
        work = snapshot.cost_done_seconds - self.cost_at_start
        rest = snapshot.cost_seconds - snapshot.cost_done_seconds
        if elapsed < 2.0 or work <= 0:
            return rate, None
        return rate, max(0.0, rest * elapsed / work)


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
    folder: Path
    options: DriveOptions
    on_look: Callable[[Look], None] = lambda look: None
    clock: Callable[[], float] = time.monotonic
    compacting: bool = True
    notes: list[str] = field(default_factory=list)
    _before: Snapshot | None = None
    _noticed: set[int] = field(default_factory=set)

    def start(self) -> Pool:
        """Start the workers; they wait for the plan, so this may come before it is submitted."""
        self._before = self.store.snapshot()
        launcher = LocalLauncher(self._command(), log_folder=self.folder / "workers", tell=self.notes.append)
        return launcher.start(self.options.n_workers, on_death=self._died)

    def watch(self, pool: Pool) -> None:
        """
        Watch until every worker has ended, and leave nothing running whatever happens.

        Raises `Interrupted` after a clean stop by Ctrl-C.
        """
        log = StatusLog(self.folder / "status.log")
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
            per_second, left = rate.look(snapshot, now)
            look = Look(
                snapshot=snapshot,
                best=follow.progress.leaders(),
                rate=per_second,
                left_seconds=left,
                elapsed_seconds=now - started,
                notes=tuple(self.notes),
            )
            self.on_look(look)
            log.look(look.snapshot, per_second, left, now)
            if not alive:
                return
            if now - compacted > COMPACT_SECONDS:
                self.compact(threshold_rows=100_000)
                compacted = self.clock()
            time.sleep(LOOK_SECONDS)

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
                self.notes.append(f"worker {worker.number} ended: {_last_line(worker.log)}")

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
            str(self.folder),
            "--lifeline",
            "{lifeline}",
            "--threads",
            str(self.options.threads),
            "--idle-timeout",
            str(self.options.idle_timeout),
            *filters,
        ]


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else f"it said nothing; see {log}"

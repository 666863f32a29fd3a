"""One ``manyfit run``: what is new, the display, and how it ended, in words or as JSON."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from manyfit.api.results import Results
from manyfit.api.sweeps import Sweep, SweepPlan
from manyfit.cli import boards
from manyfit.cli.commands import outcome, states
from manyfit.cli.commands.planning import show_difference
from manyfit.cli.display import Display, display_for
from manyfit.cli.errors import INTERRUPTED, OK, STUCK, WITH_FAILURES, refuse
from manyfit.cli.output import Output
from manyfit.model.control import Stop
from manyfit.model.errors import Interrupted, ManyfitError
from manyfit.model.shell import quoted
from manyfit.model.snapshot import Snapshot
from manyfit.report.texts import plural, show_duration
from manyfit.run.limits import capped
from manyfit.run.machine import usable_cores

if TYPE_CHECKING:
    import polars as pl

    from manyfit.api.driver import Look
    from manyfit.model.audit import Certificate

TOP = 10
WARNINGS_SHOWN = 5


@dataclass(kw_only=True)
class Session:
    """
    One run of a sweep on this machine.

    `planning` is False to run what a store has, whatever its file says by now. `target` is how the user calls the
    sweep, `again` the command that goes on from where this one stops. With `auditing` a few results are fitted
    again alone at the end.
    """

    out: Output
    sweep: Sweep
    planning: bool
    target: str
    again: str
    auditing: bool = True
    obstacles: Sequence[str] = ()
    _certificate: "Certificate | None" = None
    _started: float = field(default_factory=time.monotonic)

    def run(self, only: Sequence[str], *, workers: int | None, threads: int | None, oversubscribe: bool) -> int:
        """Run to the end, or to Ctrl-C, and return the exit code."""
        interrupted = False
        position = 0
        try:
            with terminable():
                if self.planning:
                    self._submit(self.sweep.plan(workers=workers, only=only))
                else:
                    self._say_what_is_left()
                self._say_how_many(workers, threads, oversubscribe=oversubscribe)
                position = len(self.sweep.store().entries())
                with display_for(self.out) as display:
                    self.sweep.work(
                        workers=workers,
                        threads=threads,
                        only=only,
                        progress=lambda look: self._see(display, look),
                        oversubscribe=oversubscribe,
                    )
                if self.auditing and not self._was_stopped(position):
                    self._audit(workers, threads)
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
            if not position:
                raise Interrupted(
                    f"interrupted before anything ran; nothing is lost. Run it again: {self.again}"
                ) from None
        return self._conclude(position, interrupted=interrupted, filtered=bool(only))

    def _was_stopped(self, position: int) -> bool:
        """Whether a person ended the workers of this run from elsewhere."""
        entries = self.sweep.store().entries(position)
        return any(isinstance(entry.action, Stop) for entry in entries)

    def _audit(self, workers: int | None, threads: int | None) -> None:
        """Audit a few results; whatever keeps it from being done costs the run nothing but a word."""
        from manyfit.cli.audits import audit_display_for

        seconds = time.monotonic() - self._started
        try:
            with audit_display_for(self.out) as display:
                self._certificate = self.sweep.audit_run(
                    seconds, workers=workers, threads=threads, progress=display.show
                )
        except KeyboardInterrupt:
            self.out.note(f"the audit was interrupted; next: manyfit audit {quoted(self.target)}")
        except ManyfitError as error:
            self.out.note(f"the audit was not done: {error}; next: manyfit audit {quoted(self.target)}")

    def _see(self, display: Display, look: "Look") -> None:
        self.obstacles = look.obstacles
        display.show(look)

    def _submit(self, planned: SweepPlan) -> None:
        """Say what comes, and submit it."""
        self._say_what_comes(planned)
        total = planned.n_tasks

        def tell(n_tasks: int) -> None:
            if n_tasks < total:
                self.out.note(f"submitted {n_tasks:,} of {total:,} tasks")

        planned.submit(on_segment=tell)

    def _say_what_is_left(self) -> None:
        counts = self.sweep.status().counts
        self.out.note(
            f"{self.sweep.name}: {counts.pending + counts.running:,} of {counts.planned:,} tasks are left"
        )

    def _say_what_comes(self, planned: SweepPlan) -> None:
        from manyfit.report.plans import closing, fused_line, headline

        if self.out.quiet:
            return
        summary, change = planned.summary(), planned.difference()
        if not self.out.as_json:
            self.out.wrapped(headline(summary))
            if change is None:
                self.out.lines(filter(None, [fused_line(summary)]))
                self.out.wrapped(closing(summary))
            else:
                show_difference(self.out, change)
        for warning in summary.warnings:
            self.out.note(f"warning: {warning}")

    def _say_how_many(self, workers: int | None, threads: int | None, *, oversubscribe: bool) -> None:
        declared = self.sweep.declared.spec.workers
        note = capped(
            workers or declared.count, threads or declared.threads, usable_cores(), oversubscribe=oversubscribe
        )[2]
        if note:
            self.out.note(f"note: {note}; --oversubscribe starts all")

    def _conclude(self, position: int, *, interrupted: bool, filtered: bool) -> int:
        results = self.sweep.results()
        snapshot = results.snapshot()
        interrupted = interrupted or self._was_stopped(position)
        state = "interrupted" if interrupted else states.state_of(snapshot)
        ended = Ended(
            out=self.out,
            results=results,
            snapshot=snapshot,
            state=state,
            seconds=time.monotonic() - self._started,
            obstacles=self.obstacles,
            filtered=filtered,
            certificate=self._certificate,
        )
        ended.tell(self.target, self.again)
        if interrupted:
            return INTERRUPTED
        if self._certificate is not None and not self._certificate.passed:
            return refuse(ended.why_doubtful(self.target))
        if ended.stuck:
            return STUCK
        return WITH_FAILURES if snapshot.counts.failed else OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended: everything that is told about it."""

    out: Output
    results: Results
    snapshot: Snapshot
    state: str
    seconds: float
    obstacles: Sequence[str] = ()
    filtered: bool = False
    certificate: "Certificate | None" = None

    @property
    def stuck(self) -> bool:
        """Whether tasks are left that this run could not get on with; those that its filter left out are not."""
        unfinished = self.state not in ("complete", "interrupted")
        return unfinished and (bool(self.obstacles) or not self.filtered)

    def why_doubtful(self, target: str) -> str:
        """Return what to know and to do about rules that are off; "" while none is."""
        from manyfit.cli.audits import why_doubtful

        return why_doubtful(self.results.store, target)

    def tell(self, target: str, again: str) -> None:
        """Write the leaderboard, failures, warnings, files and the next step."""
        from manyfit.cli.audits import certificate_facts
        from manyfit.report.audits import headline
        from manyfit.report.quality.rules import after_run
        from manyfit.report.warnings import fit_warnings

        counts = self.snapshot.counts
        if self.state == "interrupted":
            self._say_interrupted(again)
            return
        board = self.results.leaderboard(top=TOP)
        files = self._files()
        groups = self.results.failures()
        warnings = fit_warnings(self.results.store)
        checks = [remark.found.text for remark in after_run(self.results.store)]
        self.out.json(
            {
                **self._facts(),
                "leaderboard": board.to_dicts(),
                "failures": outcome.failure_facts(groups),
                "n_warned": sum(group.n_tasks for group in warnings),
                "checks": checks,
                "audit": None if self.certificate is None else certificate_facts(self.certificate),
                "files": files,
            }
        )
        self.out.line(self._headline())
        for text in self.obstacles if self.stuck else ():
            self.out.wrapped(f"  {text}", indent="    ")
        self.out.wrapped(str(counts))
        if self.out.as_json or self.out.quiet:
            return
        if self.certificate is not None:
            self.out.wrapped(headline(self.certificate))
        self._board(board)
        if groups:
            self.out.line()
            outcome.show_failures(self.out, groups, target)
        self._warnings(warnings, target)
        for text in checks:
            self.out.wrapped(f"check: {text}; next: manyfit check {quoted(target)}")
        if (self.certificate is None or self.certificate.passed) and (text := self.why_doubtful(target)):
            self.out.wrapped(f"warning: {text}")
        self._say_next(target, again, files)

    def _facts(self) -> dict[str, Any]:
        return {
            "sweep": self.snapshot.sweep,
            "state": self.state,
            "counts": states.counts_facts(self.snapshot.counts),
            "store": self.results.store.url,
            "seconds": round(self.seconds, 3),
            "obstacles": list(self.obstacles) if self.stuck else [],
        }

    def _say_interrupted(self, again: str) -> None:
        counts = self.snapshot.counts
        self.out.json({**self._facts(), "continue": again})
        settled, total = counts.done + counts.failed, counts.planned - counts.cancelled
        said = f"stopped cleanly after {settled:,} of {total:,} tasks; nothing is lost."
        one = f"{said} Continue: {again}"
        self.out.lines([one] if len(one) <= self.out.width else [said, f"Continue: {again}"])

    def _headline(self) -> str:
        took = show_duration(self.seconds)
        if self.state == "complete":
            return f"complete in {took}"
        return f"not complete after {took}" if self.stuck else f"the filter's tasks are done in {took}"

    def _board(self, board: "pl.DataFrame") -> None:
        from manyfit.report.frames import ranking_of

        if not board.is_empty():
            self.out.line()
            boards.show_leaderboard(self.out, board, ranking_of(self.results.store).rank_by)

    def _warnings(self, warnings: Sequence[Any], target: str) -> None:
        if not warnings:
            return
        self.out.line()
        for group in warnings[:WARNINGS_SHOWN]:
            text = f"warning: {plural(group.n_tasks, 'task')} of {group.pipeline}: {group.category}: {group.text}"
            self.out.line(text if len(text) <= self.out.width else text[: self.out.width - 1] + "…")
        if len(warnings) > WARNINGS_SHOWN:
            n_more = len(warnings) - WARNINGS_SHOWN
            self.out.wrapped(f"and {n_more:,} more kinds: manyfit warnings {quoted(target)}")

    def _files(self) -> dict[str, str]:
        """Write the results beside the store's own files; they are made anew by every run."""
        from manyfit.report.results import export, raw_results

        folder = self.results.files.results
        folder.mkdir(parents=True, exist_ok=True)
        leaderboard = export(self.results.leaderboard(), folder / "leaderboard.csv")
        tasks = export(raw_results(self.results.store), folder / "tasks.parquet")
        return {"leaderboard": str(leaderboard), "tasks": str(tasks)}

    def _say_next(self, target: str, again: str, files: dict[str, str]) -> None:
        self.out.line()
        self.out.line(f"leaderboard: {_short(files['leaderboard'])}")
        self.out.line(f"every task:  {_short(files['tasks'])}")
        if self.state == "complete":
            self.out.line(f"next: manyfit results {quoted(target)} --raw shows every task;")
            if Path(target).is_file():
                self.out.line(f"      change {target} and run it again: only what is new runs")
        elif self.stuck:
            self.out.wrapped(f"next: manyfit explain {quoted(target)} --pending says what to do; {again} goes on")
        else:
            self.out.wrapped(f"next: manyfit run {quoted(target)} runs the rest")


def _short(path: str) -> str:
    """Return *path* as seen from here, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else str(Path(path))


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C: a clean stop."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""The Python face of manyfit: declare a sweep, plan it, run it, read what came out."""

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from manyfit import connect
from manyfit.api import auditing
from manyfit.api.auditing import SAMPLE, OnAuditLook
from manyfit.api.driver import Drive, DriveOptions, Look
from manyfit.api.keeping import keep_models
from manyfit.api.lacking import Keeping, planned_keeping
from manyfit.api.results import Results
from manyfit.contracts.store import Store
from manyfit.model.audit import Certificate
from manyfit.model.control import rules_off
from manyfit.model.errors import DoubtfulResults, ManyfitError, NotFound
from manyfit.model.shell import quoted
from manyfit.model.snapshot import Snapshot
from manyfit.model.sweep import Models
from manyfit.model.unit import Mode
from manyfit.plan import only as filters
from manyfit.plan.costs import Experience
from manyfit.plan.difference import Difference
from manyfit.report.audits import why_off
from manyfit.run import control
from manyfit.run.limits import capped
from manyfit.run.machine import usable_cores
from manyfit.run.submit import Submission, Submitted, compare, submit

OnLook = Callable[[Look], None]


class Sweep:
    """
    A declared sweep: from a file (`Sweep.load`), or from keyword arguments of the same shape.

    ``Sweep(name="digits", data={"source": "sklearn:digits"}, pipelines={...})`` raises `SweepMistakes`
    with every mistake in the declaration. The store is the one that the declaration names, else
    ``$MANYFIT_STORE``, else the folder ``<name>.sweep`` in *folder*.
    """

    def __init__(self, *, folder: str | Path = ".", **declaration: Any) -> None:
        self.declared = connect.declare_sweep(declaration, Path(folder).resolve())
        self._store = ""

    @classmethod
    def load(cls, path: str | Path, *, store: str = "") -> "Sweep":
        """
        Read a sweep file (TOML or YAML). Raises `NotFound`, `SweepMistakes`.

        *store* is the URL or folder of its store, whatever the file says.
        """
        if connect.is_url(str(path)):
            place = connect.parse(str(path), Path.cwd())
            raise NotFound(f"{place} is a store, not a sweep file; next: Sweep.stored({str(place)!r})")
        return cls._of(connect.read_sweep(Path(path)), store)

    @classmethod
    def stored(cls, target: str | Path, *, store: str = "") -> "Sweep":
        """
        Return the sweep of a store, as it was last submitted. Raises `NotFound`.

        *target* is the folder or the URL of its store, or its name in the store *store*.
        """
        return cls._of(connect.stored_sweep(target, store=store), "")

    @classmethod
    def _of(cls, declared: connect.Declared, store: str) -> "Sweep":
        sweep = cls.__new__(cls)
        sweep.declared = declared
        sweep._store = store
        return sweep

    @property
    def name(self) -> str:
        return self.declared.spec.name

    @property
    def address(self) -> connect.Address:
        """Where the sweep's store is, or will be."""
        return connect.place_of(self.declared, store=self._store)

    @property
    def store_folder(self) -> Path:
        """
        The folder with the sweep's files on this machine: the store itself where that is a folder.

        Raises `NotFound` where it is in a database and nothing was submitted yet.
        """
        address = self.address
        return address.path if address.kind is connect.Kind.DIRECTORY else self.files().folder

    def files(self) -> connect.LocalFiles:
        """Return where logs and tables of the sweep are on this machine. Raises `NotFound`."""
        return connect.local_files(self.store())

    def store(self) -> Store:
        """Open the sweep's store. Raises `NotFound` when nothing was submitted yet."""
        return connect.open_store(self.address)

    def plan(self, *, workers: int | None = None, only: Sequence[str] = ()) -> "SweepPlan":
        """
        Plan every task; nothing is written.

        *only* are filters such as ``["kernel=linear", "pipeline=svc"]``. Raises `SweepMistakes`.
        """
        wanted = filters.parse(only)
        planned = connect.plan_sweep(
            self.declared,
            n_workers=self.n_workers(workers, None)[0],
            only=wanted,
            experience=self._experience(),
            rules_off=self._rules_off(),
        )
        return SweepPlan(self, planned, filtered=bool(wanted))

    def run(
        self,
        *,
        workers: int | None = None,
        threads: int | None = None,
        only: Sequence[str] = (),
        progress: OnLook | None = None,
        audit: bool = True,
    ) -> Results:
        """
        Run what is not done yet, on this machine, and return the results.

        Safe to interrupt and to call again: finished tasks stay finished. *progress* is called about
        twice a second. With *audit* a few of the results that were computed together are fitted again alone;
        `DoubtfulResults` is the warning when one differs. Raises `SweepMistakes` before anything is queued,
        `Interrupted` after Ctrl-C.
        """
        plan = self.plan(workers=workers, only=only)
        plan.submit()
        began = time.monotonic()
        self.work(workers=workers, threads=threads, only=only, progress=progress)
        if audit:
            self._audit_run(time.monotonic() - began, workers, threads)
        return self.results()

    def _audit_run(self, seconds: float, workers: int | None, threads: int | None) -> None:
        try:
            found = self.audit_run(seconds, workers=workers, threads=threads)
        except ManyfitError as error:
            warnings.warn(f"the audit was not done: {error}", DoubtfulResults, stacklevel=3)
            return
        if found is not None and not found.passed:
            from manyfit.report.fused import doubtful_counts

            text = why_off(found.off, doubtful_counts(self.store()), quoted(self.address))
            warnings.warn(text, DoubtfulResults, stacklevel=3)

    def audit(
        self,
        sample: int = SAMPLE,
        seed: int = 0,
        *,
        workers: int | None = None,
        threads: int | None = None,
        progress: OnAuditLook | None = None,
    ) -> Certificate:
        """
        Fit *sample* results that were computed together again alone, compare every score, and store what came out.

        At least one result of each fusion rule is among them; *seed* draws. Look at `passed` of what is
        returned: after a difference the rule is off for the sweep and its results are doubtful. Raises
        `NotFound`, `DataChanged`, and `Refused` where stand-alone fits differ on this machine too.
        """
        n_workers, n_threads = self.n_workers(workers, threads)
        return auditing.audit(
            self.store(),
            sample=sample,
            seed=seed,
            n_runners=n_workers,
            threads=n_threads,
            progress=progress or (lambda look: None),
        )

    def audit_run(
        self,
        seconds: float,
        *,
        workers: int | None = None,
        threads: int | None = None,
        progress: OnAuditLook | None = None,
    ) -> Certificate | None:
        """
        Audit a few results after a run that took *seconds*; None when nothing was fused since the last audit.

        Raises what `audit` raises.
        """
        n_workers, n_threads = self.n_workers(workers, threads)
        return auditing.small_audit(
            self.store(),
            run_seconds=seconds,
            n_runners=n_workers,
            threads=n_threads,
            progress=progress or (lambda look: None),
        )

    def work(
        self,
        *,
        workers: int | None = None,
        threads: int | None = None,
        only: Sequence[str] = (),
        progress: OnLook | None = None,
        oversubscribe: bool = False,
    ) -> None:
        """Start workers on what is submitted, watch them to the end, and keep the best models if asked for."""
        n_workers, n_threads = self.n_workers(workers, threads, oversubscribe=oversubscribe)
        options = DriveOptions(n_workers=n_workers, threads=n_threads, only=only)
        store = self.store()
        control.resume(store, holding=True)
        drive = Drive(store, self.address, options, on_look=progress or (lambda look: None))
        drive.watch(drive.start())
        if not only and store.finished() and keep_models(store, self.declared.spec.keep):
            drive.watch(drive.start())

    def n_workers(
        self, workers: int | None, threads: int | None, *, oversubscribe: bool = False
    ) -> tuple[int, int]:
        """Return workers and threads of each: together no more than the cores, unless *oversubscribe*."""
        declared = self.declared.spec.workers
        cores = usable_cores()
        wanted_threads = threads or declared.threads
        wanted = workers or declared.count or max(1, cores // wanted_threads)
        n_workers, n_threads, _ = capped(wanted, wanted_threads, cores, oversubscribe=oversubscribe)
        return n_workers, n_threads

    def status(self) -> Snapshot:
        """Return the counts as they are now. Raises `NotFound` when nothing was submitted yet."""
        return self.store().snapshot()

    def results(self) -> Results:
        """Return the results so far. Raises `NotFound` when nothing was submitted yet."""
        return Results(self.store())

    def _experience(self) -> Experience:
        try:
            store = self.store()
        except NotFound:
            return Experience()
        from manyfit.report.experience import experience

        return experience(store, connect.families())

    def _rules_off(self) -> frozenset[str]:
        try:
            return rules_off(self.store().entries())
        except NotFound:
            return frozenset()

    def __repr__(self) -> str:
        n_pipelines = len(self.declared.spec.pipelines)
        return f"Sweep({self.name!r}, {n_pipelines} pipelines, store={str(self.address)!r})"


class SweepPlan:
    """Every task of a sweep, before anything runs."""

    def __init__(self, sweep: Sweep, planned: connect.Planned, *, filtered: bool) -> None:
        self.sweep = sweep
        self.planned = planned
        self._filtered = filtered
        keeps_all = planned.spec.keep.models is Models.ALL
        self._submission = Submission(
            plan=planned.plan,
            header=planned.header,
            n_workers=planned.n_workers,
            removing=not filtered,
            mode=Mode.KEEP if keeps_all else Mode.FIT,
        )

    @property
    def n_tasks(self) -> int:
        return self.planned.plan.n_tasks

    def summary(self) -> Any:
        """Return the plan in numbers (`PlanSummary`)."""
        return self.planned.summary()

    def difference(self) -> Difference | None:
        """Return what submitting would change, or None when there is no store yet."""
        try:
            store = self.sweep.store()
        except NotFound:
            return None
        return compare(store, self._submission)

    def keeping(self, change: Difference | None) -> Keeping:
        """
        Return the fits that a run makes only to keep models; *change* is the `difference`.

        No fits for a filtered plan, since its run keeps no models.
        """
        if self._filtered:
            return Keeping(n_fits=0)
        store = None if change is None else self.sweep.store()
        return planned_keeping(store, self.planned.spec.keep, self.planned.plan, change)

    def submit(self, on_segment: Callable[[int], None] = lambda n_tasks: None) -> Submitted:
        """Put what is new into the store, which is created when there is none; doing it twice is harmless."""
        store = connect.create(self.sweep.address, self.sweep.declared.text)
        return submit(store, self._submission, on_segment=on_segment)

    def explain(self, *, fusion: bool = False) -> str:
        """Return the plan as readable text; with *fusion* also what its tasks share, and why others do not."""
        from manyfit.report.plans import fusion_text, plan_text

        summary = self.summary()
        return f"{plan_text(summary)}\n\n{fusion_text(summary)}" if fusion else plan_text(summary)

    def _repr_html_(self) -> str:
        from manyfit.report.plans import plan_html

        return plan_html(self.summary())

    def __repr__(self) -> str:
        return f"SweepPlan({self.sweep.name!r}, {self.n_tasks:,} tasks)"

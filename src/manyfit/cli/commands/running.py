"""Commands that run: ``run`` here and now, ``watch`` from anywhere, ``work`` as one more worker."""

import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.api.driver import Look
    from manyfit.api.sweeps import Sweep
    from manyfit.cli.output import Output
    from manyfit.contracts.store import Store
    from manyfit.report.progress import Progress

LOOK_SECONDS = 0.5
DESERTED_SECONDS = 5.0
"""After this long without any worker, `watch` tells so and leaves."""


BackgroundOption = Annotated[
    bool, typer.Option("--background", help="Return at once; `watch` shows how it goes, `stop` ends it.")
]


def run(
    sweep: options.SweepArgument,
    more: options.FilterArgument = None,
    only: options.OnlyOption = None,
    workers: options.WorkersOption = None,
    threads: options.ThreadsOption = None,
    oversubscribe: Annotated[
        bool, typer.Option("--oversubscribe", help="Allow more workers x threads than there are cores.")
    ] = False,
    no_cv: Annotated[bool, typer.Option("--no-cv", help="Leave out cross-validation: no folds.")] = False,
    no_validation: Annotated[
        bool, typer.Option("--no-validation", help="Leave out the fits on all training rows: folds only.")
    ] = False,
    background: BackgroundOption = False,
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Do not fit a few results again at the end to compare them.")
    ] = False,
    store: options.StoreOption = "",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """
    Run what is not done yet, here, to the leaderboard.

    Ctrl-C stops cleanly; the same command goes on from there. A changed file runs only what is new. With
    the store or the name of a sweep instead of its file, nothing is planned: what is left is run.

    Tables of results are written beside the store: NAME.sweep/results/leaderboard.csv and tasks.parquet.
    """
    from manyfit.cli.commands.planning import is_declaration, sweep_of
    from manyfit.cli.output import Output

    out = Output(as_json=as_json, quiet=quiet)
    sweep, store = options.without_password(sweep), options.without_password(store)
    declared = sweep_of(sweep, store)
    planning = is_declaration(sweep)
    wanted = [*options.filters(more, only), *_parts(declared, no_cv=no_cv, no_validation=no_validation)]
    flags = _flags(wanted, workers, threads, oversubscribe=oversubscribe, no_audit=no_audit)
    called = declared.address.shown if store else sweep
    if background:
        _detach(
            out,
            declared,
            declared.plan(workers=workers, only=wanted).submit().n_tasks if planning else 0,
            called,
            flags,
        )
        return
    from manyfit.cli.commands.session import Session

    session = Session(
        out=out,
        sweep=declared,
        planning=planning,
        auditing=not no_audit,
        target=called,
        again=" ".join([f"manyfit run {quoted(sweep)}{options.said_store(store)}", *flags]).strip(),
    )
    options.finish(session.run(wanted, workers=workers, threads=threads, oversubscribe=oversubscribe))


def _parts(sweep: "Sweep", *, no_cv: bool, no_validation: bool) -> list[str]:
    """Return the filters that leave out the folds, or everything but the folds."""
    from manyfit.model.errors import UserError

    if no_cv and no_validation:
        raise UserError("--no-cv and --no-validation together leave nothing; give one of them")
    splits = sweep.declared.spec.splits
    if no_cv:
        if not any(split.validation for split in splits):
            raise UserError(
                "--no-cv leaves nothing: no split has a validate or test set; add one to the sweep file"
            )
        return ["fold=None"]
    if not no_validation:
        return []
    if not any(split.folds for split in splits):
        raise UserError("--no-validation leaves nothing: no split has folds; add folds = 5 to a split")
    declared = [split.folds.n for split in splits if split.folds]
    # where the data say how many folds there are, a plan tells
    n_folds = max(declared) if all(declared) else sweep.plan().summary().n_folds
    return [f"fold={fold}" for fold in range(n_folds)]


def _flags(wanted: Sequence[str], workers: int | None, threads: int | None, **switches: bool) -> list[str]:
    """Return the options that say the same again."""
    flags = [part for text in wanted for part in ("--only", quoted(text))]
    flags += ["--workers", str(workers)] if workers else []
    flags += ["--threads", str(threads)] if threads else []
    return [*flags, *(f"--{name.replace('_', '-')}" for name, on in switches.items() if on)]


def _detach(out: "Output", declared: "Sweep", n_submitted: int, sweep: str, flags: Sequence[str]) -> None:
    """Start a process of its own session that runs what was submitted here, where mistakes were seen."""
    import subprocess

    files = declared.files()
    files.folder.mkdir(parents=True, exist_ok=True)
    log = files.run_log
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "manyfit", "run", declared.address.url, *shlex.split(" ".join(flags))],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    out.json(
        {
            "sweep": declared.name,
            "store": str(declared.address),
            "pid": process.pid,
            "log": str(log),
            "submitted": n_submitted,
        }
    )
    out.line(f"{declared.name} runs in the background (process {process.pid})")
    out.line(f"watch: manyfit watch {quoted(sweep)}   stop: manyfit stop {quoted(sweep)}")
    out.line(f"log:   {os.path.relpath(log)}")


def watch(
    sweep: options.SweepArgument,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """
    Show a running sweep until it is complete.

    Ctrl-C only leaves the display; the sweep goes on.
    """
    from manyfit import connect
    from manyfit.cli.commands.states import counts_facts, state_of
    from manyfit.cli.display import display_for
    from manyfit.cli.output import Output

    out = Output(as_json=as_json, quiet=quiet)
    store = connect.open_store(sweep)
    try:
        with display_for(out) as display:
            for look in _looks(store):
                display.show(look)
        left = False
    except KeyboardInterrupt:
        left = True
    snapshot = store.snapshot()
    state = state_of(snapshot)
    out.json({"sweep": snapshot.sweep, "state": state, "counts": counts_facts(snapshot.counts)})
    if state == "complete":
        out.lines([str(snapshot.counts), "complete"])
        out.line(f"next: manyfit results {quoted(sweep)}")
        options.finish(3 if snapshot.counts.failed else 0)
    if left and state == "running":
        out.wrapped(str(snapshot.counts))
        out.wrapped(f"left the display; the sweep goes on; next: manyfit status {quoted(sweep)}")
    else:
        out.lines([str(snapshot.counts), "paused" if state == "paused" else "no worker is at work"])
        out.line(f"next: manyfit {'resume' if state == 'paused' else 'run'} {quoted(sweep)}")


def _looks(store: "Store") -> "Iterator[Look]":
    """Yield looks from the store alone, until the sweep is complete or nobody works on it any more."""
    from manyfit.api.driver import Look, Rate

    first = store.snapshot()
    started = deserted = time.monotonic()
    rate = Rate(
        started=started,
        settled_at_start=first.counts.done + first.counts.failed,
        cost_at_start=first.cost_done_seconds,
    )
    progress = _progress(store)
    while True:
        now = time.monotonic()
        snapshot = store.snapshot()
        progress.poll()
        per_second, left = rate.look(snapshot, now, progress.pace)
        yield Look(
            snapshot=snapshot,
            best=progress.leaders(),
            rate=per_second,
            left_seconds=left,
            elapsed_seconds=now - started,
            notes=tuple(snapshot.notes),
            checks=progress.vigil.lines(),
        )
        if any(worker.alive for worker in snapshot.workers):
            deserted = now
        counts = snapshot.counts
        complete = not snapshot.planning and counts.running + counts.pending == 0
        if complete or now - deserted > DESERTED_SECONDS:
            return
        time.sleep(LOOK_SECONDS)


def _progress(store: "Store") -> "Progress":
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report.progress import Progress
    from manyfit.run.control import last_header

    metric = str(last_header(store).spec["rank_by"])
    return Progress(store=store, metric=metric, greater_is_better=greater_is_better(metric))


def work(
    sweep: options.SweepArgument,
    only: options.OnlyOption = None,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=1, help="Threads of numerical libraries.")
    ] = 1,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="NAME",
            show_default=False,
            help="Something that this worker offers, for tasks that need such a label. Repeatable.",
        ),
    ] = None,
    idle_timeout: Annotated[
        float, typer.Option("--idle-timeout", min=0, metavar="SECONDS", help="End after this long without work.")
    ] = 600.0,
    stay: Annotated[
        bool, typer.Option("--stay", help="Do not end when all is settled: wait for more sweeps in the store.")
    ] = False,
    store: options.StoreOption = "",
    as_json: options.JsonOption = False,
) -> None:
    """
    Join a sweep as one more worker, or all sweeps of a store.

    From any machine that sees the store, until nothing is left. The sweep need not be submitted yet: the
    worker waits for it. Start as many as you like. SIGTERM and Ctrl-C give back what it holds. With the
    URL of a database, or a folder of sweeps, it works on all of them, by priority and then by age. With
    --json, one document at its start says where it works.

    Exit codes of its own: 4 nothing to claim for too long; 5 units cannot run here; 6 all that is left
    is paused; 7 this host is not fit to run tasks.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.report.texts import plural

    sweep = options.target(sweep, store)
    address = connect.expected(sweep)
    out = Output(as_json=as_json)
    out.json({"store": str(address), "pid": os.getpid(), "threads": threads, "only": list(only or ())})
    out.line(f"working on {address}")
    out.line(f"with {plural(threads, 'thread')}; logs: manyfit logs {quoted(sweep)}")
    sys.stdout.flush()
    flags = [*_repeated("--only", only), *_repeated("--label", label), *(["--stay"] if stay else [])]
    _become_worker(address.url, ["--threads", str(threads), "--idle-timeout", str(idle_timeout), *flags])


def _repeated(option: str, values: Sequence[str] | None) -> list[str]:
    return [part for value in values or () for part in (option, value)]


def _become_worker(target: str, flags: Sequence[str]) -> NoReturn:
    """Replace this process by the light one that only leases and commits."""
    command = [sys.executable, "-m", "manyfit.cli.worker", target, *flags]
    os.execv(sys.executable, command)  # noqa: S606 - our own worker

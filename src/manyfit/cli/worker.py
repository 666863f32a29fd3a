"""
The worker process: ``python -m manyfit.cli.worker SWEEP``.

Kept apart from the other commands and free of heavy imports, so that a worker, which only leases and
commits, stays small; what fits models runs in its child.
"""

import argparse
import contextlib
import os
import selectors
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from manyfit import connect
from manyfit.connect import Address, LocalFiles
from manyfit.contracts.store import Store, Wanted
from manyfit.model.errors import ManyfitError, NotFound
from manyfit.model.keys import SegmentId
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit
from manyfit.model.worker import WorkerInfo
from manyfit.plan import only as filters
from manyfit.run.endings import Reason
from manyfit.run.forked import ForkedRunner
from manyfit.run.identity import worker_info
from manyfit.run.inputs import kept_inputs
from manyfit.run.lives import is_dead, own_life
from manyfit.run.rotation import LentRunner, Rotation, RotationOptions
from manyfit.run.runner import Runner
from manyfit.run.worker import Worker, WorkerOptions, WorkerReport
from manyfit.run.workplace import Workplace, workplace

EXIT_CODES: Mapping[Reason, int] = {
    Reason.IDLE: 4,
    Reason.REFUSED: 5,
    Reason.HELD: 6,
    Reason.DRAINED: 7,
}
"""Exit codes beside 0 (ended as it should) and 1 (the store is unusable)."""

FOLDER_VARIABLE, WHOLE_VARIABLE = "MANYFIT_ARTIFACTS", "MANYFIT_ARTIFACTS_WHOLE"
"""Where runners leave kept files, and that they may only leave whole ones (see `manyfit.fit.artifacts`)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Work on one sweep, or on all of a store, until nothing is left; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        found = _await_sweeps(options)
        report = _work_on_all(options) if len(found) != 1 or options.stay else _work(found[0], options)
    except NotFound as error:
        _say(str(error))
        return EXIT_CODES[Reason.IDLE]
    except ManyfitError as error:
        _say(str(error))
        return 1
    code = EXIT_CODES.get(report.reason, 0)
    if code:
        _say(report.message)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="manyfit work", description="Work on a sweep until nothing is left.")
    parser.add_argument("sweep", help="the sweep's URL, folder, file or name; or a store, for all of its sweeps")
    parser.add_argument("--threads", type=int, default=1, help="threads of numerical libraries")
    parser.add_argument("--only", action="append", default=[], help="name=value: work on matching tasks only")
    parser.add_argument("--label", action="append", default=[], help="what this worker offers, for needs.labels")
    parser.add_argument("--idle-timeout", type=float, default=600.0, help="seconds without work before it ends")
    parser.add_argument(
        "--stay", action="store_true", help="wait for more sweeps in the store when all are settled"
    )
    parser.add_argument("--lifeline", type=int, default=None, help=argparse.SUPPRESS)
    return parser


def _await_sweeps(options: argparse.Namespace) -> Sequence[Address]:
    """Return the sweeps that are meant, waiting for the first when the worker was started before it."""
    until = time.monotonic() + options.idle_timeout
    while True:
        try:
            return connect.sweeps_of(options.sweep)
        except NotFound:
            if options.stay and not connect.expected(options.sweep).sweep:
                return []
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _work(address: Address, options: argparse.Namespace) -> WorkerReport:
    """Work on one sweep."""
    store = connect.open_address(address)
    info = worker_info(options.threads, time.time, options.label)
    files = connect.local_files(store)
    with contextlib.ExitStack() as stack:
        stack.callback(store.close)
        spool = None
        if store.artifacts.folder is not None:
            os.environ[FOLDER_VARIABLE] = str(store.artifacts.folder.resolve())
        else:
            spool = stack.enter_context(_spool(files))
        runner = ForkedRunner(threads=options.threads, output=_log_path(files, info))
        settings = WorkerOptions(idle_timeout=options.idle_timeout, lifeline=options.lifeline)
        return _worker(store, info, runner, options, settings, spool).run()


def _work_on_all(options: argparse.Namespace) -> WorkerReport:
    """Work on all sweeps of a store, by priority, also on those that are still to come."""
    info = worker_info(options.threads, time.time, options.label)
    opened: dict[str, Store] = {}
    place = connect.expected(options.sweep)

    def find() -> Sequence[Store]:
        for address in connect.found_in(place):
            if address.url not in opened and place.sweep in ("", address.sweep):
                opened[address.url] = connect.open_address(address)
        return list(opened.values())

    with contextlib.ExitStack() as stack:
        stack.callback(_close, opened.values())
        shared = connect.store_files(place)
        # One folder for all sweeps, whatever their stores are: a runner cannot change its own.
        spool = stack.enter_context(_spool(shared))
        runner = ForkedRunner(threads=options.threads, output=_log_path(shared, info))
        stack.callback(_end, runner)
        settings = WorkerOptions(idle_timeout=options.idle_timeout, lifeline=options.lifeline)
        seen = workplace(info, settings.backoff_seconds)
        rotation = Rotation(
            find,
            info,
            worker_of=lambda store: _worker(store, info, LentRunner(runner), options, settings, spool, seen),
            wanted_of=lambda store: _wanted(store, filters.parse(options.only)),
            options=RotationOptions(
                idle_timeout=options.idle_timeout, lifeline=options.lifeline, stay=options.stay
            ),
            log=_log_to(_log_path(shared, info)),
            monotonic=time.monotonic,
        )
        return rotation.run()


def _end(runner: ForkedRunner) -> None:
    """End a runner whose last worker took its selector along."""
    with selectors.DefaultSelector() as selector:
        runner.attach(selector)
        runner.close()


def _close(stores: Iterable[Store]) -> None:
    for store in stores:
        store.close()


def _worker(
    store: Store,
    info: WorkerInfo,
    runner: Runner,
    options: argparse.Namespace,
    settings: WorkerOptions,
    spool: Path | None,
    place: Workplace | None = None,
) -> Worker:
    return Worker(
        store,
        info,
        runner=runner,
        wanted=_wanted(store, filters.parse(options.only)),
        options=settings,
        inputs_of=lambda lease, unit, segment: kept_inputs(store, lease, unit, segment),
        spool=spool,
        place=place,
        log=_log_to(_log_path(connect.local_files(store), info)),
    )


@contextlib.contextmanager
def _spool(files: LocalFiles) -> Iterator[Path]:
    """Make the folder into which this worker's runners write files, and remove those of dead workers."""
    folder = files.spool(own_life())
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.parent.iterdir():
        if is_dead(other.name):
            shutil.rmtree(other, ignore_errors=True)
    os.environ[FOLDER_VARIABLE] = str((folder / "artifacts").resolve())
    os.environ[WHOLE_VARIABLE] = "1"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _log_path(files: LocalFiles, info: WorkerInfo) -> Path:
    files.logs.mkdir(parents=True, exist_ok=True)
    return files.logs / f"{info.id}.log"


def _log_to(path: Path) -> Callable[[str], None]:
    def log(line: str) -> None:
        with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
            file.write(f"{_stamp()}  {line}\n")

    return log


def _wanted(store: Store, only: filters.Only) -> Wanted | None:
    if not only:
        return None
    matches: dict[SegmentId, tuple[Segment, list[bool], list[bool]]] = {}

    def wanted(unit: Unit, index: int) -> bool:
        if unit.segment not in matches:
            segment = store.segment(unit.segment)
            candidates = [only.candidate(candidate) for candidate in segment.candidates]
            matches[unit.segment] = (segment, candidates, [only.cell(cell) for cell in segment.cells])
        _, candidates, cells = matches[unit.segment]
        return candidates[unit.candidates[index]] and cells[unit.cells[index]]

    return wanted


def _say(text: str) -> None:
    print(f"{_stamp()}  {text}", file=sys.stderr, flush=True)  # noqa: T201 - the launcher's log of this worker


def _stamp() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


if __name__ == "__main__":
    sys.exit(main())

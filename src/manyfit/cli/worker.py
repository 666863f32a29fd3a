"""
The worker process: ``python -m manyfit.cli.worker FOLDER``.

Kept apart from the other commands and free of heavy imports, so that a worker, which only leases and
commits, stays small; what fits models runs in its child.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from manyfit import connect
from manyfit.contracts.store import Store, Wanted
from manyfit.model.errors import ManyfitError, NotFound
from manyfit.model.keys import SegmentId
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit
from manyfit.plan import only as filters
from manyfit.run.forked import ForkedRunner
from manyfit.run.identity import worker_info
from manyfit.run.inputs import kept_inputs
from manyfit.run.worker import Reason, Worker, WorkerOptions

EXIT_CODES: Mapping[Reason, int] = {Reason.IDLE: 4, Reason.REFUSED: 5}
"""Exit codes beside 0 (ended as it should) and 1 (the store is unusable)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Work on one sweep until nothing is left; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        folder = _await_store(options.folder, options.idle_timeout)
        return _work(folder, options)
    except ManyfitError as error:
        print(f"{_stamp()}  {error}", file=sys.stderr, flush=True)  # noqa: T201 - the launcher's log of this worker
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="manyfit work", description="Work on a sweep until nothing is left.")
    parser.add_argument("folder", help="the sweep's store folder, its sweep file or its name")
    parser.add_argument("--threads", type=int, default=1, help="threads of numerical libraries")
    parser.add_argument("--only", action="append", default=[], help="name=value: work on matching tasks only")
    parser.add_argument("--idle-timeout", type=float, default=600.0, help="seconds without work before it ends")
    parser.add_argument("--lifeline", type=int, default=None, help=argparse.SUPPRESS)
    return parser


def _await_store(target: str, patience: float) -> Path:
    """Return the store folder, waiting for it when the worker was started first."""
    until = time.monotonic() + patience
    while True:
        try:
            return connect.find_store(target)
        except NotFound:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _work(folder: Path, options: argparse.Namespace) -> int:
    info = worker_info(options.threads, time.time)
    log_path = folder / "workers" / f"{info.id}.log"
    log_path.parent.mkdir(exist_ok=True)
    os.environ["MANYFIT_ARTIFACTS"] = str((folder / "artifacts").resolve())
    store = connect.open_store(folder)
    with log_path.open("a", encoding="utf-8", buffering=1) as log:
        worker = Worker(
            store,
            info,
            runner=ForkedRunner(threads=options.threads, output=log_path),
            wanted=_wanted(store, filters.parse(options.only)),
            options=WorkerOptions(idle_timeout=options.idle_timeout, lifeline=options.lifeline),
            inputs_of=lambda lease, unit, segment: kept_inputs(store, lease, unit, segment),
            log=lambda line: print(f"{_stamp()}  {line}", file=log),
        )
        report = worker.run()
    store.close()
    code = EXIT_CODES.get(report.reason, 0)
    if code:
        print(f"{_stamp()}  {report.message}", file=sys.stderr, flush=True)  # noqa: T201 - see above
    return code


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


def _stamp() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


if __name__ == "__main__":
    sys.exit(main())

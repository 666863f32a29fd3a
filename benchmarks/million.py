"""A million tasks: planned, submitted, settled, counted, ranked. Prints rows ``what|figure|aim``."""

import json
import resource
import sys
import time
from pathlib import Path

from benchmarks.measure import wall
from manyfit.contracts.store import Store
from manyfit.model.keys import task_key
from manyfit.model.lease import EndKind
from manyfit.run.holding import Holding
from manyfit.run.identity import worker_info
from manyfit.run.known import segments_of


def main(folder: str, n_candidates: int) -> None:
    """Run each step in a process of its own, so that its memory is its own."""
    import subprocess

    for step in STEPS:
        result = subprocess.run(
            [sys.executable, "-m", "benchmarks.million", folder, str(n_candidates), step],
            check=True,
            capture_output=True,
            text=True,
        )
        print(result.stdout, end="")


def plan_and_submit(folder: Path, n_candidates: int) -> None:
    """Plan from a sweep file with a grid of *n_candidates* points, five folds and two seeds, and submit."""
    from manyfit import Sweep

    side = int(n_candidates**0.5)
    values = [round(1e-6 * 1.01**i, 12) for i in range(side)]
    other = [round(1e-3 * 1.01**i, 9) for i in range(n_candidates // side)]
    file = folder / "million.toml"
    file.write_text(
        'name = "million"\nseeds = [0, 1]\nmetrics = ["accuracy"]\nrank_by = "accuracy"\nscore_train = false\n'
        '[data]\nsource = "sklearn:iris"\n'
        '[pipelines.svc]\nsteps = ["StandardScaler", "SVC"]\n'
        f"grid = {{ C = {values}, gamma = {other} }}\n"
    )
    began = time.perf_counter()
    plan = Sweep.load(file).plan()
    planned = time.perf_counter()
    plan.submit()
    ended = time.perf_counter()
    show("plan", f"{planned - began:.1f} s", "")
    show("submit, durable", f"{ended - planned:.1f} s", f"aim 20 s for both; {plan.n_tasks:,} tasks")


def settle(folder: Path, n_candidates: int) -> None:
    """Settle every unit as a worker would, without fitting anything."""
    from manyfit import connect

    store = connect.open_store(folder / "million.sweep")
    info = worker_info(1, time.time)
    store.register(info)
    segments = {segment.id: segment for segment in segments_of(store)}
    units = {unit.id: unit for segment in segments.values() for unit in segment.units}
    began = time.perf_counter()
    n_tasks = 0
    while (lease := store.claim(info.id)) is not None:
        unit = units[lease.unit]
        holding = Holding(lease, unit, segments[unit.segment])
        lines = []
        for task in lease.tasks:
            candidate = segments[unit.segment].candidates[unit.candidates[task.index]]
            cell = segments[unit.segment].cells[unit.cells[task.index]]
            lines.append(_line(task.index, task_key(candidate.key, cell.key)))
            holding.start([task.index])
            holding.succeed(task.index)
        store.record(lease, b"".join(lines))
        store.complete(lease, holding.end(EndKind.DONE, info.id))
        n_tasks += len(lease.tasks)
    seconds = time.perf_counter() - began
    show(
        "claim, record, complete",
        f"{seconds / n_tasks * 1e6:.1f} us/task",
        f"{len(units):,} units, {seconds:.1f} s",
    )


def _line(index: int, key: str) -> bytes:
    score = int(key[:8], 16) / 0xFFFFFFFF
    value = {
        "index": index,
        "key": key,
        "attempt": 1,
        "outcome": "succeeded",
        "final": True,
        "finished_at": 1.0,
        "scores": {"cv": {"accuracy": score}},
        "timings": {"load": 0.0, "fit": 0.001, "predict": 0.001, "score": 0.001},
        "n_rows": {"train": 120, "cv": 30},
    }
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _opened(folder: Path) -> Store:
    from manyfit import connect

    return connect.open_store(folder / "million.sweep")


def compacted(folder: Path, n_candidates: int) -> None:
    """Compact all results."""
    import tempfile

    from manyfit.report.compact import compact

    with tempfile.TemporaryDirectory() as tmp:
        seconds = wall(lambda: compact(_opened(folder), tmp=Path(tmp)))
    show("compaction, once", f"{seconds:.1f} s", "")


def status(folder: Path, n_candidates: int) -> None:
    """Count everything, from cold."""
    seconds = wall(lambda: _opened(folder).snapshot())
    show("status", f"{seconds:.2f} s", "aim 1 s")


def leaderboard(folder: Path, n_candidates: int) -> None:
    """Rank every candidate, from cold, imports included."""
    from manyfit.api.results import Results

    seconds = wall(lambda: Results(_opened(folder), folder / "million.sweep").leaderboard(top=10))
    show("leaderboard", f"{seconds:.2f} s", "aim 2 s")


def size(folder: Path, n_candidates: int) -> None:
    """Count files and bytes."""
    files = [path for path in (folder / "million.sweep").rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    show("files", f"{len(files):,}", f"{total / 1e6:,.0f} MB")


def show(what: str, figure: str, note: str) -> None:
    """Print one row."""
    print(f"{what}|{figure}|{note}")


STEPS = {
    "plan": plan_and_submit,
    "settle": settle,
    "status": status,
    "compact": compacted,
    "leaderboard": leaderboard,
    "size": size,
}

if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(sys.argv[1], int(sys.argv[2]))
    else:
        STEPS[sys.argv[3]](Path(sys.argv[1]), int(sys.argv[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        show(f"  memory of {sys.argv[3]}", f"{peak:.0f} MiB", "aim 400 MiB")

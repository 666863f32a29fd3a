"""The same trivial and short tasks through joblib and concurrent.futures: one call for each task."""

from concurrent.futures import ProcessPoolExecutor

from joblib import Parallel, delayed

from benchmarks.executors import spin


def answer(i: int) -> float:
    """Do nothing."""
    return 0.5


def joblib_seconds(n: int, seconds: float, batch_size: int | str, wall) -> float:
    """Return the seconds for *n* tasks through two warm loky workers."""
    with Parallel(n_jobs=2, batch_size=batch_size) as parallel:
        parallel(delayed(answer)(i) for i in range(100))
        return wall(lambda: parallel(_calls(n, seconds)))


def _calls(n: int, seconds: float):
    return (delayed(spin)(seconds) if seconds else delayed(answer)(i) for i in range(n))


def futures_seconds(n: int, seconds: float, chunksize: int, wall) -> float:
    """Return the seconds for *n* tasks through two warm processes of concurrent.futures."""
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(answer, range(100)))
        if seconds:
            return wall(lambda: list(pool.map(spin, [seconds] * n, chunksize=chunksize)))
        return wall(lambda: list(pool.map(answer, range(n), chunksize=chunksize)))

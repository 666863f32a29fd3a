"""The pools that the searches of this process share: one for each number of runners, started when first needed."""

import os
import threading
import warnings

from manyfit.run.pool import Pool
from manyfit.search.executor import EXECUTOR

_INSIDE = "MANYFIT_WORKER_MARK"
"""Stands in the environment of every runner."""

_lock = threading.Lock()
_pools: dict[int, Pool] = {}


def shared_pool(n_runners: int) -> Pool:
    """Return the warm pool with *n_runners*. Raises `UserError` where there can be none."""
    with _lock:
        if n_runners not in _pools:
            _pools[n_runners] = Pool(n_runners, executor=EXECUTOR)
        return _pools[n_runners]


def is_warm(n_runners: int) -> bool:
    """Whether a pool with *n_runners* would begin at once."""
    with _lock:
        pool = _pools.get(n_runners)
    return pool is not None and pool.ready()


def discard(n_runners: int) -> None:
    """Close the pool with *n_runners*, which does not work any more; the next search makes another one."""
    with _lock:
        pool = _pools.pop(n_runners, None)
    if pool is not None:
        pool.close()


def close_pools() -> None:
    """End all runners that searches have left warm; the next search starts new ones."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.close()


def n_runners(n_jobs: int | None) -> int:
    """
    Return how many runners `n_jobs` means: as in scikit-learn, but None means all cores.

    In a runner or a worker of joblib it means the process itself: 1. Raises ValueError for 0.
    """
    from joblib import effective_n_jobs

    if _INSIDE in os.environ:
        return 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if n_jobs is not None:
            return int(effective_n_jobs(n_jobs))
        asked = int(effective_n_jobs(None))
        return asked if asked > 1 else int(effective_n_jobs(-1))


if hasattr(os, "register_at_fork"):
    # A forked child has no part in the pools of its parent.
    os.register_at_fork(after_in_child=_pools.clear)

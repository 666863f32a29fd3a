"""When the compiled solver of support vector classifiers is worth its loading, and whether it can be trusted."""

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.svm import _libsvm

from manyfit.families.fusion.pairwise import pairs_of
from manyfit.families.fusion.paths import Paths

SECONDS_TO_LOAD = 0.5
"""Of libsvm's solver in this process before numba is loaded, which takes about as long."""

SECONDS_TO_COMPILE = 12.0
"""The same where the solver was not compiled before, or there is no folder to keep it."""

SECONDS_PER_ROW = 6e-9
"""Of an iteration of libsvm."""


@dataclass(slots=True)
class Compiled:
    """
    The compiled solver, loaded once libsvm has taken as long in this process as loading takes.

    Where it cannot be loaded, or finds anything else than libsvm does, there is none.
    """

    seconds: float = 0.0
    _module: Any = None
    _solver: Callable[..., Any] | None = None
    _failed: bool = False

    def spend(self, starts: Any, n_iter: Any) -> None:
        """Add what libsvm has taken for the pairs of classes whose rows begin at *starts*."""
        sizes = np.diff(starts)
        first, second = np.triu_indices(len(sizes), 1)
        self.seconds += SECONDS_PER_ROW * float(n_iter @ (sizes[first] + sizes[second]))

    def solver(self, *, compiles: bool = False) -> Callable[..., Any] | None:
        """
        Return `svm_compiled.solve_pairs` when it is worth its loading.

        It is compiled only if the caller *compiles*: at the beginning of a batch, where the time is shared by all
        of its fits and no limit of a single one is running.
        """
        if self._solver is None and not self._failed and self.seconds >= SECONDS_TO_LOAD and is_possible():
            try:
                self._load(compiles and self.seconds >= SECONDS_TO_COMPILE)
            except MemoryError:
                self._failed = True  # libsvm needs less
            except Exception:  # noqa: BLE001 - whatever another release of numba raises, libsvm does as well
                self.give_up()
        return self._solver

    def _load(self, may_compile: bool) -> None:
        self._module = import_module("manyfit.families.fusion.svm_compiled")
        is_kept = self._module.is_kept()
        if may_compile and not is_kept:
            self.seconds = 0.0  # where a limit of time cuts it short, it must pay again before it is tried again
        if may_compile or is_kept:
            if finds_what_libsvm_finds(self._module.solve_pairs):
                self._solver = self._module.solve_pairs
            else:
                self.give_up()

    def give_up(self) -> None:
        """Leave everything to libsvm from now on; what is kept may be at fault, and is compiled anew next time."""
        self._failed, self._solver = True, None
        if self._module is not None and self._module.FOLDER is not None:
            for kept in self._module.FOLDER.glob("*"):
                shutil.rmtree(kept, ignore_errors=True)


def is_possible() -> bool:
    """Whether numba is installed, and numbers are rounded after each operation as in the compiled libsvm."""
    return platform.machine().lower() in ("x86_64", "amd64") and find_spec("numba") is not None


def finds_what_libsvm_finds(solver: Callable[..., Any]) -> bool:
    """
    Whether *solver* solves a small problem as libsvm does, bit for bit.

    Three classes that overlap: many weights meet their bounds, and rows are left aside and taken back. A libsvm
    that was built to fuse multiplications and additions differs here, and so would a compiler that does.
    """
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(3.0), 40)
    X = rng.normal(size=(120, 6)) + 0.5 * targets[:, None]
    distances = ((X[:, None] - X) ** 2).sum(axis=2)
    kernel = np.exp(-0.2 * distances).astype(np.float32)
    options = {"C": 3.0, "tol": 1e-4, "shrinking": True, "max_iter": 100_000}
    estimator = SimpleNamespace(class_weight_=np.ones(3), **options)
    found = Paths(pairs_of(targets, np.arange(120), 3), kernel, np.ones(120), solver).solve(estimator)
    _libsvm.set_verbosity_wrap(0)
    support, _, n_support, dual, intercept, _, _, _, n_iter = _libsvm.fit(
        kernel.astype(np.float64), targets, svm_type=0, kernel="precomputed", **options
    )
    if found is None:
        return False
    mine = found.support, found.n_support, found.dual, found.intercept, found.n_iter
    theirs = support, n_support, dual, intercept, n_iter
    return all(one.tobytes() == other.tobytes() for one, other in zip(mine, theirs, strict=True))

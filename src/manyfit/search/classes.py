"""
The search classes of scikit-learn with manyfit's fitting: only the import line changes.

Parameters, attributes and messages are scikit-learn's own. Beside them all four take `store` (the URL or
the folder of a store: the search is durable, and goes on where it was killed), `progress` (True: a bar;
None: a bar on a terminal; False) and `fuse` (False: every fit is made alone; a list: also the rules with
these names, which may change scores). `n_jobs=None` means all cores; `pre_dispatch` has no effect.
"""

import inspect
from typing import Any, ClassVar

import numpy as np
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - what lets the next import succeed
from sklearn.model_selection import HalvingGridSearchCV as _HalvingGridSearchCV
from sklearn.model_selection import HalvingRandomSearchCV as _HalvingRandomSearchCV

from manyfit.search.searching import Search

_EXTRA: dict[str, Any] = {
    "store": "no_validation",
    "progress": ["boolean", None],
    "fuse": ["boolean", list, tuple],
}
_N_JOBS = """``None`` means all cores; without ``store`` 1 where a scorer or an estimator of yours may
    keep what it sees in variables of your program."""
_EXTRA_WORDS = """
store : str or path-like, default=None
    The URL or the folder of a store: the search is durable, and goes on where it was killed.

progress : bool, default=None
    Whether to show a bar; None: on a terminal only.

fuse : bool or list of str, default=True
    False: every fit is made alone. A list: also the rules with these names, which may change scores.
"""


def _documented(cls: Any) -> Any:
    """Let `help` and notebooks show scikit-learn's words on parameters and attributes, behind the class's own."""
    theirs = cls.__mro__[1].__doc__
    if cls.__doc__ and theirs:  # neither is there under `python -OO`
        _, words, rest = inspect.cleandoc(theirs).partition("\nParameters\n")
        rest = rest.replace("``None`` means 1 unless in a :obj:`joblib.parallel_backend` context.", _N_JOBS)
        words, attributes, rest = (words + rest).partition("\nAttributes\n")
        cls.__doc__ = f"{inspect.cleandoc(cls.__doc__)}\n{words.rstrip()}\n{_EXTRA_WORDS}{attributes}{rest}"
    return cls


@_documented
class GridSearchCV(model_selection.GridSearchCV, Search):  # type: ignore[misc]
    """
    Search over all combinations of a grid, as `sklearn.model_selection.GridSearchCV`, faster.

    `store`, `progress` and `fuse` are manyfit's own.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **model_selection.GridSearchCV._parameter_constraints,
        **_EXTRA,
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        store: Any = None,
        progress: bool | None = None,
        fuse: Any = True,
    ) -> None:
        super().__init__(
            estimator=estimator,
            param_grid=param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.store = store
        self.progress = progress
        self.fuse = fuse


@_documented
class RandomizedSearchCV(model_selection.RandomizedSearchCV, Search):  # type: ignore[misc]
    """
    Search over random draws, as `sklearn.model_selection.RandomizedSearchCV`, faster.

    `store`, `progress` and `fuse` are manyfit's own.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **model_selection.RandomizedSearchCV._parameter_constraints,
        **_EXTRA,
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        store: Any = None,
        progress: bool | None = None,
        fuse: Any = True,
    ) -> None:
        super().__init__(
            estimator=estimator,
            param_distributions=param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.store = store
        self.progress = progress
        self.fuse = fuse


@_documented
class HalvingGridSearchCV(_HalvingGridSearchCV, Search):  # type: ignore[misc]
    """
    Successive halving over a grid, as `sklearn.model_selection.HalvingGridSearchCV`, faster.

    `store`, `progress` and `fuse` are manyfit's own.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {**_HalvingGridSearchCV._parameter_constraints, **_EXTRA}

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        factor: float = 3,
        resource: str = "n_samples",
        max_resources: Any = "auto",
        min_resources: Any = "exhaust",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        store: Any = None,
        progress: bool | None = None,
        fuse: Any = True,
    ) -> None:
        super().__init__(
            estimator=estimator,
            param_grid=param_grid,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.store = store
        self.progress = progress
        self.fuse = fuse


@_documented
class HalvingRandomSearchCV(_HalvingRandomSearchCV, Search):  # type: ignore[misc]
    """
    Successive halving over random draws, as `sklearn.model_selection.HalvingRandomSearchCV`, faster.

    `store`, `progress` and `fuse` are manyfit's own.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {**_HalvingRandomSearchCV._parameter_constraints, **_EXTRA}

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: Any = "exhaust",
        factor: float = 3,
        resource: str = "n_samples",
        max_resources: Any = "auto",
        min_resources: Any = "smallest",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        store: Any = None,
        progress: bool | None = None,
        fuse: Any = True,
    ) -> None:
        super().__init__(
            estimator=estimator,
            param_distributions=param_distributions,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.store = store
        self.progress = progress
        self.fuse = fuse

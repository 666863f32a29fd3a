"""The `fit` of the search classes: scikit-learn's search, whose fits manyfit carries out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from time import perf_counter
from typing import Any

import sklearn
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _insert_error_scores, _warn_or_raise_about_fit_failures
from sklearn.utils import indexable
from sklearn.utils.validation import _check_method_params

from manyfit.contracts.fusion import Fuse
from manyfit.search.evaluating import evaluated
from manyfit.search.evaluation import Evaluation
from manyfit.search.tokens import is_estimator


class Search(BaseSearchCV):  # type: ignore[misc]
    """
    Stands between scikit-learn's search classes and their base, and fits in its place.

    With callbacks, which are told of each fit in this process, scikit-learn itself searches.
    """

    # for search classes of others, whose constructors do not know these parameters
    store: Any = None
    progress: bool | None = None
    fuse: Any = True

    _doc_link_module = "manyfit"

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        """Return where scikit-learn documents the class: its HTML for notebooks links to that."""
        return {"estimator_module": "sklearn.model_selection", "estimator_name": type(self).__name__}

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> "Search":
        """
        Search, as scikit-learn does, and return the fitted search.

        *params* go to `fit` of the estimator, to the scorers and to the splitter, as in scikit-learn.
        """
        if _has_callbacks(self):
            return super().fit(X, y, **params)  # type: ignore[no-any-return]
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        self._checked_cv_orig = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self._check_input_parameters(X=X, y=y, split_params=routed.splitter.split)
        self.n_splits_ = self._checked_cv_orig.get_n_splits(X, y, **routed.splitter.split)
        asked = _Asked(self, X, y, scorers, routed)
        self._run_search(asked.evaluate, **_callback_argument(self))
        refit_metric = self._settle_metric(asked, refit_metric)
        self._choose(asked.results, refit_metric)
        if self.refit:
            self._refit_best(asked.estimator, X, y, routed.estimator.fit)
        self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
        self.cv_results_ = asked.results
        return self

    def _settle_metric(self, asked: "_Asked", refit_metric: Any) -> Any:
        """Find out whether there are several metrics: of a callable its first answer tells."""
        first = asked.rows[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if not (callable(self.scoring) and self.multimetric_):
            return refit_metric
        self._check_refit_for_multimetric(first)
        return self.refit

    def _choose(self, results: Mapping[str, Any], refit_metric: Any) -> None:
        if not self.refit and self.multimetric_:
            return
        self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
        self.best_params_ = results["params"][self.best_index_]

    def _refit_best(self, estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> None:
        best = clone(estimator)
        # Parameters may be estimators, which must not be fitted in the user's hands.
        best.set_params(**clone(self.best_params_, safe=False))
        self.best_estimator_ = best
        began = perf_counter()
        best.fit(X, **fit_params) if y is None else best.fit(X, y, **fit_params)
        self.refit_time_ = perf_counter() - began
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_


class _Asked:
    """What a search has asked for so far, with the rows of all fits, in scikit-learn's order and names."""

    def __init__(self, search: Any, X: Any, y: Any, scorers: Any, routed: Any) -> None:
        self.estimator = clone(search.estimator)
        self.rows: list[dict[str, Any]] = []
        self.results: dict[str, Any] = {}
        self._search = search
        self._X, self._y = X, y
        self._scorers = scorers
        self._routed = routed
        self._candidates: list[Mapping[str, Any]] = []
        self._more: dict[str, list[Any]] = defaultdict(list)

    def evaluate(
        self,
        candidate_params: Iterable[Mapping[str, Any]],
        cv: Any = None,
        more_results: Mapping[str, Sequence[Any]] | None = None,
        callback_ctx: Any = None,
    ) -> dict[str, Any]:
        """Evaluate candidates and return all results so far: what scikit-learn's `_run_search` calls."""
        search = self._search
        candidates = list(candidate_params)
        splits = self._splits(cv or search._checked_cv_orig)
        if search.verbose > 0:
            n_fits = len(splits) * len(candidates)
            print(  # noqa: T201 - what verbose asks for
                f"Fitting {len(splits)} folds for each of {len(candidates)} candidates, totalling {n_fits} fits"
            )
        rows = evaluated(self._evaluation(candidates, splits), search, first=not self.rows)
        if not rows:
            raise ValueError("No fits were performed. Was the CV iterator empty? Were there no candidates?")
        _warn_or_raise_about_fit_failures(rows, search.error_score)
        if callable(search.scoring):
            _insert_error_scores(rows, search.error_score)
        return self._add(candidates, rows, more_results or {})

    def _splits(self, cv: Any) -> list[tuple[Any, Any]]:
        splits = list(cv.split(self._X, self._y, **self._routed.splitter.split))
        expected = self._search.n_splits_
        if len(splits) != expected:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. "
                f"Expected {expected} splits, got {len(splits)}"
            )
        return splits

    def _evaluation(self, candidates: list[Mapping[str, Any]], splits: list[tuple[Any, Any]]) -> Evaluation:
        import warnings

        search = self._search
        return Evaluation(
            estimator=self.estimator,
            X=self._X,
            y=self._y,
            candidates=candidates,
            splits=splits,
            scorer=self._scorers,
            fit_params=self._routed.estimator.fit,
            score_params=self._routed.scorer.score,
            return_train_score=search.return_train_score,
            error_score=search.error_score,
            settings=sklearn.get_config(),
            filters=list(warnings.filters),
            fuse=fuse_of(search.fuse),
        )

    def _add(
        self, candidates: list[Mapping[str, Any]], rows: list[dict[str, Any]], more: Mapping[str, Sequence[Any]]
    ) -> dict[str, Any]:
        self._candidates += candidates
        self.rows += rows
        for name, values in more.items():
            self._more[name].extend(values)
        found = self._search._format_results(self._candidates, self._search.n_splits_, self.rows, self._more)
        self.results = found
        return self.results


def fuse_of(fuse: Any) -> Fuse | None:
    """Return which rules the parameter `fuse` admits. Raises ValueError for names that no rule has."""
    if fuse is False:
        return None
    if fuse is True:
        return Fuse()
    from manyfit.families.fusion.catalog import FusionCatalog

    known = FusionCatalog().names()
    unknown = [name for name in fuse if name not in known]
    if unknown:
        raise ValueError(f"fuse names {', '.join(map(repr, unknown))}; the rules are {', '.join(sorted(known))}")
    return Fuse(also=tuple(fuse))


def _has_callbacks(search: Any) -> bool:
    """Whether callbacks of scikit-learn are set on the search or on an estimator in it."""
    name = "_skl_callbacks"
    if hasattr(search, name) or hasattr(search, "_parent_callback_ctx") or hasattr(search.estimator, name):
        return True
    parts = search.estimator.get_params(deep=True).values() if is_estimator(search.estimator) else ()
    return any(is_estimator(part) and hasattr(part, name) for part in parts)


def _callback_argument(search: Any) -> dict[str, Any]:
    """Return the context that scikit-learn 1.9 hands to `_run_search`; it tells nobody anything here."""
    if "callback_ctx" not in signature(search._run_search).parameters:
        return {}
    return {"callback_ctx": search._init_callback_context(max_subtasks=1 + (search.refit is not False))}

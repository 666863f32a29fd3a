"""
Support vector machines on shared kernels.

libsvm computes the kernel of every fit anew, and for several classes once per pair of classes. Here the
inner products are computed once for a batch, every kernel from them, and scikit-learn's own libsvm is
handed the kernel, or a compiled solver that does what it does. It then takes the same steps: support
vectors, coefficients and intercepts are equal bit for bit (see `manyfit.families.fusion.kernels` and
`manyfit.families.fusion.svm_compiled`). Decision values are added up in another order.
Whatever rounding could change (a sign, the order of two values) is asked of the estimator itself.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.svm import _libsvm
from sklearn.svm._base import LIBSVM_IMPL
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import _ovr_decision_function
from sklearn.utils.validation import validate_data

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CLOSE_ENOUGH, Batch, CannotFuse, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import memory_refusal
from manyfit.families.fusion.kernels import (
    KernelName,
    SetKernels,
    TrainingKernels,
    is_alike_here,
    kernel_of,
    rounding,
)
from manyfit.families.fusion.pairwise import Pairs, Solution, pairs_of
from manyfit.families.fusion.paths import Paths
from manyfit.families.fusion.sources import ComputedSource
from manyfit.families.fusion.svm_loading import Compiled

KERNELS = ("linear", "poly", "rbf", "sigmoid")
LARGEST_KERNEL_BYTES = 384 << 20
"""Of one kernel among the training rows; two of that size exist at a time."""

LARGEST_SET_BYTES = 128 << 20
"""Of one kernel between a set and the training rows; larger sets are answered by the estimators themselves."""

LARGEST_SQUARE = 1e300
"""Of the norm of a row, so that no inner product overflows."""

CLASSIFIERS = frozenset({"sklearn.svm:SVC", "sklearn.svm:NuSVC"})
REGRESSIONS = frozenset({"sklearn.svm:SVR", "sklearn.svm:NuSVR"})
AXES = (
    *("C", "gamma", "kernel", "degree", "coef0", "nu", "epsilon", "class_weight"),
    *("tol", "shrinking", "max_iter", "cache_size", "verbose", "random_state"),
    *("decision_function_shape", "break_ties"),
)


@dataclass(frozen=True, slots=True)
class Training:
    """
    The rows of a batch as scikit-learn's `fit` converts them, and what its fits share.

    `order` sorts the rows by class, as libsvm does; kernels and `targets` (codes of classes) are in that
    order. `probe` is an estimator that has checked the rows, `given` are the rows as they came.
    """

    X: Any
    y: Any
    order: Any
    targets: Any
    probe: Any
    given: Any
    kernels: TrainingKernels
    sets: Mapping[str, Any]
    pairs: Pairs | None
    """None for a regression."""

    _known: dict[str, SetKernels] = field(default_factory=dict)

    def rows(self, name: str) -> Any:
        """Return the rows of a set as scikit-learn's `predict` converts them; raises what it raises."""
        if self.sets[name] is self.given:
            return self.X
        return validate_data(self.probe, self.sets[name], dtype=np.float64, order="C", reset=False)

    def set_kernels(self, name: str) -> SetKernels:
        """Return the kernels between a set and the training rows."""
        if name not in self._known:
            self._known[name] = SetKernels(self.rows(name), self.kernels.rows, self.kernels.squares)
        return self._known[name]

    def checked(self, estimator: Any) -> Any:
        """Return a clone of *estimator* that knows the classes and their weights, as `fit` begins."""
        made = clone(estimator)
        if hasattr(self.probe, "classes_"):
            made.classes_ = self.probe.classes_
            made.class_weight_ = compute_class_weight(made.class_weight, classes=made.classes_, y=self.y)
        return made

    def fits_memory(self, name: str) -> bool:
        """Whether the kernels of a set may be kept."""
        return 8 * len(self.X) * len(self.rows(name)) <= LARGEST_SET_BYTES


def training_of(batch: Batch) -> Training:
    """Return the batch prepared for fits; raises `CannotFuse` for rows that scikit-learn or the rule refuses."""
    probe = clone(batch.estimators[0])
    try:
        X, y = validate_data(probe, batch.X, batch.y, dtype=np.float64, order="C")
        targets = probe._validate_targets(y)
    except (TypeError, ValueError) as exc:
        raise CannotFuse("scikit-learn does not take these rows as they are") from exc
    order = np.arange(len(X)) if batch.path in REGRESSIONS else np.argsort(targets, kind="stable")
    if too_large := _too_large(len(X)):
        raise CannotFuse(too_large)
    kernels = TrainingKernels(np.ascontiguousarray(X[order]))
    if not kernels.squares.max() < LARGEST_SQUARE:
        raise CannotFuse("inner products of the rows are too large for a number")
    ordered = np.ascontiguousarray(targets[order])
    pairs = None if batch.path in REGRESSIONS else pairs_of(ordered, order, len(probe.classes_))
    return Training(X, y, order, ordered, probe, batch.X, kernels, batch.sets, pairs)


def solve(estimator: Any, training: Training, matrix: Any, max_iter: int | None = None) -> Solution:
    """Have libsvm solve for a `checked` estimator on the kernel *matrix*."""
    _libsvm.set_verbosity_wrap(estimator.verbose)
    support, _, n_support, dual, intercept, _, _, status, n_iter = _libsvm.fit(
        matrix,
        training.targets,
        svm_type=LIBSVM_IMPL.index(estimator._impl),
        kernel="precomputed",
        class_weight=getattr(estimator, "class_weight_", np.empty(0)),
        C=estimator.C,
        nu=estimator.nu,
        epsilon=estimator.epsilon,
        shrinking=estimator.shrinking,
        tol=estimator.tol,
        cache_size=estimator.cache_size,
        max_iter=estimator.max_iter if max_iter is None else max_iter,
    )
    places = training.order[support].astype(np.int32)
    return Solution(places, n_support, dual, intercept, status, n_iter)


def fitted(estimator: Any, training: Training, solution: Solution) -> Any:
    """Return a `checked` estimator as its own `fit` would have left it."""
    classifies = hasattr(estimator, "classes_")
    flips = classifies and len(estimator.classes_) == 2
    X = training.X
    estimator._sparse, estimator._effective_probability = False, False
    estimator._gamma = kernel_gamma(estimator, X)
    estimator.n_features_in_, estimator.shape_fit_ = X.shape[1], X.shape
    estimator.support_, estimator.support_vectors_ = solution.support, X[solution.support]
    estimator._n_support = solution.n_support
    estimator._intercept_, estimator._dual_coef_ = solution.intercept, solution.dual
    estimator.intercept_ = -solution.intercept if flips else solution.intercept.copy()
    estimator.dual_coef_ = -solution.dual if flips else solution.dual
    estimator._probA = estimator._probB = np.empty(0)
    estimator.fit_status_, estimator._num_iter = solution.status, solution.n_iter
    estimator.n_iter_ = solution.n_iter if classifies else solution.n_iter.item()
    return estimator


def kernel_gamma(estimator: Any, X: Any) -> float:
    """Return gamma as `fit` resolves it, also for kernels that ignore it."""
    return kernel_of({**estimator.get_params(deep=False), "kernel": "poly"}, X).gamma


@dataclass(slots=True)
class Sums:
    """The decision values of one solution, which several fits may have in common."""

    training: Training
    solution: Solution
    kernel: KernelName
    _weights: Any = None
    _known: dict[tuple[str, bool], tuple[Any, Any]] = field(default_factory=dict)

    def of(self, name: str, *, near: bool = False) -> tuple[Any, Any]:
        """
        Return libsvm's decision values (rows, pairs) and how far each may be from libsvm's own.

        With *near* they may be farther than with others, and are had at less cost: enough for signs.
        """
        if (name, False) in self._known:
            return self._known[name, False]
        if (name, near) not in self._known:
            self._known[name, near] = self._computed(name, near)
        return self._known[name, near]

    def _computed(self, name: str, near: bool) -> tuple[Any, Any]:
        matrix, largest, apart = self.training.set_kernels(name).matrix(self.kernel, near=near)
        share = rounding(self.kernel, len(self.solution.support))
        weights, pairs, offset = self._all_weights(), self.training.pairs, self.solution.intercept
        if pairs is None:
            sums, total = matrix @ weights.T, np.abs(weights).sum(axis=1)
        else:
            sums, total = (
                pairs.sums(matrix, weights),
                pairs.sums(np.ones((1, weights.shape[1])), np.abs(weights))[0],
            )
        return sums + offset, np.multiply.outer(share * largest + apart, total) + share * np.abs(offset)

    def _all_weights(self) -> Any:
        if self._weights is None:
            pairs = self.training.pairs
            if pairs is None:
                self._weights = np.zeros((1, len(self.training.X)))
                self._weights[:, self.solution.support] = self.solution.dual
            else:
                self._weights = pairs.weights(self.solution)
        return self._weights


@dataclass(slots=True)
class Answers:
    """The answers of one solution; rows that rounding leaves in doubt are asked of the fitted estimator."""

    estimator: Any
    sums: Sums
    _fitted: Any = None

    @property
    def training(self) -> Training:
        """What its fits share."""
        return self.sums.training

    @property
    def n_classes(self) -> int:
        """Number of classes, 0 for a regression."""
        return len(getattr(self.estimator, "classes_", ()))

    def fitted(self) -> Any:
        """Return the estimator as fitted alone."""
        if self._fitted is None:
            self._fitted = fitted(self.estimator, self.training, self.sums.solution)
        return self._fitted

    def predict(self, name: str) -> Any:
        ties = self.n_classes and self.estimator.break_ties
        if not self.training.fits_memory(name) or (ties and self.estimator.decision_function_shape == "ovo"):
            return self.fitted().predict(self.training.rows(name))
        if not self.n_classes:
            return self._asked(name, self._values(name), "predict")
        if ties and self.n_classes > 2:
            return self.estimator.classes_.take(np.argmax(self.decision_function(name), axis=1))
        return self._voted(name)

    def _voted(self, name: str) -> Any:
        sums, slack = self.sums.of(name, near=True)
        firsts, seconds = np.triu_indices(self.n_classes, 1)
        wins = (sums > 0).astype(np.float32)
        votes = wins @ _indicator(firsts, self.n_classes) + (1 - wins) @ _indicator(seconds, self.n_classes)
        codes = np.argmax(votes, axis=1)
        doubtful = ~(np.abs(sums) > slack).all(axis=1)
        found = self.estimator.classes_.take(codes)
        return self._asked(name, (found, doubtful), "predict")

    def decision_function(self, name: str) -> Any:
        if not self.training.fits_memory(name):
            return self.fitted().decision_function(self.training.rows(name))
        return self._asked(name, self._values(name), "decision_function")

    def _values(self, name: str) -> tuple[Any, Any]:
        """
        Return real answers, and which rows may differ from the estimator's own in more than last places.

        The answers are the caller's own: other fits have the sums in common.
        """
        sums, slack = self.sums.of(name)
        if not self.n_classes:
            return sums[:, 0].copy(), _uncertain(sums, slack[:, 0])
        if self.n_classes == 2:
            return -sums[:, 0], _uncertain(sums, slack[:, 0]) | _close_to_another(sums, slack[:, 0])
        if self.estimator.decision_function_shape == "ovo":
            worst = slack.max(axis=1)
            return sums.copy(), _uncertain(sums, worst) | _close_to_another(sums, worst)
        values = _ovr_decision_function(sums < 0, -sums, self.n_classes)
        worst = slack.sum(axis=1)
        doubtful = ~(np.abs(sums) > slack).all(axis=1) | _uncertain(values, worst)
        doubtful |= _close_to_another(values, worst) | _close_within(values, worst)
        return values, doubtful

    def _asked(self, name: str, known: tuple[Any, Any], method: str) -> Any:
        values, doubtful = known
        if doubtful.any():
            values[doubtful] = getattr(self.fitted(), method)(self.training.rows(name)[doubtful])
        return values


def _indicator(positions: Any, n_columns: int) -> Any:
    """Return one row for each position, with a one at the position."""
    return (positions[:, None] == np.arange(n_columns)).astype(np.float32)


def _uncertain(values: Any, slack: Any) -> Any:
    """Which rows may be off by more than what counts as close."""
    return ~(2 * slack <= CLOSE_ENOUGH * np.abs(values).max(axis=1))


def _close_to_another(values: Any, slack: Any) -> Any:
    """Which rows have a value that another row may equal: equal values must stay equal, for ranks depend on it."""
    found = np.zeros(len(values), dtype=bool)
    reach = 2 * slack.max(initial=0.0)
    for column in values.T:
        order = np.argsort(column)
        near = np.flatnonzero(~(np.diff(column[order]) > reach))
        found[order[near]] = found[order[near + 1]] = True
    return found


def _close_within(values: Any, slack: Any) -> Any:
    """Which rows have two values that may be equal: the order of classes must stay."""
    gaps = np.diff(np.sort(values, axis=1), axis=1)
    return ~(gaps > 2 * slack[:, None]).all(axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelsRule:
    """
    Predicted classes are equal, decision values agree within 1e-9. Where numba is installed, on x86-64 processors,
    a compiled solver takes libsvm's steps for SVC, bit for bit, once libsvm has taken as long as loading it.

    Fits with a kernel of the user's own, with `probability` True, on rows whose inner products overflow, or with
    a kernel of more than 384 MiB (7,094 rows) are fitted alone.
    """

    name: str = "svm-kernel"
    covers: frozenset[str] = CLASSIFIERS | REGRESSIONS
    axes: tuple[str, ...] = AXES
    shares: str = "the inner products of the rows, each kernel and, with numba, solutions for larger C"
    guarantee: Guarantee = Guarantee.CLOSE
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})
    compiled: Compiled = field(default_factory=Compiled, compare=False, repr=False)
    """Changes, for it is about the process and not the rule: libsvm's time so far, and the solver once loaded."""

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        return refuses_kernel(params) or _too_large(size.n_rows)

    def group(self, path: str, params: Params) -> Hashable:
        return "inner products"

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        pairs = size.n_rows**2
        kernels = len({kernel_key(params) for params in members})
        products = pairs * (1.5e-8 + 4e-10 * size.n_columns)
        return products + kernels * pairs * 1.2e-8 + sum(alone) * _solver_share(size.n_columns)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        training = training_of(batch)
        if batch.path == "sklearn.svm:SVC":
            self.compiled.solver(compiles=True)
        for kernel, positions in by_kernel(batch, training):
            solver, sums = Solver(training, kernel, self.compiled), None
            for position in positions:
                estimator = training.checked(batch.estimators[position])
                solution = solver.solve(estimator)
                if sums is None or sums.solution is not solution:
                    sums = Sums(training, solution, kernel)
                source = finished(estimator, sums)
                if source is not None:
                    yield position, source


@dataclass(slots=True)
class Solver:
    """Solves fits with one kernel, smallest C first: by libsvm, or where that is quicker as libsvm does."""

    training: Training
    kernel: KernelName
    compiled: Compiled
    _matrix: Any = None
    _paths: Paths | None = None
    _left_to_libsvm: bool = False

    def solve(self, estimator: Any) -> Solution:
        """Return the solution for a `checked` estimator, bit for bit libsvm's own."""
        pairs = self.training.pairs
        if pairs is None or estimator._impl != "c_svc":
            return self._by_libsvm(estimator)
        if (found := self._by_compiled(estimator, pairs)) is not None:
            return found
        solution = self._by_libsvm(estimator)
        self.compiled.spend(pairs.starts, solution.n_iter)
        return solution

    def _by_compiled(self, estimator: Any, pairs: Pairs) -> Solution | None:
        """Return the solution of the compiled solver; None where it is not used."""
        if estimator.verbose or self._left_to_libsvm or (compiled := self.compiled.solver()) is None:
            return None
        found = None
        try:
            if self._paths is None:
                self._paths = self._new_paths(pairs, compiled)
            found = self._paths.solve(estimator)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever numba raises when it compiles or writes, libsvm does as well
            self.compiled.give_up()
        if found is None:  # numbers may overflow, and more so with a larger C: its kernel is needed no more
            self._left_to_libsvm, self._paths = True, None
        return found

    def _by_libsvm(self, estimator: Any) -> Solution:
        if self._matrix is None:
            self._matrix = self.training.kernels.matrix(self.kernel)
        return solve(estimator, self.training, self._matrix)

    def _new_paths(self, pairs: Pairs, compiled: Callable[..., Any]) -> Paths:
        self._matrix = None
        kernels = self.training.kernels
        return Paths(pairs, kernels.matrix(self.kernel, np.float32), kernels.diagonal(self.kernel), compiled)


def by_kernel(batch: Batch, training: Training) -> Iterator[tuple[KernelName, Sequence[int]]]:
    """Yield every kernel that can be shared on this machine with the positions of its fits, smallest C first."""
    found: dict[KernelName, list[int]] = {}
    for position, estimator in enumerate(batch.estimators):
        kernel = kernel_of(estimator.get_params(deep=False), training.X)
        if is_alike_here(kernel):
            found.setdefault(kernel, []).append(position)
    for kernel, positions in found.items():
        yield kernel, sorted(positions, key=lambda position: float(batch.estimators[position].C))


def finished(estimator: Any, sums: Sums) -> Source | None:
    """Return the answers of one fit; None when its numbers overflow, which the estimator itself reports."""
    solution = sums.solution
    if not (np.isfinite(solution.dual).all() and np.isfinite(solution.intercept).all()):
        return None
    _warn(estimator, solution)
    return source_of(Answers(estimator, sums))


def source_of(answers: Answers) -> Source:
    """Return the answers as the engine asks for them."""
    functions = {"predict": answers.predict}
    if answers.n_classes:
        functions["decision_function"] = answers.decision_function
    return ComputedSource(functions, getattr(answers.estimator, "classes_", None))


def _warn(estimator: Any, solution: Solution) -> None:
    """Warn as `fit` does."""
    estimator.fit_status_ = solution.status
    estimator._warn_from_fit_status()
    if getattr(estimator, "probability", "deprecated") != "deprecated" and hasattr(estimator, "classes_"):
        # Two rows are enough for scikit-learn to say in its own words that the parameter is deprecated.
        type(estimator)(probability=False).fit(np.eye(2), [0, 1])


def refuses_kernel(params: Params) -> str | None:
    """Return why no kernel of these parameters can be shared, or None."""
    if params.get("kernel") not in KERNELS:
        return "the kernel is the user's own: only linear, poly, rbf and sigmoid are shared"
    if params.get("probability") is True:
        return (
            "probability=True calibrates by five more fits on rows drawn at random: "
            "calibrate only the models that are kept"
        )
    return None


def _too_large(n_rows: int) -> str | None:
    return memory_refusal(f"the kernel of {n_rows:,} rows", 8 * n_rows**2, LARGEST_KERNEL_BYTES)


def kernel_key(params: Params) -> Hashable:
    """Return what fits must agree in to have the same kernel."""
    kind = str(params["kernel"])
    used = {"linear": (), "rbf": ("gamma",), "sigmoid": ("gamma", "coef0")}.get(kind, ("gamma", "coef0", "degree"))
    return kind, *(params[name] for name in used)


def _solver_share(n_columns: int) -> float:
    """Return the part of a fit and its predictions that is not kernels (868 x 30 and x 300, digits)."""
    return 20 / (20 + n_columns)


RULES: tuple[Predicting, ...] = (KernelsRule(),)

"""
Perceptrons of one shape, trained together: every step is one batched product for all nets.

Weights, shuffles, updates and the test for stopping are scikit-learn's, draw by draw and net by net; only
the order of sums differs. Training can blow up such a difference (large learning rates are chaotic), so
scores agree in distribution, not one by one: the rule is used only when it is asked for.
"""

import itertools
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import require_dense
from manyfit.families.fusion.nets_training import Nets, Pass, Problem, Shape
from manyfit.families.fusion.sources import classes_of, methods_of
from manyfit.families.fusion.tokens import token

CLASSIFIER = "sklearn.neural_network:MLPClassifier"
REGRESSOR = "sklearn.neural_network:MLPRegressor"
MOST_NUMBERS = 800_000
"""That a step of nets trained together goes through: beyond it they no longer stay in a core's cache."""
FEWEST_NETS, MOST_NETS = 4, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NetsRule:
    """
    Nets that differ in learning rate, penalty, momentum and seed are trained together.

    Fits with the solver lbfgs, `early_stopping`, a loss other than the squared error, `verbose`, a random_state
    that is no whole number, a batch larger than the table, or sparse rows are fitted alone.
    """

    name: str = "nets-batched"
    covers: frozenset[str] = frozenset({CLASSIFIER, REGRESSOR})
    axes: tuple[str, ...] = ("learning_rate_init", "alpha", "random_state", "momentum", "beta_1", "beta_2")
    shares: str = "every step of training, as one batched product"
    guarantee: Guarantee = Guarantee.STATISTICAL
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params.get("solver") not in ("adam", "sgd"):
            return f"solver={params.get('solver')} makes no steps in batches"
        if params.get("early_stopping"):
            return "early_stopping=True sets rows aside for every net"
        if params.get("loss", "squared_error") != "squared_error":
            return f"loss={params.get('loss')} is not computed in batches"
        if params.get("verbose"):
            return "verbose=True prints the progress of one net at a time"
        if not isinstance(params.get("random_state"), Integral):
            return "random_state is no whole number: each fit would draw other numbers"
        if isinstance(params.get("batch_size"), Integral) and params["batch_size"] > size.n_rows:
            return "batch_size is larger than the number of rows"
        return None

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        widths = [size.n_columns, *hidden(members[0].get("hidden_layer_sizes", 100)), max(size.n_classes, 1)]
        n_weights = sum(left * right for left, right in itertools.pairwise(widths))
        share = 0.15 + 0.35 * n_weights / (n_weights + 5000)
        return max(alone) + share * (sum(alone) - max(alone))

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        problem, template = prepare(batch)
        rows = _Rows(template, batch.sets)
        for positions in crews(batch.estimators, problem.shape, rows_a_step(template, len(problem.X))):
            for position, learned in trained(problem, template, batch.estimators, positions):
                yield position, NetSource(_with(batch.estimators[position], learned), rows)


RULES: tuple[Predicting, ...] = (NetsRule(),)


class _Rows:
    """Sets of rows, each validated once, as *template* would each time that it is asked."""

    def __init__(self, template: Any, sets: Mapping[str, Any]) -> None:
        self._template = template
        self.given = sets
        self._checked: dict[str, Any] = {}

    def checked(self, name: str) -> Any:
        if name not in self._checked:
            self._checked[name] = validate_data(self._template, self.given[name], reset=False)
        return self._checked[name]


@dataclass(frozen=True, slots=True)
class NetSource:
    """The answers of a net that was trained here, by scikit-learn's own methods."""

    estimator: Any
    rows: _Rows

    @property
    def classes(self) -> Any:
        return classes_of(self.estimator)

    @property
    def methods(self) -> Sequence[str]:
        return methods_of(self.estimator)

    def answer(self, name: str, method: str) -> Any:
        if method == "predict":
            return self.estimator._predict(self.rows.checked(name), check_input=False)
        return getattr(self.estimator, method)(self.rows.given[name])


def _with(estimator: Any, learned: Mapping[str, Any]) -> Any:
    """Return a fitted estimator with the parameters of *estimator*, in a tenth of the time of a `clone`."""
    cls: Any = type(estimator)
    fitted = cls.__new__(cls)
    vars(fitted).update(vars(estimator) | learned)
    return fitted


def hidden(sizes: Any) -> tuple[int, ...]:
    """Return the widths of the hidden layers; scikit-learn takes a single number for one layer."""
    return tuple(int(size) for size in sizes) if np.iterable(sizes) else (int(sizes),)


def prepare(batch: Batch) -> tuple[Problem, Any]:
    """Validate rows and targets as scikit-learn's fit does; return the problem and what fit leaves behind."""
    require_dense(batch)
    template = clone(batch.estimators[0])
    X, y = template._validate_input(batch.X, batch.y, incremental=False, reset=True)
    Y = y.reshape(-1, 1) if y.ndim == 1 else y
    if template.batch_size != "auto" and template.batch_size > len(X):
        raise CannotFuse("batch_size is larger than the number of rows")
    widths = (X.shape[1], *hidden(template.hidden_layer_sizes), Y.shape[1])
    template._random_state = check_random_state(0)
    template._initialize(Y, list(widths), X.dtype)
    shape = Shape(widths=widths, activation=template.activation, output=template.out_activation_, dtype=X.dtype)
    return Problem(X=X, Y=Y, shape=shape), template


def rows_a_step(estimator: Any, n_rows: int) -> int:
    """Return how many rows scikit-learn takes for one step."""
    return min(200, n_rows) if estimator.batch_size == "auto" else int(estimator.batch_size)


def crews(estimators: Sequence[Any], shape: Shape, n_rows: int) -> Iterator[list[int]]:
    """
    Yield positions to train together: equal rates stop at about one time.

    Nets with one seed see the same rows in every step, so that the first layer of all of them is one product.
    Seeds of a few nets only are put together.
    """
    numbers = 5 * shape.n_weights + n_rows * sum(shape.widths)
    length = max(FEWEST_NETS, min(MOST_NETS, MOST_NUMBERS // numbers))
    by_seed: dict[int, list[int]] = {}
    for at in sorted(range(len(estimators)), key=lambda at: estimators[at].learning_rate_init):
        by_seed.setdefault(int(estimators[at].random_state), []).append(at)
    large = [members for _, members in sorted(by_seed.items()) if len(members) >= FEWEST_NETS]
    small = [at for _, members in sorted(by_seed.items()) if len(members) < FEWEST_NETS for at in members]
    for members in (*large, small):
        for start in range(0, len(members), length):
            yield members[start : start + length]


@dataclass(slots=True, kw_only=True)
class Stream:
    """The draws of one seed: the first weights, then the order of rows of every epoch."""

    state: Any
    order: Any

    def next_order(self, is_shuffled: bool) -> Any:
        if is_shuffled:  # as `sklearn.utils.shuffle` draws, whose checks take longer than a step of small nets
            drawn = np.arange(len(self.order))
            self.state.shuffle(drawn)
            self.order = self.order[drawn]
        return self.order


def started(problem: Problem, template: Any, estimators: Sequence[Any]) -> tuple[Nets, dict[int, Stream]]:
    """Return nets with their first weights, and the streams that drew them, by seed."""
    streams, firsts = {}, {}
    for seed in {int(estimator.random_state) for estimator in estimators}:
        beginner = clone(template)
        beginner._label_binarizer = getattr(template, "_label_binarizer", None)
        beginner._random_state = check_random_state(seed)
        beginner._initialize(problem.Y, list(problem.shape.widths), problem.X.dtype)
        firsts[seed] = [part.T.ravel() for part in (*beginner.coefs_, *beginner.intercepts_)]
        streams[seed] = Stream(state=beginner._random_state, order=np.arange(len(problem.X), dtype=int))
    parts = zip(*(firsts[int(estimator.random_state)] for estimator in estimators), strict=True)
    weights = problem.shape.joined([np.stack(part) for part in parts])
    return Nets.of(problem.shape, weights, estimators), streams


def trained(
    problem: Problem, template: Any, estimators: Sequence[Any], positions: Sequence[int]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """
    Yield each net when its training ends, as attributes of a fitted estimator.

    A net whose weights are not finite is not yielded: scikit-learn raises for it.
    """
    mine = [estimators[position] for position in positions]
    nets, streams = started(problem, template, mine)
    places, seeds = np.array(positions), np.array([int(estimator.random_state) for estimator in mine])
    size = rows_a_step(template, len(problem.X))
    given = template.get_params(deep=False)
    prepared = {name: value for name, value in vars(template).items() if name not in given}
    for epoch in range(1, template.max_iter + 1):
        orders = {int(seed): streams[int(seed)].next_order(template.shuffle) for seed in np.unique(seeds)}
        rows = np.stack([orders[int(seed)] for seed in seeds]) if len(orders) > 1 else orders[int(seeds[0])]
        losses = _epoch(nets, Pass(problem, rows), len(problem.X), size)
        has_stopped = nets.end_epoch(losses, template, epoch * len(problem.X))
        is_last = epoch == template.max_iter
        for at in np.flatnonzero(has_stopped | is_last):
            if is_last and not has_stopped[at]:
                _warn_unfinished(template.max_iter)
            learned = prepared | nets.attributes(int(at), epoch)
            if all(np.isfinite(part).all() for part in (*learned["coefs_"], *learned["intercepts_"])):
                yield int(places[at]), learned
        if has_stopped.all():
            return
        if has_stopped.any():
            nets.keep(~has_stopped)
            places, seeds = places[~has_stopped], seeds[~has_stopped]


def _epoch(nets: Nets, rows: Pass, n_rows: int, size: int) -> Any:
    """Make one pass over the rows, *size* of them a step; return mean losses."""
    total = np.zeros(len(nets.rates))
    with np.errstate(all="ignore"):
        for start in range(0, n_rows, size):
            part = slice(start, min(start + size, n_rows))
            total += nets.step(*rows.batch(part)) * (part.stop - part.start)
    return total / n_rows


def _warn_unfinished(max_iter: int) -> None:
    text = (
        f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the optimization hasn't converged yet."
    )
    warnings.warn(text, ConvergenceWarning, stacklevel=3)

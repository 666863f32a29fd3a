"""
The arithmetic of nets that are trained together: forward, loss, backward, update, stop.

Arrays hold columns by rows of a batch, net after net, so that the first layer of all nets is one product, and
weights stand layer after layer, so that an update is a few operations on one vector. The formulas are those of
scikit-learn's multilayer perceptron.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """
    What the nets have in common. `widths` are those of all layers, input and output included.

    `activation` is that of hidden layers, `output` that of the last: softmax, logistic or identity.

    All weights are one vector: the coefficients (nets, outputs, inputs) of each layer, then all intercepts.
    """

    widths: tuple[int, ...]
    activation: str
    output: str
    dtype: Any

    @property
    def n_coefficients(self) -> int:
        return sum(left * right for left, right in itertools.pairwise(self.widths))

    @property
    def n_weights(self) -> int:
        return self.n_coefficients + sum(self.widths[1:])

    @property
    def sizes(self) -> list[int]:
        """The numbers of weights of one net: of the coefficients of each layer, then of the intercepts."""
        return [left * right for left, right in itertools.pairwise(self.widths)] + [*self.widths[1:]]

    def parts(self, weights: Any) -> list[Any]:
        """Return views of *weights* (nets, numbers): one for each of `sizes`."""
        k = len(weights) // self.n_weights
        ends = itertools.accumulate(self.sizes)
        return [
            weights[k * (end - size) : k * end].reshape(k, size)
            for end, size in zip(ends, self.sizes, strict=True)
        ]

    def layers(self, weights: Any) -> tuple[list[Any], list[Any]]:
        """Return views of *weights*: coefficients (nets, outputs, inputs) and intercepts (nets, outputs, 1)."""
        parts, n = self.parts(weights), len(self.widths) - 1
        pairs = zip(parts[:n], itertools.pairwise(self.widths), strict=True)
        return [part.reshape(-1, right, left) for part, (left, right) in pairs], [
            part[:, :, np.newaxis] for part in parts[n:]
        ]

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return the vector of weights with these *parts* (nets, numbers)."""
        return np.concatenate([part.ravel() for part in parts])

    def spread(self, values: Any) -> Any:
        """Return for every weight what *values* hold for its net: a number where that is the same for all."""
        if (values == values[0]).all():
            return values[0]
        return np.concatenate([np.repeat(values, size) for size in self.sizes])


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Rows and targets (classes as truth values, a column each) for nets of one shape."""

    X: Any
    Y: Any
    shape: Shape


class Pass:
    """One pass over the rows of *problem* in an *order* for all nets, or in one for each (nets, rows)."""

    def __init__(self, problem: Problem, order: Any) -> None:
        self._X, self._Y, self._order = problem.X, problem.Y, order
        if order.ndim == 1:  # once for all steps
            self._X, self._Y, self._order = problem.X[order], problem.Y[order], None

    def batch(self, part: slice) -> tuple[Any, Any]:
        """Return columns by rows of a batch, and outputs by rows, for all nets or with an axis of nets before."""
        chosen = part if self._order is None else self._order[:, part]
        return self._X[chosen].swapaxes(-1, -2), self._Y[chosen].swapaxes(-1, -2)


@dataclass(slots=True, kw_only=True)
class Nets:
    """
    Nets in training. Arrays of parameters hold a value for each net.

    `first` and `second` are the moments of Adam, `first` the velocity of gradient descent.
    """

    shape: Shape
    weights: Any
    is_adam: bool
    nesterovs_momentum: bool
    epsilon: float
    first: Any
    second: Any
    rates: Any
    initial_rates: Any
    penalties: Any
    momenta: Any
    betas: tuple[Any, Any]
    best: Any
    unimproved: Any
    losses: Any = None
    n_steps: int = 0
    gradients: Any = None
    spare: Any = None
    _layers: Any = None
    _slopes: Any = None
    _each: Any = None
    _buffers: Any = None

    @staticmethod
    def of(shape: Shape, weights: Any, estimators: Sequence[Any]) -> "Nets":
        """Return nets with these first weights and the parameters of *estimators*."""

        def values(name: str) -> Any:
            return np.array([getattr(estimator, name) for estimator in estimators], dtype=shape.dtype)

        one = estimators[0]
        nets = Nets(
            shape=shape,
            weights=weights,
            is_adam=one.solver == "adam",
            nesterovs_momentum=one.nesterovs_momentum,
            epsilon=one.epsilon,
            first=np.zeros_like(weights),
            second=np.zeros_like(weights),
            rates=values("learning_rate_init"),
            initial_rates=values("learning_rate_init"),
            penalties=values("alpha"),
            momenta=values("momentum"),
            betas=(values("beta_1"), values("beta_2")),
            best=np.full(len(estimators), np.inf),
            unimproved=np.zeros(len(estimators), dtype=int),
        )
        nets._allocate()
        return nets

    def step(self, X: Any, Y: Any) -> Any:
        """Make one step with a batch, as `Pass.batch` returns it; return the loss of each net."""
        coefficients, (slopes, shifts) = self._layers[0], self._slopes
        outputs, errors, ones = self._buffers_for(X.shape[-1])
        self._forward(X, outputs)
        n_rows = X.shape[-1]
        loss = _loss(self.shape.output, outputs[-1], Y) + 0.5 * self.penalties * self._squares() / n_rows
        error = np.subtract(outputs[-1], Y, out=outputs[-1])
        for depth in range(len(coefficients) - 1, -1, -1):
            np.matmul(error, ones, out=shifts[depth])  # a product sums faster than numpy's reduction
            if depth:
                np.matmul(error, outputs[depth - 1].swapaxes(1, 2), out=slopes[depth])
                error = np.matmul(coefficients[depth].swapaxes(1, 2), error, out=errors[depth - 1])
                _DERIVATIVES[self.shape.activation](outputs[depth - 1], error)
            else:
                _product(error, X.swapaxes(-1, -2), slopes[0])
        self._penalise()
        self.gradients /= n_rows
        if self.is_adam:
            self._adam()
        else:
            self._descend()
        return loss

    def end_epoch(self, losses: Any, template: Any, n_seen: int) -> Any:
        """Take the mean losses of an epoch; return which nets stop now."""
        self.losses = losses
        self.unimproved = np.where(losses > self.best - template.tol, self.unimproved + 1, 0)
        self.best = np.where(losses < self.best, losses, self.best)
        if not self.is_adam and template.learning_rate == "invscaling":
            self.rates = (self.initial_rates / (n_seen + 1) ** template.power_t).astype(self.shape.dtype)
            self._spread()
        is_stale = self.unimproved > template.n_iter_no_change
        if self.is_adam or template.learning_rate != "adaptive":
            return is_stale
        is_slow = self.rates <= 1e-6
        slowed = is_stale & ~is_slow
        self.rates[slowed] /= 5.0
        self.unimproved[slowed] = 0
        if slowed.any():
            self._spread()
        return is_stale & is_slow

    def keep(self, chosen: Any) -> None:
        """Go on with the *chosen* nets only."""
        for name in ("weights", "first", "second"):
            parts = self.shape.parts(getattr(self, name))
            setattr(self, name, self.shape.joined([part[chosen] for part in parts]))
        for name in ("rates", "initial_rates", "penalties", "momenta", "best", "unimproved"):
            setattr(self, name, getattr(self, name)[chosen])
        self.betas = (self.betas[0][chosen], self.betas[1][chosen])
        self._allocate()

    def attributes(self, at: int, n_epochs: int) -> dict[str, Any]:
        """Return what training leaves on an estimator, for the net in row *at*."""
        coefficients, intercepts = self._layers
        return {
            "coefs_": [part[at].T.copy(order="C") for part in coefficients],
            "intercepts_": [part[at, :, 0].copy() for part in intercepts],
            "n_iter_": n_epochs,
            "loss_": float(self.losses[at]),
            "best_loss_": float(self.best[at]),
        }

    def _allocate(self) -> None:
        self.gradients, self.spare = np.zeros_like(self.weights), np.empty_like(self.weights)
        self._layers, self._slopes = self.shape.layers(self.weights), self.shape.layers(self.gradients)
        self._buffers = {}
        self._spread()

    def _spread(self) -> None:
        """Note for every weight the rate, momentum and betas of its net."""
        self._each = [self.shape.spread(values) for values in (self.rates, self.momenta, *self.betas)]

    def _buffers_for(self, n_rows: int) -> Any:
        """Return arrays for the outputs of all layers and for the errors of hidden ones, and a column of ones."""
        if n_rows not in self._buffers:
            shapes = [(len(self.rates), width, n_rows) for width in self.shape.widths[1:]]
            outputs, errors = (
                [np.empty(shape, dtype=self.shape.dtype) for shape in some] for some in (shapes, shapes[:-1])
            )
            self._buffers[n_rows] = outputs, errors, np.ones((n_rows, 1), dtype=self.shape.dtype)
        return self._buffers[n_rows]

    def _forward(self, X: Any, outputs: Sequence[Any]) -> None:
        coefficients, intercepts = self._layers
        for depth, (coefficient, intercept) in enumerate(zip(coefficients, intercepts, strict=True)):
            _product(coefficient, outputs[depth - 1] if depth else X, outputs[depth])
            np.add(outputs[depth], intercept, out=outputs[depth])
            is_last = depth == len(coefficients) - 1
            _ACTIVATIONS[self.shape.output if is_last else self.shape.activation](outputs[depth])

    def _squares(self) -> Any:
        """Return the sum of the squared coefficients of each net."""
        parts = [part.reshape(len(part), -1) for part in self._layers[0]]
        return sum(np.einsum("kp,kp->k", part, part) for part in parts)

    def _penalise(self) -> None:
        """Add the slope of the penalty to the gradients of the coefficients."""
        penalties = self.penalties[:, np.newaxis, np.newaxis]
        for slope, coefficient in zip(self._slopes[0], self._layers[0], strict=True):
            np.add(slope, coefficient * penalties, out=slope)

    def _adam(self) -> None:
        self.n_steps += 1
        gradients, spare = self.gradients, self.spare
        rates, _, beta_1, beta_2 = self._each
        self.first *= beta_1
        np.multiply(gradients, 1 - beta_1, out=spare)
        self.first += spare
        self.second *= beta_2
        np.multiply(gradients, gradients, out=spare)
        spare *= 1 - beta_2
        self.second += spare
        np.sqrt(self.second, out=spare)
        spare += self.epsilon
        np.divide(self.first, spare, out=spare)
        spare *= rates * (np.sqrt(1 - beta_2**self.n_steps) / (1 - beta_1**self.n_steps))
        self.weights -= spare

    def _descend(self) -> None:
        rates, momenta, _, _ = self._each
        self.gradients *= rates
        self.first *= momenta
        self.first -= self.gradients
        if self.nesterovs_momentum:
            np.multiply(self.first, momenta, out=self.spare)
            self.spare -= self.gradients
            self.weights += self.spare
        else:
            self.weights += self.first


def _product(left: Any, right: Any, out: Any) -> None:
    """Multiply (nets, a, b) by (b, c), for all nets at once, or by (nets, b, c)."""
    if right.ndim == 2:
        np.matmul(left.reshape(-1, left.shape[2]), right, out=out.reshape(-1, right.shape[1]))
    else:
        np.matmul(left, right, out=out)


def _loss(output: str, values: Any, Y: Any) -> Any:
    """Return the loss of each net: half the squared error, or the logarithmic loss of the true classes."""
    if output == "identity":
        return 0.5 * np.mean((Y - values) ** 2, axis=(1, 2), dtype=np.float64)
    smallest = np.finfo(values.dtype).eps
    if output == "softmax":
        of_true = np.matmul(np.ones((1, values.shape[1]), dtype=values.dtype), values * Y)[:, 0, :]
        return -np.mean(np.log(np.clip(of_true, smallest, 1 - smallest)), axis=1, dtype=np.float64)
    of_true = np.where(Y, values, 1 - values)
    return -np.mean(np.log(np.clip(of_true, smallest, 1 - smallest)), axis=2, dtype=np.float64).sum(axis=1)


def _softmax(values: Any) -> None:
    values -= values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)


def _relu(values: Any) -> None:
    np.maximum(values, 0, out=values)


_ACTIVATIONS = {
    "identity": lambda values: None,
    "logistic": lambda values: scipy.special.expit(values, out=values),
    "tanh": lambda values: np.tanh(values, out=values),
    "relu": _relu,
    "softmax": _softmax,
}


def _after_logistic(values: Any, error: Any) -> None:
    error *= values
    error *= 1 - values


def _after_tanh(values: Any, error: Any) -> None:
    error *= 1 - values**2


def _after_relu(values: Any, error: Any) -> None:
    error *= values > 0


_DERIVATIVES = {
    "identity": lambda values, error: None,
    "logistic": _after_logistic,
    "tanh": _after_tanh,
    "relu": _after_relu,
}

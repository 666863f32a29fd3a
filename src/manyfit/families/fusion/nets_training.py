"""
The arithmetic of nets that are trained together: forward, loss, backward, update, stop.

All weights of a net are one row: coefficients layer by layer, then intercepts. The formulas are those of
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

    def layers(self, rows: Any) -> tuple[list[Any], list[Any]]:
        """Return views of *rows* (nets by weights): coefficients and intercepts of each layer."""
        coefficients, intercepts, start = [], [], 0
        for left, right in itertools.pairwise(self.widths):
            coefficients.append(rows[:, start : start + left * right].reshape(len(rows), left, right))
            start += left * right
        for width in self.widths[1:]:
            intercepts.append(rows[:, None, start : start + width])
            start += width
        return coefficients, intercepts


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Rows and targets (classes as truth values, a column each) for nets of one shape."""

    X: Any
    Y: Any
    shape: Shape


@dataclass(slots=True, kw_only=True)
class Nets:
    """
    Nets in training: one row each in every array; columns of one number hold a value for each net.

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
    _views: Any = None
    _flat: Any = None

    @staticmethod
    def of(shape: Shape, weights: Any, estimators: Sequence[Any]) -> "Nets":
        """Return nets with these first weights and the parameters of *estimators*."""

        def column(name: str) -> Any:
            return np.array([[getattr(estimator, name)] for estimator in estimators], dtype=shape.dtype)

        one = estimators[0]
        nets = Nets(
            shape=shape,
            weights=weights,
            is_adam=one.solver == "adam",
            nesterovs_momentum=one.nesterovs_momentum,
            epsilon=one.epsilon,
            first=np.zeros_like(weights),
            second=np.zeros_like(weights),
            rates=column("learning_rate_init"),
            initial_rates=column("learning_rate_init"),
            penalties=column("alpha"),
            momenta=column("momentum"),
            betas=(column("beta_1"), column("beta_2")),
            best=np.full(len(weights), np.inf),
            unimproved=np.zeros(len(weights), dtype=int),
        )
        nets._allocate()
        return nets

    def step(self, X: Any, Y: Any) -> Any:
        """
        Make one step with a batch (b rows for all nets, or nets by b rows); return the loss of each net.
        """
        X = X if X.ndim == 3 else X[None]
        Y = Y if Y.ndim == 3 else Y[None]
        (coefficients, intercepts), (slopes, shifts) = self._views
        layers = self._forward(X, coefficients, intercepts)
        n_rows = X.shape[1]
        loss = _loss(self.shape.output, layers[-1], Y)
        flat, slope = self._flat
        loss += 0.5 * self.penalties[:, 0] * np.einsum("kp,kp->k", flat, flat) / n_rows
        error = np.subtract(layers[-1], Y, out=layers[-1])
        ones = np.ones((1, n_rows), dtype=self.shape.dtype)  # a product sums faster than numpy's reduction
        for depth in range(len(coefficients) - 1, -1, -1):
            np.matmul(layers[depth].transpose(0, 2, 1), error, out=slopes[depth])
            np.matmul(ones, error, out=shifts[depth])
            if depth:
                error = np.matmul(error, coefficients[depth].transpose(0, 2, 1))
                _DERIVATIVES[self.shape.activation](layers[depth], error)
        slope += flat * self.penalties
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
        is_stale = self.unimproved > template.n_iter_no_change
        if self.is_adam or template.learning_rate != "adaptive":
            return is_stale
        is_slow = self.rates[:, 0] <= 1e-6
        slowed = is_stale & ~is_slow
        self.rates[slowed] /= 5.0
        self.unimproved[slowed] = 0
        return is_stale & is_slow

    def keep(self, chosen: Any) -> None:
        """Go on with the *chosen* nets only."""
        for name in ("weights", "first", "second", "rates", "initial_rates", "penalties", "momenta"):
            setattr(self, name, getattr(self, name)[chosen])
        self.betas = (self.betas[0][chosen], self.betas[1][chosen])
        self.best, self.unimproved = self.best[chosen], self.unimproved[chosen]
        self._allocate()

    def attributes(self, at: int, template: Any, n_epochs: int) -> dict[str, Any]:
        """Return what a fit leaves on an estimator, for the net in row *at*."""
        given = template.get_params(deep=False)
        learned = {name: value for name, value in vars(template).items() if name not in given}
        coefficients, intercepts = self.shape.layers(self.weights[at : at + 1].copy())
        return learned | {
            "coefs_": [part[0] for part in coefficients],
            "intercepts_": [part[0, 0] for part in intercepts],
            "n_iter_": n_epochs,
            "loss_": float(self.losses[at]),
            "best_loss_": float(self.best[at]),
        }

    def _allocate(self) -> None:
        self.gradients, self.spare = np.zeros_like(self.weights), np.empty_like(self.weights)
        self._views = self.shape.layers(self.weights), self.shape.layers(self.gradients)
        n = self.shape.n_coefficients
        self._flat = self.weights[:, :n], self.gradients[:, :n]

    def _forward(self, X: Any, coefficients: Sequence[Any], intercepts: Sequence[Any]) -> list[Any]:
        layers = [X]
        for depth, (coefficient, intercept) in enumerate(zip(coefficients, intercepts, strict=True)):
            values = np.matmul(layers[-1], coefficient)
            values += intercept
            is_last = depth == len(coefficients) - 1
            _ACTIVATIONS[self.shape.output if is_last else self.shape.activation](values)
            layers.append(values)
        return layers

    def _adam(self) -> None:
        self.n_steps += 1
        (beta_1, beta_2), gradients, spare = self.betas, self.gradients, self.spare
        self.first *= beta_1
        np.multiply(gradients, 1 - beta_1, out=spare)
        self.first += spare
        self.second *= beta_2
        np.multiply(gradients, gradients, out=spare)
        spare *= 1 - beta_2
        self.second += spare
        rates = self.rates * np.sqrt(1 - beta_2**self.n_steps) / (1 - beta_1**self.n_steps)
        np.sqrt(self.second, out=spare)
        spare += self.epsilon
        np.divide(self.first, spare, out=spare)
        spare *= rates
        self.weights -= spare

    def _descend(self) -> None:
        self.gradients *= self.rates
        self.first *= self.momenta
        self.first -= self.gradients
        if self.nesterovs_momentum:
            np.multiply(self.first, self.momenta, out=self.spare)
            self.spare -= self.gradients
            self.weights += self.spare
        else:
            self.weights += self.first


def _loss(output: str, values: Any, Y: Any) -> Any:
    """Return the loss of each net: half the squared error, or the logarithmic loss of the true classes."""
    if output == "identity":
        return 0.5 * np.mean((Y - values) ** 2, axis=(1, 2), dtype=np.float64)
    smallest = np.finfo(values.dtype).eps
    if output == "softmax":
        of_true = np.einsum("kbc,kbc->kb", values, np.broadcast_to(Y, values.shape))
        return -np.mean(np.log(np.clip(of_true, smallest, 1 - smallest)), axis=1, dtype=np.float64)
    of_true = np.where(Y, values, 1 - values)
    return -np.mean(np.log(np.clip(of_true, smallest, 1 - smallest)), axis=1, dtype=np.float64).sum(axis=1)


def _softmax(values: Any) -> None:
    values -= values.max(axis=2, keepdims=True)
    np.exp(values, out=values)
    values /= np.matmul(values, np.ones((values.shape[2], 1), dtype=values.dtype))


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

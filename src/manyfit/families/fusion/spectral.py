"""
One eigendecomposition in place of many solutions of (A + alpha I) w = b, where that changes nothing that counts.

scikit-learn solves each alpha by Cholesky. Both ways are backward stable; a bound on how far their answers
may be apart follows from the spectrum. Alphas that the bound leaves in doubt are solved by Cholesky from the
smallest on, which is the worst conditioned, until the answers of both ways are seen to be far closer than
they have to be: then those of all larger alphas are, too. That holds where A + alpha I is positive definite;
where it is not, scikit-learn turns to least squares, with a warning, and so does the fit here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from manyfit.contracts.fusion import CLOSE_ENOUGH, Source

ALLOWED = CLOSE_ENOUGH / 4
"""Largest bound that is accepted, in spreads of the target: scores take differences of answers twice."""

SEEN_CLOSE = ALLOWED / 10
"""Difference at one alpha from which larger ones are trusted without solving them both ways."""

ROUNDING = 2 * float(np.finfo(np.float64).eps)
"""Times the root of the order of A: the backward error of either way, relative to the norm of A."""

ANSWER_BYTES = 64 * 2**20

Answers = Mapping[str, Any]
"""By set: rows by targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """
    A (order m, symmetric) and b (m rows, one column a target) in the basis of A.

    `grows` is what the square of the coefficients takes of the eigenvalues: the power 0 where the solution
    is the coefficients, 1 where they are X' times the solution.
    """

    values: Any
    vectors: Any
    right: Any
    grows: int

    @staticmethod
    def of(matrix: Any, right: Any, grows: int) -> "Spectrum":
        """Raises `numpy.linalg.LinAlgError` where the decomposition does not converge."""
        values, vectors = scipy.linalg.eigh(matrix, driver="evd", check_finite=False)
        return Spectrum(values=values, vectors=vectors, right=vectors.T @ right, grows=grows)

    def answers(self, rows: Any, alphas: Any) -> Any:
        """Return the products of *rows* (r by m, in the basis of A) and the solutions: alphas by r by targets."""
        scaled = self.right[:, None, :] * self._shrinking(alphas)[:, :, None]
        flat = rows @ scaled.reshape(len(self.values), -1)
        return np.moveaxis(flat.reshape(len(rows), len(alphas), -1), 0, 1)

    def bounds(self, rows: Any, alphas: Any, *, longest: float, level: float) -> Any:
        """
        Return for each alpha how far an answer to one of the *rows* may be from scikit-learn's.

        `longest` is the norm of the longest row that scikit-learn multiplies with the coefficients, `level`
        the size of the constant that it adds. Infinite where A + alpha I is singular.
        """
        shrinking = self._shrinking(alphas) ** 2
        squared = self.right**2
        solution = np.sqrt((squared.T @ shrinking).max(axis=0))
        coefficients = np.sqrt((squared.T @ (shrinking * np.abs(self.values[:, None]) ** self.grows)).max(axis=0))
        gain = np.sqrt(((rows**2) @ shrinking).max(axis=0, initial=0.0))
        backward = (np.abs(self.values).max() + alphas) * gain * solution
        found = ROUNDING * np.sqrt(len(self.values)) * (backward + level + longest * coefficients)
        return np.where(self.values.min() + alphas > 0, found, np.inf)

    def _shrinking(self, alphas: Any) -> Any:
        with np.errstate(divide="ignore", over="ignore"):
            return 1.0 / (self.values[:, None] + alphas[None, :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """
    The fits of all alphas from one spectrum.

    `rotated` are the sets in its basis, `longest` the norms of their longest rows as scikit-learn multiplies
    them, `constant` is added to every answer (one number, or one for each target).
    """

    spectrum: Spectrum
    rotated: Answers
    longest: Mapping[str, float]
    constant: Any = 0.0

    def bounds(self, alphas: Any) -> Any:
        """Return for each alpha how far any answer may be from scikit-learn's."""
        level = float(np.abs(self.constant).max())
        found = [
            self.spectrum.bounds(rows, alphas, longest=self.longest[name], level=level)
            for name, rows in self.rotated.items()
        ]
        return np.max(found, axis=0) if found else np.zeros(len(alphas))

    def answers(self, alphas: Any) -> Iterator[dict[str, Any]]:
        """Yield the answers of each alpha, computed for as many as `ANSWER_BYTES` hold."""
        n_rows = sum(len(rows) for rows in self.rotated.values())
        length = max(1, ANSWER_BYTES // max(1, 8 * n_rows * self.spectrum.right.shape[1]))
        for start in range(0, len(alphas), length):
            part = alphas[start : start + length]
            found = {name: self.spectrum.answers(rows, part) for name, rows in self.rotated.items()}
            for place in range(len(part)):
                yield {name: values[place] + self.constant for name, values in found.items()}


def along(
    path: Path,
    alphas: Any,
    *,
    spread: float,
    exact: Callable[[int], tuple[Source, Answers] | None],
    close: Callable[[Answers, float], Source | None],
) -> Iterator[tuple[int, Source]]:
    """
    Yield every fit from the spectrum, or exactly where that is not sure to be close; from the smallest alpha on.

    `exact` solves one position as scikit-learn does, or declines; `close` makes a source of answers that may
    be off by so much, or declines. `spread` is that of the target: the unit of differences that count.
    """
    bounds = path.bounds(alphas)
    left = [int(place) for place in np.argsort(alphas, kind="stable")]
    seen_close = False
    for position in [place for place in left if not bounds[place] <= ALLOWED * spread]:
        definite = bool(np.isfinite(bounds[position]))
        if seen_close and definite:
            continue
        left.remove(position)
        found = exact(position)
        if found is None:
            continue
        yield position, found[0]
        apart = _apart(found[1], next(path.answers(alphas[[position]])))
        seen_close = seen_close or (definite and apart <= SEEN_CLOSE * spread)
    for position, answers in zip(left, path.answers(alphas[left]), strict=True):
        source = close(answers, ALLOWED * spread)
        if source is None:
            again = exact(position)
            source = None if again is None else again[0]
        if source is not None:
            yield position, source


def _apart(first: Answers, second: Answers) -> float:
    gaps = [float(np.abs(first[name] - second[name]).max(initial=0.0)) for name in first]
    return float(np.max(gaps)) if gaps else 0.0


def worth_a_spectrum(alphas: Sequence[Any], order: int) -> bool:
    """Whether one eigendecomposition is cheaper than a Cholesky factor for every alpha."""
    return len(alphas) > min(3 + order / 20, 12)
